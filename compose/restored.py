"""After a back-up was restored: what it says is waiting may have left since it was made, so it is in doubt.

The table of messages is the queue, and a restored table is the queue of then. What was due by the moment at which the
old installation stopped would leave a second time.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import Q

from compose.changing import change_each, note_each
from compose.models import Message

State = Message.State

# Messages in one transaction.
BATCH = 1000


def put_in_doubt(*, stopped_at: datetime, now: datetime) -> int:
    """Make unconfirmed what is being sent and what waits and was to leave by `stopped_at`; returns how many.

    Their prices stay held. What a late report or a person says of them later is as of any other message in doubt
    (`compose.doubts`). A message that was tried in vain, held back or paused counts by its departure, for nobody knows
    what became of that since. To be done once, before anything is sent: what a person has sent again since would be in
    doubt again.

    Nobody was asked about these while their validity ended, nor heard what was said since of those that were in doubt
    before: of each the time in which an answer is waited for begins now at the earliest.
    """
    found = Message.objects.filter(Q(state=State.SENDING) | Q(state=State.SCHEDULED, send_at__lte=stopped_at))
    pks = list(found.order_by("pk").values_list("pk", flat=True))
    changed = 0
    for start in range(0, len(pks), BATCH):
        with transaction.atomic():
            rows = list(found.select_for_update(no_key=True).filter(pk__in=pks[start : start + BATCH]).order_by("pk"))
            for row in rows:
                row.state, row.reason, row.leased_until = State.UNCONFIRMED, "restored", None
                row.handed_over_at = row.handed_over_at or stopped_at
                row.valid_until = max(row.valid_until, now)
            change_each(rows, ["state", "reason", "leased_until", "handed_over_at", "valid_until"])
            note_each(rows, at=now)
        changed += len(rows)
    Message.objects.filter(state=State.UNCONFIRMED, valid_until__lt=now).update(valid_until=now)
    return changed
