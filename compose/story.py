"""The story of a message: its changes of state, as its page tells them.

An attempt is one that a gateway was asked to take. A claim counts it when it begins; what comes back without having
been handed over takes the count back, so such a claim is told and has no number. The numbers of the story therefore
end with the attempts that the message's own row counts.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from compose.models import Message, Transition
from compose.reasons import NOT_HANDED_OVER, sentence

State = Message.State
MOVED = "moved"


class Step(NamedTuple):
    """A change of state: why in a sentence, what the gateway said, and the number of the attempt that began, or 0."""

    change: Transition
    why: str
    said: str
    attempt: int


def of(transitions: Sequence[Transition]) -> list[Step]:
    """The steps of a message whose changes of state these are, oldest first."""
    not_tried, several = given_back(transitions), any(one.attempt > 1 for one in transitions)
    steps = []
    for number, one in enumerate(transitions):
        why, said, attempt = sentence(one.reason), one.detail, 0
        if one.reason == MOVED:
            why, said = _moved(one), ""
        elif number in not_tried:
            why = str(NOT_HANDED_OVER.get(one.reason, why))
        elif one.state == State.SENDING and several and number + 1 not in not_tried:
            attempt = one.attempt
        steps.append(Step(one, why, said, attempt))
    return steps


def given_back(transitions: Sequence[Transition]) -> set[int]:
    """The places of those changes of state with which a message came back from a claim that did not hand it over."""
    return {
        number
        for number, (before, after) in enumerate(pairwise(transitions), 1)
        if before.state == State.SENDING and after.attempt < before.attempt
    }


def planned(message: Message, transitions: Sequence[Transition]) -> datetime | None:
    """When a message was to leave as it was written; None for at once, or where a version before did not keep it."""
    moves = [one for one in transitions if one.reason == MOVED]
    departures = departures_of(moves[0]) if moves else (message.send_at, message.send_at)
    if departures is None or departures[0] <= message.submission.created_at:
        return None
    return departures[0]


def move(before: datetime, after: datetime) -> str:
    """The detail of the change of state of a message that was moved from one departure to another."""
    return f"{before.isoformat()} {after.isoformat()}"


def departures_of(moved: Transition) -> tuple[datetime, datetime] | None:
    """The departures that `move` kept, before and after; None where a version before kept none."""
    try:
        before, after = map(datetime.fromisoformat, moved.detail.split())
    except ValueError:
        return None
    return before, after


def _moved(one: Transition) -> str:
    departures = departures_of(one)
    if departures is None:
        return sentence(one.reason)
    before, after = (date_format(timezone.localtime(moment), "j F Y, H:i") for moment in departures)
    return _("Its departure was changed from %(before)s to %(after)s.") % {"before": before, "after": after}
