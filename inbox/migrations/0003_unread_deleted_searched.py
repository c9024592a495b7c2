import logging

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

log = logging.getLogger(__name__)

# Unread was what had no reading; now it is what has a row, for each member that the account has.
TURN = """
    INSERT INTO inbox_unread (member_id, received_id, hidden)
    SELECT credits_member.id, inbox_received.id, FALSE FROM inbox_received
    JOIN credits_member ON credits_member.account_id = inbox_received.account_id
    WHERE NOT EXISTS (
        SELECT 1 FROM inbox_reading
        WHERE inbox_reading.received_id = inbox_received.id AND inbox_reading.user_id = credits_member.user_id
    )
"""
TURN_BACK = """
    INSERT INTO inbox_reading (received_id, user_id, at)
    SELECT inbox_received.id, credits_member.user_id, CURRENT_TIMESTAMP FROM inbox_received
    JOIN credits_member ON credits_member.account_id = inbox_received.account_id
    WHERE NOT EXISTS (
        SELECT 1 FROM inbox_unread
        WHERE inbox_unread.received_id = inbox_received.id AND inbox_unread.member_id = credits_member.id
    )
"""
# A search looks at the messages of one account for pieces of a text or a number, in any case of the letters: all three
# are in one index, so that neither the account's other messages nor those of other accounts are looked at. The
# expressions are those that Django writes for `icontains` and `contains`.
SEARCH = """
    CREATE INDEX IF NOT EXISTS received_search ON inbox_received
    USING gin (account_id, upper(text) gin_trgm_ops, (number::text) gin_trgm_ops) WHERE deleted_at IS NULL
"""
EXTENSIONS = ("btree_gin", "pg_trgm")


def index_for_searching(apps, schema_editor):
    """Make it where that can be: without it a search is right, and slower in an account with many messages."""
    if schema_editor.connection.vendor != "postgresql":
        return
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, installed_version IS NOT NULL FROM pg_available_extensions WHERE name = ANY(%s)",
            [list(EXTENSIONS)],
        )
        installed = dict(cursor.fetchall())
        cursor.execute("SELECT has_database_privilege(current_database(), 'CREATE')")
        (may_create,) = cursor.fetchone()
        missing = [name for name in EXTENSIONS if not installed.get(name)]
        if missing and not (may_create and all(name in installed for name in missing)):
            log.warning(
                "Searching the received messages has no index: this role may not create the extensions %s, or the "
                "server does not have them. Searches work and are slower. When they are there, make the index: %s",
                " and ".join(missing),
                " ".join(SEARCH.split()),
            )
            return
        for name in missing:
            cursor.execute(f"CREATE EXTENSION IF NOT EXISTS {name}")
        cursor.execute(SEARCH)


def no_index_for_searching(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX IF EXISTS received_search")


class Migration(migrations.Migration):
    dependencies = [
        ("credits", "0001_initial"),
        ("inbox", "0002_long_messages"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="received",
            name="deleted_at",
            field=models.DateTimeField(editable=False, null=True, verbose_name="deleted"),
        ),
        migrations.AddField(
            model_name="received",
            name="deleted_by",
            field=models.ForeignKey(
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="deleted by",
            ),
        ),
        migrations.RemoveIndex(model_name="received", name="received_page"),
        migrations.RemoveIndex(model_name="received", name="received_conversation"),
        migrations.AddIndex(
            model_name="received",
            index=models.Index(
                models.F("account"),
                models.OrderBy(models.F("received_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                condition=models.Q(("deleted_at", None)),
                name="received_shown",
            ),
        ),
        migrations.AddIndex(
            model_name="received",
            index=models.Index(
                models.F("account"),
                models.F("number"),
                models.OrderBy(models.F("received_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                condition=models.Q(("deleted_at", None)),
                name="received_thread",
            ),
        ),
        migrations.CreateModel(
            name="Unread",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("hidden", models.BooleanField(default=False)),
                (
                    "member",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="unread",
                        to="credits.member",
                    ),
                ),
                (
                    "received",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="unread_by", to="inbox.received"
                    ),
                ),
            ],
        ),
        migrations.RunSQL(TURN, TURN_BACK),
        migrations.AddIndex(
            model_name="unread",
            index=models.Index(models.F("member"), condition=models.Q(("hidden", False)), name="unread_count"),
        ),
        migrations.AddConstraint(
            model_name="unread",
            constraint=models.UniqueConstraint(fields=("member", "received"), name="unread_once_for_a_member"),
        ),
        migrations.DeleteModel(name="Reading"),
        migrations.RunPython(index_for_searching, no_index_for_searching),
    ]
