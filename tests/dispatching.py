"""What workers do, in one place and one thread: every queue of every lane, one after the other."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from compose import dispatch, queues
from compose.claims import Clock


def dispatch_due(*, clock: Clock = timezone.now, most: int = 20) -> int:
    """Claim and send what is due in all queues, interactive ones first; returns how many messages were claimed.

    In `most` batches at the most, and none later than half a lease after the first.
    """
    claimed, left, progress = 0, most, True
    last_start = clock() + timedelta(seconds=settings.SMS_LEASE_SECONDS) / 2
    while progress and left and clock() <= last_start:
        progress = False
        for queue in sorted(queues.waiting(clock()), key=lambda queue: queue.bulk):
            taken, batches = dispatch.serve(queue, clock=clock, most=left)
            claimed, left = claimed + taken, left - batches
            progress = progress or batches > 0
    return claimed
