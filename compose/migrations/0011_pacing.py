from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("compose", "0010_lanes"),
    ]

    operations = [
        migrations.CreateModel(
            name="GatewayPace",
            fields=[
                ("name", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("at", models.FloatField()),
                ("ahead", models.FloatField()),
                ("alone_at", models.FloatField()),
            ],
            options={
                "default_permissions": (),
            },
        ),
    ]
