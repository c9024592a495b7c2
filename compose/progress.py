"""How far a submission is: how many messages are in each state, how fast they leave, how long the rest will take.

One query whatever the number of recipients, for a page asks for it again and again while messages leave. It reads each
message of the submission once, so its cost grows with them, and a page of a large submission asks less often (`every`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from django.db.models import BooleanField, Count, ExpressionWrapper, Max, Min, Q, Sum

from compose.models import Message, Submission
from compose.queries import FOLLOWED, MOVING, NOW_AND_THEN, RARELY, SOON, Departures, asks_again

State = Message.State
# What a bar shows from its beginning to its end, so that it fills from the left.
IN_ORDER = (
    State.DELIVERED,
    State.ACCEPTED,
    State.UNCONFIRMED,
    State.EXPIRED,
    State.UNDELIVERED,
    State.FAILED,
    State.CANCELLED,
    State.SENDING,
    State.SCHEDULED,
)
LEFT = (State.SCHEDULED, State.SENDING)
Rows = Sequence[dict[str, Any]]
# The speed is that of so long a time; a shorter one than SHORTEST says nothing about speed.
WINDOW, SHORTEST = timedelta(seconds=30), timedelta(seconds=1)
# Below so many messages in a second they are counted by the minute.
SLOW = 2
# What is tried again later than this is not on its way now.
SHORTLY = timedelta(seconds=RARELY)
# How often a page asks while messages leave, in seconds, and for how many messages it asks a second less often.
BRISK, EACH_SECOND = 2, 50_000
# Of the drawing of the bar, in its own units. What there is shows, however little beside the rest.
WIDTH, LEAST = 1000, 4


class StateCount(NamedTuple):
    """How many messages of a submission are in a state.

    `refunded` is what they were given back later in millis, by so many `refunds`.
    """

    state: str
    label: str
    total: int
    refunded: int
    refunds: int


class Part(NamedTuple):
    """A state's part of the bar, in units of which the whole has WIDTH."""

    state: str
    label: str
    total: int
    x: float
    width: float


class Speed(NamedTuple):
    """How many messages leave, each second or, where that would be a fraction, each minute."""

    messages: int
    per_second: bool


