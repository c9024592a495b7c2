"""The ledger: append-only transfers between books, in whole thousandths of a credit.

A transfer is one row (debit, credit, amount above zero, unique key, cause), so it is zero-sum by its
shape. Doing one twice does it once: the second call finds the key and answers the same. The database
refuses what must not happen (constraints in models.py, triggers in triggers.py); this module turns the
ordinary refusals into exceptions a caller can name.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import F, Sum

from credits.models import Account, Book, Transfer

Verb = Transfer.Verb
Kind = Book.Kind

# From which book to which each verb moves; an adjustment goes either way.
ROUTES = {
    Verb.TOP_UP: (Kind.ISSUED, Kind.AVAILABLE),
    Verb.HOLD: (Kind.AVAILABLE, Kind.HELD),
    Verb.CAPTURE: (Kind.HELD, Kind.SPENT),
    Verb.RELEASE: (Kind.HELD, Kind.AVAILABLE),
}


class NotEnoughCredit(Exception):
    """The debited book holds less than the amount. `missing` is the difference in millis."""

    def __init__(self, *, account_id: int | None, missing: int) -> None:
        super().__init__(f"account {account_id} lacks {missing} thousandths of a credit")
        self.account_id = account_id
        self.missing = missing


class KeyConflict(Exception):
    """The key stands in the ledger already with another amount, verb or account."""


@dataclass(frozen=True, kw_only=True)
class Movement:
    """A transfer to be made. `amount` in millis, above zero; `cause` is (kind, key)."""

    verb: Transfer.Verb
    account: int
    amount: int
    key: str
    cause: tuple[str, str]
    reason: str = ""
    by: Any = None
    reverse: bool = False


def top_up(
    account: Account, amount: int, *, key: str, cause: tuple[str, str], by: Any = None, reason: str = ""
) -> Transfer:
    """Bring `amount` millis into the account."""
    return _one(
        Movement(verb=Verb.TOP_UP, account=account.pk, amount=amount, key=key, cause=cause, by=by, reason=reason)
    )


def adjust(account: Account, amount: int, *, key: str, cause: tuple[str, str], by: Any, reason: str) -> Transfer:
    """Correct the account by `amount` millis, below zero to take away. Raises NotEnoughCredit."""
    return _one(
        Movement(
            verb=Verb.ADJUST,
            account=account.pk,
            amount=abs(amount),
            key=key,
            cause=cause,
            by=by,
            reason=reason,
            reverse=amount < 0,
        )
    )


def hold(account: Account, amount: int, *, key: str, cause: tuple[str, str], by: Any = None) -> Transfer:
    """Set `amount` millis of the account aside. Raises NotEnoughCredit."""
    return _one(Movement(verb=Verb.HOLD, account=account.pk, amount=amount, key=key, cause=cause, by=by))


def capture(account: int, amount: int, *, key: str, cause: tuple[str, str], by: Any = None) -> Movement:
    """The movement that ends a hold because the message was taken; give it to `post`."""
    return Movement(verb=Verb.CAPTURE, account=account, amount=amount, key=key, cause=cause, by=by)


def release(account: int, amount: int, *, key: str, cause: tuple[str, str], by: Any = None) -> Movement:
    """The movement that ends a hold and gives the credits back; give it to `post`."""
    return Movement(verb=Verb.RELEASE, account=account, amount=amount, key=key, cause=cause, by=by)


def _one(movement: Movement) -> Transfer:
    return post([movement])[movement.key]


def open_books(account_ids: Iterable[int]) -> None:
    """Make the books of these accounts, and the installation's, where they are missing."""
    books = [
        Book(account_id=account_id, kind=kind)
        for account_id in account_ids
        for kind in (Kind.AVAILABLE, Kind.HELD, Kind.SPENT)
    ]
    Book.objects.bulk_create([*books, Book(account=None, kind=Kind.ISSUED)], ignore_conflicts=True)


