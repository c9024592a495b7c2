"""The proof of the ledger: what its lines say, beside what books, orders and debts show.

The database adds up; Python sees only what differs. Each question reads the table of lines once, so the proof
takes time in proportion to it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from credits import triggers
from credits.ledger import ROUTES
from credits.models import Book, Transfer

# So many differences of a kind are named; the rest would say the same.
MOST = 100

BALANCES = """
SELECT sums.book, sums.difference, COALESCE(book.balance, 0), book.kind, account.name
FROM (
    SELECT book, SUM(amount) AS difference FROM (
        SELECT credit_id AS book, amount FROM credits_transfer
        UNION ALL SELECT debit_id, -amount FROM credits_transfer
        UNION ALL SELECT id, -balance FROM credits_book
    ) AS entries GROUP BY book HAVING SUM(amount) <> 0
) AS sums
LEFT JOIN credits_book AS book ON book.id = sums.book
LEFT JOIN credits_account AS account ON account.id = book.account_id
ORDER BY sums.book LIMIT %s
"""
# What the constraint of the table refuses, where it stands.
BELOW_ZERO = """
SELECT book.id, book.balance, book.kind, account.name
FROM credits_book AS book LEFT JOIN credits_account AS account ON account.id = book.account_id
WHERE book.balance < 0 AND book.kind <> 'issued' ORDER BY book.id LIMIT %s
"""
# Which verb moves from which kind of book to which, whether within one account, and whether more than nothing.
ROUTES_TAKEN = """
SELECT line.verb, debit.kind, credit.kind, debit.account_id = credit.account_id, line.amount > 0,
    COUNT(*), MIN(line.id)
