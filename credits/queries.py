"""What the pages show of accounts and credits."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Count, Max, Min, QuerySet, Sum

from credits.models import Account, Book, Member, Order, Owed, Pack, Transfer

ORDERS_SHOWN = 20


def memberships(user: Any) -> list[Member]:
    """The memberships of a person (or of the person with this id), by the name of the account; with both."""
    return list(Member.objects.filter(user=user).select_related("account", "user").order_by("account__name", "pk"))


def available(account: Account) -> int:
    """The credits that can be spent, in millis."""
    found = Book.objects.filter(account=account, kind=Book.Kind.AVAILABLE).values_list("balance", flat=True)
    return next(iter(found), 0)


class Movements(NamedTuple):
    """Ledger lines of one kind, added up: so many `lines`, from the `first` to the `last`, moved `amount` millis.

    `pk` is the oldest one, `debit` and `credit` the kinds of the books on its two sides. Of a single line,
    `cause_kind` and `cause_key` say what caused it.
    """

    verb: str
    debit: str
    credit: str
    lines: int
    amount: int
    first: datetime
    last: datetime
    pk: int
    cause_kind: str
    cause_key: str

    @property
    def label(self) -> str:
        return str(Transfer.Verb(self.verb).label)

    @property
    def source(self) -> str:
        return str(Book.Kind(self.debit).label)

    @property
    def target(self) -> str:
        return str(Book.Kind(self.credit).label)


def movements(lines: QuerySet[Transfer]) -> list[Movements]:
    """These ledger lines, added up by what they are, in the order in which each kind began; one query."""
    kinds = lines.order_by().values_list("verb", "debit__kind", "credit__kind")
    sums = Count("pk"), Sum("amount"), Min("created_at"), Max("created_at")
    found = [Movements(*row) for row in kinds.annotate(*sums, Min("pk"), Max("cause_kind"), Max("cause_key"))]
    return sorted(found, key=lambda one: one.pk)


def by_cause(account: Account, kind: str, key: str) -> list[Movements]:
    """The account's ledger lines with this cause, added up; one query."""
    return movements(Transfer.objects.filter(debit__account=account, cause_kind=kind, cause_key=key))


class Charged(NamedTuple):
    """What something that had happened already cost its account, in millis, and how much of it is owed still."""

    millis: int
    owed: int


def charged(account: Account, kind: str, keys: Iterable[str]) -> dict[str, Charged]:
    """What each cause of this kind that was charged cost the account, by its key; two queries."""
    wanted = list(keys)
    paid: Counter[str] = Counter()
    owed: Counter[str] = Counter()
    lines = Transfer.objects.filter(verb=Transfer.Verb.CHARGE, debit__account=account)
    debts = Owed.objects.filter(account=account, paid_by=None)
    both: tuple[tuple[Counter[str], QuerySet[Any]], ...] = ((paid, lines), (owed, debts))
    for found, rows in both:
        of_these = rows.filter(cause_kind=kind, cause_key__in=wanted)
        for key, amount in of_these.values_list("cause_key", "amount"):
            found[key] += amount
    return {key: Charged(paid[key] + owed[key], owed[key]) for key in paid | owed}


def members(account: Account) -> list[Member]:
    """The account's members with their users, owners first."""
    rows = Member.objects.filter(account=account).select_related("user")
    order = {Member.Role.OWNER: 0, Member.Role.SENDER: 1, Member.Role.READER: 2}
    return sorted(rows, key=lambda member: (order[Member.Role(member.role)], member.user.get_username()))


def balance(account: Account) -> tuple[int, int | None]:
    """What can be spent, and below which amount the account is told that it is low (None: never); both in millis."""
    rows = Book.objects.filter(account=account, kind=Book.Kind.AVAILABLE)
    return rows.values_list("balance", "account__watch__alert_below").first() or (0, None)


def packs() -> list[Pack]:
    """The packs on sale, the smallest first."""
    return list(Pack.objects.filter(on_sale=True).order_by("credits"))


def is_recent(order: Order) -> bool:
    """Whether the order is on the first page of its account's orders."""
    return Order.objects.filter(account=order.account_id, pk__gt=order.pk).count() < ORDERS_SHOWN


def orders(account: Account, *, before: int | None = None, size: int = ORDERS_SHOWN) -> tuple[list[Order], bool]:
    """A page of the account's orders, newest first, below the order `before`, and whether there is an older one."""
    rows = Order.objects.filter(account=account)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows.select_related("ordered_by", "decided_by").order_by("-pk")[: size + 1])
    return found[:size], len(found) > size
