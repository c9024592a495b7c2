"""What the compose page begins with where a message that waits is changed.

Nothing may leave earlier for having been changed: the moment that the fields begin with keeps each of the messages that
wait until its own departure, whatever became of the moment that the submission was written with.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from compose import moment_form
from compose.models import Message, Submission
from compose.terms import departure_of
from compose.zones import numbers_tell_zones, zones_of

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Begun:
    """What the form begins with, and from when to when the messages leave that wait, `now` for what could now.

    `as_asked` where the form begins with the moment that they all were to leave at: commercial ones leave at different
    moments nevertheless, as their hours permit. `overdue` where the departure of all of them has come.
    """

    initial: dict[str, Any]
    first: datetime
    last: datetime
    as_asked: bool
    overdue: bool

    @property
    def differ(self) -> bool:
        """Whether the messages leave at different moments."""
        return self.first != self.last


def as_written(submission: Submission, *, now: datetime) -> Begun | None:
    """The submission as it was written, to those whose messages wait; None when no message waits any more."""
    waiting = submission.messages.filter(state=Message.State.SCHEDULED).order_by("pk")
    rows = list(waiting.values_list("recipient", "region", "send_at"))
    if not rows:
        return None
    asked = submission.deferred_to if submission.deferred_to and submission.deferred_to > now else None
    leave = {max(at, now) for _recipient, _region, at in rows}
    first, last = min(leave), max(leave)
    as_asked = all(
        _departure(submission, recipient, region, asked=asked or now) == at or (asked is None and at <= now)
        for recipient, region, at in _kinds(rows, commercial=submission.commercial)
    )
    moment = asked if as_asked else last if last > now else None
    account = submission.account
    initial = {
        "sender": str(submission.sender_id),
        "recipients": "\n".join(recipient for recipient, _region, _at in rows),
        "text": submission.body,
        "not_commercial": not submission.commercial,
        "message_class": submission.message_class,
        **moment_form.initial(moment and _sayable(moment, account.zone), account),
    }
    return Begun(initial=initial, first=first, last=last, as_asked=as_asked, overdue=last <= now)


def _departure(submission: Submission, recipient: str, region: str, *, asked: datetime) -> datetime:
    """When the message that takes the place of this one leaves."""
    zone = submission.account.zone
    return departure_of(recipient, region, asked=asked, commercial=submission.commercial, zone=zone).at


def _kinds(rows: Iterable[tuple[str, str, datetime]], *, commercial: bool) -> Iterable[tuple[str, str, datetime]]:
    """One of the rows for all those who share their region, their time zones where these matter and their departure."""
    tells: dict[str, bool] = {}
    found: dict[Any, tuple[str, str, datetime]] = {}
    for row in rows:
        recipient, region, at = row
        if region not in tells:
            tells[region] = commercial and numbers_tell_zones(region)
        found.setdefault((region, zones_of(region, recipient) if tells[region] else None, at), row)
    return found.values()


def _sayable(moment: datetime, zone: ZoneInfo) -> datetime:
    """The first moment from this one on that the fields can say: a minute, the first time where a time comes twice."""
    said = moment.replace(second=0, microsecond=0)
    if said < moment:
        said += MINUTE
    while said.astimezone(zone).fold:
        said += MINUTE
    return said
