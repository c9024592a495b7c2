"""From the table to the gateway: claim (`compose.claims`), hand over, settle.

Three short transactions and, between the second and the third, the network with no transaction open:

1. `claims.claim_due` takes due messages in a batch and commits: state `sending`, a gateway, a claim, a lease.
2. `_hand_over` writes `handed_over_at` for a chunk no larger than the gateway takes, commits, then sends.
3. `_settle` writes each outcome and moves the credits, one transfer for each submission and outcome. What certainly
   did not leave goes to the next gateway (`compose.failover`); what may have left goes to none.

After a crash the lease ends and `sweep` reads the mark: without `handed_over_at` the message certainly
did not leave and returns to the queue; with it, it may have left and becomes unconfirmed. So what a crash
leaves in doubt is a chunk, never a batch, and nothing leaves twice.
"""

import logging
import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from compose import breakers, claims, failover, outcomes, routing, tallies, vendor_codes
from compose.changing import change_each, note_each
from compose.claims import BATCH, Claim, Clock
from compose.gateways.base import (
    Accepted,
    Gateway,
    GatewayError,
    NotSent,
    Outcome,
    OutcomeUnknown,
    Outgoing,
    Unsupported,
)
from compose.models import Message
from compose.reasons import known
from compose.settlement import Ending, end_holds

log = logging.getLogger(__name__)
State = Message.State

SETTLE_TRIES = 5
# What of a claimed message is decided on when its answer comes; the rest stays as it was claimed.
CHANGING = ("state", "handed_over_at", "gateway_ref", "passed_over")


def dispatch_due(*, clock: Clock = timezone.now, most: int = 20) -> int:
    """Claim and send what is due, `most` batches at the most, and return how many messages were claimed.

    No batch begins later than half a lease after the first: a batch lasts one lease at the most, and a task
    that ran into its time limit would leave a chunk in doubt. The next tick goes on.
    """
    claimed = 0
    last_start = clock() + timedelta(seconds=settings.SMS_LEASE_SECONDS) / 2
    for _batch in range(most):
        if clock() > last_start:
            break
        made, moved_on = claims.claim_due(clock=clock)
        if not made and not moved_on:
            break
        for claim in made:
            claimed += len(claim.messages)
            _send(claim, clock)
    return claimed


def _send(claim: Claim, clock: Clock) -> None:
    gateway = routing.gateway(claim.gateway)
    size = gateway.capabilities.batch_size
    for start in range(0, len(claim.messages), size):
        if _hand_over(claim, claim.messages[start : start + size], gateway, clock):
            _give_back(claim, claim.messages[start + size :], clock)
            break


@transaction.atomic
def _give_back(claim: Claim, left: list[Message], clock: Clock) -> None:
    """The gateway rests: the rest of the claim was not handed over, so it loses no attempt and goes another way."""
    now = clock()
    mine = Message.objects.select_for_update().filter(
        pk__in=[row.pk for row in left], claim=claim.id, state=State.SENDING, handed_over_at=None
    )
    rows = list(mine.order_by("pk"))
    for row in rows:
        row.due_at, row.reason, row.attempts = now, "gateway_unreachable", row.attempts - 1
    _return_to_queue(rows)
    note_each(rows, at=now)


def _hand_over(claim: Claim, chunk: list[Message], gateway: Gateway, clock: Clock) -> bool:
    """Hand the chunk over and settle it; whether the gateway takes no more now."""
    now = clock()
    with transaction.atomic():
        mine = Message.objects.select_for_update().filter(
            pk__in=[row.pk for row in chunk], claim=claim.id, state=State.SENDING, leased_until__gt=now
        )
        # What the sweeper took back because the lease ended is no longer ours to send.
        kept = set(mine.order_by("pk").values_list("pk", flat=True))
        Message.objects.filter(pk__in=kept).update(handed_over_at=now)
    chunk = [row for row in chunk if row.pk in kept]
    if chunk:
        said = outcomes.of(claim.gateway, gateway, [_outgoing(row, now) for row in chunk])
        return _settle_surely(claim, chunk, said, clock)
    return False


