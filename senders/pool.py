"""The pool of short numbers: which one an account uses with a recipient, so that an answer is never ambiguous."""

from collections.abc import Collection
from datetime import datetime

import phonenumbers
from django.db.models import Count

from senders.models import Lease, ShortNumber

# Regions with a country code of their own that the French numbering plan covers, its short numbers included (Arcep).
FRENCH = frozenset({"BL", "GF", "GP", "MF", "MQ", "PM", "RE", "YT"})


class Pool:
    """The short numbers as they are for one batch of messages: `find` looks, `take` chooses, `keep` writes.

    Make it in a transaction. The numbers of the uses are locked until it ends: two that ask at once wait for each
    other in one order, and neither counts on a lease or on a place (`capacity`) that the other takes. The unique key
    (number, recipient) stands behind that. The number of queries does not depend on that of the recipients.
    """

    def __init__(self, *, recipients: Collection[str], commercial: Collection[bool], now: datetime) -> None:
        self._now = now
        uses = {_use(one) for one in commercial}
        found = ShortNumber.objects.select_for_update(no_key=True).filter(use__in=uses, enabled=True).order_by("pk")
        self._numbers = {number.pk: number for number in found}
        self._several_countries = len({number.country for number in self._numbers.values()}) > 1
        self._leases = {
            (lease.number_id, lease.recipient): lease
            for lease in Lease.objects.filter(recipient__in=set(recipients), number__in=self._numbers)
        }
        self._held: dict[str, list[Lease]] = {}
        for lease in self._leases.values():
            self._held.setdefault(lease.recipient, []).append(lease)
        self._room = self._rooms()
        self._orders: dict[tuple[str, str, str], list[ShortNumber]] = {}
        self._taken: dict[tuple[int, str], Lease] = {}

    def serves(self, *, commercial: bool, gateway: str) -> bool:
        """Whether there is a number for this use, free or not, whose messages may leave by the gateway."""
        use = _use(commercial)
        return any(number.use == use and number.gateway in ("", gateway) for number in self._numbers.values())

    def find(self, *, account_id: int, recipient: str, commercial: bool, gateway: str) -> ShortNumber | None:
        """The number for a message that leaves by this gateway; None when no such number is free.

        An account keeps the number it already has with a recipient. A new one is of the recipient's country where that
        has a free one, and of any country otherwise (which countries a short number does not reach is refused before
        anything is submitted, `senders.rules.refusals`); and rather one whose late answers nobody else waits for.
        """
        use = _use(commercial)
        mine = [
            lease
            for lease in self._held.get(recipient, ())
            if lease.account_id == account_id
            and self._numbers[lease.number_id].use == use
            and self._numbers[lease.number_id].gateway in ("", gateway)
            and (lease.until > self._now or self._has_room(lease.number_id))
        ]
        if mine:
            return self._numbers[max(mine, key=lambda lease: (lease.until, -lease.number_id)).number_id]
        ended: ShortNumber | None = None
        for number in self._in_order(use, gateway, recipient):
            if not self._has_room(number.pk):
                continue
            lease = self._leases.get((number.pk, recipient))
            if lease is None:
                if ended is None or not self._nearer(ended, number, recipient):
                    return number
            elif lease.until <= self._now and ended is None:
                ended = number
        return ended

    def holds(self, number: ShortNumber, *, account_id: int, recipient: str) -> bool:
        """Whether the account has the number with the recipient, or had it last."""
        lease = self._leases.get((number.pk, recipient))
        return lease is not None and lease.account_id == account_id

    def take(self, number: ShortNumber, *, account_id: int, recipient: str, until: datetime) -> None:
        """Hold the number, as `find` gave it, for the account until `until` at least."""
        lease = self._leases.get((number.pk, recipient))
        if lease is None:
            lease = Lease(number=number, recipient=recipient, account_id=account_id, until=until)
            self._leases[number.pk, recipient] = lease
            self._held.setdefault(recipient, []).append(lease)
            self._fill(number.pk)
        elif lease.until <= self._now:
            lease.account_id, lease.until = account_id, until
            self._fill(number.pk)
        else:
            lease.until = max(lease.until, until)
        self._taken[number.pk, recipient] = lease

    def keep(self) -> None:
        """Write what was taken: one statement."""
        rows = [
            Lease(number_id=lease.number_id, recipient=lease.recipient, account_id=lease.account_id, until=lease.until)
            for lease in self._taken.values()
        ]
        Lease.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["number", "recipient"],
            update_fields=["account", "until"],
        )

    def _rooms(self) -> dict[int, int]:
        """How many more recipients each number with a capacity takes. A query where there is such a number."""
        limits = {pk: number.capacity for pk, number in self._numbers.items() if number.capacity is not None}
        if not limits:
            return {}
        used = Lease.objects.filter(number__in=limits, until__gt=self._now).values_list("number").order_by()
        counts = dict(used.annotate(total=Count("pk")))
        return {pk: limit - counts.get(pk, 0) for pk, limit in limits.items()}

    def _has_room(self, pk: int) -> bool:
        return self._room.get(pk, 1) > 0

    def _fill(self, pk: int) -> None:
        if pk in self._room:
            self._room[pk] -= 1

    def _in_order(self, use: str, gateway: str, recipient: str) -> list[ShortNumber]:
        """The numbers that this recipient can get, those of its country first."""
        region = self._region(recipient)
        found = self._orders.get((use, gateway, region))
        if found is None:
            fitting = [one for one in self._numbers.values() if one.use == use and one.gateway in ("", gateway)]
            found = sorted(fitting, key=lambda one: one.country not in _home(region))
            self._orders[use, gateway, region] = found
        return found

    def _nearer(self, one: ShortNumber, other: ShortNumber, recipient: str) -> bool:
        home = _home(self._region(recipient))
        return one.country in home and other.country not in home

    def _region(self, recipient: str) -> str:
        """The recipient's country; "" where it makes no difference."""
        if not self._several_countries:
            return ""
        return phonenumbers.region_code_for_number(phonenumbers.parse(recipient)) or ""


def _use(commercial: bool) -> str:
    return ShortNumber.Use.COMMERCIAL if commercial else ShortNumber.Use.OTHER


def _home(region: str) -> set[str]:
    return {region, "FR"} if region in FRENCH else {region}


def holder(*, number: str, recipient: str) -> int | None:
    """The id of the account that uses this short number with this recipient, or used it last."""
    return Lease.objects.filter(number__number=number, recipient=recipient).values_list("account_id", flat=True).first()
