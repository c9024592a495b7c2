"""What members do to received messages: read them, call them unread again, delete them, and take that back.

A message that comes has a row of `Unread` for each member; reading deletes it. Deleting a message hides its rows rather
than removing them, so that its undoing gives each member back what they had.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from credits.models import Member
from inbox.models import Received, Unread

# More than a page has boxes to tick; a list that is longer was not made by the page.
MOST_AT_ONCE = 500

_ARRIVED = """
    INSERT INTO inbox_unread (member_id, received_id, hidden)
    SELECT credits_member.id, %s, FALSE FROM credits_member
    JOIN auth_user ON auth_user.id = credits_member.user_id
    WHERE credits_member.account_id = %s AND auth_user.is_active
"""


def arrived(came: Received) -> None:
    """The received message is unread for each active member of its account; in the running transaction, one INSERT."""
    if came.account_id is None:
        return
    # Somebody who leaves the account in this moment is waited for, and then has none. SQLite has one writer anyway.
    lock = "FOR KEY SHARE OF credits_member" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(_ARRIVED + lock, [came.pk, came.account_id])


def mark_read(member: Member, pks: Iterable[int]) -> None:
    """The member has read these received messages of the account."""
    # Of the unread ones alone: an ordinary page has none, and then nothing is written.
    unread = Unread.objects.filter(member=member, hidden=False, received__in=list(pks))
    rows = list(unread.values_list("pk", flat=True))
    if rows:
        Unread.objects.filter(pk__in=rows).delete()


@transaction.atomic
def mark_unread(member: Member, pks: Iterable[int]) -> None:
    """These received messages of the account, unless they are deleted, are unread for the member."""
    mine = Received.objects.filter(account=member.account_id, pk__in=list(pks), deleted_at=None)
    # Locked: a message that somebody deletes meanwhile would be counted, and shown nowhere.
    locked = mine.select_for_update().order_by("pk").values_list("pk", flat=True)
    Unread.objects.bulk_create([Unread(member=member, received_id=pk) for pk in locked], ignore_conflicts=True)


@transaction.atomic
def delete(account_id: int, pks: Iterable[int], *, by: Any, now: datetime) -> list[int]:
    """Take these received messages of the account from its pages, and return which they were.

    What they did stays done: what they cost, and the STOP that one of them was.
    """
    shown = Received.objects.filter(account=account_id, pk__in=list(pks), deleted_at=None)
    return _turned(shown.select_for_update(), hidden=True, deleted_at=now, deleted_by=by)


@transaction.atomic
def restore(account_id: int, pks: Iterable[int], *, by: Any) -> list[int]:
    """Bring back these messages of the account, those that `by` deleted; returns which they were.

    Each is unread again for whoever had not read it. What a colleague deleted is the colleague's to bring back.
    """
    deleted = Received.objects.filter(account=account_id, pk__in=list(pks), deleted_by=by).exclude(deleted_at=None)
    return _turned(deleted.select_for_update(), hidden=False, deleted_at=None, deleted_by=None)


def _turned(rows: Any, *, hidden: bool, **change: Any) -> list[int]:
    found: Collection[int] = list(rows.order_by("pk").values_list("pk", flat=True))
    Received.objects.filter(pk__in=found).update(**change)
    Unread.objects.filter(received__in=found).update(hidden=hidden)
    return list(found)
