"""What the pages show of accounts and credits."""

from typing import Any

from credits.models import Account, Book, Member, Order, Pack, Transfer


def memberships(user: Any) -> list[Member]:
    """The memberships of a person (or of the person with this id), by the name of the account; with both."""
    return list(Member.objects.filter(user=user).select_related("account", "user").order_by("account__name", "pk"))


def available(account: Account) -> int:
    """The credits that can be spent, in millis."""
    found = Book.objects.filter(account=account, kind=Book.Kind.AVAILABLE).values_list("balance", flat=True)
    return next(iter(found), 0)


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


def balance(account: Account) -> tuple[int, int | None]:
    """What can be spent, and below which amount the account is told that it is low (None: never); both in millis."""
    rows = Book.objects.filter(account=account, kind=Book.Kind.AVAILABLE)
    return rows.values_list("balance", "account__watch__alert_below").first() or (0, None)


def packs() -> list[Pack]:
    """The packs on sale, the smallest first."""
    return list(Pack.objects.filter(on_sale=True).order_by("credits"))


def orders(account: Account, *, before: int | None = None, size: int = 20) -> tuple[list[Order], bool]:
    """A page of the account's orders, newest first, below the order `before`, and whether there is an older one."""
    rows = Order.objects.filter(account=account)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows.select_related("ordered_by", "decided_by").order_by("-pk")[: size + 1])
    return found[:size], len(found) > size
