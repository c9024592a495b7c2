"""Calls to the addresses that accounts chose: at least once for each received message, and never twice at once.

A worker takes calls under a lease and commits; then, with no transaction open, it makes them; then it writes down what
came of each. A worker that dies leaves its lease to end, and the call is made again under the same id. What fails is
tried again later and later, up to GIVE_UP; then it is given up, and the account's page says why.

An account whose server is slow or away keeps no other waiting: it has PER_ACCOUNT calls at a time, the installation
about AT_ONCE, and after a failure the account's other calls wait for REST.
"""

import hashlib
import hmac
import json
import logging
import random
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import Min
from django.utils import timezone

from inbox import hooks, reactions
from inbox.automatic_answers import Outcome
from inbox.models import Reaction, ReactionSettings, Received

log = logging.getLogger(__name__)
Clock = Callable[[], datetime]
Call = Callable[[str, bytes, dict[str, str]], int]
State = Reaction.State
AT_ONCE, PER_ACCOUNT, MOST_ACCOUNTS = 8, 2, 50
# A call ends within hooks.SECONDS, and looking a name up takes its own time.
LEASE: Final = timedelta(minutes=5)
LONGEST_TURN: Final = 20.0
FIRST_RETRY, LONGEST_RETRY, GIVE_UP = timedelta(seconds=30), timedelta(hours=3), timedelta(hours=24)
REST: Final = timedelta(seconds=15)
SIGNATURE: Final = "X-SMS-Manager-Signature"
_waiting = Reaction.objects.filter(state=State.WAITING, kind=Reaction.Kind.CALL)


def signature(secret: str, body: bytes, *, at: datetime) -> str:
    """What proves that a call is ours: `t=SECONDS, v1=HEX`, HMAC-SHA256 (RFC 2104) over `SECONDS.BODY`."""
    moment = int(at.timestamp())
    digest = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment}, v1={digest}"


def body_of(came: Received) -> bytes:
    """What is told of a received message: the same octets each time."""
    said = {
        "id": f"received-{came.pk}",
        "number": came.number,
        "to": came.to,
        "text": came.text,
        "received_at": came.received_at.isoformat(),
        "answers": came.answers_id,
    }
    return json.dumps(said, ensure_ascii=False).encode()


def call_waiting(*, clock: Clock = timezone.now, call: Call = hooks.call) -> int:
    """Make the calls whose moment has come and return how many came to an end; for LONGEST_TURN seconds at the most."""
    ends, done = time.monotonic() + LONGEST_TURN, 0
    with ThreadPoolExecutor(max_workers=AT_ONCE) as threads:
        while taken := _taken(clock()):
            prepared = [_prepared(row, clock()) for row in taken]
            results = threads.map(lambda given: _called(call, given), prepared)
            for row, failure in zip(taken, results, strict=True):
                done += _settled(row, failure, clock())
            if time.monotonic() > ends:
                break
    return done


Given = tuple[str, bytes, dict[str, str]]


def _prepared(row: Reaction, now: datetime) -> Given | None:
    """Address, body and headers as the account has them now; None when it wants no calls any more."""
    chosen = ReactionSettings.objects.filter(account=row.account_id).first()
    if chosen is None or not chosen.url:
        return None
    body = body_of(row.received)
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "sms-manager",
        SIGNATURE: signature(chosen.secret, body, at=now),
    }
    return chosen.url, body, headers


def _called(call: Call, given: Given | None) -> hooks.Failed | None:
    """What went wrong, None for nothing. It touches no database: it runs in a thread of the pool."""
    if given is None:
        return hooks.Failed("switched_off")
    try:
        call(*given)
    except hooks.Failed as failed:
        return failed
    except Exception as error:  # noqa: BLE001  (it is what came of this call; the others go on)
        # Its text may quote the call.
        log.error("A call failed with %s", type(error).__name__)
        return hooks.Failed("unreadable", type(error).__name__)
    return None


def _taken(now: datetime) -> list[Reaction]:
    """Calls that nobody else makes until the lease ends, at most AT_ONCE in the whole installation."""
    under_way = Reaction.objects.filter(leased_until__gt=now)
    room = AT_ONCE - under_way.count()
    taken: list[Reaction] = []
    resting = ReactionSettings.objects.filter(rests_until__gt=now).values("account")
    due = _waiting.filter(look_at__lte=now).exclude(account__in=resting).order_by()
    # Who waits longest comes first.
    accounts = due.values("account_id").annotate(first=Min("look_at")).order_by("first", "account_id")
    for account_id in list(accounts.values_list("account_id", flat=True)[:MOST_ACCOUNTS]):
        if len(taken) >= room:
            break
        taken += _taken_of(account_id, room - len(taken), now)
    return taken


@transaction.atomic
def _taken_of(account_id: int, room: int, now: datetime) -> list[Reaction]:
    # Who holds this row is the only one that takes calls of the account; another has its turn elsewhere.
    mine = ReactionSettings.objects.select_for_update(skip_locked=True).filter(account=account_id)
    if not mine.exists():
        return []
    under_way = Reaction.objects.filter(account=account_id, leased_until__gt=now).count()
    free = min(room, PER_ACCOUNT - under_way)
    if free <= 0:
        return []
    rows = list(
        _waiting.filter(account=account_id, look_at__lte=now)
        .select_for_update(skip_locked=True, of=("self",))
        .select_related("received")
        .order_by("look_at", "pk")[:free]
    )
    for row in rows:
        # `look_at`, too: what is taken waits for nobody else before the lease ends.
        row.claim, row.leased_until, row.look_at = uuid.uuid4(), now + LEASE, now + LEASE
    Reaction.objects.bulk_update(rows, ["claim", "leased_until", "look_at"])
    return rows


def _settled(row: Reaction, failure: hooks.Failed | None, now: datetime) -> bool:
    """Write down what came of a call, unless the lease ended and somebody else has it now."""
    free: dict[str, Any] = {"claim": None, "leased_until": None}
    with transaction.atomic():
        if not Reaction.objects.select_for_update().filter(pk=row.pk, claim=row.claim, state=State.WAITING).exists():
            return False
        if failure is None:
            reactions.end(row, Outcome(State.DONE), now=now, **free)
            return True
        if failure.reason == "switched_off":
            reactions.end(row, Outcome(State.LEFT_OUT, failure.reason), now=now, **free)
            return True
        ReactionSettings.objects.filter(account=row.account_id).update(rests_until=now + REST)
        wait = pause(row.tries)
        if now + wait > row.created_at + GIVE_UP:
            reactions.end(row, Outcome(State.GIVEN_UP, failure.reason, failure.detail), now=now, **free)
            return True
        Reaction.objects.filter(pk=row.pk).update(
            tries=row.tries + 1, look_at=now + wait, reason=failure.reason, detail=failure.detail[:250], **free
        )
        return False


def pause(tries: int) -> timedelta:
    """How long to wait after so many failures: twice as long each time, more or less by a quarter of that.

    So that calls which failed together do not come together again.
    """
    whole: timedelta = min(FIRST_RETRY * 2 ** min(tries, 20), LONGEST_RETRY)
    return whole * random.uniform(0.75, 1.25)  # noqa: S311  (it spreads, and protects nothing)
