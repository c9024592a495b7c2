"""What the messages of a submission have in common: how many are in each state, and between which moments they move.

The first query reads each message of the submission once, which costs tens of milliseconds for a hundred thousand; an
index on their state would cost more, at each step of each message. So a large submission is read for all together who
follow it, and no more once nothing of it moves: once in each web process, for what is kept is that process's own (the
default cache). Three others follow where they are needed: while something leaves later; just after a person resumed the
submission or sent messages again; and at the end, when some could leave only late. While none leaves, one more looks
whether a gateway is paused, and up to five of those that wait when one is. However many recipients there are, there are
no more.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db.models import BooleanField, Count, ExpressionWrapper, Max, Min, Q

from compose.doubts import GIVEN_UP
from compose.models import Message, Submission, is_final
from compose.paused_gateways import held
from compose.queries import Departures
from compose.reasons import GATEWAY_PAUSED

State = Message.State
Rows = Sequence[dict[str, Any]]
# The speed is that of so long a time; a shorter one than SHORTEST says nothing about speed.
WINDOW, SHORTEST = timedelta(minutes=1), timedelta(seconds=1)
# What so many recipients or more have is read for several readers at once. It is as old as this at the most, and a
# second older for each so many: no page asks more often, so nobody sees anything go back, whichever process answers.
SHARED_FROM, SHARED_FOR, A_SECOND_FOR = 5_000, 2, 50_000
# Of these none left: they were refused, or given up before any gateway took them. Whether those left that a person gave
# up, nobody knows.
NEVER_LEFT = (State.FAILED, State.CANCELLED)
NONE_LATER = Departures(first=None, last=None, waiting=0, postponed=0)


@dataclass(frozen=True)
class Survey:
    """What the messages of a submission had in common at the moment `now`.

    `totals` and `due` by state: how many there are, and the latest moment at which those were to leave that are not
    `departures`, which leave later. Those that are to leave now could do so from `since` on; of those that wait, the
    next is tried at `next_try`. A gateway was last asked at `asked`, of late for `rate` messages in a second, whatever
    it answered. Of those that it did not refuse, `gone` left from `first` to `last`; once none is left to leave, `late`
    are those of them that could not leave in the first half of that time. Whether those left that a person
    gave up (`given_up`) nobody knows, nor of those in doubt, the last of which was handed over at `doubt_until`. Those
    `for_gateway` wait until a person lets theirs go on.
    """

    now: datetime
    totals: Mapping[str, int]
    due: Mapping[str, datetime | None]
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

    @property
    def ended(self) -> bool:
        """Whether nothing of it moves any more."""
        return all(map(is_final, self.totals))


def every(recipients: int) -> int:
    """For how many seconds a survey of so many is good enough for who only follows it."""
    return SHARED_FOR + recipients // A_SECOND_FOR


def survey(submission: Submission, *, now: datetime, follows: bool = False) -> Survey:
    """What there is of the submission now; for a page that only `follows` it, perhaps what another one has just seen.

    One query, two or three, and those of `paused_gateways.held` while none leaves; or none. A page that follows it is
    answered from what another one saw of the same process.
    """
    if submission.recipients < SHARED_FROM:
        return _read(submission, now)
    # Both make it that of this submission for ever: the request's key comes from a browser and is another one's too in
    # another account, and a database that was restored gives an id again. What a person holds back counts at once.
    whose = f"{submission.pk}:{submission.request_key}"
    key = f"survey:{whose}:{submission.paused_at and submission.paused_at.timestamp()}"
    good_for = every(submission.recipients)
    kept: Survey | None = cache.get(key)
    if kept is not None and (kept.ended or (follows and timedelta() <= now - kept.now < timedelta(seconds=good_for))):
        return kept
    found = _read(submission, now)
    cache.set(key, found, None if found.ended else good_for)
    return found


def _read(submission: Submission, now: datetime) -> Survey:
    rows = _rows(submission, now)
    totals: dict[str, int] = {}
    due: dict[str, datetime | None] = {}
    for row in rows:
        state = row["state"]
        totals[state] = totals.get(state, 0) + row["total"]
        due[state] = _last([due.get(state), row["due"]])
    handed = [row for row in rows if row["first"]]
    departures, next_try = NONE_LATER, _first(row["next"] for row in rows if row["state"] == State.SCHEDULED)
    if any(row["closes"] > now for row in rows if row["state"] == State.SCHEDULED):
        departures, next_try, due[State.SCHEDULED] = _departures(submission, now)
    sending = [row["next"] for row in rows if row["state"] == State.SENDING]
    since = _first([next_try, *sending])
    left = [row for row in handed if row["state"] not in NEVER_LEFT]
    first, last = _first(row["first"] for row in left), _last(row["last"] for row in left)
    late, latest = 0, _last(row["due"] for row in left)
    if first and last and latest and not (State.SCHEDULED in totals or State.SENDING in totals):
        middle = first + (last - first) / 2
        late = _late(submission, middle) if latest > middle else 0
    for_gateway = sum(row["for_gateway"] for row in rows if row["state"] == State.SCHEDULED)
    to_go = totals.get(State.SCHEDULED, 0) - departures.waiting
    if for_gateway < to_go and submission.paused_at is None and not any(row["recent"] for row in handed):
        # No claim has come to them yet that would say it, and none leaves.
        next_ones = submission.messages.filter(state=State.SCHEDULED, due_at__lte=now).exclude(reason=GATEWAY_PAUSED)
        for_gateway += held(submission, next_ones).waiting
    return Survey(
        now=now,
        totals={state.value: totals[state] for state in State if state in totals},
        due=due,
        departures=departures,
        next_try=next_try,
        since=since,
        first=first,
        last=last,
        gone=sum(row["handed"] for row in left),
        late=late,
        asked=_last(row["last"] for row in handed),
        rate=_rate(submission, [row for row in handed if row["recent"]], since, now),
        given_up=sum(row["given_up"] for row in rows),
        for_gateway=for_gateway,
        doubt_until=_last(row["last"] for row in rows if row["state"] == State.UNCONFIRMED),
    )


def _rows(submission: Submission, now: datetime) -> list[dict[str, Any]]:
    """What the messages have in common that are in one state and left lately or not."""
    recent = Q(handed_over_at__isnull=False, handed_over_at__gt=now - WINDOW)
    rows = submission.messages.order_by().annotate(recent=ExpressionWrapper(recent, BooleanField()))
    found: Any = rows.values("state", "recent").annotate(
        total=Count("pk"),
        # A report may say of one that waits to leave again that it arrived: it has no moment then.
        handed=Count("handed_over_at"),
        first=Min("handed_over_at"),
        last=Max("handed_over_at"),
        next=Min("due_at"),
        due=Max("due_at"),
        closes=Max("send_at"),
        given_up=Count("pk", filter=Q(reason=GIVEN_UP)),
        for_gateway=Count("pk", filter=Q(reason=GATEWAY_PAUSED)),
    )
    return list(found)


def _departures(submission: Submission, now: datetime) -> tuple[Departures, datetime | None, datetime | None]:
    """When what waits leaves later; and of what waits and is not among that, the first and the last try."""
    later = ExpressionWrapper(Q(send_at__gt=now), BooleanField())
    rows = submission.messages.order_by().filter(state=State.SCHEDULED).annotate(later=later).values("later")
    found = rows.annotate(
        total=Count("pk"),
        opens=Min("send_at"),
        closes=Max("send_at"),
        postponed=Count("pk", filter=Q(postponed_by="window")),
        next=Min("due_at"),
        due=Max("due_at"),
    )
    by = {row["later"]: row for row in found}
    later_on, now_due = by.get(True), by.get(False, {"next": None, "due": None})
    departures = (
        Departures(later_on["opens"], later_on["closes"], later_on["total"], later_on["postponed"])
        if later_on
        else NONE_LATER
    )
    return departures, now_due["next"], now_due["due"]


def _late(submission: Submission, moment: datetime) -> int:
    """How many of those that left could not leave before this moment: for a pause, another try, a window."""
    left = submission.messages.exclude(state__in=NEVER_LEFT).filter(handed_over_at__isnull=False)
    return left.filter(due_at__gt=moment).count()


def _rate(submission: Submission, recent: Rows, since: datetime | None, now: datetime) -> float:
    """Messages in a second of late, since the first of them: those that began a moment ago are not slow.

    What left before those could leave that are to leave now, because a person held them back or has just sent them
    again, says nothing of their speed: of the pause, if anything.
    """
    total, first = sum(row["total"] for row in recent), _first(row["first"] for row in recent)
    if first is not None and since is not None and first < since:
        found = submission.messages.filter(handed_over_at__gte=since).aggregate(Count("pk"), Min("handed_over_at"))
        total, first = found["pk__count"], found["handed_over_at__min"]
    if first is None:
        return 0.0
    return float(total / max(now - first, SHORTEST).total_seconds())


def _first(moments: Iterable[datetime | None]) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)


def _last(moments: Iterable[datetime | None]) -> datetime | None:
    return max((moment for moment in moments if moment is not None), default=None)
