"""When the payment of an order was begun, when it is tried again, and since when an automatic pack is not on sale."""

import django.utils.timezone
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def with_an_address(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """What has an address where it is paid was begun; the others are begun again, which makes no second payment."""
    orders = apps.get_model("credits", "Order").objects.using(schema_editor.connection.alias)
    orders.filter(begun_at=None).exclude(address="").update(begun_at=models.F("created_at"))


class Migration(migrations.Migration):
    dependencies = [("credits", "0006_rate_latest")]

    operations = [
        migrations.AddField(
            model_name="order",
            name="begun_at",
            field=models.DateTimeField(editable=False, null=True, verbose_name="payment begun"),
        ),
        migrations.AddField(
            model_name="order",
            name="begin_next",
            field=models.DateTimeField(default=django.utils.timezone.now, editable=False),
        ),
        migrations.AddField(
            model_name="order",
            name="begin_leased",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="order",
            name="begin_tries",
            field=models.PositiveSmallIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name="watch",
            name="refill_missing_since",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AlterField(
            model_name="order",
            name="address",
            field=models.CharField(blank=True, max_length=2000, verbose_name="where it is paid"),
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(models.F("account"), condition=models.Q(("status", "pending")), name="order_waiting_of"),
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(
                models.F("begin_next"),
                condition=models.Q(("begun_at", None), ("status", "pending")),
                name="order_not_begun",
            ),
        ),
        migrations.RunPython(with_an_address, migrations.RunPython.noop, elidable=True),
    ]
