"""The pool of short numbers: which one an account uses with a recipient, so that an answer is never ambiguous."""

from collections.abc import Sequence
from datetime import datetime

from senders.models import Lease, ShortNumber


def lease(
    *, account_id: int, recipients: Sequence[str], commercial: bool, now: datetime, until: datetime
) -> dict[str, str]:
    """A short number for each recipient, held for the account until `until`; a recipient without one is left out.

    Call it in a transaction. An account keeps the number it already has with a recipient. The numbers of the
    use are locked until the transaction ends: two that ask at once wait for each other in one order, rather
    than for each other's leases in two. The unique key (number, recipient) stands behind that.
    """
    use = ShortNumber.Use.COMMERCIAL if commercial else ShortNumber.Use.OTHER
    found_numbers = ShortNumber.objects.select_for_update(no_key=True).filter(use=use, enabled=True).order_by("pk")
    numbers = dict(found_numbers.values_list("pk", "number"))
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
        and (free := next((pk for pk in numbers if (pk, recipient) not in taken), None)) is not None
    ]
    Lease.objects.bulk_create(wanted, ignore_conflicts=True)
    mine = Lease.objects.filter(account_id=account_id, recipient__in=recipients, number__in=numbers)
    mine.update(until=until)
    return {recipient: numbers[pk] for pk, recipient in mine.values_list("number_id", "recipient")}


def holder(*, number: str, recipient: str) -> int | None:
    """The id of the account that uses this short number with this recipient (the lease may just have ended)."""
    return Lease.objects.filter(number__number=number, recipient=recipient).values_list("account_id", flat=True).first()
