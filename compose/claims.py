"""Claiming: which due messages this worker takes, by which gateway, and what is looked at again before it does.

`claim_due` takes due messages in a batch (`FOR UPDATE SKIP LOCKED`; on SQLite the write transaction itself)
and commits: state `sending`, a claim for each gateway, a lease. `compose.dispatch` hands them over.

Locks are taken in one order everywhere: messages, the ledger's books, virtual numbers, short numbers, states of
gateways.
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
from compose.changing import change_each, note_each
from compose.models import Message, OptOut, due_before
from compose.originators import WAIT_FOR_NUMBER, Originators, virtual_numbers
from compose.settlement import Ending, end_holds
from compose.terms import departure_of

State = Message.State
Clock = Callable[[], datetime]

BATCH = 500


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
    outside its window moves to the next opening; one whose gateways all rest, or without a free short number, waits;
    one whose virtual number is not the account's any more fails, and one whose number has sent enough today waits.
    """
    now = clock()
    rows = list(
        Message.objects.select_for_update(skip_locked=True)
        .filter(due_before(now))
        # Not joined: messages of a batch share few submissions, and each of these is read and made once.
        .prefetch_related("submission__sender")
        .order_by("due_at", "pk")[:size]
    )
    if not rows:
        return [], 0
    routes = routing.routes()
    virtual = virtual_numbers(rows)
    carriers = {
        row.pk: routes.candidates(
            routing.wanted_by(row, gateway=number.gateway if (number := virtual.get(row.pk)) else "")
        )
        for row in rows
    }
    uncarried = {row.pk: "unsupported" for row in rows if not failover.left(row, carriers[row.pk])}
    over = {row.pk: "validity_over" for row in rows if row.valid_until <= now}
    gone = dict.fromkeys(_opted_out(rows), "opted_out")
    taken_away = {pk: "number_gone" for pk, number in virtual.items() if number is None}
    ended = uncarried | taken_away | gone | over
    endings = [Ending(row, State.FAILED, ended[row.pk]) for row in rows if row.pk in ended]
    end_holds(endings, key=f"over:{uuid.uuid4()}", now=now)
    ready = _outside_no_window([row for row in rows if row.pk not in ended], now)
    originators, breakers = Originators(ready, virtual, now), Breakers(now)
    carriers = {row.pk: originators.served(row, carriers[row.pk]) for row in ready}
    ready = _with_a_way(ready, carriers, breakers, originators)
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
    change_each(ready, ["state", "claim", "leased_until", "gateway", "attempts", "originator", "reason"])
    note_each(ready, at=now)
    return list(made.values()), len(rows) - len(ready)


def _with_a_way(
    rows: list[Message], carriers: Mapping[int, Sequence[str]], breakers: Breakers, originators: Originators
) -> list[Message]:
    """The messages for which there is a gateway and something to be from there; the others wait.

    The number decides before the order of the routes does: an account keeps the one that it has with a recipient.
    """
    ready, waiting = [], []
    for row in rows:
        left = failover.left(row, carriers[row.pk])
        late = originators.waits(row)
        there = {} if late else {name: found for name in left if (found := originators.at(row, name)) is not None}
        in_order = sorted(there, key=lambda name: not originators.kept(row, there[name]))
        chosen = next((name for name in in_order if breakers.take(name)), None)
        if chosen is not None:
            row.gateway = chosen
            originators.take(row, there[chosen])
            ready.append(row)
            continue
        if there:
            until, row.reason, row.gateway = min((*breakers.rests(name), name) for name in there)
        else:
            until, row.reason = late or (breakers.now + WAIT_FOR_NUMBER, "no_short_number")
        if not late and (again := failover.begin_again(row, breakers.now)) > breakers.now:
            # Others did not take it in this round: they are asked again when their time has come.
            until = min(until, again)
        # Not beyond its validity: it fails then, and not later.
        row.due_at = min(until, row.valid_until)
        waiting.append(row)
    originators.keep()
    change_each(waiting, ["due_at", "gateway", "passed_over", "reason"])
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
    change_each(moved, ["valid_until", "send_at", "due_at", "postponed_by", "reason"])
    return ready
