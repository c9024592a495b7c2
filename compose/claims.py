"""Claiming: which due messages of a queue this worker takes, and what is looked at again before it does.

`claim_due` takes due messages in a batch (`FOR UPDATE SKIP LOCKED`; on SQLite the write transaction itself) and
commits: state `sending`, a lease, and a claim for each chunk, which is what the gateway takes at once.
`compose.dispatch` hands the chunks over.

Locks are taken in one order everywhere: a submission (where a person changes what waits of it: `compose.scheduled`),
messages, the ledger's books, virtual numbers, short numbers, states of gateways, vendor codes, tallies, marks. The
sweeper takes marks right after messages: it skips locked messages, so whoever settles holds nothing that it waits for.
"""

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from compose import claimed, failover, pacing, queues, routing
from compose.breakers import BEHIND, Breakers
from compose.changing import change_each, note_each
from compose.models import Message, OptOut, Submission, due_before
from compose.originators import WAIT_FOR_NUMBER, Originators, virtual_numbers
from compose.queues import Queue
from compose.settlement import Ending, end_holds
from compose.terms import departure_of
from senders.models import VirtualNumber

State = Message.State
Clock = Callable[[], datetime]

BATCH = 1000
# So long a message waits whose submission is paused.
WHILE_SUBMISSION_PAUSED = timedelta(minutes=1)


@dataclass(frozen=True)
class Claim:
    """A chunk of messages that this worker alone may hand over to its gateway until the lease ends.

    `candidates` has the gateways that carry each message (by its key), in the order in which they are tried, `bulk` is
    the lane, and `probe` says that the gateway rested and is tried with it.
    """

    id: uuid.UUID
    gateway: str
    leased_until: datetime
    messages: list[Message]
    candidates: Mapping[int, Sequence[str]]
    bulk: bool
    probe: bool


@transaction.atomic
def claim_due(queue: Queue | None = None, *, clock: Clock = timezone.now, size: int = BATCH) -> tuple[list[Claim], int]:
    """Take up to `size` due messages of the queue, or of the one that has been due longest when none is named.

    Returns a claim for each chunk that its gateway takes, and how many other messages it dealt with.

    What may have changed since the submission is looked at again. A message

        fails           when its validity is over, its number has opted out (a commercial one), no gateway carries it
                        any more, or its virtual number is not the account's any more
        waits           when its submission is paused, it is outside its window (a commercial one), all its gateways
                        rest, no short number is free, or its virtual number is disabled or has sent enough today
        changes queue   when it goes by another gateway now
    """
    now = clock()
    if queue is None:
        queue = next(iter(queues.waiting(now)), None)
    if queue is None:
        return [], 0
    rows = claimed.read(
        Message.objects.select_for_update(skip_locked=True, no_key=True)
        .filter(due_before(now), gateway=queue.gateway, bulk=queue.bulk)
        .order_by("due_at", "pk")[:size]
    )
    if not rows:
        return [], 0
    found = len(rows)
    rows = _not_paused(rows, now)
    virtual = virtual_numbers(rows)
    carriers = _carriers(rows, virtual)
    uncarried = {row.id: "unsupported" for row in rows if not failover.left(row, carriers[row.id])}
    over = {row.id: "validity_over" for row in rows if row.valid_until <= now}
    gone = dict.fromkeys(_opted_out(rows), "opted_out")
    lost = {submission for submission, number in virtual.items() if number is None}
    taken_away = {row.id: "number_gone" for row in rows if row.submission_id in lost}
    ended = uncarried | taken_away | gone | over
    endings = [Ending(row, State.FAILED, ended[row.id]) for row in rows if row.id in ended]
    end_holds(endings, key=f"over:{uuid.uuid4()}", now=now)
    ready = _outside_no_window([row for row in rows if row.id not in ended], now)
    originators, breakers = Originators(ready, virtual, now), Breakers(now)
    carriers = {row.id: originators.served(row, carriers[row.id]) for row in ready}
    ready = _with_a_way(ready, queue.gateway, carriers, breakers, originators)
    made = _chunks(ready, queue, carriers, now, probe=breakers.tries(queue.gateway))
    breakers.used([queue.gateway] if made else [])
    change_each(ready, ["state", "claim", "leased_until", "gateway", "attempts", "originator", "reason"])
    note_each(ready, at=now)
    return made, found - len(ready)


