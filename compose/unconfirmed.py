"""What the pages show of messages that may have left: how many there are, and which."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet

from compose.models import Message, Submission
from credits.models import Account

State = Message.State

# Unconfirmed messages of all accounts among which those of one are counted. The question costs the same however many
# there are; an account whose own are older than so many of others is told of them by its lists only.
MOST = 10_000

# The state is a literal: the partial index `message_unconfirmed` is used for nothing else.
_COUNT = """
SELECT COUNT(*) FROM (
    SELECT account_id FROM compose_message WHERE state = 'unconfirmed' ORDER BY valid_until DESC LIMIT %s
) AS latest WHERE account_id = %s
"""


def count(account: Account) -> int:
    """How many messages of the account are unconfirmed, among the latest MOST. One query, bounded."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [MOST, account.pk])
        return int(cursor.fetchone()[0])


def of_account(account: Account) -> QuerySet[Message]:
    """The account's unconfirmed messages, with what a row shows of them."""
    rows = Message.objects.filter(account=account, state=State.UNCONFIRMED)
    return rows.select_related("submission__sender", "hold_ended_by")


def of_submission(submission: Submission) -> QuerySet[Message]:
    """The submission's unconfirmed messages."""
    return submission.messages.filter(state=State.UNCONFIRMED)


def until(handed_over: Iterable[datetime | None], *, now: datetime) -> str:
    """Of which doubt a page speaks, as its buttons post it: the last moment at which any of these was handed over.

    For `doubts.Seen.until`. A time with its offset, in the form of RFC 3339.
    """
    return max((moment for moment in handed_over if moment is not None), default=now).isoformat()


def ends_at(message: Message) -> datetime:
    """When an unconfirmed message of which nothing more is heard ends by itself, and its price is given back."""
    return message.valid_until + timedelta(days=settings.SMS_UNCONFIRMED_DAYS)
