"""The packs that an installation begins with; the administrator gives them prices or takes them off sale."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

PACKS = (100, 200, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 1_000_000)


def make_packs(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    Pack = apps.get_model("credits", "Pack")
    Pack.objects.bulk_create([Pack(credits=size) for size in PACKS], ignore_conflicts=True)


class Migration(migrations.Migration):
    dependencies = [("credits", "0003_orders")]

    operations = [migrations.RunPython(make_packs, migrations.RunPython.noop)]
