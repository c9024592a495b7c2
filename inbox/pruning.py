"""Old events of gateways: deleted when nothing points at them, in batches that hold nobody up."""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from compose.models import GatewayEvent

BATCH, MOST_BATCHES = 1000, 100


def prune(*, clock: Callable[[], datetime] = timezone.now, size: int = BATCH, most: int = MOST_BATCHES) -> int:
    """Delete events that ended SMS_KEEP_EVENTS_DAYS ago, and return how many; 0 days keeps them for ever.

    What was said by a gateway stays beside the received message that came of it. Each batch is a transaction of its
    own; `most` batches in one call, the next call goes on.
    """
    if not settings.SMS_KEEP_EVENTS_DAYS:
        return 0
    before = clock() - timedelta(days=settings.SMS_KEEP_EVENTS_DAYS)
    deleted = 0
    for _batch in range(most):
        count = _delete(before, size)
        deleted += count
        if count < size:
            break
    return deleted


@transaction.atomic
def _delete(before: datetime, size: int) -> int:
    passing = GatewayEvent.objects.select_for_update(skip_locked=True, of=("self",)).filter(
        result__in=GatewayEvent.PASSING, applied_at__lt=before, received=None, part=None
    )
    pks = list(passing.order_by("applied_at", "pk").values_list("pk", flat=True)[:size])
    GatewayEvent.objects.filter(pk__in=pks).delete()
    return len(pks)
