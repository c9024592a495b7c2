from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("senders", "0007_virtual_numbers_of_senders")]

    operations = [
        migrations.AddConstraint(
            model_name="sender",
            constraint=models.UniqueConstraint(
                condition=models.Q(("deleted_at", None), ("kind", "virtual"), ("status", "enabled")),
                fields=("value",),
                name="sender_virtual_number_once",
            ),
        ),
    ]
