import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("compose", "0003_submission_excluded"),
        ("credits", "0005_statement"),
    ]

    operations = [
        migrations.AddField(
            model_name="message",
            name="refunded_by",
            field=models.OneToOneField(
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="credits.transfer",
            ),
        ),
        migrations.AddConstraint(
            model_name="message",
            constraint=models.CheckConstraint(
                condition=models.Q(("refunded_by", None))
                | models.Q(("hold_ended_by__isnull", False), ("state", "undelivered")),
                name="message_refunded_was_not_delivered",
            ),
        ),
    ]
