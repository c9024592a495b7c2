"""Books and lines of the ledger in SQL, with as few statements as a movement can have: lock, insert, update.

Written by hand because the ledger is the one place where every message of an account waits for every other: what
Django's query builder costs there is paid while the account's books are locked. Both engines run the same text.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection
from django.db.backends.utils import CursorWrapper as Cursor

from credits.models import Transfer

# Rows of one INSERT: ten values each, below the 32 766 variables that SQLite takes.
ROWS = 1000
COLUMNS = "verb, debit_id, credit_id, amount, key, cause_kind, cause_key, reason, by_id, created_at"
PLACES = "(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"


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
            values += (one.cause_kind, one.cause_key, one.reason, one.by_id, moment)
        cursor.execute(
            f"INSERT INTO credits_transfer ({COLUMNS}) VALUES {', '.join([PLACES] * len(rows))} "  # noqa: S608
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
