"""What the pages show of senders."""

from django.db.models import F, Q, QuerySet

from credits.models import Account
from senders.models import Sender


def of(account: Account) -> QuerySet[Sender]:
    """The account's own senders and the shared pool of short numbers, the pool first."""
    return Sender.objects.filter(Q(account=account) | Q(account=None), deleted_at=None).order_by(
        F("account_id").asc(nulls_first=True), "pk"
    )


def offered(account: Account) -> list[Sender]:
    """The senders that the compose page offers: enabled ones, the short number that can be answered first."""
    found = of(account).filter(status=Sender.Status.ENABLED)
    return sorted(found, key=lambda sender: (not sender.is_pool, not sender.can_be_answered, sender.value.lower()))
