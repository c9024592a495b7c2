"""Books and lines of the ledger in SQL, with as few statements as a movement can have.

Written by hand because the ledger is the one place where every message of an account waits for every other: what
Django's query builder costs there is paid while the account's books are locked. Lock, insert and update are the same
text on both engines; PostgreSQL does the three at once for a single movement within an account (`move_alone`).
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection
from django.db.backends.utils import CursorWrapper as Cursor

from credits.models import Transfer

# Rows of one INSERT: eleven values each, below the 32 766 variables that SQLite takes.
ROWS = 1000
COLUMNS = "verb, debit_id, credit_id, amount, key, cause_kind, cause_key, reason, by_id, created_at"
PLACES = "(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, {id})"
NEXT = "nextval(pg_get_serial_sequence('credits_transfer', 'id'))"
# A line's id, where nobody has reserved one; SQLite gives the next one for NULL.
ID = {"postgresql": f"COALESCE(%s::bigint, {NEXT})", "sqlite": "%s"}
# SQLite's own count, which never goes back (https://www.sqlite.org/autoinc.html); who writes is alone there.
RESERVE = {
    "postgresql": f"SELECT {NEXT} FROM generate_series(1, %s)",  # noqa: S608  (of this file)
    "sqlite": """
        WITH RECURSIVE more (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM more WHERE n < %s)
        SELECT COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'credits_transfer'), 0) + n FROM more
    """,
}

# One movement in one statement: nobody waits for a round trip of this process while the books are locked. The lock
# gives the books as they are when it is theirs, not as they were when the statement began; a key that is there, too
# few credits or a missing book give no row and change nothing.
ALONE = f"""
WITH books AS MATERIALIZED (
    SELECT id, kind, balance FROM credits_book WHERE account_id = %(account)s ORDER BY id FOR UPDATE
), line AS (
    INSERT INTO credits_transfer ({COLUMNS}, id)
    SELECT %(verb)s::varchar, source.id, target.id, %(amount)s::bigint, %(key)s::varchar, %(cause_kind)s::varchar,
        %(cause_key)s::varchar, %(reason)s::varchar, %(by)s::bigint, %(at)s::timestamptz,
        COALESCE(%(id)s::bigint, {NEXT})
    FROM books AS source, books AS target
    WHERE source.kind = %(source)s AND target.kind = %(target)s AND source.balance >= %(amount)s::bigint
    ON CONFLICT (key) DO NOTHING RETURNING id, debit_id, credit_id, amount
), moved AS (
    UPDATE credits_book AS book
    SET balance = book.balance + CASE book.id WHEN line.credit_id THEN line.amount ELSE -line.amount END
    FROM line WHERE book.id IN (line.debit_id, line.credit_id)
)
SELECT id, debit_id, credit_id FROM line
"""  # noqa: S608


class Locked(NamedTuple):
    """A book as it is while its row is locked."""

    pk: int
    account_id: int | None
    kind: str
    balance: int


def lock(cursor: Cursor, accounts: Collection[int], *, with_issued: bool) -> list[Locked]:
    """The books of these accounts in the order of their ids, locked until the transaction ends.

    SQLite has no row locks and needs none: a transaction that writes is the only one.
    """
    places = ", ".join(["%s"] * len(accounts))
    issued = " OR account_id IS NULL" if with_issued else ""
    locking = " FOR UPDATE" if connection.features.has_select_for_update else ""
    cursor.execute(
        f"SELECT id, account_id, kind, balance FROM credits_book WHERE account_id IN ({places}){issued} "  # noqa: S608
        f"ORDER BY id{locking}",
        list(accounts),
    )
    return [Locked(*row) for row in cursor.fetchall()]


def reserve(many: int) -> list[int]:
    """The ids of so many lines that are still to be written, in the running transaction."""
    with connection.cursor() as cursor:
        cursor.execute(RESERVE[connection.vendor], [many])
        return [pk for (pk,) in cursor.fetchall()]


def insert(cursor: Cursor, transfers: Sequence[Transfer], at: datetime) -> None:
    """Add these lines, except those whose key stands in the ledger already: these stay unsaved (`_state.adding`)."""
    moment = connection.ops.adapt_datetimefield_value(at)
    by_key = {transfer.key: transfer for transfer in reversed(transfers)}
    for start in range(0, len(transfers), ROWS):
        rows = transfers[start : start + ROWS]
        values: list[Any] = []
        for one in rows:
            one.created_at = at
            values += (one.verb, one.debit_id, one.credit_id, one.amount, one.key)
            values += (one.cause_kind, one.cause_key, one.reason, one.by_id, moment, one.pk)
        places = PLACES.format(id=ID[connection.vendor])
        cursor.execute(
            f"INSERT INTO credits_transfer ({COLUMNS}, id) VALUES {', '.join([places] * len(rows))} "  # noqa: S608
            "ON CONFLICT (key) DO NOTHING RETURNING id, key",
            values,
        )
        for pk, key in cursor.fetchall():
            made = by_key[key]
            made.pk, made._state.adding, made._state.db = pk, False, connection.alias


def move(cursor: Cursor, changes: Mapping[int, int]) -> None:
    """Add to the balance of each book (by its id) so many millis."""
    cases = " ".join(["WHEN %s THEN %s"] * len(changes))
    places = ", ".join(["%s"] * len(changes))
    pairs = [value for pair in changes.items() for value in pair]
    cursor.execute(
        f"UPDATE credits_book SET balance = balance + CASE id {cases} ELSE 0 END WHERE id IN ({places})",  # noqa: S608
        [*pairs, *changes],
    )


def move_alone(transfer: Transfer, account: int, source: str, target: str, at: datetime) -> bool:
    """Lock the account's books, add this line between two of them and change both balances, in one statement.

    `source` and `target` are kinds of book; the line gets their ids. False, with nothing changed, when it has to be
    looked at statement by statement: the key stands in the ledger, the source has too few credits, a book is missing,
    or the database is SQLite, where no statement changes two tables (https://www.sqlite.org/lang_with.html).
    """
    if connection.vendor != "postgresql":
        return False
    with connection.cursor() as cursor:
        cursor.execute(
            ALONE,
            {
                "account": account,
                "source": source,
                "target": target,
                "verb": transfer.verb,
                "amount": transfer.amount,
                "key": transfer.key,
                "cause_kind": transfer.cause_kind,
                "cause_key": transfer.cause_key,
                "reason": transfer.reason,
                "by": transfer.by_id,
                "at": at,
                "id": transfer.pk,
            },
        )
        row = cursor.fetchone()
    if row is None:
        return False
    transfer.pk, transfer.debit_id, transfer.credit_id = row
    transfer.created_at = at
    transfer._state.adding, transfer._state.db = False, connection.alias
    return True
