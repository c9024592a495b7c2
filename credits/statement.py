"""The statement of an account: what changed the credits it has available, line by line, with the balance after each.

A page costs the same at any depth: it begins where an index says, and its cursor carries the balance there,
signed, because what stood in the ledger at a line never changes. All lines of a page are older than the newest
one that the balance was read with, so a movement made meanwhile cannot make the two disagree.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from heapq import merge

from django.core.signing import BadSignature, Signer
from django.db.models import BigIntegerField, Case, OuterRef, Q, QuerySet, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce, Greatest

from credits import causes, ledger
from credits.models import Account, Book, Owed, Transfer

SIZE = 50
# Of a file: enough that the database is asked seldom, few enough that memory stays small.
BATCH = 500
# In a cursor between the line, the balance there, and the signature.
DOT = "."


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which lines of the statement: a kind of movement, from a moment, before another, and words of the cause."""

    verb: str = ""
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""

    @property
    def everything(self) -> bool:
        return self == Wanted()


@dataclass(frozen=True)
class Anchor:
    """A point in the ledger: the `balance` in millis after the line `pk`, or after the last one before it."""

    pk: int
    balance: int


@dataclass(frozen=True)
class Line:
    """A line of the statement: `amount` changed what was available, `after` is what was available then (millis).

    `other` is the account on the other side of a transfer between two accounts.
    """

    transfer: Transfer
    amount: int
    after: int
    other: Account | None

    @property
    def at(self) -> datetime:
        return self.transfer.created_at

    @property
    def below(self) -> Anchor:
        """The point just before this line."""
        return Anchor(self.transfer.pk - 1, self.after - self.amount)


@dataclass(frozen=True)
class Books:
    """The balances of an account's books in millis and what it owes, read at one moment.

    `pk` is the id of the book of what is available, `spent_pk` that of what is spent, `newest` the newest line of
    the first. Zeros for an account that has no books yet.
    """

    account: int
    pk: int = 0
    spent_pk: int = 0
    available: int = 0
    held: int = 0
    spent: int = 0
    owed: int = 0
    newest: int = 0

    @property
    def now(self) -> Anchor:
        return Anchor(self.newest, self.available)


def books(account: Account) -> Books:
    """The account's books, read at one moment."""

    def newest(side: str) -> Coalesce:
        line = Transfer.objects.filter(**{side: OuterRef("pk")}).order_by("-pk").values("pk")[:1]
        return Coalesce(Subquery(line), 0, output_field=BigIntegerField())

    unpaid = Owed.objects.filter(account=OuterRef("account"), paid_by=None).order_by().values("account")
    owed = Coalesce(Subquery(unpaid.annotate(total=Sum("amount")).values("total")), 0, output_field=BigIntegerField())
    rows = Book.objects.filter(account=account).annotate(newest=Greatest(newest("debit"), newest("credit")), owed=owed)
    found: dict[str, int] = {}
    for kind, pk, balance, line, debts in rows.values_list("kind", "pk", "balance", "newest", "owed"):
        found[kind] = balance
        if kind == Book.Kind.AVAILABLE:
            found |= {"pk": pk, "newest": line, "owed": debts}
        elif kind == Book.Kind.SPENT:
            found["spent_pk"] = pk
    return Books(account=account.pk, **found)


def lines(of: Books, wanted: Wanted, *, start: Anchor, size: int = SIZE) -> tuple[list[Line], Anchor | None]:
    """The newest `size` lines wanted at or before `start`, newest first, and where the next ones begin, if any."""
    sides = [_side(of, wanted, side, start, size) for side in ("debit", "credit") if _has(side, wanted.verb)]
    rows = list(merge(*sides, key=lambda row: row[0].pk, reverse=True))
    page, more = rows[:size], len(rows) > size
    above = [0] * len(page) if wanted.everything else _between(of, [row for row, _change in page], start)
    found, balance = [], start.balance
    for (row, change), hidden in zip(page, above, strict=True):
        balance -= hidden
        found.append(Line(row, change, balance, _other(row, change)))
        balance -= change
    return found, found[-1].below if more else None


