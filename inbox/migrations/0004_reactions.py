import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("compose", "0008_message_stopped"),
        ("credits", "0001_initial"),
        ("inbox", "0003_unread_deleted_searched"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ReactionSettings",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("forward_to", models.TextField(blank=True, verbose_name="forwarded to")),
                ("url", models.CharField(blank=True, max_length=500, verbose_name="called address")),
                ("secret", models.CharField(blank=True, editable=False, max_length=80)),
                ("rests_until", models.DateTimeField(editable=False, null=True)),
                ("answer", models.CharField(blank=True, max_length=160, verbose_name="automatic answer")),
                (
                    "account",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="reactions",
                        to="credits.account",
                        verbose_name="SMS account",
                    ),
                ),
                (
                    "answer_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="automatic answer by",
                    ),
                ),
            ],
            options={
                "verbose_name": "what happens when a message arrives",
                "verbose_name_plural": "what happens when messages arrive",
            },
        ),
        migrations.CreateModel(
            name="Reaction",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("email", "Forwarded by e-mail"),
                            ("call", "Called address"),
                            ("answer", "Automatic answer"),
                            ("confirmation", "Confirmation of STOP"),
                        ],
                        max_length=12,
                    ),
                ),
                ("key", models.CharField(max_length=160, unique=True)),
                ("to", models.CharField(blank=True, max_length=254)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("done", "Done"),
                            ("left_out", "Left out"),
                            ("given_up", "Given up"),
                        ],
                        default="waiting",
                        max_length=8,
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=20)),
                ("detail", models.CharField(blank=True, max_length=250)),
                ("tries", models.PositiveSmallIntegerField(default=0)),
                ("created_at", models.DateTimeField()),
                ("look_at", models.DateTimeField()),
                ("claim", models.UUIDField(null=True)),
                ("leased_until", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="credits.account"
                    ),
                ),
                (
                    "received",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="reactions", to="inbox.received"
                    ),
                ),
                (
                    "submission",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="compose.submission",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        models.F("look_at"),
                        models.F("id"),
                        condition=models.Q(("state", "waiting"), models.Q(("kind", "call"), _negated=True)),
                        name="reaction_waiting",
                    ),
                    models.Index(
                        models.F("account"),
                        models.F("look_at"),
                        models.F("id"),
                        condition=models.Q(("kind", "call"), ("state", "waiting")),
                        name="reaction_to_call",
                    ),
                    models.Index(
                        models.F("leased_until"),
                        condition=models.Q(("leased_until__isnull", False)),
                        name="reaction_leased",
                    ),
                    models.Index(
                        models.F("account"),
                        models.OrderBy(models.F("id"), descending=True),
                        condition=models.Q(("state__in", ["left_out", "given_up"])),
                        name="reaction_not_done",
                    ),
                    models.Index(
                        models.F("account"),
                        models.F("to"),
                        models.F("ended_at"),
                        condition=models.Q(("kind__in", ["answer", "confirmation"]), ("state", "done")),
                        name="reaction_said",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["email", "call", "answer", "confirmation"])),
                        name="reaction_kind_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("ended_at", None), ("state", "waiting")),
                            models.Q(("ended_at__isnull", False), ("state__in", ["done", "left_out", "given_up"])),
                            _connector="OR",
                        ),
                        name="reaction_ends_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("claim", None), ("leased_until", None)),
                            models.Q(("claim__isnull", False), ("leased_until__isnull", False)),
                            _connector="OR",
                        ),
                        name="reaction_claimed_has_a_lease",
                    ),
                ],
            },
        ),
    ]