@dataclass(frozen=True)
class Progress:
    """How far a submission is at the moment `now`.

    Messages were handed to a gateway from `first` to `last`, of late `rate` in a second. Of those whose departure has
    come and that wait, the next is tried at `next_try`. `stirred` are the moments after which a page follows it.
    """

    now: datetime
    paused_at: datetime | None
    counts: Sequence[StateCount]
    departures: Departures
    next_try: datetime | None
    first: datetime | None
    last: datetime | None
    rate: float
    stirred: Sequence[datetime]

    @cached_property
    def total(self) -> int:
        return sum(one.total for one in self.counts)

    def in_state(self, *states: str) -> int:
        """How many messages are in one of the states."""
        return sum(one.total for one in self.counts if one.state in states)

    @property
    def left(self) -> int:
        return self.in_state(*LEFT)

    @property
    def waiting(self) -> int:
        return self.in_state(State.SCHEDULED)

    @property
    def sending(self) -> int:
        return self.in_state(State.SENDING)

    @property
    def unreported(self) -> int:
        """Those that left and of which it is not known yet whether they arrived."""
        return self.in_state(State.ACCEPTED)

    @property
    def later(self) -> int:
        return self.departures.waiting

    @property
    def to_go(self) -> int:
        """Those whose departure has come and that have not left."""
        return self.left - self.later

    @property
    def paused(self) -> bool:
        return self.paused_at is not None and self.waiting > 0

    @property
    def finished(self) -> bool:
        """Whether nothing is left to leave; reports may still come."""
        return self.left == 0

    @property
    def percent(self) -> int:
        """How much of it is done with, in whole hundredths: all of it only when nothing is left."""
        return (self.total - self.left) * 100 // self.total

    @property
    def speed(self) -> Speed | None:
        """How fast messages leave now; None when none did lately."""
        return _speed(self.rate)

    @property
    def time_left(self) -> timedelta | None:
        """How long those will take whose departure has come, at the speed of now; None when that is not known."""
        if not self.rate or not self.to_go or self.paused or self.tried_later:
            return None
        return timedelta(seconds=self.to_go / self.rate)

    @property
    def tried_later(self) -> bool:
        """Whether all of those wait for their next try."""
        return self.next_try is not None and self.next_try > self.now and not self.sending

    @property
    def silence(self) -> timedelta | None:
        """For how long none has left, although it is time; None before the first one."""
        return self.now - self.last if self.last else None

    @property
    def took(self) -> timedelta | None:
        """How long it lasted from the first message to the last; None before the end, or when none left."""
        return self.last - self.first if self.finished and self.first and self.last else None

    @property
    def average(self) -> Speed | None:
        """How fast they left all in all; None for what took too short a time to say."""
        took = self.took
        gone = self.total - self.in_state(State.FAILED, State.CANCELLED)
        return _speed(gone / took.total_seconds()) if took is not None and took >= SHORTEST else None

    @property
    def width(self) -> int:
        return WIDTH

    @cached_property
    def parts(self) -> list[Part]:
        """The bar: a part for each state that there is, together its whole width."""
        found = {one.state: one for one in self.counts}
        there = [found[state] for state in IN_ORDER if state in found]
        # What is too small to be seen is taken from the others, each in proportion.
        small = [one for one in there if one.total * WIDTH < LEAST * self.total]
        rest = self.total - sum(one.total for one in small)
        room = WIDTH - LEAST * len(small)
        parts, x = [], 0.0
        for one in there:
            width = LEAST if one in small else one.total * room / rest
            parts.append(Part(one.state, one.label, one.total, round(x, 2), round(width, 2)))
            x += width
        return parts

    @property
    def every(self) -> int:
        """After how many seconds the page looks again; 0 when nothing is to be expected any more."""
        rests = self.next_try is not None and self.next_try > self.now + SHORTLY
        moves = self.sending or (self.to_go and not self.paused and not rests)
        usual = NOW_AND_THEN if self.paused else SOON
        pace = BRISK if moves and self.total > 1 else usual
        seldom = RARELY if self.paused_at and self.paused and self.now < self.paused_at + FOLLOWED else 0
        return asks_again(self.stirred, now=self.now, every=pace + self.total // EACH_SECOND) or seldom


def progress(submission: Submission, *, now: datetime) -> Progress:
    """How far the submission is. One query."""
    rows = _rows(submission, now)
    waiting, left = _in(rows, State.SCHEDULED), [row for row in rows if row["first"]]
    due = [row for row in waiting if not row["later"]]
    departures = _departures([row for row in waiting if row["later"]])
    next_try, last = _first(row["next"] for row in due), _last(row["last"] for row in left)
    # What a pause holds stirs again when a person says so.
    moving = [row for row in rows if row["state"] in MOVING and not (submission.paused_at and row in waiting)]
    stirred = [row["opens" if row["later"] else "due"] for row in moving] + ([last] if moving else [])
    return Progress(
        now=now,
        paused_at=submission.paused_at,
        counts=[_count(state, found) for state in State if (found := _in(rows, state))],
        departures=departures,
        next_try=next_try,
        first=_first(row["first"] for row in left),
        last=last,
        rate=_rate([row for row in left if row["recent"]], now),
        stirred=[moment for moment in stirred if moment is not None],
    )


def _rows(submission: Submission, now: datetime) -> list[dict[str, Any]]:
    """What the messages have in common that are in one state, leave later or not, and left lately or not."""
    kinds = {
        "later": Q(state=State.SCHEDULED, send_at__gt=now),
        "recent": Q(handed_over_at__isnull=False, handed_over_at__gt=now - WINDOW),
    }
    rows = submission.messages.order_by().annotate(
        **{name: ExpressionWrapper(which, BooleanField()) for name, which in kinds.items()}
    )
    return list(
        rows.values("state", *kinds).annotate(
            total=Count("pk"),
            refunded=Sum("price", filter=Q(refunded_by__isnull=False), default=0),
            # Each refunded message has a line of its own.
            refunds=Count("refunded_by"),
            first=Min("handed_over_at"),
            last=Max("handed_over_at"),
            next=Min("due_at"),
            due=Max("due_at"),
            opens=Min("send_at"),
            closes=Max("send_at"),
            postponed=Count("pk", filter=Q(postponed_by="window")),
        )
    )


def _in(rows: Rows, state: State) -> list[dict[str, Any]]:
    return [row for row in rows if row["state"] == state]


def _count(state: State, rows: Rows) -> StateCount:
    total, refunded, refunds = (sum(row[name] for row in rows) for name in ("total", "refunded", "refunds"))
    return StateCount(state.value, str(state.label), total, refunded, refunds)


def _departures(rows: Rows) -> Departures:
    return Departures(
        first=_first(row["opens"] for row in rows),
        last=_last(row["closes"] for row in rows),
        waiting=sum(row["total"] for row in rows),
        postponed=sum(row["postponed"] for row in rows),
    )


def _rate(recent: Rows, now: datetime) -> float:
    """Messages in a second since the first of the recent ones: those that began a moment ago are not slow."""
    since = _first(row["first"] for row in recent)
    if since is None:
        return 0.0
    return float(sum(row["total"] for row in recent) / max(now - since, SHORTEST).total_seconds())


def _speed(rate: float) -> Speed | None:
    if rate * 60 < 1:
        return None
    return Speed(round(rate), True) if rate >= SLOW else Speed(round(rate * 60), False)


def _first(moments: Iterable[datetime | None]) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)


def _last(moments: Iterable[datetime | None]) -> datetime | None:
    return max((moment for moment in moments if moment is not None), default=None)
