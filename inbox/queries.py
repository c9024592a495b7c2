"""What the pages show of received messages."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet

from compose.models import Message
from credits.models import Account
from inbox.models import Reading, Received

# Above this the navigation says "99+": counting further tells nobody anything.
MOST_UNREAD = 100
CONVERSATION = 100


# Every page asks this, and the ORM takes several times as long to write it as the database to answer.
_UNREAD = """
    SELECT COUNT(*) FROM (
        SELECT 1 FROM inbox_received WHERE account_id = %s AND NOT EXISTS (
            SELECT 1 FROM inbox_reading WHERE received_id = inbox_received.id AND user_id = %s
        ) LIMIT %s
    ) AS unread
"""


def _read_by(user: Any) -> Exists:
    return Exists(Reading.objects.filter(received=OuterRef("pk"), user=user))


def unread_count(account: Account, user: Any) -> int:
    """How many of the account's received messages the person has not read, at most `MOST_UNREAD`."""
    with connection.cursor() as cursor:
        cursor.execute(_UNREAD, [account.pk, user.pk, MOST_UNREAD])
        count: int = cursor.fetchone()[0]
    return count


def received(account: Account, user: Any) -> QuerySet[Received]:
    """The account's received messages, newest first, each with `unread` for the person."""
    return (
        Received.objects.filter(account=account)
        .annotate(unread=~_read_by(user))
        .select_related("answers__submission")
        .order_by("-received_at", "-pk")
    )


@dataclass(frozen=True)
class Line:
    """One bubble of a conversation: a message that was sent or one that was received."""

    pk: int
    outgoing: bool
    text: str
    at: datetime
    originator: str = ""
    state: str = ""
    state_label: str = ""


def conversation(account: Account, number: str) -> list[Line]:
    """The last messages sent to the number and received from it, in the order of time."""
    sent = (
        Message.objects.filter(account=account, recipient=number)
        .select_related("submission")
        .order_by("-send_at", "-pk")[:CONVERSATION]
    )
    came = Received.objects.filter(account=account, number=number).order_by("-pk")[:CONVERSATION]
    lines = [
        Line(row.pk, True, row.submission.text, row.send_at, row.originator, row.state, row.get_state_display())
        for row in sent
    ]
    lines += [Line(row.pk, False, row.text, row.received_at, row.to) for row in came]
    return sorted(lines, key=lambda line: line.at)[-CONVERSATION:]