FROM credits_transfer AS line
LEFT JOIN credits_book AS debit ON debit.id = line.debit_id
LEFT JOIN credits_book AS credit ON credit.id = line.credit_id
GROUP BY 1, 2, 3, 4, 5
"""
# A confirmed order, and no other, was credited by the line of its own key, whole; a line that names an order has one.
ORDERS = """
SELECT paid.id, COALESCE(line.amount, 0), paid.credits
FROM credits_order AS paid
LEFT JOIN credits_transfer AS line ON line.id = paid.credited_by_id
LEFT JOIN credits_book AS book ON book.id = line.credit_id
WHERE (paid.credited_by_id IS NOT NULL OR paid.status = 'confirmed') AND (
    line.id IS NULL OR paid.status <> 'confirmed'
    OR line.key <> 'order:' || CAST(paid.id AS varchar(20)) OR line.verb <> 'top_up'
    OR line.amount <> CAST(paid.credits AS bigint) * 1000 OR book.account_id <> paid.account_id
)
ORDER BY paid.id LIMIT %s
"""
ORPHANS = """
SELECT line.key, line.amount FROM credits_transfer AS line
WHERE line.cause_kind = 'order' AND NOT EXISTS (SELECT 1 FROM credits_order WHERE credited_by_id = line.id)
ORDER BY line.id LIMIT %s
"""
DEBTS = """
SELECT debt.key, debt.amount, COALESCE(line.amount, 0)
FROM credits_owed AS debt
LEFT JOIN credits_transfer AS line ON line.id = debt.paid_by_id
LEFT JOIN credits_book AS book ON book.id = line.debit_id
WHERE debt.paid_by_id IS NOT NULL AND (
    line.id IS NULL OR line.key <> 'owed:' || CAST(debt.id AS varchar(20)) OR line.verb <> 'charge'
    OR line.amount <> debt.amount OR book.account_id <> debt.account_id
)
ORDER BY debt.id LIMIT %s
"""
PAID_UNNOTED = """
SELECT debt.key, debt.amount FROM credits_owed AS debt
JOIN credits_transfer AS line ON line.key = 'owed:' || CAST(debt.id AS varchar(20))
WHERE debt.paid_by_id IS NULL ORDER BY debt.id LIMIT %s
"""


@dataclass(frozen=True)
class Difference:
    """Something that does not add up. `key` names it from one proof to the next, `sentence` says it (millis)."""

    key: str
    sentence: str

    def __str__(self) -> str:
        return self.sentence


@contextmanager
def one_moment() -> Iterator[None]:
    """All queries inside see the same moment, so that nothing differs only because it moves.

    PostgreSQL asks for it in the transaction's first statement. On SQLite a transaction that only reads does it,
    and lets others write meanwhile. Inside a transaction of the caller, that one's isolation is what there is.
    """
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield
    else:
        with connection.cursor() as cursor:
            # Django's own would begin a transaction that writes, and everybody else would wait for the proof.
            cursor.execute("BEGIN DEFERRED")
            try:
                yield
            finally:
                cursor.execute("ROLLBACK")


def rows(query: str) -> list[tuple[Any, ...]]:
    """The rows of a question, at most MOST of them where it has a place for that."""
    with connection.cursor() as cursor:
        cursor.execute(query, [MOST] if "%s" in query else None)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def verify() -> list[Difference]:
    """Recompute balances, routes, orders and debts from the ledger's lines; empty when all of it adds up.

    A trigger that is missing is a difference too: what adds up now could have been changed, and could be yet.
    """
    return [*_triggers(), *_balances(), *_routes(), *_orders(), *_debts()]


def _triggers() -> list[Difference]:
    return [
        Difference(
            f"trigger:{name}",
            f"The database lacks its trigger {name}: what happened could be changed. "
            "`manage.py migrate --skip-checks` makes it again",
        )
        for name in sorted(triggers.missing(connection))
    ]


def _balances() -> list[Difference]:
    found = [
        Difference(
            f"book:{book}:{difference}",
            f"Book {book}, {_name(account, kind)}: shows {shown}, its transfers give {shown + difference}",
        )
        for book, difference, shown, kind, account in rows(BALANCES)
    ]
    return found + [
        Difference(f"below:{book}", f"Book {book}, {_name(account, kind)}: shows {shown}, below zero")
        for book, shown, kind, account in rows(BELOW_ZERO)
    ]


def _name(account: str | None, kind: str | None) -> str:
    if kind is None:
        return "which there is not"
    known = kind in Book.Kind.values
    return f"{account or ''} {Book.Kind(kind).label if known else kind}".strip()


def _routes() -> list[Difference]:
    found = []
    for verb, debit, credit, same_account, moves, count, first in rows(ROUTES_TAKEN):
        taken = (debit, credit)
        route = ROUTES.get(Transfer.Verb(verb)) if verb in Transfer.Verb.values else None
        allowed = {route, route[::-1]} if verb == Transfer.Verb.ADJUST and route else {route}
        crosses = "issued" in taken or verb == Transfer.Verb.TRANSFER
        if taken not in allowed or bool(same_account) == crosses:
            found.append(
                Difference(
                    f"route:{verb}:{debit}:{credit}:{same_account}",
                    f"{count} lines “{verb}” go from {debit} to {credit}, which is not their way; the first is {first}",
                )
            )
        if not moves:
            found.append(
                Difference(
                    f"amount:{verb}:{debit}:{credit}:{same_account}",
                    f"{count} lines “{verb}” from {debit} to {credit} move nothing or less; the first is {first}",
                )
            )
    return found


def _orders() -> list[Difference]:
    wrong = [
        Difference(
            f"order:{pk}", f"Order {pk} of {size} credits was credited by a line of {amount} that is not its own"
        )
        for pk, amount, size in rows(ORDERS)
    ]
    return wrong + [
        Difference(f"line:{key}", f"The line {key} brought {amount} for an order that does not know it")
        for key, amount in rows(ORPHANS)
    ]


def _debts() -> list[Difference]:
    wrong = [
        Difference(f"owed:{key}", f"{amount} were owed for {key}, and paid by a line of {paid} that is not its own")
        for key, amount, paid in rows(DEBTS)
    ]
    return wrong + [
        Difference(f"owed:{key}", f"{amount} are owed for {key}, which a line has paid already")
        for key, amount in rows(PAID_UNNOTED)
    ]
