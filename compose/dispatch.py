"""From the table to the gateway: claim (`compose.claims`), hand over, settle.

Three short transactions and, between the second and the third, the network with no transaction open:

1. `claims.claim_due` takes due messages of one queue and commits: state `sending`, a lease, and a claim for each
   chunk, which is no larger than what the gateway takes at once.
2. `_hand_over` writes the mark of one claim (`HandOver`, a row whose key is the claim), commits, then sends.
3. `_settle` writes each outcome and moves the credits, one transfer for each submission and outcome, and takes the
   mark away. What certainly did not leave goes to the next gateway (`compose.failover`); what may have left to none.

After a crash the lease ends (`SMS_LEASE_SECONDS`), and `sweep`, a tick of beat every ten seconds, reads the mark. A
claim without one certainly did not leave: the sweeper writes the mark in its own name, so that a worker that was only
asleep can no longer write it, and the messages return to the queue, where the next tick finds them. A claim with the
mark of a worker may have left: its messages become unconfirmed. So what a crash leaves in doubt is one chunk of each
queue that the process was serving (`compose.lanes`), never a batch, and nothing leaves twice:

    dies before the claim is committed         nothing happened
    dies before the mark is committed          back to the queue, certainly not sent
    dies before the answers are committed      unconfirmed: sent or not, nobody here knows
    dies after that                            nothing is left to do of this chunk; the next ones have no mark

Committed means on the disk: a database that says so before (PostgreSQL without `synchronous_commit`) could lose a mark
in a power cut, and its chunk would leave twice.

An exception that leaves `serve` is such a death, for that queue. What a gateway raises is none: it is an outcome
(`compose.outcomes`), the task's soft time limit included. While the database is away the answers are tried again for
half a minute (`SETTLE_PAUSES`). If the chunk was the probe of a gateway that rests, the next probe comes after the
lease, too (`compose.breakers`). What was taken of a gateway's pace is not given back; a short number stays with its
recipient, and what counts for a virtual number's day does not count again at the next try. A turn (`compose.turns`)
ends with its process. What gives the rest of a batch back and what the sweeper does are one transaction each: done, or
left to the next sweep.

Nothing leaves twice by itself. Who has a message sent again that is in doubt takes that upon himself, also for a worker
that stands still since its mark and may yet speak.
"""

import logging
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from compose import (
    breakers,
    claims,
    failover,
    marks,
    outcomes,
    outgoing,
    pacing,
    queues,
    routing,
    stopping,
    tallies,
    turns,
    vendor_codes,
)
from compose.away import AWAY, let_go
from compose.changing import change_each, note_each
from compose.claims import BATCH, Claim, Clock
from compose.gateways.base import (
    Accepted,
    Gateway,
    GatewayError,
    NotSent,
    Outcome,
    OutcomeUnknown,
    Unsupported,
)
from compose.models import Message
from compose.queues import Queue
from compose.reasons import known
from compose.settlement import Ending, end_holds

log = logging.getLogger(__name__)
State = Message.State

# Seconds before each try to keep the answers of a gateway. They are known nowhere else, so a database that is being
# restarted is waited for.
SETTLE_PAUSES = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 10.0)
# Nobody settles any more what was handed over so long ago.
FORGOTTEN = timedelta(days=7)


def serve(queue: Queue, *, clock: Clock = timezone.now, most: int = 20) -> tuple[int, int]:
    """Claim and send what is due in one queue; returns how many messages were claimed, and in how many batches.

    No batch begins later than half a lease after the first: a batch lasts half a lease and a chunk at the most, and a
    task that ran into its time limit would leave a chunk in doubt. The next tick goes on.
    """
    claimed = batches = 0
    last_start = clock() + _half_a_lease()
    while batches < most and clock() <= last_start and not stopping.asked():
        room = pacing.room(queue.gateway, BATCH)
        if not room:
            # Others have taken what the gateway's limit leaves for now.
            break
        with turns.taken(many=queue.bulk):
            made, others = claims.claim_due(queue, clock=clock, size=room)
        if not made and not others:
            break
        batches += 1
        claimed += sum(len(claim.messages) for claim in made)
        send(made, clock=clock)
    return claimed, batches


