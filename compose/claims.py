"""Claiming: which due messages this worker takes, and what is looked at again before it does.

`claim_due` takes due messages in a batch (`FOR UPDATE SKIP LOCKED`; on SQLite the write transaction itself)
and commits: state `sending`, a claim, a lease. `compose.dispatch` hands them over.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from compose import routing
from compose.models import Message, OptOut, Transition, due_before
from compose.settlement import Ending, end_holds
from compose.terms import departure_of
from senders import pool

State = Message.State
Clock = Callable[[], datetime]

BATCH = 500
WAIT_FOR_NUMBER = timedelta(minutes=5)


@dataclass(frozen=True)
class Claim:
    """A batch of messages that this worker alone may hand over until its lease ends."""

    id: uuid.UUID
    gateway: str
    messages: list[Message]


@transaction.atomic
def claim_due(*, clock: Clock = timezone.now, size: int = BATCH) -> tuple[Claim | None, int]:
    """Take up to `size` due messages; returns the claim (None without a message) and how many were moved on.

    What may have changed since the submission is looked at again: a message whose validity is over fails, a
    commercial one to a number that has opted out too, a commercial one outside its window moves to the next
    opening, one without a free short number waits.
    """
    now = clock()
    rows = list(
        Message.objects.select_for_update(skip_locked=True, of=("self",))
        .filter(due_before(now))
        .select_related("submission__sender")
        .order_by("due_at", "pk")[:size]
    )
    over = {row.pk: "validity_over" for row in rows if row.valid_until <= now}
    gone = dict.fromkeys(_opted_out(rows), "opted_out")
    ended = gone | over
    endings = [Ending(row, State.FAILED, ended[row.pk]) for row in rows if row.pk in ended]
    end_holds(endings, key=f"over:{uuid.uuid4()}", now=now)
    ready = _outside_no_window([row for row in rows if row.pk not in ended], now)
    ready = _with_originator(ready, now)
    moved_on = len(rows) - len(ready)
    if not ready:
        return None, moved_on
    claim = Claim(uuid.uuid4(), routing.DEFAULT, ready)
    lease = now + timedelta(seconds=settings.SMS_LEASE_SECONDS)
    for row in ready:
        row.state, row.claim, row.leased_until, row.gateway = State.SENDING, claim.id, lease, claim.gateway
        row.attempts += 1
        row.reason = ""
    Message.objects.bulk_update(
        ready,
        ["state", "claim", "leased_until", "gateway", "attempts", "originator", "reason"],
        batch_size=500,
    )
    Transition.objects.bulk_create(
        Transition(message=row, at=now, state=State.SENDING, attempt=row.attempts) for row in ready
    )
    return claim, moved_on


def _opted_out(rows: list[Message]) -> set[int]:
    """The keys of the commercial messages whose recipient is on the STOP list of their account. One query."""
    commercial = [row for row in rows if row.submission.commercial]
    if not commercial:
        return set()
    listed = OptOut.objects.filter(
        account_id__in={row.account_id for row in commercial},
        number__in={row.recipient for row in commercial},
        removed_at=None,
    )
    pairs = set(listed.order_by().values_list("account_id", "number"))
    return {row.pk for row in commercial if (row.account_id, row.recipient) in pairs}


def _outside_no_window(rows: list[Message], now: datetime) -> list[Message]:
    """The messages that may leave now; commercial ones whose window is closed are moved to its opening."""
    ready, moved = [], []
    for row in rows:
        departure = departure_of(
            row.recipient,
            row.region,
            asked=now,
            commercial=row.submission.commercial,
            zone=ZoneInfo(row.submission.time_zone),
        )
        if departure.postponed:
            # The validity runs from the departure, so it moves too.
            row.valid_until += departure.at - row.due_at
            row.send_at = row.due_at = departure.at
            row.postponed_by = row.reason = "window"
            moved.append(row)
        else:
            ready.append(row)
    Message.objects.bulk_update(moved, ["valid_until", "send_at", "due_at", "postponed_by", "reason"], batch_size=500)
    return ready


def _with_originator(rows: list[Message], now: datetime) -> list[Message]:
    """The messages that have somebody to be from; those whose pool has no free number wait."""
    until = now + timedelta(hours=settings.SMS_REPLY_WINDOW_HOURS)
    groups: dict[tuple[int, bool], list[str]] = {}
    for row in rows:
        if row.submission.sender.is_pool:
            groups.setdefault((row.account_id, row.submission.commercial), []).append(row.recipient)
    numbers = {
        group: pool.lease(account_id=group[0], recipients=recipients, commercial=group[1], now=now, until=until)
        # All claims ask for the commercial numbers last, so that none waits for another in a circle.
        for group, recipients in sorted(groups.items(), key=lambda item: (item[0][1], item[0][0]))
    }
    ready, waiting = [], []
    for row in rows:
        sender = row.submission.sender
        number = (
            numbers[row.account_id, row.submission.commercial].get(row.recipient, "")
            if sender.is_pool
            else sender.value
        )
        if number:
            row.originator = number
            ready.append(row)
        else:
            row.due_at, row.reason = now + WAIT_FOR_NUMBER, "no_short_number"
            waiting.append(row)
    Message.objects.bulk_update(waiting, ["due_at", "reason"], batch_size=500)
    return ready
