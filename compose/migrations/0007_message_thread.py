from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("compose", "0006_gateway_events_looked")]

    operations = [
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                models.F("account"),
                models.F("recipient"),
                models.OrderBy(models.F("send_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="message_thread",
            ),
        ),
    ]