def send(made: Sequence[Claim], *, clock: Clock = timezone.now) -> None:
    """Hand over the chunks of one batch, one after the other, at the pace of their gateway.

    When half of the lease is used, the gateway rests or the worker shall stop, the rest goes back to the queue.
    """
    for number, claim in enumerate(made):
        gateway = routing.gateway(claim.gateway)
        if wait := pacing.take(claim.gateway, len(claim.messages)):
            time.sleep(wait)
        now = clock()
        if now >= claim.leased_until:
            # The sweeper takes it back, or has done so.
            break
        if stopping.asked() or now > claim.leased_until - _half_a_lease():
            # Without a word for why: `compose.reasons.NOT_HANDED_OVER` has its sentence.
            _give_back(made[number:], "", clock)
            break
        if _hand_over(claim, gateway, clock):
            _give_back(made[number + 1 :], "gateway_unreachable", clock)
            break


def _half_a_lease() -> timedelta:
    return timedelta(seconds=settings.SMS_LEASE_SECONDS) / 2


@transaction.atomic
def _give_back(left: Sequence[Claim], reason: str, clock: Clock) -> None:
    """The rest of the batch was not handed over, so it loses no attempt; it goes another way, or later."""
    now = clock()
    mine = Message.objects.select_for_update(no_key=True).filter(
        pk__any=[row.id for claim in left for row in claim.messages],
        claim__in=[claim.id for claim in left],
        state=State.SENDING,
    )
    rows = list(mine.order_by("pk"))
    for row in rows:
        # It keeps its moment, and so its place in the queue.
        row.reason, row.attempts = reason, row.attempts - 1
    _return_to_queue(rows)
    note_each(rows, at=now)
    for claim in left:
        # A claim from before the gateway rested is not what tries it: that may be on its way just now.
        if claim.probe:
            breakers.untried(claim.gateway, now=now)


def _hand_over(claim: Claim, gateway: Gateway, clock: Clock) -> bool:
    """Hand the chunk over and settle it; whether the gateway takes no more now."""
    now = clock()
    chunk = outgoing.of(claim.messages, at=now)
    # What the sweeper took back because the lease ended is no longer ours to send.
    if not marks.hand_over(claim.id, at=now):
        return False
    # From here on it is in doubt, also before the first byte.
    said = outcomes.of(claim.gateway, gateway, chunk)
    return _settle_surely(claim, now, said, clock)


def _settle_surely(claim: Claim, handed_over_at: datetime, answers: Sequence[Outcome], clock: Clock) -> bool:
    """Settle, and again when the database is busy or was away: only here is it known what the gateway said.

    When it went away during the commit, the mark says whether that was done: it goes with it. Raises what the database
    said after SETTLE_PAUSES; then the messages become unconfirmed when their lease ends.
    """
    for number, pause in enumerate(SETTLE_PAUSES):
        time.sleep(pause)
        try:
            if number and marks.is_settled(claim.id):
                return breakers.is_open(claim.gateway)
            with turns.taken(many=claim.bulk and queues.is_bulk(len(claim.messages))):
                return _settle(claim, handed_over_at, answers, clock)
        except AWAY as error:
            if number == len(SETTLE_PAUSES) - 1:
                raise
            log.warning("The answers of the gateway could not be kept yet (%s); trying again", error)
            let_go()
    raise AssertionError("the last try has returned or raised")


