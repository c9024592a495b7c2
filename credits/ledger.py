"""The ledger: append-only transfers between books, in whole thousandths of a credit.

A transfer is one row (debit, credit, amount above zero, unique key, cause), so it is zero-sum by its
shape. Doing one twice does it once: the second call finds the key and answers the same. The database
refuses what must not happen (constraints in models, triggers in triggers.py); this module turns the
ordinary refusals into exceptions a caller can name.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper as Cursor
from django.utils import timezone

from credits import lines, owed
from credits.lines import Locked
from credits.models import Account, Book, Member, Owed, Transfer

Verb = Transfer.Verb
Kind = Book.Kind
Books = dict[tuple[int | None, str], Locked]

# From which book to which each verb moves; an adjustment goes either way, a transfer to another account's.
ROUTES = {
    Verb.TOP_UP: (Kind.ISSUED, Kind.AVAILABLE),
    Verb.HOLD: (Kind.AVAILABLE, Kind.HELD),
    Verb.CAPTURE: (Kind.HELD, Kind.SPENT),
    Verb.RELEASE: (Kind.HELD, Kind.AVAILABLE),
    Verb.ADJUST: (Kind.ISSUED, Kind.AVAILABLE),
    Verb.REFUND: (Kind.SPENT, Kind.AVAILABLE),
    Verb.CHARGE: (Kind.AVAILABLE, Kind.SPENT),
    Verb.TRANSFER: (Kind.AVAILABLE, Kind.AVAILABLE),
}
# Within the books of one account, bringing it nothing from outside: no debt is paid by these.
WITHIN = {Verb.HOLD, Verb.CAPTURE, Verb.RELEASE, Verb.REFUND, Verb.CHARGE}


class NotEnoughCredit(Exception):
    """The debited book holds less than the amount. `missing` is the difference in millis."""

    def __init__(self, *, account_id: int | None, missing: int) -> None:
        super().__init__(f"account {account_id} lacks {missing} thousandths of a credit")
        self.account_id = account_id
        self.missing = missing


class KeyConflict(Exception):
    """The key stands in the ledger already with another amount, verb or account."""


class NotTheOwner(Exception):
    """Credits move only between two accounts that the same person owns."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Movement:
    """A transfer to be made. `amount` in millis, above zero; `cause` is (kind, key); `to` another account.

    `pk` is one that `reserved` gave, for those who point to the line before it is written.
    """

    verb: Transfer.Verb
    account: int
    amount: int
    key: str
    cause: tuple[str, str]
    reason: str = ""
    by: Any = None
    reverse: bool = False
    to: int | None = None
    pk: int | None = None


def top_up(
    account: Account, amount: int, *, key: str, cause: tuple[str, str], by: Any = None, reason: str = ""
) -> Transfer:
    """Bring `amount` millis into the account, and pay from them what it owes."""
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


def transfer(from_account: Account, to_account: Account, amount: int, key: str, by: Any) -> Transfer:
    """Move `amount` millis from one account to another at once; one line, which both statements show.

    Raises NotTheOwner unless `by` owns both, NotEnoughCredit when the first has too few, and ValueError when both
    are one.
    """
    accounts = {from_account.pk, to_account.pk}
    if len(accounts) < 2:
        raise ValueError("a transfer goes to another account")
    owned = Member.objects.filter(user=by, role=Member.Role.OWNER, account__in=accounts)
    if owned.count() < 2:
        raise NotTheOwner
    return _one(
        Movement(
            verb=Verb.TRANSFER,
            account=from_account.pk,
            to=to_account.pk,
            amount=amount,
            key=key,
            cause=("transfer", key[-64:]),
            by=by,
        )
    )


def hold(account: Account, amount: int, *, key: str, cause: tuple[str, str], by: Any = None) -> Transfer:
    """Set `amount` millis of the account aside. Raises NotEnoughCredit."""
    return _one(Movement(verb=Verb.HOLD, account=account.pk, amount=amount, key=key, cause=cause, by=by))


def capture(
    account: int, amount: int, *, key: str, cause: tuple[str, str], by: Any = None, pk: int | None = None
) -> Movement:
    """The movement that ends a hold because the message was taken; give it to `post`."""
    return Movement(verb=Verb.CAPTURE, account=account, amount=amount, key=key, cause=cause, by=by, pk=pk)


def release(
    account: int, amount: int, *, key: str, cause: tuple[str, str], by: Any = None, pk: int | None = None
) -> Movement:
    """The movement that ends a hold and gives the credits back; give it to `post`."""
    return Movement(verb=Verb.RELEASE, account=account, amount=amount, key=key, cause=cause, by=by, pk=pk)


def reserved(many: int) -> list[int]:
    """The keys (`Movement.pk`) of so many transfers that `post` will make in the running transaction.

    So who has much to write that points to them does it first: the books are locked from `post` to the commit. For
    captures only: the lines of what is available have the order in which they count (`credits.statement`).
    """
    return lines.reserve(many)


def refund(account: int, amount: int, *, message: int, by: Any = None) -> Transfer:
    """Give back the price of a captured message that the operator never took: once, as its number is the key."""
    cause = ("message", str(message))
    return _one(Movement(verb=Verb.REFUND, account=account, amount=amount, key=f"refund:{message}", cause=cause, by=by))


