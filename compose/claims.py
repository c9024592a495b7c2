"""Claiming: which due messages this worker takes, by which gateway, and what is looked at again before it does.

`claim_due` takes due messages in a batch (`FOR UPDATE SKIP LOCKED`; on SQLite the write transaction itself)
and commits: state `sending`, a claim for each gateway, a lease. `compose.dispatch` hands them over.

Locks are taken in one order everywhere: messages, the ledger's books, states of gateways, short numbers.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from compose import failover, routing
from compose.breakers import Breakers
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
    """Messages that this worker alone may hand over to one gateway until its lease ends.

    `candidates` has the gateways that carry each message (by its key), in the order in which they are tried.
    """

    id: uuid.UUID
    gateway: str
    messages: list[Message]
    candidates: Mapping[int, Sequence[str]]


@transaction.atomic
def claim_due(*, clock: Clock = timezone.now, size: int = BATCH) -> tuple[list[Claim], int]:
    """Take up to `size` due messages; returns a claim for each gateway that gets some, and how many were moved on.

    What may have changed since the submission is looked at again: a message whose validity is over fails, a
    commercial one to a number that has opted out too, one that no gateway carries any more too; a commercial one
    outside its window moves to the next opening; one whose gateways all rest, or without a free short number, waits.
    """
    now = clock()
    rows = list(
        Message.objects.select_for_update(skip_locked=True, of=("self",))
        .filter(due_before(now))
        .select_related("submission__sender")
        .order_by("due_at", "pk")[:size]
    )
    if not rows:
        return [], 0
    routes = routing.routes()
    carriers = {row.pk: routes.candidates(routing.wanted_by(row)) for row in rows}
    uncarried = {row.pk: "unsupported" for row in rows if not failover.left(row, carriers[row.pk])}
    over = {row.pk: "validity_over" for row in rows if row.valid_until <= now}
    gone = dict.fromkeys(_opted_out(rows), "opted_out")
    ended = uncarried | gone | over
    endings = [Ending(row, State.FAILED, ended[row.pk]) for row in rows if row.pk in ended]
    end_holds(endings, key=f"over:{uuid.uuid4()}", now=now)
    ready = _outside_no_window([row for row in rows if row.pk not in ended], now)
    breakers = Breakers(now)
    ready = _with_gateway(ready, carriers, breakers)
    ready = _with_originator(ready, now)
    made: dict[str, Claim] = {}
    lease = now + timedelta(seconds=settings.SMS_LEASE_SECONDS)
    for row in ready:
        if row.gateway not in made:
            made[row.gateway] = Claim(uuid.uuid4(), row.gateway, [], carriers)
        claim = made[row.gateway]
        claim.messages.append(row)
        row.state, row.claim, row.leased_until = State.SENDING, claim.id, lease
        row.attempts += 1
        row.reason = ""
    breakers.used(made)
    Message.objects.bulk_update(
        ready,
        ["state", "claim", "leased_until", "gateway", "attempts", "originator", "reason"],
        batch_size=500,
    )
    Transition.objects.bulk_create(
        Transition(message=row, at=now, state=State.SENDING, attempt=row.attempts) for row in ready
    )
    return list(made.values()), len(rows) - len(ready)


def _with_gateway(rows: list[Message], carriers: Mapping[int, Sequence[str]], breakers: Breakers) -> list[Message]:
    """The messages for which a gateway is there; those whose gateways all rest wait for the first that may not."""
    ready, waiting = [], []
    for row in rows:
        left = failover.left(row, carriers[row.pk])
        chosen = next((name for name in left if breakers.take(name)), None)
        if chosen is not None:
            row.gateway = chosen
            ready.append(row)
            continue
        until, row.reason, row.gateway = min((*breakers.rests(name), name) for name in left)
        again = failover.begin_again(row, breakers.now)
        if again > breakers.now:
            # Others did not take it in this round: they are asked again when their time has come.
            until = min(until, again)
        # Not beyond its validity: it fails then, and not later.
        row.due_at = min(until, row.valid_until)
        waiting.append(row)
    Message.objects.bulk_update(waiting, ["due_at", "gateway", "passed_over", "reason"], batch_size=500)
    return ready


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
