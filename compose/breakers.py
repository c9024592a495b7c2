"""A circuit breaker for each gateway: one that takes nothing rests, so that its messages go another way or wait.

    closed ──────> open         chunks in a row of which it took nothing (SMS_BREAKER_FAILURES), or one that says
                                that our credit there is used up or that our settings are wrong
    open ────────> half open    when its rest is over, one worker hands it one message
    half open ───> closed       it answered
              └──> open         it did not: the rest is twice as long

A person may pause a gateway besides, for a reason. While one rests or is paused, no message of it is claimed, so none
loses an attempt. A chunk that ends in doubt counts as not taken: nothing is sent again, but no more messages get into
doubt either. A refusal and a throttling answer come from a gateway that works. What it does not take may be one message
and not the gateway: so what was tried before queues behind the others that wait for it (`BEHIND`).
"""

import logging
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Case, DateTimeField, DurationField, ExpressionWrapper, F, IntegerField, Q, Value, When
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from compose import routing
from compose.gateways.base import (
    Accepted,
    BadConfiguration,
    GatewayError,
    NotSent,
    Outcome,
    OutOfFunds,
    Rejected,
    Throttled,
    Unsupported,
)
from compose.models import GatewayState, Message
from compose.reasons import GATEWAY_PAUSED, known
from credits import letters

log = logging.getLogger(__name__)
State = GatewayState.State

# Seconds of the first rest; doubled each time up to the longest.
FIRST_REST, LONGEST_REST = 30, 600
# How many messages a gateway gets that is being tried.
PROBE = 1
# While another worker tries the gateway, and while nobody can say when it goes on.
DURING_PROBE, WHILE_GATEWAY_PAUSED = timedelta(seconds=5), timedelta(minutes=5)
# So much later for each attempt that it had is a message due which waits for its gateway.
BEHIND = timedelta(milliseconds=1)
# "Worked last" is noted no more often, so that workers do not wait for one another at the row.
NOTED_EVERY = timedelta(minutes=1)
_CLOSED: dict[str, Any] = {"state": State.CLOSED, "failures": 0, "opened_at": None, "try_at": None, "wait": 0}

BODIES: dict[str, Promise] = {
    OutOfFunds.reason: _(
        "The provider behind the gateway “%(gateway)s” says that your credit there is used up. What it said: "
        "%(detail)s\n\nNothing is lost: its messages go by another gateway where a route names one, and wait where "
        "none does. Top up your credit at the provider. The gateway is tried again by itself, at least every "
        "%(minutes)d minutes; “Try now” in the administration, Gateways, tries it at once."
    ),
    BadConfiguration.reason: _(
        "The provider behind the gateway “%(gateway)s” refuses the settings of this installation, its password for "
        "instance. What it said: %(detail)s\n\nNothing is lost: its messages go by another gateway where a route names "
        "one, and wait where none does. Correct the settings of the gateway and start the processes again. The gateway "
        "is tried again by itself, at least every %(minutes)d minutes; “Try now” in the administration, Gateways, "
        "tries it at once."
    ),
}
# Why a message waits for a gateway that rests.
RESTING = (NotSent.reason, *BODIES)


