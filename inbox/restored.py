"""After a back-up was restored: what received messages caused may be done already, so nothing of it is done again.

What was waiting to be done is left out, and the account's page says so. A message that was stored and not yet shown is
shown, counted and heeded as any other, but causes nothing: the old installation did that after the back-up.
"""

from datetime import datetime
from typing import Final, NamedTuple

from django.db import transaction
from django.db.models import Count, Q

from compose.models import GatewayEvent
from inbox.models import Reaction

# A word of inbox/reaction_models.py, and the mark in an event of which a restored back-up says that it waits.
RESTORED: Final = "restored"
# Events in one statement.
BATCH: Final = 500


class LeftOut(NamedTuple):
    """How many reactions of each kind are left out, and how many received SMS wait that will cause none."""

    reactions: dict[str, int]
    received: int


@transaction.atomic
def leave_out(*, stopped_at: datetime, now: datetime) -> LeftOut:
    """End the reactions that wait, and mark the received messages that wait, of those written by `stopped_at`.

    Doing it again changes nothing more. To be done while no worker runs.
    """
    waiting = Reaction.objects.filter(state=Reaction.State.WAITING, created_at__lte=stopped_at)
    reactions = dict(waiting.values_list("kind").order_by("kind").annotate(Count("pk")))
    waiting.update(
        state=Reaction.State.LEFT_OUT, reason=RESTORED, detail="", claim=None, leased_until=None, ended_at=now
    )
    return LeftOut(reactions, _mark(stopped_at))


def _mark(stopped_at: datetime) -> int:
    """Mark what waits to be applied, and the parts of long messages that wait for the others."""
    received = GatewayEvent.objects.filter(kind=GatewayEvent.Kind.RECEIVED, stored_at__lte=stopped_at)
    waiting = received.filter(Q(applied_at=None) | Q(part__message__closed_at=None, part__isnull=False))
    pks = list(waiting.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(pks), BATCH):
        rows = list(GatewayEvent.objects.filter(pk__in=pks[start : start + BATCH]))
        for row in rows:
            row.payload[RESTORED] = True
        GatewayEvent.objects.bulk_update(rows, ["payload"])
    return len(pks)


def caused_already(event: GatewayEvent) -> bool:
    """Whether what the event causes may have been done before the restore."""
    return bool(event.payload.get(RESTORED))