def _settle_surely(claim: Claim, chunk: list[Message], outcomes: Sequence[Outcome], clock: Clock) -> bool:
    """Settle, and again when the database is busy or was away: only here is it known what the gateway said.

    Raises OperationalError after SETTLE_TRIES; then the messages become unconfirmed when their lease ends.
    """
    for tries_left in reversed(range(SETTLE_TRIES)):
        try:
            return _settle(claim, chunk, outcomes, clock)
        except OperationalError as error:
            if not tries_left:
                raise
            log.warning("The answers of the gateway could not be kept yet (%s); trying again", error)
            if not connection.in_atomic_block:
                connection.close_if_unusable_or_obsolete()
    return False


def _outgoing(row: Message, now: datetime) -> Outgoing:
    submission = row.submission
    return Outgoing(
        id=str(row.pk),
        recipient=row.recipient,
        originator=row.originator,
        sender_kind=submission.sender.kind,
        text=submission.text,
        message_class=submission.message_class,
        commercial=submission.commercial,
        validity=int((row.valid_until - now).total_seconds()),
    )


@transaction.atomic
def _settle(claim: Claim, chunk: list[Message], outcomes: Sequence[Outcome], clock: Clock) -> bool:
    """Write what the gateway said of the chunk; whether it rests now."""
    now = clock()
    said = {row.pk: outcome for row, outcome in zip(chunk, outcomes, strict=True)}
    # A lease that ended while the gateway was slow made them unconfirmed: the answer resolves that too.
    mine = Message.objects.select_for_update().filter(
        pk__in=said, claim=claim.id, state__in=[State.SENDING, State.UNCONFIRMED]
    )
    claimed, rows = {row.pk: row for row in chunk}, []
    # What the sweeper, or a try to settle that was rolled back, may have changed in the table or in memory.
    for pk, *now_there in mine.order_by("pk").values_list("pk", *CHANGING):
        rows.append(row := claimed[pk])
        for name, value in zip(CHANGING, now_there, strict=True):
            setattr(row, name, value)
    endings, returning, doubtful = [], [], []
    for row in rows:
        outcome = said[row.pk]
        if isinstance(outcome, Accepted):
            endings.append(Ending(row, State.ACCEPTED, reference=outcome.reference))
        elif isinstance(outcome, NotSent | Unsupported):
            if why := failover.go_on(row, outcome, claim.candidates[row.pk], now):
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
    rests = breakers.report(claim.gateway, outcomes, now=now)
    unheard = Counter(outcome.code for outcome in outcomes if isinstance(outcome, GatewayError) and outcome.code)
    if unheard:
        vendor_codes.seen(claim.gateway, where="answer", codes=unheard, now=now)
    tallies.settled(claim.gateway, [(said[row.pk], row.handed_over_at) for row in rows], now=now)
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
    change_each(rows, ["state", "reason"])


@transaction.atomic
def sweep(*, clock: Clock = timezone.now, size: int = BATCH) -> int:
    """Bring back what a crash left: ended leases, and unconfirmed messages that nobody will confirm any more."""
    now = clock()
    forgotten = now - timedelta(days=settings.SMS_UNCONFIRMED_DAYS)
    rows = list(
        Message.objects.select_for_update(skip_locked=True)
        .filter(Q(state=State.SENDING, leased_until__lte=now) | Q(state=State.UNCONFIRMED, valid_until__lte=forgotten))
        .order_by("pk")[:size]
    )
    never_left = [row for row in rows if row.state == State.SENDING and row.handed_over_at is None]
    in_doubt = [row for row in rows if row.state == State.SENDING and row.handed_over_at is not None]
    end_holds(
        [Ending(row, State.EXPIRED, "never_confirmed") for row in rows if row.state == State.UNCONFIRMED],
        key=f"forgotten:{uuid.uuid4()}",
        now=now,
    )
    for row in never_left:
        row.due_at, row.reason = now, "lease_ended"
    _return_to_queue(never_left)
    _doubt(in_doubt, "crash")
    note_each([*never_left, *in_doubt], at=now)
    return len(rows)