@transaction.atomic
def post(movements: Sequence[Movement]) -> dict[str, Transfer]:
    """Make these transfers, all or none, and return them by key.

    Raises NotEnoughCredit when a book would fall below zero and KeyConflict when a key is taken by a
    transfer of another shape. Books are locked in the order of their ids, so two posts that touch the
    same books wait for each other instead of deadlocking.
    """
    if any(movement.amount <= 0 for movement in movements):
        raise ValueError("a transfer moves more than nothing")
    accounts = {movement.account for movement in movements}
    needs_issued = any(movement.verb in (Verb.TOP_UP, Verb.ADJUST) for movement in movements)
    books = _locked_books(accounts, with_issued=needs_issued)
    # Looked up after the lock: whoever repeats a key waited for the first to commit.
    done = {transfer.key: transfer for transfer in Transfer.objects.filter(key__in=[m.key for m in movements])}
    changes: dict[int, int] = {}
    fresh: list[Transfer] = []
    for movement in movements:
        debit, credit = _route(movement, books)
        if movement.key in done:
            _same(done[movement.key], movement, debit, credit)
            continue
        changes[debit.pk] = changes.get(debit.pk, 0) - movement.amount
        changes[credit.pk] = changes.get(credit.pk, 0) + movement.amount
        fresh.append(
            Transfer(
                verb=movement.verb,
                debit=debit,
                credit=credit,
                amount=movement.amount,
                key=movement.key,
                cause_kind=movement.cause[0],
                cause_key=movement.cause[1],
                reason=movement.reason,
                by=movement.by,
            )
        )
    for book in books.values():
        after = book.balance + changes.get(book.pk, 0)
        if after < 0 and book.kind != Kind.ISSUED:
            raise NotEnoughCredit(account_id=book.account_id, missing=-after)
    done.update((transfer.key, transfer) for transfer in Transfer.objects.bulk_create(fresh))
    for pk, change in sorted(changes.items()):
        Book.objects.filter(pk=pk).update(balance=F("balance") + change)
    return done


def _locked_books(accounts: set[int], *, with_issued: bool) -> dict[tuple[int | None, str], Book]:
    """The books of these accounts, locked until the transaction ends; made first where they are missing."""
    wanted = Book.objects.filter(account_id__in=accounts)
    if with_issued:
        wanted = wanted | Book.objects.filter(kind=Kind.ISSUED)
    wanted = wanted.select_for_update().order_by("pk")
    found = list(wanted)
    if len(found) < 3 * len(accounts) + with_issued:
        open_books(accounts)
        found = list(wanted.all())
    return {(book.account_id, book.kind): book for book in found}


def _route(movement: Movement, books: dict[tuple[int | None, str], Book]) -> tuple[Book, Book]:
    source, target = ROUTES.get(movement.verb, (Kind.ISSUED, Kind.AVAILABLE))
    if movement.reverse:
        source, target = target, source
    return tuple(books[None if kind == Kind.ISSUED else movement.account, kind] for kind in (source, target))  # type: ignore[return-value]


def _same(found: Transfer, movement: Movement, debit: Book, credit: Book) -> None:
    shape = (found.verb, found.debit_id, found.credit_id, found.amount)
    if shape != (movement.verb, debit.pk, credit.pk, movement.amount):
        raise KeyConflict(f"{movement.key} stands in the ledger with another shape")


@dataclass(frozen=True)
class Difference:
    """What `verify` found wrong: the book, the balance it shows and the one its transfers give (millis)."""

    book: Book
    shown: int
    proven: int


def verify() -> list[Difference]:
    """Recompute the balance of every book from the transfers and return those that differ."""
    came = dict(Transfer.objects.order_by().values_list("credit").annotate(Sum("amount")))
    went = dict(Transfer.objects.order_by().values_list("debit").annotate(Sum("amount")))
    differences = []
    for book in Book.objects.select_related("account").order_by("pk"):
        proven = came.get(book.pk, 0) - went.get(book.pk, 0)
        if proven != book.balance:
            differences.append(Difference(book, book.balance, proven))
    return differences
