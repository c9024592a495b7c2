"""What gateways say, for tests of what comes in: make a report or an answer, and let it arrive."""

import itertools
from datetime import datetime, timedelta
from typing import Any

import time_machine

from compose.gateways.base import Event, Received, Report
from compose.models import GatewayEvent, Message
from compose.services import store_events
from credits.models import Account
from inbox import services
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import NOON, at

# When events happen and arrive, unless a test says otherwise.
LATER = NOON + timedelta(seconds=10)
# Who answers: the recipient of `factories.draft`.
PHONE = "+33612345678"

_keys = itertools.count(1)


def sent(account: Account, *, now: datetime = NOON, **typed: Any) -> Message:
    """A message that the gateway took; its reference is "ref-" and its id."""
    message = factories.message(account, now=now, **typed)
    dispatch_due(clock=at(now))
    message.refresh_from_db()
    assert message.state == Message.State.ACCEPTED
    return message


def report(status: str, *, reference: str = "", message_id: str = "", reason: str = "") -> Report:
    """A report with a key of its own; by itself it names no message."""
    return Report(
        key=f"event-{next(_keys)}",
        reference=reference,
        message_id=message_id,
        status=status,
        reason=reason,
        at=LATER,
    )


def about(message: Message, status: str, **said: Any) -> Report:
    """A report that names the message by the gateway's reference."""
    return report(status, reference=f"ref-{message.pk}", **said)


def answer(text: str = "Merci", *, to: str = "38111", answers: str = "") -> Received:
    """A message that `PHONE` sends to a number of ours, with a key of its own."""
    return Received(key=f"event-{next(_keys)}", number=PHONE, to=to, text=text, at=LATER, answers=answers)


def arrive(*events: Event, now: datetime = LATER) -> list[str]:
    """Store the events and apply what waits; the result of each stored event, "" while it waits."""
    with time_machine.travel(now, tick=False):
        store_events("default", events, now=now)
    services.apply_waiting(clock=at(now))
    return list(GatewayEvent.objects.order_by("pk").values_list("result", flat=True))