def batches(of: Books, wanted: Wanted, *, size: int = BATCH) -> Iterator[list[Line]]:
    """All lines wanted, newest first, so many at a time."""
    start: Anchor | None = of.now
    while start is not None:
        found, start = lines(of, wanted, start=start, size=size)
        yield found


def cursor(of: Books, anchor: Anchor | None) -> str:
    """`anchor` for the address of the next page; "" for none."""
    return _signer(of).sign(f"{anchor.pk}{DOT}{anchor.balance}") if anchor else ""


def anchor(of: Books, cursor: str) -> Anchor:
    """What `cursor` made of an address. One that makes no sense is the newest line: somebody edited it."""
    try:
        pk, balance = _signer(of).unsign(cursor).split(DOT)
    except BadSignature:
        return of.now
    return Anchor(int(pk), int(balance))


def _signer(of: Books) -> Signer:
    # With the account in it, the cursor of another account's statement is none here.
    return Signer(salt=f"credits.statement.{of.account}", sep=DOT)


def _has(side: str, verb: str) -> bool:
    """Whether lines of this kind can have the account's available credits on this side."""
    if verb in ("", Transfer.Verb.ADJUST):
        return True
    return ledger.ROUTES[Transfer.Verb(verb)][side == "credit"] == Book.Kind.AVAILABLE


def _side(of: Books, wanted: Wanted, side: str, start: Anchor, size: int) -> list[tuple[Transfer, int]]:
    rows = _matching(Transfer.objects.filter(**{side: of.pk}, pk__lte=start.pk), wanted)
    sign = -1 if side == "debit" else 1
    shown = rows.select_related("debit__account", "credit__account", "by").order_by("-pk")[: size + 1]
    return [(row, sign * row.amount) for row in shown]


def _matching(rows: QuerySet[Transfer], wanted: Wanted) -> QuerySet[Transfer]:
    if wanted.verb:
        rows = rows.filter(verb=wanted.verb)
    if wanted.since is not None:
        rows = rows.filter(created_at__gte=wanted.since)
    if wanted.until is not None:
        rows = rows.filter(created_at__lt=wanted.until)
    if wanted.text:
        found = Q(reason__icontains=wanted.text)
        for kind, key in causes.named(wanted.text):
            found |= Q(cause_kind=kind, cause_key=key) if key else Q(cause_kind=kind)
        if wanted.text.isdecimal():
            found |= Q(cause_key=wanted.text)
        rows = rows.filter(found)
    return rows


def _between(of: Books, rows: list[Transfer], start: Anchor) -> list[int]:
    """What the lines that are not shown above each of `rows` changed: for the first since `start`."""
    if not rows:
        return []
    tops = [start.pk, *(row.pk - 1 for row in rows[:-1])]
    top = Case(
        *(When(pk=row.pk, then=Value(pk)) for row, pk in zip(rows, tops, strict=True)), output_field=BigIntegerField()
    )

    def moved(side: str) -> Coalesce:
        hidden = Transfer.objects.filter(**{side: of.pk}, pk__gt=OuterRef("pk"), pk__lte=OuterRef("top"))
        total = hidden.order_by().values(side).annotate(total=Sum("amount")).values("total")
        return Coalesce(Subquery(total), 0, output_field=BigIntegerField())

    summed = Transfer.objects.filter(pk__in=[row.pk for row in rows]).annotate(top=top)
    changes = dict(summed.annotate(hidden=moved("credit") - moved("debit")).values_list("pk", "hidden"))
    return [changes[row.pk] for row in rows]


def _other(row: Transfer, change: int) -> Account | None:
    far = row.credit if change < 0 else row.debit
    return far.account if far.kind == Book.Kind.AVAILABLE else None
