"""How far a submission is: how many messages are in each state, how fast they leave, how long the rest will take.

A page asks for it again and again while messages leave; what it costs is in `compose.survey`. A page of a large
submission asks less often (`every`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import NamedTuple

from compose import survey as surveys
from compose.models import Message, Submission
from compose.queries import FOLLOWED, MOVING, NOW_AND_THEN, RARELY, SOON, Departures, asks_again
from compose.survey import NEVER_LEFT, SHORTEST

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
# Below so many messages in a second they are counted by the minute.
SLOW = 2
# What is tried again later than this is not on its way now.
SHORTLY = timedelta(seconds=RARELY)
# So soon it is over: no figure is right by the time that it is read.
NEARLY = timedelta(seconds=2)
# A shorter time without any that leaves is not worth a word.
SILENT = timedelta(seconds=30)
# When one in so many could leave only late, the time that it all took is that of the wait.
ONE_IN = 10
# How often a page asks besides while messages leave, in seconds; a large one asks less often (`surveys.every`).
BRISK = surveys.SHARED_FOR
# Of the drawing of the bar, in its own units. What there is shows, however little beside the rest.
WIDTH, LEAST = 1000, 4


class StateCount(NamedTuple):
    """How many messages of a submission are in a state."""

    state: str
    label: str
    total: int


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

    Those whose departure has come could leave from `since` on; of those that wait, the next is tried at `next_try`. A
    gateway was last asked at `asked`, of late for `rate` messages in a second, whatever it answered. Of those that it
    did not refuse, `gone` left from `first` to `last`; at the end, `late` are those of them that could not leave in the
    first half of that time. Whether those left that a person gave up (`given_up`) nobody knows, nor of those in doubt,
    the last of which was handed over at `doubt_until`. Those `for_gateway` wait until a person lets theirs go on.
    `stirred` are the moments after which a page follows it.
    """

    now: datetime
    paused_at: datetime | None
    counts: Sequence[StateCount]
    departures: Departures
    next_try: datetime | None
    since: datetime | None
    first: datetime | None
    last: datetime | None
    gone: int
    late: int
    asked: datetime | None
    rate: float
    given_up: int
    for_gateway: int
    doubt_until: datetime | None
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
        # The two are read one after the other.
        return max(0, self.left - self.later)

    @property
    def paused(self) -> bool:
        return self.paused_at is not None and self.waiting > 0

    @property
    def finished(self) -> bool:
        """Whether nothing is left to leave; reports may still come."""
        return self.left == 0

    @property
    def none_left(self) -> bool:
        """Whether none left at all: each was refused, or cancelled."""
        return not self.given_up and self.in_state(*NEVER_LEFT) == self.total

    @property
    def percent(self) -> int:
        """How much of it is done with, in whole hundredths: all of it only when nothing is left."""
        return (self.total - self.left) * 100 // self.total

    @property
    def speed(self) -> Speed | None:
        """How fast messages leave now; None when none did lately, and during a silence: what was fast has stopped."""
        return None if self.silence else _speed(self.rate)

    @property
    def time_left(self) -> timedelta | None:
        """How long those will take whose departure has come, at the speed of now; None when that is not known."""
        if not self.speed or not self.to_go or self.paused or self.tried_later or self.gateway_paused:
            return None
        return timedelta(seconds=self.to_go / self.rate)

    @property
    def nearly(self) -> bool:
        """Whether those whose departure has come will have left in a moment."""
        return self.time_left is not None and self.time_left < NEARLY

    @property
    def tried_later(self) -> bool:
        """Whether all of those wait for their next try."""
        return self.next_try is not None and self.next_try > self.now and not self.sending

    @property
    def gateway_paused(self) -> bool:
        """Whether all of those wait for a gateway that a person has paused: when they are tried nobody knows."""
        return 0 < self.to_go <= self.for_gateway

    @property
    def silence(self) -> timedelta | None:
        """For how long no gateway has taken or refused any although it was time; None when that is not long yet."""
        if self.since is None:
            return None
        silent = self.now - max(self.since, self.asked or self.since)
        return silent if silent >= SILENT else None

    @property
    def took(self) -> timedelta | None:
        """How long it lasted from the first message to the last; None before the end, or when none left.

        None too when many of them, one in ONE_IN, could leave only in the second half of that time: it was spent
        waiting, for the end of a pause, for another try, for a window. A few that were late leave it as it is.
        """
        if not (self.finished and self.first and self.last) or self.late * ONE_IN >= self.gone:
            return None
        return self.last - self.first

    @property
    def at_once(self) -> bool:
        """Whether it took too short a time to say anything of speed."""
        return self.took is not None and self.took < SHORTEST

    @property
    def average(self) -> Speed | None:
        """How fast they left all in all; None when that says nothing."""
        if self.took is None or self.at_once:
            return None
        return _speed(self.gone / self.took.total_seconds())

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
        less_often = surveys.every(self.total) - surveys.SHARED_FOR
        return asks_again(self.stirred, now=self.now, every=pace + less_often) or seldom


def progress(submission: Submission, *, now: datetime, follows: bool = False) -> Progress:
    """How far the submission is; for a page that only `follows` it, as of a moment ago (see `compose.survey`)."""
    found = surveys.survey(submission, now=now, follows=follows)
    return Progress(
        now=found.now,
        paused_at=submission.paused_at,
        counts=[StateCount(state, str(State(state).label), total) for state, total in found.totals.items()],
        departures=found.departures,
        next_try=found.next_try,
        since=found.since,
        first=found.first,
        last=found.last,
        gone=found.gone,
        late=found.late,
        asked=found.asked,
        rate=found.rate,
        given_up=found.given_up,
        for_gateway=found.for_gateway,
        doubt_until=found.doubt_until,
        stirred=_stirred(submission, found),
    )


def _stirred(submission: Submission, found: surveys.Survey) -> list[datetime]:
    """When that was to move which still moves; what a pause holds stirs again when a person says so."""
    held = submission.paused_at is not None
    moving = [state for state in found.totals if state in MOVING and not (held and state == State.SCHEDULED)]
    if not moving:
        return []
    moments = [found.due[state] for state in moving] + [found.asked]
    if State.SCHEDULED in moving:
        moments.append(found.departures.first)
    return [moment for moment in moments if moment is not None]


def _speed(rate: float) -> Speed | None:
    if rate * 60 < 1:
        return None
    return Speed(round(rate), True) if rate >= SLOW else Speed(round(rate * 60), False)
