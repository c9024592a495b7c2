"""What the pages show of senders."""

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Exists, F, Q, QuerySet

from credits.models import Account
from credits.regions import name_of
from senders.models import DestinationRule, Sender, ShortNumber, VirtualNumber
from senders.rules import said


def of(account: Account) -> QuerySet[Sender]:
    """The account's own senders and the shared pool of short numbers, the pool first."""
    return Sender.objects.filter(Q(account=account) | Q(account=None), deleted_at=None).order_by(
        F("account_id").asc(nulls_first=True), "pk"
    )


def pool() -> Sender:
    """The shared pool of short numbers as a sender; a migration made it."""
    return Sender.objects.get(account=None)


def offered(account: Account) -> list[Sender]:
    """The senders that the compose page offers: enabled ones, the short number that can be answered first.

    The pool is offered while it has a number that is enabled.
    """
    pool = Q(Exists(ShortNumber.objects.filter(enabled=True)), account=None)
    found = Sender.objects.filter(Q(account=account) | pool, deleted_at=None, status=Sender.Status.ENABLED)
    return sorted(
        found, key=lambda sender: (not sender.is_pool, not sender.can_be_answered, sender.value.lower(), sender.pk)
    )


def owner_of_virtual(number: str) -> int | None:
    """The id of the account that owns this virtual number, None when no account does.

    A request is not ownership: what is sent to a number must not reach whoever asks for it.
    """
    return VirtualNumber.objects.filter(number=number).values_list("account_id", flat=True).first()


def virtual_numbers(numbers: Collection[str]) -> dict[str, VirtualNumber]:
    """Those of these that are known, by the number. One query; none for none."""
    found = VirtualNumber.objects.filter(number__in=numbers) if numbers else ()
    return {one.number: one for one in found}


def own_virtual_numbers(account: Account) -> dict[str, VirtualNumber]:
    """The virtual numbers that belong to the account, by the number. One query."""
    return {one.number: one for one in VirtualNumber.objects.filter(account=account)}


def locked_virtual_numbers(pks: Collection[int]) -> QuerySet[VirtualNumber]:
    """These numbers, locked in one order until the transaction ends."""
    return VirtualNumber.objects.select_for_update(no_key=True).filter(pk__in=pks).order_by("pk")


@dataclass(frozen=True)
class Condition:
    """What a country asks for before it takes this kind of sender; all three in the reader's language."""

    kind: str
    country: str
    note: str


@dataclass(frozen=True)
class Reach:
    """By kind of sender, the names of the countries that it does not reach; and what others ask for."""

    refused: dict[str, list[str]]
    conditions: list[Condition]


def reach(kinds: Collection[str]) -> Reach:
    """What is known of the destinations of these kinds of sender, in the order of their names. One query."""
    found = Reach(refused={kind: [] for kind in kinds}, conditions=[])
    rules = DestinationRule.objects.filter(kind__in=found.refused)
    named = [(name_of(rule.region), rule) for rule in rules]
    for name, rule in sorted(named, key=lambda row: (row[0].casefold(), row[1].kind)):
        if not rule.allowed:
            found.refused[rule.kind].append(name)
        elif rule.note:
            found.conditions.append(Condition(rule.get_kind_display(), name, said(rule.note)))
    return found