class Breakers:
    """The gateways as they are for one claim: one query when it begins, and two for each that may be tried.

    Make it in the claim's transaction. The first claim of an installation gives each gateway its row.
    """

    def __init__(self, now: datetime) -> None:
        self.now = now
        self._states = {state.name: state for state in GatewayState.objects.all().order_by()}
        if not self._states.keys() >= set(routing.names()):
            # Without a row nobody could see when it worked last.
            noted()
        self._room: dict[str, int | None] = {}
        self._probed: set[str] = set()

    def take(self, name: str) -> bool:
        """Whether one more message may be handed to the gateway now."""
        if name not in self._room:
            self._room[name] = self._room_of(name)
        room = self._room[name]
        if room is None:
            return True
        self._room[name] = max(0, room - 1)
        return room > 0

    def tries(self, name: str) -> bool:
        """Whether what this claim hands to the gateway is its probe."""
        return name in self._probed

    def rests(self, name: str) -> tuple[datetime, str]:
        """Until when a message waits for a gateway that takes none now, and the reason (compose/reasons.py)."""
        state = self._states.get(name)
        if routing.usable(name) is None:
            return self.now + WHILE_GATEWAY_PAUSED, BadConfiguration.reason
        if state is not None and state.paused_at is not None:
            return self.now + WHILE_GATEWAY_PAUSED, GATEWAY_PAUSED
        reason = state.error if state is not None and state.error in BODIES else NotSent.reason
        if state is None or state.state != State.OPEN or state.try_at is None or state.try_at <= self.now:
            return self.now + DURING_PROBE, reason
        return state.try_at, reason

    def used(self, names: Collection[str]) -> None:
        """Messages go to these now; what was to be tried and got none may be tried by the next claim."""
        for name in self._probed.difference(names):
            GatewayState.objects.filter(name=name, state=State.HALF_OPEN).update(state=State.OPEN, try_at=self.now)

    def _room_of(self, name: str) -> int | None:
        """How many messages the gateway may get; None for any number."""
        state = self._states.get(name)
        if routing.usable(name) is None or (state is not None and state.paused_at is not None):
            return 0
        if state is None or state.state == State.CLOSED:
            return None
        if not self._due(state) or not self._try(name):
            return 0
        self._probed.add(name)
        return PROBE

    def _due(self, state: GatewayState) -> bool:
        """Whether its rest is over. One longer than there is was written by a clock that was wrong."""
        return state.try_at is None or not self.now < state.try_at <= self._longest()

    def _longest(self) -> datetime:
        return self.now + timedelta(seconds=max(LONGEST_REST, settings.SMS_LEASE_SECONDS))

    def _try(self, name: str) -> bool:
        """Whether this claim is the one that tries the gateway. Of several at once the condition lets one through.

        A row that another one has locked is not waited for: two claims that met two gateways in another order would
        wait in a circle. Most likely that one tries it; if it gives the try back, the messages here come again soon.
        A probe whose worker died is over when its lease is, and then another one may try.
        """
        lease = self.now + timedelta(seconds=settings.SMS_LEASE_SECONDS)
        over = Q(try_at__lte=self.now) | Q(try_at__gt=self._longest())
        free = GatewayState.objects.select_for_update(skip_locked=True, no_key=True).order_by()
        due = list(free.filter(over, name=name, paused_at=None).exclude(state=State.CLOSED))
        return (
            GatewayState.objects.filter(pk__in=[one.pk for one in due]).update(state=State.HALF_OPEN, try_at=lease) == 1
        )


def report(name: str, outcomes: Sequence[Outcome], *, now: datetime, probe: bool = False) -> bool:
    """What became of a chunk (the gateway's `probe`, or another one), and whether the gateway rests now.

    In the transaction that settles it, and there after the ledger's locks. A letter to the administrators is a row of
    that transaction, and is sent later.
    """
    serious = next((one for one in outcomes if isinstance(one, OutOfFunds | BadConfiguration)), None)
    if any(isinstance(one, Accepted | Throttled | Rejected) and not isinstance(one, Unsupported) for one in outcomes):
        if serious is None:
            _works(name, now)
        else:
            # For some destinations only, perhaps: the administrators are told all the same.
            _note(name, serious, now, works=True)
        return False
    errors = [one for one in outcomes if isinstance(one, GatewayError) and not isinstance(one, Unsupported)]
    if errors:
        return _note(name, serious or errors[-1], now, works=False)
    if probe:
        untried(name, now=now)
    return False


def untried(name: str, *, now: datetime) -> None:
    """The gateway was not asked after all by its probe: the next message is one. In a transaction as `report`."""
    GatewayState.objects.filter(name=name, state=State.HALF_OPEN).update(state=State.OPEN, try_at=now)


def is_open(name: str) -> bool:
    """Whether the gateway rests."""
    return GatewayState.objects.filter(name=name, state=State.OPEN).exists()


def _works(name: str, now: datetime) -> None:
    """One statement, that finds nothing to change most of the time."""
    stale = Q(last_success=None) | Q(last_success__lt=now - NOTED_EVERY)
    changed = ~Q(state=State.CLOSED) | Q(failures__gt=0) | ~Q(told="") | stale
    GatewayState.objects.filter(changed, name=name).update(**_CLOSED, told="", last_success=now)


