"""What the pages show of what goes out."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Count, Max, Min, Q, QuerySet, Sum

from compose.models import Message, Submission, Transition
from compose.planning import Plan, Wave, stop_clause_for
from credits import queries as credit_queries
from credits.models import Account

State = Message.State
# What a person types who looks for a number.
NUMBER = re.compile(r"[\d\s+().-]+")
# In these states something more becomes of a message by itself.
MOVING = (*Message.HELD, State.ACCEPTED)
# How long after its departure a page still asks what became of a message: some never get a report.
FOLLOWED = timedelta(hours=1)
# How often a page asks, in seconds: for what is on its way, for an answer, and for what leaves later.
SOON, NOW_AND_THEN, RARELY = 5, 15, 60


@dataclass(frozen=True, kw_only=True)
class Quote:
    """What the compose page says before the click. Amounts in millis, `left` and `used` in units of the last SMS."""

    recipients: int
    duplicates: int
    encoding: str
    parts: int
    part_texts: tuple[str, ...]
    used: int
    left: int
    forced: tuple[tuple[int, str], ...]
    text: str
    has_clause: bool
    sms: int
    price: int
    balance_after: int
    missing: int
    departures: list[Wave]
    now: bool
    zone: str

    @property
    def forced_characters(self) -> tuple[str, ...]:
        """What does not fit into the GSM alphabet, each once, in the order of the text."""
        return tuple(dict.fromkeys(character for _index, character in self.forced))


def quote(planned: Plan, *, duplicates: int) -> Quote:
    """What `planned` means, beside what the account has."""
    after = credit_queries.available(planned.draft.account) - planned.price
    found = planned.segmentation
    waves = planned.waves
    return Quote(
        recipients=len(planned.leaving),
        duplicates=duplicates,
        encoding=found.encoding,
        parts=found.count,
        part_texts=found.parts,
        used=found.used,
        left=found.left,
        forced=found.forced,
        text=planned.text,
        has_clause=bool(stop_clause_for(planned.draft.sender, commercial=planned.draft.commercial)),
        sms=planned.sms,
        price=planned.price,
        balance_after=after,
        missing=max(0, -after),
        departures=waves,
        now=planned.draft.deferred_to is None and not any(wave.postponed for wave in waves),
        zone=planned.draft.account.time_zone,
    )


def sent(account: Account, *, now: datetime, text: str = "", state: str = "") -> QuerySet[Message]:
    """The account's messages whose moment has come or that were cancelled, for the page of sent SMS."""
    rows = Message.objects.filter(account=account).exclude(state=State.SCHEDULED, send_at__gt=now)
    if state in State.values:
        rows = rows.filter(state=state)
    if text:
        found = Q(submission__text__icontains=text)
        # 06… is how a French number is typed; +336… is how it is kept.
        digits = re.sub(r"\D", "", text).removeprefix("00").lstrip("0")
        if digits and NUMBER.fullmatch(text):
            found |= Q(recipient__contains=digits)
        rows = rows.filter(found)
    return rows.select_related("submission__sender", "hold_ended_by")


def scheduled(account: Account, *, now: datetime) -> QuerySet[Message]:
    """The account's messages that will leave later, for the page of scheduled SMS."""
    return Message.objects.filter(account=account, state=State.SCHEDULED, send_at__gt=now).select_related(
        "submission__sender"
    )


class StateCount(NamedTuple):
    """How many messages of a submission are in a state, and the last departure among them."""

    state: str
    label: str
    total: int
    last: datetime


def counts(submission: Submission) -> list[StateCount]:
    """How many of the submission's messages are in each state, in the order of a message's life."""
    rows = submission.messages.order_by().values_list("state").annotate(Count("pk"), Max("due_at"))
    found = {state: (total, last) for state, total, last in rows}
    return [StateCount(state.value, str(state.label), *found[state.value]) for state in State if state.value in found]


def asks_again(departures: Iterable[datetime], *, now: datetime, every: int = SOON) -> int:
    """After how many seconds a page looks again at messages that left or leave at these moments.

    0 when nothing is to be expected any more: there are none, or each left more than `FOLLOWED` ago.
    """
    followed = [departure for departure in departures if departure + FOLLOWED > now]
    if not followed:
        return 0
    return RARELY if min(followed) > now + timedelta(seconds=RARELY) else every


class Departures(NamedTuple):
    """When the messages of a submission that wait will leave: the first, the last; how many, how many postponed."""

    first: datetime | None
    last: datetime | None
    waiting: int
    postponed: int


def departures(submission: Submission, *, now: datetime) -> Departures:
    """The departures of the submission's messages that will leave after `now`."""
    waiting = submission.messages.filter(state=State.SCHEDULED, send_at__gt=now)
    found = waiting.aggregate(
        first=Min("send_at"),
        last=Max("send_at"),
        waiting=Count("pk"),
        postponed=Count("pk", filter=Q(postponed_by="window")),
    )
    return Departures(**found)


def transitions(message: Message) -> list[Transition]:
    """The changes of state of a message, oldest first."""
    return list(message.transitions.select_related("by").order_by("pk"))


def outstanding_holds() -> dict[int, int]:
    """For each account with messages whose hold has not ended: the sum of their prices, in millis."""
    rows = Message.objects.filter(state__in=Message.HELD).order_by().values_list("account_id")
    return dict(rows.annotate(Sum("price")))
