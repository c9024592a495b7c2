"""What a person may still do with messages that wait: move, replace, pause and resume them (`services.cancel` is the
fifth).

Each verb is one transaction. It locks the row of the submission, then those of its waiting messages in the order of
their keys, then the books of the ledger (`services.cancel` locks no submission), and changes no message that it has not
locked. A claim skips locked messages, and a verb that waited for a claim finds its messages no longer scheduled: so
each message is either changed here or claimed there.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Case, Count, DateTimeField, F, Max, Min, Q, QuerySet, Sum, Value, When
from django.db.models.base import ModelState
from django.db.models.functions import Greatest, Least

from compose import queues, story
from compose.changing import change_each, note_each
from compose.claims import WHILE_SUBMISSION_PAUSED
from compose.models import Message, Submission
from compose.planning import check_moment
from compose.schedule import Departure
from compose.settlement import Ending, end_holds
from compose.terms import departure_of
from compose.zones import numbers_tell_zones, zones_of

State = Message.State
# What moving a message and ending its hold look at; no more is read of each of a hundred thousand.
READ = (
    "id", "account_id", "submission_id", "recipient", "region", "price", "state", "reason", "bulk",
    "attempts", "gateway_ref",
)  # fmt: skip
# In these states nothing of a message has left or may have left.
STAYED = (State.SCHEDULED, State.CANCELLED, State.FAILED)


class CannotReplace(Exception):
    """Messages of `submission` have left, more were cancelled, or it was replaced: nothing was changed."""

    def __init__(self, submission: Submission) -> None:
        super().__init__(f"submission {submission.pk} cannot be replaced any more")
        self.submission = submission


class MoreWait(Exception):
    """More messages of `submission` wait than the verb was to change at most: nothing was changed."""

    def __init__(self, submission: Submission) -> None:
        super().__init__(f"more messages of submission {submission.pk} wait than were to be changed")
        self.submission = submission


class Moved(NamedTuple):
    """What a move did: so many messages have another departure, so many others had left or were on their way.

    `first` and `last` of the new departures, None without any. To the regions in `postponed_to` commercial messages
    leave later than was asked, because they wait for their window.
    """

    moved: int
    left: int
    first: datetime | None
    last: datetime | None
    postponed_to: frozenset[str]


def move(submission: Submission, *, to: datetime | None, by: Any, now: datetime, at_most: int | None = None) -> Moved:
    """Let the messages of the submission that wait leave at the moment `to`, without one at once.

    Commercial ones wait for the window of their region from then on, and the validity runs from the departure, as
    when they were submitted. Their price stays. Raises Refused for a moment that is past or too far away, and
    MoreWait when more of them wait than `at_most`.
    """
    return _move(submission, submission.messages.all(), to=to, by=by, now=now, at_most=at_most)


def move_message(message: Message, *, to: datetime | None, by: Any, now: datetime) -> Moved:
    """As `move`, for one message of its submission."""
    return _move(message.submission, Message.objects.filter(pk=message.pk), to=to, by=by, now=now)


@transaction.atomic
def _move(
    submission: Submission,
    messages: QuerySet[Message],
    *,
    to: datetime | None,
    by: Any,
    now: datetime,
    at_most: int | None = None,
) -> Moved:
    check_moment(to, now=now)
    found = locked(submission)
    rows = waiting(messages, "send_at")
    if at_most is not None and len(rows) > at_most:
        raise MoreWait(found)
    departures = _departures(rows, found, to or now)
    validity = timedelta(hours=settings.SMS_VALIDITY_HOURS)
    changes = [story.move(row.send_at, departure.at) for row, departure in zip(rows, departures, strict=True)]
    for row, departure in zip(rows, departures, strict=True):
        row.send_at, row.valid_until = departure.at, departure.at + validity
        # A paused one waits for a person, whatever its moment.
        row.due_at = None if found.paused_at else departure.at
        row.postponed_by = "window" if departure.postponed else ""
        row.reason = row.passed_over = ""
    change_each(rows, ["send_at", "valid_until", "due_at", "postponed_by", "reason", "passed_over"])
    many = len(rows)
    note_each(rows, at=now, reasons=[story.MOVED] * many, details=changes, by=[by and by.pk] * many)
    left = messages.exclude(state__in=STAYED).count()
    if not rows:
        return Moved(0, left, None, None, frozenset())
    if len(rows) > 1 or not found.messages.exclude(pk=rows[0].pk).exclude(state=State.CANCELLED).exists():
        # What the page says of the whole. One beside others that wait or have left is not the whole.
        Submission.objects.filter(pk=found.pk).update(deferred_to=to)
    moments = [departure.at for departure in departures]
    postponed_to = frozenset(row.region for row in rows if row.postponed_by)
    queues.nudge(bulk=rows[0].bulk)
    return Moved(len(rows), left, min(moments), max(moments), postponed_to)


def _departures(rows: Sequence[Message], submission: Submission, asked: datetime) -> list[Departure]:
    """When each message leaves that is asked to leave at `asked`; worked out once for those who share their zones."""
    commercial, zone = submission.commercial, ZoneInfo(submission.time_zone)
    known: dict[Any, Departure] = {}
    departures = []
    for row in rows:
        tells = commercial and numbers_tell_zones(row.region)
        key = (row.region, zones_of(row.region, row.recipient)) if tells else row.region
        departure = known.get(key)
        if departure is None:
            departure = departure_of(row.recipient, row.region, asked=asked, commercial=commercial, zone=zone)
            known[key] = departure
        departures.append(departure)
    return departures


class Waits(NamedTuple):
    """How many messages wait, the first and the last of their departures (None without any), and to which regions."""

    total: int
    first: datetime | None
    last: datetime | None
    regions: frozenset[str]


def waits(messages: QuerySet[Message]) -> Waits:
    """Those of `messages` that wait, as they are now."""
    found = messages.filter(state=State.SCHEDULED).order_by().values_list("region")
    rows = list(found.annotate(Count("pk"), Min("send_at"), Max("send_at")))
    return Waits(
        total=sum(count for _region, count, _first, _last in rows),
        first=min((first for _region, _count, first, _last in rows), default=None),
        last=max((last for _region, _count, _first, last in rows), default=None),
        regions=frozenset(region for region, _count, _first, _last in rows),
    )


class Replaced(NamedTuple):
    """A `submission` whose place another one is to take, of which so many messages wait: the others were cancelled."""

    submission: Submission
    waiting: int


def replaceable(submission: Submission) -> Replaced | None:
    """The submission as another could take its place now; None when it was replaced, or some have left or failed."""
    if submission.replaced_by_id is not None:
        return None
    counted = dict(submission.messages.order_by().values_list("state").annotate(Count("pk")))
    still = counted.get(State.SCHEDULED, 0)
    if not still or still + counted.get(State.CANCELLED, 0) < submission.recipients:
        return None
    return Replaced(submission, still)


def held_by(replaced: Replaced) -> int:
    """What the messages that wait hold now, in millis, however many they were when the person began to change them."""
    rows = replaced.submission.messages.filter(state=State.SCHEDULED)
    price: int | None = rows.aggregate(Sum("price"))["price__sum"]
    return price or 0


def withdraw(replaced: Replaced, *, by: Any, now: datetime) -> None:
    """Cancel the messages of the submission that wait, for another one that takes its place in this transaction.

    Raises CannotReplace unless as many still wait as when the person began to change it: whoever was taken out of it
    meanwhile would be written to by the other one.
    """
    found = locked(replaced.submission)
    rows = waiting(found.messages.all())
    others = found.messages.exclude(state__in=(State.SCHEDULED, State.CANCELLED))
    if found.replaced_by_id is not None or not rows or len(rows) != replaced.waiting or others.exists():
        raise CannotReplace(found)
    end_holds([Ending(row, State.CANCELLED, "replaced", by=by) for row in rows], key=f"replace:{uuid.uuid4()}", now=now)


@transaction.atomic
def pause(submission: Submission, *, by: Any, now: datetime) -> int:
    """Hold back the messages of the submission that wait, until `resume`; returns how many wait now.

    What a claim took already goes on leaving; should it come back, the next claim sees that it waits too.
    """
    found = locked(submission)
    held = _lock_waiting(found)
    if found.paused_at is None and found.messages.filter(state__in=Message.HELD).exists():
        found.paused_at, found.paused_by = now, by
        found.save(update_fields=["paused_at", "paused_by"])
        # What comes back at this moment is not among them: the next claim sees that it waits too.
        Message.objects.filter(pk__any=list(held)).update(due_at=None)
    return len(held)


@transaction.atomic
def resume(submission: Submission, *, now: datetime) -> int:
    """Let the messages of a paused submission leave when their moment comes, or now when it has; returns how many.

    The validity of those that could have left meanwhile is longer by as long as they were held back, and no longer than
    a whole one: what was sent again during the pause had a new one then. What came back
    during the pause leaves now, too, if it is to be tried within the time for which a claim puts it off.
    """
    found = locked(submission)
    if found.paused_at is None:
        return 0
    held = _lock_waiting(found)
    paused_at, ended = found.paused_at, max(found.paused_at, now)
    found.paused_at = found.paused_by = None
    found.save(update_fields=["paused_at", "paused_by"])
    began = Greatest(_moment(paused_at), F("send_at"))
    goes_on = Greatest(_moment(ended), F("send_at"))
    validity = Value(timedelta(hours=settings.SMS_VALIDITY_HOURS))
    # What came back meanwhile has a moment for its next attempt, or the one that a claim gave it which saw the pause.
    put_off = Q(due_at=None) | Q(due_at__lte=ended + WHILE_SUBMISSION_PAUSED)
    Message.objects.filter(pk__any=list(held)).update(
        due_at=Case(When(put_off, then=goes_on), default=F("due_at")),
        valid_until=Least(F("valid_until") + (goes_on - began), goes_on + validity),
    )
    if held:
        # They share one.
        queues.nudge(bulk=next(iter(held.values())))
    return len(held)


def _moment(at: datetime) -> Value:
    return Value(at, output_field=DateTimeField())


def locked(submission: Submission) -> Submission:
    """The submission as it is now, its row locked until the transaction ends."""
    # Its key stays, so messages may be stored beside it.
    return Submission.objects.select_for_update(no_key=True).get(pk=submission.pk)


def waiting(messages: QuerySet[Message], *besides: str) -> list[Message]:
    """Those of `messages` that still wait, their rows locked until the transaction ends, in the order of their keys.

    READ is read of them, and the fields that are named `besides`; what is asked for more is loaded then, as with
    `QuerySet.only`, which takes three times as long to make as many.
    """
    read = (*READ, *besides)
    alias = connection.alias
    return [_made(dict(zip(read, values, strict=True)), alias) for values in _locked(messages).values_list(*read)]


def _lock_waiting(submission: Submission) -> dict[int, bool]:
    """Lock the messages of the submission that wait, as `waiting` does; the lane of each by its key."""
    return dict(_locked(submission.messages.all()).values_list("pk", "bulk"))


def _locked(messages: QuerySet[Message]) -> QuerySet[Message]:
    return messages.filter(state=State.SCHEDULED).select_for_update(no_key=True).order_by("pk")


def _made(values: dict[str, Any], alias: str) -> Message:
    row = Message.__new__(Message)
    # What waits has not been handed over (the constraint `message_scheduled_is_free`).
    row.__dict__.update(values, handed_over_at=None, _state=ModelState())
    row._state.db, row._state.adding = alias, False
    return row