def _note(name: str, error: GatewayError, now: datetime, *, works: bool) -> bool:
    """Note an error, and say whether the gateway rests now."""
    GatewayState.objects.bulk_create([GatewayState(name=name)], ignore_conflicts=True)
    state = GatewayState.objects.select_for_update().get(name=name)
    reason = known(error.reason)
    state.error, state.detail, state.error_at = reason, error.detail[:250], now
    if works:
        for field, value in {**_CLOSED, "last_success": now}.items():
            setattr(state, field, value)
    else:
        state.failures += 1
        at_once = isinstance(error, OutOfFunds | BadConfiguration)
        enough = at_once or state.failures >= settings.SMS_BREAKER_FAILURES
        # While it is open already, only a late answer comes here.
        if state.state == State.HALF_OPEN or (state.state == State.CLOSED and enough):
            state.wait = min(max(FIRST_REST, state.wait * 2), LONGEST_REST)
            state.state, state.try_at = State.OPEN, now + timedelta(seconds=state.wait)
            state.opened_at = state.opened_at or now
            log.warning("The gateway %s takes no messages (%s): it rests for %d s", name, reason, state.wait)
    if reason in BODIES and state.told != reason:
        state.told = reason
        _tell(name, reason, error.detail, now)
    state.save()
    return state.state == State.OPEN


def _tell(name: str, reason: str, detail: str, now: datetime) -> None:
    """Once until it works again, and not more than once an hour where that comes and goes."""
    letters.to_administrators(
        key=f"gateway:{name}:{reason}:{now:%Y-%m-%dT%H}",
        subject=_("The gateway “%(gateway)s” takes no messages"),
        body=BODIES[reason],
        values={"gateway": name, "detail": detail or "–", "minutes": LONGEST_REST // 60},
    )


def noted() -> None:
    """Give each configured gateway a row, for the page that lists them."""
    GatewayState.objects.bulk_create([GatewayState(name=name) for name in routing.names()], ignore_conflicts=True)


@transaction.atomic
def pause(name: str, *, by: Any, reason: str) -> bool:
    """Let no more messages go by the gateway until `resume`; False when it is paused already.

    What is being handed over goes on. Raises ValueError without a reason.
    """
    if not reason.strip():
        raise ValueError("a gateway is paused for a reason")
    GatewayState.objects.bulk_create([GatewayState(name=name)], ignore_conflicts=True)
    running = GatewayState.objects.filter(name=name, paused_at=None)
    return bool(running.update(paused_at=timezone.now(), paused_by=by, pause_reason=reason.strip()[:250]))


def resume(name: str) -> bool:
    """Let messages go by a paused gateway again, those that wait for it at once; False when it was not paused."""
    paused = GatewayState.objects.filter(name=name).exclude(paused_at=None)
    if not paused.update(paused_at=None, paused_by=None, pause_reason=""):
        return False
    # What is due already would go on saying that it waits for a person.
    _wake(name, Q(reason=GATEWAY_PAUSED), reason="")
    _wake(name, _resting())
    return True


def try_now(name: str) -> bool:
    """Let the next message be the probe of a gateway that rests; False when it does not rest."""
    if not GatewayState.objects.filter(name=name, state=State.OPEN).update(try_at=timezone.now()):
        return False
    _wake(name, _resting())
    return True


def _resting() -> Q:
    return Q(reason__in=RESTING, due_at__gt=timezone.now())


@transaction.atomic
def _wake(name: str, which: Q, **changes: str) -> None:
    """Of what waits for this gateway this is looked at now, and changed besides.

    None gets a later moment than it had, and one that has none (its submission is paused) gets none. What somebody puts
    off in this very instant waits once more. Messages that somebody else has locked are passed over: who cancels or
    moves them takes them in another order.
    """
    waiting = Message.objects.select_for_update(skip_locked=True, no_key=True).filter(
        which, state=Message.State.SCHEDULED, gateway=name
    )
    behind = ExpressionWrapper(Cast("attempts", IntegerField()) * Value(BEHIND), DurationField())
    soon = ExpressionWrapper(Value(timezone.now(), DateTimeField()) + behind, DateTimeField())
    Message.objects.filter(pk__in=waiting.order_by("pk").values("pk")).update(
        due_at=Case(When(due_at__gt=soon, then=soon), default=F("due_at")), **changes
    )
