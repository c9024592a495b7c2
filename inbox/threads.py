"""Conversations: what was sent to a number and what came from it, in the order of time, a page at a time.

Both halves come from an index by account, number and moment, so a page of a conversation of ten thousand lines costs
what the first one costs.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Q, QuerySet

from compose import tries
from compose.models import Message, OptOut
from credits import queries as credit_queries
from credits.models import Account
from inbox.models import Received, Stopped

SIZE = 50
# Of two lines of the same moment, what was sent comes first.
SENT, CAME = 0, 1
Place = tuple[datetime, int, int]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One bubble of a conversation: a message that was sent or one that was received.

    `originator` is what the phone shows as the sender of the one, and to which number the other was sent. `cost` is
    what a received one was charged, in millis, and `owed` how much of it is not paid yet. `opt_out` is the entry that a
    received one made on the account's STOP list, from which it may have been taken off since.
    """

    pk: int
    outgoing: bool
    text: str
    at: datetime
    originator: str
    state: str = ""
    state_label: str = ""
    reason: str = ""
    missing: str = ""
    cost: int = 0
    owed: int = 0
    opt_out: OptOut | None = None
    moves: datetime | None = None


@dataclass(frozen=True)
class Thread:
    """A page of a conversation, oldest line first, and the cursor of the older ones: "" when there are none.

    `latest` is the last message that came before the page's end, wherever it stands; None when there is none.
    """

    lines: list[Line]
    cursor: str
    latest: Received | None

    @property
    def came(self) -> list[int]:
        """The ids of the received messages that it shows."""
        return [line.pk for line in self.lines if not line.outgoing]


def thread(account: Account, number: str, *, before: str = "", size: int = SIZE) -> Thread:
    """The last lines of the account's conversation with `number` before the place that the cursor says.

    A cursor that makes no sense gives the newest ones: it came from an address that somebody edited.
    """
    start = _read(before)
    sent = _before(Message.objects.filter(account=account, recipient=number), "send_at", SENT, start)
    came = _before(Received.objects.filter(account=account, number=number, deleted_at=None), "received_at", CAME, start)
    messages = {(row.send_at, SENT, row.pk): row for row in sent.select_related("submission")[: size + 1]}
    answers = {(row.received_at, CAME, row.pk): row for row in came[: size + 1]}
    places: list[Place] = sorted([*messages, *answers])
    shown = places[-size:]
    received = [pk for _at, kind, pk in shown if kind == CAME]
    charged = credit_queries.charged(account, "received", [str(pk) for pk in received])
    stopped = Stopped.objects.filter(received__in=received, opt_out__account=account).select_related("opt_out")
    opt_outs = {row.received_id: row.opt_out for row in stopped}
    lines = [
        _sent(messages[place]) if place[1] == SENT else _came(answers[place], charged, opt_outs) for place in shown
    ]
    latest = answers[max(answers)] if answers else None
    return Thread(lines, _write(shown[0]) if len(places) > size else "", latest)


def latest(account: Account, number: str) -> Received | None:
    """The last message that came from the number; None when all are deleted."""
    rows = Received.objects.filter(account=account, number=number, deleted_at=None)
    return rows.order_by("-received_at", "-pk").first()


def _before(rows: QuerySet[Any], by: str, kind: int, start: Place | None) -> QuerySet[Any]:
    """The rows before the place, newest first."""
    if start is not None:
        at, start_kind, pk = start
        if kind < start_kind:
            rows = rows.filter(**{f"{by}__lte": at})
        elif kind > start_kind:
            rows = rows.filter(**{f"{by}__lt": at})
        else:
            # The first condition is where the index begins; the second leaves out some of one moment.
            rows = rows.filter(Q(**{f"{by}__lte": at}), Q(**{f"{by}__lt": at}) | Q(pk__lt=pk))
    return rows.order_by(f"-{by}", "-pk")


def _sent(row: Message) -> Line:
    return Line(
        pk=row.pk,
        outgoing=True,
        text=row.submission.text,
        at=row.send_at,
        originator=row.originator,
        state=row.state,
        state_label=row.get_state_display(),
        reason=tries.why(row),
        moves=row.due_at,
    )


def _came(row: Received, charged: dict[str, credit_queries.Charged], opt_outs: dict[int, OptOut]) -> Line:
    cost, owed = charged.get(str(row.pk), credit_queries.Charged(0, 0))
    return Line(
        pk=row.pk,
        outgoing=False,
        text=row.text,
        at=row.received_at,
        originator=row.to,
        missing=row.missing_sentence,
        cost=cost,
        owed=owed,
        opt_out=opt_outs.get(row.pk),
    )


def _write(place: Place) -> str:
    at, kind, pk = place
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%S.%f}-{kind}-{pk}"


def _read(cursor: str) -> Place | None:
    try:
        moment, kind, pk = cursor.split("-")
        place = datetime.strptime(moment, "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC), int(kind), int(pk)
    except ValueError:
        return None
    return place if place[1] in (SENT, CAME) and 0 <= place[2] < 2**63 else None
