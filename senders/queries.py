"""What the pages show of senders."""

from django.db.models import Exists, F, Q, QuerySet

from credits.models import Account
from senders.models import Sender, ShortNumber


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
    usable = Q(account=account) | Q(Exists(ShortNumber.objects.filter(enabled=True)))
    found = of(account).filter(usable, status=Sender.Status.ENABLED)
    return sorted(found, key=lambda sender: (not sender.is_pool, not sender.can_be_answered, sender.value.lower()))


def owner_of_virtual(number: str) -> int | None:
    """The id of the account that owns this virtual number, None when no account or more than one has it approved.

    A request is not ownership: what is sent to a number must not reach whoever asks for it.
    """
    approved = {Sender.Status.ENABLED, Sender.Status.DISABLED}
    found = Sender.objects.filter(
        kind=Sender.Kind.VIRTUAL, value=number, status__in=approved, deleted_at=None
    ).values_list("account_id", flat=True)[:2]
    return found[0] if len(found) == 1 else None
