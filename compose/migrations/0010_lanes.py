import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("compose", "0009_tally"),
        ("credits", "0007_orders_begun"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="HandOver",
            fields=[
                ("claim", models.UUIDField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("taken_back", models.BooleanField(default=False)),
            ],
        ),
        migrations.RemoveIndex(
            model_name="message",
            name="message_due",
        ),
        migrations.RemoveIndex(model_name="message", name="message_conversation"),
        migrations.RemoveIndex(model_name="message", name="message_stopped"),
        migrations.RemoveIndex(model_name="message", name="message_thread"),
        migrations.AddField(
            model_name="message",
            name="bulk",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.AddField(
            model_name="submission",
            name="paused_at",
            field=models.DateTimeField(editable=False, null=True, verbose_name="paused"),
        ),
        migrations.AddField(
            model_name="submission",
            name="paused_by",
            field=models.ForeignKey(
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="paused by",
            ),
        ),
        migrations.AddField(
            model_name="submission",
            name="replaced_by",
            field=models.OneToOneField(
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="replaces",
                to="compose.submission",
            ),
        ),
        migrations.AlterField(
            model_name="message",
            name="account",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="messages",
                to="credits.account",
                verbose_name="SMS account",
            ),
        ),
        migrations.AlterField(
            model_name="message",
            name="due_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AlterField(
            model_name="message",
            name="hold_ended_by",
            field=models.ForeignKey(
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="credits.transfer",
            ),
        ),
        migrations.AlterField(
            model_name="message",
            name="refunded_by",
            field=models.ForeignKey(
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="credits.transfer",
            ),
        ),
        migrations.AlterField(
            model_name="message",
            name="submission",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="messages",
                to="compose.submission",
                verbose_name="submission",
            ),
        ),
        migrations.AlterField(
            model_name="transition",
            name="by",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="by",
            ),
        ),
        migrations.AlterField(
            model_name="transition",
            name="message",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="transitions",
                to="compose.message",
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                models.F("gateway"),
                models.F("bulk"),
                models.F("due_at"),
                models.F("id"),
                condition=models.Q(("state", "scheduled")),
                name="message_due",
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                models.F("recipient"),
                models.F("account"),
                models.OrderBy(models.F("send_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="message_thread",
            ),
        ),
        migrations.AddIndex(
            model_name="transition",
            index=models.Index(models.F("by"), condition=models.Q(("by__isnull", False)), name="transition_by_person"),
        ),
        migrations.AddConstraint(
            model_name="message",
            constraint=models.UniqueConstraint(
                condition=models.Q(("refunded_by__isnull", False)),
                fields=("refunded_by",),
                name="message_has_its_own_refund",
            ),
        ),
    ]
