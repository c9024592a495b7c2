"""What the pages show of what goes out."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Count, Exists, Max, Min, OuterRef, Q, QuerySet

from compose.models import Message, Submission, Transition
from compose.searching import holds
from credits.models import Account, Transfer
from credits.queries import Movements, movements

State = Message.State
# In these states something more becomes of a message by itself.
MOVING = (*Message.HELD, State.ACCEPTED)
# How long after its departure a page still asks what became of a message: some never get a report.
FOLLOWED = timedelta(hours=1)
# How often a page asks, in seconds: for what is on its way, for an answer, and for what leaves later.
SOON, NOW_AND_THEN, RARELY = 5, 15, 60
# So many paused submissions the page of scheduled SMS names.
MOST_PAUSED = 20


def sent(
    account: Account, *, now: datetime, text: str = "", state: str = "", of: Submission | None = None
) -> QuerySet[Message]:
    """The account's messages whose moment has come or that were cancelled, for the page of sent SMS.

    Of one submission `of`, which is the account's: all of its messages.
    """
    if of is None:
        rows = Message.objects.filter(account=account).exclude(state=State.SCHEDULED, send_at__gt=now)
    else:
        rows = Message.objects.filter(submission=of)
    if state in State.values:
        rows = rows.filter(state=state)
    if text:
        rows = rows.filter(holds(text, words="submission__text", number="recipient"))
    return rows.select_related("submission__sender", "hold_ended_by")


def scheduled(account: Account, *, now: datetime) -> QuerySet[Message]:
    """The account's messages that will leave later, for the page of scheduled SMS."""
    return Message.objects.filter(account=account, state=State.SCHEDULED, send_at__gt=now).select_related(
        "submission__sender"
    )


class Paused(NamedTuple):
    """A paused submission, and how many of its messages wait until a person resumes it."""

    submission: Submission
    waiting: int


def paused(account: Account) -> list[Paused]:
    """The account's submissions that are paused and of which something waits, the latest paused first; two queries.

    Whatever the moments of their messages are: those that have come stand in no list of what leaves later.
    """
    waiting = Message.objects.order_by().filter(state=State.SCHEDULED)
    # An account pauses few of its submissions.
    held = Submission.objects.filter(Exists(waiting.filter(submission=OuterRef("pk"))), account=account)
    found = list(held.exclude(paused_at=None).order_by("-paused_at", "-pk")[:MOST_PAUSED])
    counted = waiting.filter(submission__in=found).values_list("submission").annotate(Count("pk")) if found else []
    counts = dict(counted)
    return [Paused(one, counts[one.pk]) for one in found if one.pk in counts]


def first_messages(submission: Submission, *, size: int = 50) -> list[Message]:
    """The messages of a submission for its own page: as they were typed, or the first by number of too many."""
    # The index of the submission's recipients has those at once; all of a large one would be read to sort them.
    by = "pk" if submission.recipients <= size else "recipient"
    rows = list(submission.messages.select_related("hold_ended_by").order_by(by)[:size])
    for row in rows:
        row.submission = submission
    return rows


def refunds(submission: Submission) -> list[Movements]:
    """The ledger lines that refund messages of the submission, added up: one, or none. One query."""
    refunded = submission.messages.exclude(refunded_by=None)
    # Each has a line of its own.
    return movements(Transfer.objects.filter(pk__in=refunded.order_by().values("refunded_by")))


def asks_again(departures: Iterable[datetime | None], *, now: datetime, every: int = SOON) -> int:
    """After how many seconds a page looks again at messages that left or leave at these moments (None: nobody knows).

    0 when nothing is to be expected any more: there are none, or each left more than `FOLLOWED` ago.
    """
    followed = [departure for departure in departures if departure and departure + FOLLOWED > now]
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


def section_of(submission: Submission, *, now: datetime) -> str:
    """Among which messages the submission belongs: "scheduled" while all that was not cancelled of it leaves later."""
    stands = submission.messages.exclude(state=State.CANCELLED)
    if stands.exclude(state=State.SCHEDULED, send_at__gt=now).exists():
        return "sent"
    return "scheduled" if stands.exists() else "sent"


def transitions(message: Message) -> list[Transition]:
    """The changes of state of a message, oldest first."""
    return list(message.transitions.select_related("by").order_by("pk"))
