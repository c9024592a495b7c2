from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("compose", "0002_optout"),
    ]

    operations = [
        migrations.AddField(
            model_name="submission",
            name="excluded",
            field=models.PositiveIntegerField(default=0, verbose_name="left out because they are on the STOP list"),
        ),
    ]
