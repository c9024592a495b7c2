"""The pool of short numbers: which one an account uses with a recipient, so that an answer is never ambiguous."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import phonenumbers

from senders.models import Lease, ShortNumber

# Regions with a country code of their own that the French numbering plan covers, its short numbers included (Arcep).
FRENCH = frozenset({"BL", "GF", "GP", "MF", "MQ", "PM", "RE", "YT"})


def lease(
    *, account_id: int, recipients: Sequence[str], commercial: bool, now: datetime, until: datetime
) -> dict[str, str]:
    """A short number for each recipient, held for the account until `until`; a recipient without one is left out.

    Call it in a transaction. An account keeps the number it already has with a recipient; a new one is of the
    recipient's country where that has a free one, and of any country otherwise: which countries a short number
    does not reach is refused before anything is submitted (`senders.rules.refusals`). The numbers of the use are
    locked until the transaction ends: two that ask at once wait for each other in one order, rather than for
    each other's leases in two. The unique key (number, recipient) stands behind that.
    """
    use = ShortNumber.Use.COMMERCIAL if commercial else ShortNumber.Use.OTHER
    found_numbers = ShortNumber.objects.select_for_update(no_key=True).filter(use=use, enabled=True).order_by("pk")
    numbers, countries = {}, {}
    for pk, number, country in found_numbers.values_list("pk", "number", "country"):
        numbers[pk], countries[pk] = number, country
    Lease.objects.filter(recipient__in=recipients, number__in=numbers, until__lte=now).delete()
    kept, taken = {}, set()
    for found in Lease.objects.filter(recipient__in=recipients, number__in=numbers):
        taken.add((found.number_id, found.recipient))
        if found.account_id == account_id:
            kept[found.recipient] = found.number_id
    wanted = [
        Lease(number_id=free, recipient=recipient, account_id=account_id, until=until)
        for recipient in dict.fromkeys(recipients)
        if recipient not in kept
        if (free := next((pk for pk in _nearest(countries, recipient) if (pk, recipient) not in taken), None))
    ]
    Lease.objects.bulk_create(wanted, ignore_conflicts=True)
    mine = Lease.objects.filter(account_id=account_id, recipient__in=recipients, number__in=numbers)
    mine.update(until=until)
    return {recipient: numbers[pk] for pk, recipient in mine.values_list("number_id", "recipient")}


def _nearest(countries: Mapping[int, str], recipient: str) -> Sequence[int]:
    """The numbers in the order in which this recipient gets one: those of its country first."""
    if len(set(countries.values())) < 2:
        return list(countries)
    region = phonenumbers.region_code_for_number(phonenumbers.parse(recipient)) or ""
    home = {region, "FR"} if region in FRENCH else {region}
    return sorted(countries, key=lambda pk: countries[pk] not in home)


def holder(*, number: str, recipient: str) -> int | None:
    """The id of the account that uses this short number with this recipient (the lease may just have ended)."""
    return Lease.objects.filter(number__number=number, recipient=recipient).values_list("account_id", flat=True).first()
