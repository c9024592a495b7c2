"""The story of a message: its changes of state, as its page tells them.

An attempt is one that a gateway was asked to take. A claim counts it when it begins; what comes back without having
been handed over takes the count back, so such a claim is told and has no number. The numbers of the story therefore
end with the attempts that the message's own row counts.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from compose.models import Message, Transition
from compose.reasons import NOT_HANDED_OVER, sentence
from compose.terms import departure_of
from credits import days

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
    """When a message was to leave as it was written; None for at once, or where that is not known any more.

    A version before kept no departures of a move. And a claim that finds the window of a commercial message closed
    moves it to the next opening without a change of state: such a departure was planned by nobody.
    """
    moves = [one for one in transitions if one.reason == MOVED]
    departures = departures_of(moves[0]) if moves else (message.send_at, message.send_at)
    if departures is None or departures[0] <= message.submission.created_at:
        return None
    if not message.submission.commercial or not (moves or message.postponed_by):
        return departures[0]
    return _asked_for(message, departures[0], transitions, moved=bool(moves))


def _asked_for(
    message: Message, departure: datetime, transitions: Sequence[Transition], *, moved: bool
) -> datetime | None:
    """The departure of a commercial message as it was written, where `departure` may be that or a claim's doing."""
    submission = message.submission
    asked = submission.deferred_to or submission.created_at

    def opening(asked: datetime) -> datetime:
        zone = ZoneInfo(submission.time_zone)
        return departure_of(message.recipient, message.region, asked=asked, commercial=True, zone=zone).at

    if moved:
        # What was asked for may have changed with it. A claim moves to the very moment at which a window opens.
        by_itself = opening(departure - timedelta(seconds=1)) != departure
        return departure if by_itself or opening(submission.created_at) == departure else None
    written = opening(asked)
    # What happened to it before the moment asked for: that one was set later, when others of its submission were moved.
    own = asked == submission.deferred_to and not (transitions and transitions[0].at < asked)
    return written if written == departure or (own and written == asked) else None


def move(before: datetime, after: datetime) -> str:
    """The detail of the change of state of a message that was moved from one departure to another."""
    return f"{before.isoformat()} {after.isoformat()}"


def departures_of(moved: Transition) -> tuple[datetime, datetime] | None:
    """The departures that `move` kept, before and after, by the reader's clock; None where it did not keep them."""
    try:
        # A moment without its offset is none, and one at the end of the calendar has no hour elsewhere.
        before, after = (timezone.localtime(datetime.fromisoformat(moment)) for moment in moved.detail.split())
    except (ValueError, OverflowError):
        return None
    return before, after


def _moved(one: Transition) -> str:
    departures = departures_of(one)
    if departures is None:
        return sentence(one.reason)
    day, new_day = (days.written(moment, "j F Y") for moment in departures)
    hour, new_hour = (date_format(moment, "H:i") for moment in departures)
    said = _("Its departure was changed from %(day)s, %(hour)s to %(new_day)s, %(new_hour)s.")
    return said % {"day": day, "hour": hour, "new_day": new_day, "new_hour": new_hour}
