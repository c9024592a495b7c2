"""What the pages show of received messages."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import BigIntegerField, Exists, OuterRef, QuerySet, Value
from django.db.models.functions import Cast

from compose.paging import page
from compose.searching import holds
from credits.models import Account, Member
from inbox.models import Received, Unread
from inbox.rarest import rarest_piece
from senders.models import Sender

# Above this the navigation says "99+": counting further tells nobody anything.
MOST_UNREAD = 100
EXPORTED_AT_ONCE = 2_000
# In place of a number: all that are not the account's own.
SHORT = "short"

# Every page asks this, and the ORM takes several times as long to write it as the database to answer.
_UNREAD = """
    SELECT COUNT(*) FROM (
        SELECT 1 FROM inbox_unread WHERE member_id = %s AND NOT hidden LIMIT %s
    ) AS unread
"""


def unread_count(member: Member) -> int:
    """How many of the account's received messages the member has not read, at most `MOST_UNREAD`."""
    with connection.cursor() as cursor:
        cursor.execute(_UNREAD, [member.pk, MOST_UNREAD])
        count: int = cursor.fetchone()[0]
    return count


def own_numbers(account: Account) -> list[str]:
    """The virtual numbers of the account, to which others than the short numbers' answers come."""
    asked = Sender.objects.filter(account=account, kind=Sender.Kind.VIRTUAL)
    # One that was asked for in vain is none; one that was the account's until it was deleted still has its answers.
    found = asked.exclude(decided_at=None).exclude(status=Sender.Status.REFUSED)
    return sorted(set(found.values_list("value", flat=True)))


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which received messages: those that hold `text` or come from a number with its digits, came at `since` or later
    and before `until`, and to the number `to` (`SHORT`: to none of `own`); with `unread`, only unread ones."""

    text: str = ""
    unread: bool = False
    since: datetime | None = None
    until: datetime | None = None
    to: str = ""
    own: Sequence[str] = ()


ALL = Wanted()


def received(member: Member, wanted: Wanted = ALL) -> QuerySet[Received]:
    """The received messages of the member's account that are wanted, newest first, each with its `unread`."""
    # PostgreSQL takes a bare number for an integer, and the index of searches finds an account by its own type only.
    account = Cast(Value(member.account_id), BigIntegerField())
    rows = Received.objects.filter(account=account, deleted_at=None)
    if wanted.text:
        # The piece says nothing that the text does not say, and comes first: it tells the index where to begin.
        if piece := rarest_piece(rows, wanted.text):
            rows = rows.filter(text__icontains=piece)
        rows = rows.filter(holds(wanted.text, words="text", number="number"))
    if wanted.unread:
        rows = rows.filter(unread_by__member=member)
    if wanted.since:
        rows = rows.filter(received_at__gte=wanted.since)
    if wanted.until:
        rows = rows.filter(received_at__lt=wanted.until)
    if wanted.to == SHORT:
        rows = rows.exclude(to__in=wanted.own)
    elif wanted.to:
        rows = rows.filter(to=wanted.to)
    unread = Exists(Unread.objects.filter(member=member, received=OuterRef("pk")))
    return rows.annotate(unread=unread).select_related("answers__submission").order_by("-received_at", "-pk")


def batches(member: Member, wanted: Wanted) -> Iterator[list[Received]]:
    """The same messages, so many at a time that a file of any length needs little room."""
    cursor, more = "", True
    while more:
        found = page(received(member, wanted), by="received_at", cursor=cursor, size=EXPORTED_AT_ONCE)
        yield found.rows
        cursor, more = found.cursor, bool(found.cursor)
