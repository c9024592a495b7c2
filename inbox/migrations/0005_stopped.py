import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("compose", "0009_tally"),
        ("inbox", "0004_reactions"),
    ]

    operations = [
        migrations.CreateModel(
            name="Stopped",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "opt_out",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="cause", to="compose.optout"
                    ),
                ),
                (
                    "received",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="stopped", to="inbox.received"
                    ),
                ),
            ],
        ),
    ]
