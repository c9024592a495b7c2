"""What the pages show of accounts and credits."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import BigIntegerField, Case, F, Q, QuerySet, Sum, When
from django.db.models.functions import Coalesce

from credits.models import Account, Book, Member, Transfer


def memberships(user: Any) -> list[Member]:
    """The person's memberships, by the name of the account, with the accounts."""
    return list(Member.objects.filter(user=user).select_related("account").order_by("account__name", "pk"))


def available(account: Account) -> int:
    """The credits that can be spent, in millis."""
    found = Book.objects.filter(account=account, kind=Book.Kind.AVAILABLE).values_list("balance", flat=True)
    return found.first() or 0


@dataclass(frozen=True)
class Balances:
    """The balances of an account's books, in millis."""

    available: int = 0
    held: int = 0
    spent: int = 0


def balances(account: Account) -> Balances:
    """The balances of the account's three books."""
    return Balances(**dict(Book.objects.filter(account=account).values_list("kind", "balance")))


@dataclass(frozen=True)
class Line:
    """A line of the statement: `amount` changed what was available, `after` is what was available then (millis)."""

    transfer: Transfer
    amount: int
    after: int

    @property
    def at(self) -> datetime:
        return self.transfer.created_at


def _of(account: Account) -> QuerySet[Transfer]:
    """The transfers that changed what the account has available, each with its signed `change`."""
    mine = (
        Q(debit__account=account, debit__kind="available"),
        Q(credit__account=account, credit__kind="available"),
    )
    return Transfer.objects.filter(mine[0] | mine[1]).annotate(
        change=Case(When(mine[0], then=-F("amount")), default=F("amount"), output_field=BigIntegerField())
    )


def statement(account: Account, *, before: int | None = None, size: int = 50) -> tuple[list[Line], bool]:
    """A page of the statement, newest first, below the transfer id `before`, and whether there is an older one."""
    lines = _of(account)
    balance = available(account)
    if before is not None:
        newer = lines.filter(pk__gte=before).aggregate(
            total=Coalesce(Sum("change"), 0, output_field=BigIntegerField())
        )["total"]
        balance -= newer
        lines = lines.filter(pk__lt=before)
    rows = list(lines.select_related("by").order_by("-pk")[: size + 1])
    page = []
    for row in rows[:size]:
        change: int = row.change  # type: ignore[attr-defined]
        page.append(Line(row, change, balance))
        balance -= change
    return page, len(rows) > size


def by_cause(account: Account, kind: str, key: str) -> list[Transfer]:
    """The account's ledger lines with this cause, oldest first."""
    return list(
        Transfer.objects.filter(debit__account=account, cause_kind=kind, cause_key=key)
        .select_related("by", "debit", "credit")
        .order_by("pk")
    )


def members(account: Account) -> list[Member]:
    """The account's members with their users, owners first."""
    rows = Member.objects.filter(account=account).select_related("user")
    order = {Member.Role.OWNER: 0, Member.Role.SENDER: 1, Member.Role.READER: 2}
    return sorted(rows, key=lambda member: (order[Member.Role(member.role)], member.user.get_username()))
