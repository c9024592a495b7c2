"""The triggers that make the ledger append-only in the database itself, on PostgreSQL and SQLite.

They are made again after every `migrate`, because a migration that rebuilds the table on SQLite drops
them silently; a system check says when one is missing. On SQLite `INSERT OR REPLACE` passes a delete
trigger unless `PRAGMA recursive_triggers` is on, which the settings do for each connection.
"""

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

TABLE = "credits_transfer"
NAMES = {
    "sqlite": {"credits_transfer_no_update", "credits_transfer_no_delete"},
    "postgresql": {"credits_transfer_no_change", "credits_transfer_no_truncate"},
}

# One statement an entry: executescript() would end the transaction that migrate may hold.
SQLITE = [
    "DROP TRIGGER IF EXISTS credits_transfer_no_update",
    (
        f"CREATE TRIGGER credits_transfer_no_update BEFORE UPDATE ON {TABLE} "
        "BEGIN SELECT RAISE(ABORT, 'a ledger line is never changed'); END"
    ),
    "DROP TRIGGER IF EXISTS credits_transfer_no_delete",
    (
        f"CREATE TRIGGER credits_transfer_no_delete BEFORE DELETE ON {TABLE} "
        "BEGIN SELECT RAISE(ABORT, 'a ledger line is never deleted'); END"
    ),
]

POSTGRESQL = f"""
CREATE OR REPLACE FUNCTION credits_transfer_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a ledger line is never changed or deleted'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE OR REPLACE TRIGGER credits_transfer_no_change BEFORE UPDATE OR DELETE ON {TABLE}
    FOR EACH ROW EXECUTE FUNCTION credits_transfer_refuse();
CREATE OR REPLACE TRIGGER credits_transfer_no_truncate BEFORE TRUNCATE ON {TABLE}
    FOR EACH STATEMENT EXECUTE FUNCTION credits_transfer_refuse();
"""


def install(connection: BaseDatabaseWrapper) -> None:
    """Make the triggers of the ledger on this connection's database."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for statement in SQLITE:
                cursor.execute(statement)
        else:
            cursor.execute(POSTGRESQL)


def missing(connection: BaseDatabaseWrapper) -> set[str]:
    """The names of the triggers that this connection's database should have and has not."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s", [TABLE])
        else:
            cursor.execute(
                "SELECT tgname FROM pg_trigger WHERE tgrelid = to_regclass(%s) AND tgenabled IN ('O', 'A')", [TABLE]
            )
        found = {name for (name,) in cursor.fetchall()}
    return NAMES[connection.vendor] - found


def after_migrate(*, using: str, **_rest: Any) -> None:
    """Receiver of Django's post_migrate: put the triggers back after every migration."""
    from django.db import connections

    connection = connections[using]
    if TABLE in connection.introspection.table_names():
        install(connection)
