from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("compose", "0008_message_stopped")]

    operations = [
        migrations.CreateModel(
            name="Tally",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("gateway", models.CharField(max_length=40)),
                ("kind", models.CharField(choices=[("outcome", "outcome"), ("settled", "settled")], max_length=10)),
                ("label", models.CharField(max_length=30)),
                ("slot", models.PositiveSmallIntegerField()),
                ("count", models.PositiveBigIntegerField()),
                ("micros", models.PositiveBigIntegerField()),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("gateway", "kind", "label", "slot"), name="tally_once")
                ],
            },
        ),
    ]