def _carriers(rows: list[Message], virtual: Mapping[int, VirtualNumber | None]) -> dict[int, tuple[str, ...]]:
    """The gateways that carry each message (by its key), in their order; the same for all of a submission and region.

    `virtual` has the virtual numbers of the submissions that have one. The queries are those of `routing.routes`.
    """
    routes = routing.routes()
    alike: dict[tuple[int, str], tuple[str, ...]] = {}
    for row in {(row.submission_id, row.region): row for row in rows}.values():
        number = virtual.get(row.submission_id)
        wanted = routing.wanted_by(row, gateway=number.gateway if number else "")
        alike[row.submission_id, row.region] = routes.candidates(wanted)
    return {row.id: alike[row.submission_id, row.region] for row in rows}


def _submissions(rows: Iterable[Message]) -> list[Submission]:
    """Those of the messages, each once."""
    return [row.submission for row in {row.submission_id: row for row in rows}.values()]


def _chunks(
    ready: list[Message], queue: Queue, carriers: Mapping[int, Sequence[str]], now: datetime, *, probe: bool
) -> list[Claim]:
    """Claim the messages, in chunks no larger than the gateway takes at once."""
    if not ready:
        return []
    size = pacing.chunk(queue.gateway, routing.gateway(queue.gateway).capabilities.batch_size)
    lease = now + timedelta(seconds=settings.SMS_LEASE_SECONDS)
    made = []
    for start in range(0, len(ready), size):
        claim = Claim(uuid.uuid4(), queue.gateway, lease, ready[start : start + size], carriers, queue.bulk, probe)
        for row in claim.messages:
            row.state, row.claim, row.leased_until = State.SENDING, claim.id, lease
            row.attempts += 1
            row.reason = ""
        made.append(claim)
    return made


def _not_paused(rows: list[Message], now: datetime) -> list[Message]:
    """Those whose submission is not paused.

    A pause takes the moment from what waits, so only what was on its way then and came back is met here. It is looked
    at again, rather than left to the person who resumes: that may be happening in this very instant.
    """
    still = {one.pk for one in _submissions(rows) if one.paused_at is not None}
    if not still:
        return rows
    paused = [row for row in rows if row.submission_id in still]
    for row in paused:
        row.due_at = now + WHILE_SUBMISSION_PAUSED
    change_each(paused, ["due_at"])
    return [row for row in rows if row.submission_id not in still]


def _with_a_way(
    rows: list[Message],
    here: str,
    carriers: Mapping[int, Sequence[str]],
    breakers: Breakers,
    originators: Originators,
) -> list[Message]:
    """The messages that leave by this gateway now and for which it has a name or number to leave from; others wait.

    Those that leave by another one now wait in its queue, where whoever serves that one finds them at once.
    The number decides before the order of the routes does: an account keeps the one that it has with a recipient.
    """
    ready, waiting = [], []
    for row in rows:
        left = failover.left(row, carriers[row.id])
        late = originators.waits(row)
        there = {} if late else {name: found for name in left if (found := originators.at(row, name)) is not None}
        in_order: Iterable[str] = there
        if len(there) > 1:
            in_order = sorted(there, key=lambda name: not originators.kept(row, there[name]))
        chosen = next(filter(breakers.take, in_order), None)
        if chosen is not None:
            row.gateway = chosen
            if chosen == here:
                originators.take(row, there[chosen])
                ready.append(row)
            else:
                # It waits there for its turn, and no more for what it waited for here.
                row.reason = ""
                waiting.append(row)
            continue
        if there:
            until, row.reason, row.gateway = min((*breakers.rests(name), name) for name in there)
            # One message tries the gateway. Those tried before may be what is wrong: the others go first.
            until += row.attempts * BEHIND
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
    which = {one.pk for one in _submissions(rows) if one.commercial}
    if not which:
        return set()
    commercial = [row for row in rows if row.submission_id in which]
    listed = OptOut.objects.filter(
        account_id__in={row.account_id for row in commercial},
        number__in={row.recipient for row in commercial},
        removed_at=None,
    )
    pairs = set(listed.order_by().values_list("account_id", "number"))
    return {row.id for row in commercial if (row.account_id, row.recipient) in pairs}


def _outside_no_window(rows: list[Message], now: datetime) -> list[Message]:
    """The messages that may leave now; commercial ones whose window is closed are moved to its opening."""
    commercial = {one.pk for one in _submissions(rows) if one.commercial}
    ready, moved = [], []
    for row in rows:
        if row.submission_id not in commercial:
            ready.append(row)
            continue
        departure = departure_of(
            row.recipient,
            row.region,
            asked=now,
            commercial=True,
            zone=ZoneInfo(row.submission.time_zone),
        )
        if departure.postponed:
            # The validity runs from the departure, so it moves too.
            row.valid_until += departure.at - (row.due_at or now)
            row.send_at = row.due_at = departure.at
            row.postponed_by = row.reason = "window"
            moved.append(row)
        else:
            ready.append(row)
    change_each(moved, ["valid_until", "send_at", "due_at", "postponed_by", "reason"])
    return ready
