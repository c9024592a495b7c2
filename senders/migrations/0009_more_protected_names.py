"""How people call two of the banks for short."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

NAMES = ("BNPP", "SocGen")


def write_them(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    model = apps.get_model("senders", "ProtectedName")
    model.objects.using(schema_editor.connection.alias).bulk_create(
        [model(name=name) for name in NAMES], ignore_conflicts=True
    )


class Migration(migrations.Migration):
    dependencies = [("senders", "0008_virtual_sender_once")]
    # A name that the administrator added stays when this is undone: the table goes with a migration before.
    operations = [migrations.RunPython(write_them, migrations.RunPython.noop)]