@transaction.atomic
def _settle(claim: Claim, handed_over_at: datetime, answers: Sequence[Outcome], clock: Clock) -> bool:
    """Write what the gateway said of the chunk; whether it rests now."""
    now = clock()
    said = {row.id: outcome for row, outcome in zip(claim.messages, answers, strict=True)}
    # A lease that ended while the gateway was slow made them unconfirmed: the answer resolves that too.
    mine = Message.objects.select_for_update(no_key=True).filter(
        pk__any=said, claim=claim.id, state__in=[State.SENDING, State.UNCONFIRMED]
    )
    claimed, rows = {row.id: row for row in claim.messages}, []
    # Read again: the sweeper may have changed the row, and a try to settle that was rolled back these objects.
    for pk, state, reference, passed_over in mine.order_by("pk").values_list(
        "pk", "state", "gateway_ref", "passed_over"
    ):
        row = claimed[pk]
        row.state, row.gateway_ref, row.passed_over = state, reference, passed_over
        row.handed_over_at = handed_over_at
        rows.append(row)
    endings, returning, doubtful = [], [], []
    for row in rows:
        outcome = said[row.id]
        if isinstance(outcome, Accepted):
            endings.append(Ending(row, State.ACCEPTED, reference=outcome.reference))
        elif isinstance(outcome, NotSent | Unsupported):
            if why := failover.go_on(row, outcome, claim.candidates[row.id], now):
                endings.append(Ending(row, State.FAILED, why, _detail(claim, outcome)))
            else:
                returning.append((row, outcome))
        elif isinstance(outcome, OutcomeUnknown):
            doubtful.append((row, outcome))
        else:
            endings.append(Ending(row, State.FAILED, known(outcome.reason), _detail(claim, outcome)))
    end_holds(endings, key=f"settle:{claim.id}", now=now)
    _return_to_queue([row for row, _outcome in returning])
    _doubt([row for row, _outcome in doubtful], "outcome_unknown")
    open_still = [*returning, *doubtful]
    note_each(
        [row for row, _outcome in open_still],
        at=now,
        reasons=[known(outcome.reason) for _row, outcome in open_still],
        details=[_detail(claim, outcome)[:250] for _row, outcome in open_still],
    )
    rests = breakers.report(claim.gateway, answers, now=now, probe=claim.probe)
    unheard = Counter(outcome.code for outcome in answers if isinstance(outcome, GatewayError) and outcome.code)
    if unheard:
        vendor_codes.seen(claim.gateway, where="answer", codes=unheard, now=now)
    tallies.settled(claim.gateway, [(said[row.id], row.handed_over_at) for row in rows], now=now)
    marks.settled(claim.id)
    return rests


def _detail(claim: Claim, outcome: GatewayError) -> str:
    """What the gateway said, with its name where there are several."""
    return f"{claim.gateway}: {outcome.detail}" if len(routing.names()) > 1 else outcome.detail


def _return_to_queue(rows: list[Message]) -> None:
    for row in rows:
        row.state, row.claim, row.leased_until, row.handed_over_at = State.SCHEDULED, None, None, None
    changed = ["state", "claim", "leased_until", "handed_over_at", "due_at", "reason", "passed_over", "attempts"]
    change_each(rows, changed)


def _doubt(rows: list[Message], reason: str) -> None:
    for row in rows:
        row.state, row.reason = State.UNCONFIRMED, reason
    change_each(rows, ["state", "reason", "handed_over_at"])


@transaction.atomic
def sweep(*, clock: Clock = timezone.now, size: int = BATCH) -> int:
    """Take back what a crash left (ended leases), and end what nobody confirmed in time: expired, the price given back.

    Returns how many messages, `size` at the most.
    """
    now = clock()
    forgotten = now - timedelta(days=settings.SMS_UNCONFIRMED_DAYS)
    # A lease longer than there is was written by a clock that was wrong; nobody waits until it shows that time again.
    longest = now + timedelta(seconds=settings.SMS_LEASE_SECONDS) * 2
    over = Q(leased_until__lte=now) | Q(leased_until__gt=longest)
    rows = list(
        Message.objects.select_for_update(skip_locked=True, no_key=True)
        .filter(over & Q(state=State.SENDING) | Q(state=State.UNCONFIRMED, valid_until__lte=forgotten))
        .order_by("pk")[:size]
    )
    ended = [row for row in rows if row.state == State.SENDING]
    handed_over = marks.taken_back({row.claim for row in ended if row.claim is not None}, at=now)
    for row in ended:
        # A worker from before there were marks (migration compose 0010) wrote it for each message.
        row.handed_over_at = row.handed_over_at or handed_over.get(row.claim)
    never_left = [row for row in ended if row.handed_over_at is None]
    in_doubt = [row for row in ended if row.handed_over_at is not None]
    end_holds(
        [Ending(row, State.EXPIRED, "never_confirmed") for row in rows if row.state == State.UNCONFIRMED],
        key=f"forgotten:{uuid.uuid4()}",
        now=now,
    )
    for row in never_left:
        # No gateway was asked: that is no attempt, after which the next one would have to wait.
        row.reason, row.attempts = "lease_ended", row.attempts - 1
    _return_to_queue(never_left)
    _doubt(in_doubt, "crash")
    note_each([*never_left, *in_doubt], at=now)
    if len(rows) < size:
        marks.forget(before=now - FORGOTTEN)
    return len(rows)
