"""After a back-up was restored: what is written from now on has keys that nothing had, not even what was lost.

The counters of keys are as they were when the back-up was made, and what was written since had the next ones. Those
are known outside: a gateway repeats the key of a message in its report, a payment service that of an order, a called
address that of a received message. Given again, they would be taken for what was lost.
"""

from typing import Final

from django.apps import apps
from django.db import connection, models, transaction

# More than any installation writes between a back-up and its restore: ten days of a thousand rows a second. Keys have
# 64 bits; some millions of restores leave them below 2**53, beyond which numbers in JSON are not exact.
AHEAD: Final = 1_000_000_000


def tables() -> list[tuple[str, str]]:
    """Name and column of each table with a counted key of 64 bits, those between two tables among them.

    Django's own tables (people, permissions, the log of the administration) count in 32 bits, and nobody outside
    knows their keys.
    """
    found = [model._meta for model in apps.get_models(include_auto_created=True) if model._meta.managed]
    return sorted((one.db_table, str(one.pk.column)) for one in found if isinstance(one.pk, models.BigAutoField))


def move_on() -> int:
    """Move the counter of each table AHEAD of all that it gave and of all that the table has; returns how many.

    PostgreSQL keeps what a counter was moved, whatever becomes of the transaction. Moved again it is only further on.
    """
    move = _on_postgresql if connection.vendor == "postgresql" else _on_sqlite
    found = tables()
    with transaction.atomic():
        for table, column in found:
            move(table, column)
    return len(found)


def _on_postgresql(table: str, column: str) -> None:
    quoted, key = connection.ops.quote_name(table), connection.ops.quote_name(column)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", [quoted, column])
        (counter,) = cursor.fetchone()
        # Of NULL all that follows would be NULL, and nobody would know.
        assert counter is not None, f"the table {table} has no counter of its column {column}"
        cursor.execute(
            f"SELECT setval(%s, GREATEST(nextval(%s), (SELECT MAX({key}) FROM {quoted})) + %s)",  # noqa: S608  (ours)
            [counter, counter, AHEAD],
        )


def _on_sqlite(table: str, column: str) -> None:
    """The counters are rows of an ordinary table, made with the first row of each (sqlite.org/autoinc.html)."""
    quoted, key = connection.ops.quote_name(table), connection.ops.quote_name(column)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT MAX(COALESCE((SELECT MAX({key}) FROM {quoted}), 0), "  # noqa: S608  (ours)
            "COALESCE((SELECT MAX(seq) FROM sqlite_sequence WHERE name = %s), 0))",
            [table],
        )
        moved = cursor.fetchone()[0] + AHEAD
        cursor.execute("UPDATE sqlite_sequence SET seq = %s WHERE name = %s", [moved, table])
        if not cursor.rowcount:
            cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, moved])
