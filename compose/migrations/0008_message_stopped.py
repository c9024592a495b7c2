from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("compose", "0007_message_thread")]

    operations = [
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                models.F("recipient"),
                models.F("handed_over_at"),
                condition=models.Q(("handed_over_at__isnull", False)),
                name="message_stopped",
            ),
        ),
    ]
