"""The sender that every account may use, "Short number that can be answered", is there from the beginning."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def make_pool(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    senders = apps.get_model("senders", "Sender").objects.using(schema_editor.connection.alias)
    senders.get_or_create(account=None, defaults={"kind": "short", "status": "enabled"})


class Migration(migrations.Migration):
    dependencies = [("senders", "0001_initial")]

    operations = [migrations.RunPython(make_pool, migrations.RunPython.noop)]
