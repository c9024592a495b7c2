"""Bare rows: what the database alone does with as many rows as there are messages, by one INSERT … SELECT unnest.

They go into a copy of the table of messages with all its indexes and rules: once with the foreign keys of what a
submission stores, which the database looks up for each row as it does for a message, and once without any.
"""

import time
from collections.abc import Sequence

from django.db import connection

WITH_KEYS, BARE = "bench_row", "bench_bare_row"
INSERT = """
INSERT INTO {table} (submission_id, account_id, recipient, region, rate, price, state, reason, send_at,
    postponed_by, valid_until, bulk, due_at, attempts, gateway, passed_over, gateway_ref, originator)
SELECT %s, %s, recipient, 'FR', 1000, 1000, 'scheduled', '', now(), '', now(), true, now(), 0, 'default', '', '', ''
FROM unnest(%s::text[]) AS recipient
"""
KEYS = """
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid = 'compose_message'::regclass AND contype = 'f'
"""


def prepare() -> None:
    """Make the two tables."""
    with connection.cursor() as cursor:
        for table in (WITH_KEYS, BARE):
            cursor.execute(f"CREATE TABLE {table} (LIKE compose_message INCLUDING ALL)")
        cursor.execute(KEYS)
        for name, rule in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {WITH_KEYS} ADD CONSTRAINT bench_{name} {rule}")


def per_second(table: str, numbers: Sequence[str], *, submission: int, account: int) -> float:
    """Rows a second, a row for each of the numbers, committed."""
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {table}")
        begun = time.perf_counter()
        cursor.execute(INSERT.format(table=table), [submission, account, list(numbers)])
        return len(numbers) / (time.perf_counter() - begun)