@transaction.atomic
def charge(account: Account, amount: int, *, key: str, cause: tuple[str, str]) -> Transfer | Owed:
    """Take `amount` millis for something that has happened already, such as a received answer.

    What the account cannot pay it owes: the next credits from outside pay it first (credits/owed.py). Repeated, it
    answers the same. Raises KeyConflict.
    """
    # Locked before the look, so that no top-up passes between "too few" and the note of what is owed.
    with connection.cursor() as cursor:
        books = _locked_books(cursor, {account.pk}, with_issued=False)
    known = Owed.objects.filter(key=key).first()
    if known is not None:
        if (known.account_id, known.amount) != (account.pk, amount):
            raise KeyConflict(f"{key} is owed with another shape")
        return known
    movement = Movement(verb=Verb.CHARGE, account=account.pk, amount=amount, key=key, cause=cause)
    short = books[account.pk, Kind.AVAILABLE].balance < amount
    if short and amount > 0 and not Transfer.objects.filter(key=key).exists():
        return Owed.objects.create(account=account, amount=amount, key=key, cause_kind=cause[0], cause_key=cause[1])
    return _one(movement)


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


def post(movements: Sequence[Movement]) -> dict[str, Transfer]:
    """Make these transfers, all or none, and return them by key.

    Raises NotEnoughCredit when a book would fall below zero and KeyConflict when a key is taken by a
    transfer of another shape. Books are locked in the order of their ids, so two posts that touch the
    same books wait for each other instead of deadlocking.
    """
    if any(movement.amount <= 0 for movement in movements):
        raise ValueError("a transfer moves more than nothing")
    if not movements:
        return {}
    if len(movements) == 1 and movements[0].verb in WITHIN:
        # Done or not done, as one statement is: it needs no transaction of its own. What it leaves, the others look at.
        alone = movements[0]
        line = _unplaced(alone)
        if lines.move_alone(line, alone.account, *ROUTES[alone.verb], timezone.now()):
            return {alone.key: line}
    return _posted(movements)


@transaction.atomic
def _posted(movements: Sequence[Movement]) -> dict[str, Transfer]:
    accounts = {movement.account for movement in movements}
    accounts |= {movement.to for movement in movements if movement.to is not None}
    needs_issued = any(movement.verb in (Verb.TOP_UP, Verb.ADJUST) for movement in movements)
    with connection.cursor() as cursor:
        books = _locked_books(cursor, accounts, with_issued=needs_issued)
        asked = [_line(movement, books) for movement in movements]
        changes: dict[int, int] = {}
        done = _written(cursor, asked, changes)
        _refuse_below_zero(books, changes)
        if bringing := owed.brought_to((one for one in asked if not one._state.adding), books):
            paying = owed.payments(bringing, books, changes)
            _written(cursor, [line for line, _debt in paying], changes)
            owed.mark_paid(paying)
        if changes:
            lines.move(cursor, changes)
    return done


def _locked_books(cursor: Cursor, accounts: set[int], *, with_issued: bool) -> Books:
    """The books of these accounts, locked until the transaction ends; made first where they are missing."""
    found = lines.lock(cursor, accounts, with_issued=with_issued)
    if len(found) < 3 * len(accounts) + with_issued:
        open_books(accounts)
        found = lines.lock(cursor, accounts, with_issued=with_issued)
    return {(book.account_id, book.kind): book for book in found}


def _line(movement: Movement, books: Books) -> Transfer:
    source, target = ROUTES[movement.verb]
    if movement.reverse:
        source, target = target, source
    taker = movement.account if movement.to is None else movement.to
    line = _unplaced(movement)
    line.debit_id = books[None if source == Kind.ISSUED else movement.account, source].pk
    line.credit_id = books[None if target == Kind.ISSUED else taker, target].pk
    return line


def _unplaced(movement: Movement) -> Transfer:
    """The line of a movement, before its books are known."""
    return Transfer(
        id=movement.pk,
        verb=movement.verb,
        amount=movement.amount,
        key=movement.key,
        cause_kind=movement.cause[0],
        cause_key=movement.cause[1],
        reason=movement.reason,
        by=movement.by,
    )


def _written(cursor: Cursor, asked: Sequence[Transfer], changes: dict[int, int]) -> dict[str, Transfer]:
    """Write these lines and add to `changes` what they move; those whose key was there already move nothing.

    Whoever repeats a key waited for the first to commit: at its books, or at the unique key itself.
    """
    lines.insert(cursor, asked, timezone.now())
    done: dict[str, Transfer] = {}
    for line in asked:
        if not line._state.adding:
            done[line.key] = line
            changes[line.debit_id] = changes.get(line.debit_id, 0) - line.amount
            changes[line.credit_id] = changes.get(line.credit_id, 0) + line.amount
    repeated = {line.key for line in asked if line._state.adding}
    if repeated:
        done |= {found.key: found for found in Transfer.objects.filter(key__in=repeated)}
        for line in asked:
            found = done[line.key]
            if line._state.adding and _shape(found) != _shape(line):
                raise KeyConflict(f"{line.key} stands in the ledger with another shape")
    return done


def _shape(line: Transfer) -> tuple[str, int, int, int]:
    return (line.verb, line.debit_id, line.credit_id, line.amount)


def _refuse_below_zero(books: Books, changes: dict[int, int]) -> None:
    for book in books.values():
        after = book.balance + changes.get(book.pk, 0)
        if after < 0 and book.kind != Kind.ISSUED:
            raise NotEnoughCredit(account_id=book.account_id, missing=-after)
