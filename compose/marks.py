"""The marks of claims that go to their gateway (`HandOver`): one row decides for a whole chunk.

A claim has one mark. A worker writes it before it speaks to the gateway; a sweeper writes it to take back a claim whose
lease ended. The key of the table lets one of the two through, whatever their clocks say, and both commit before they
go on: a claim that was taken back is never handed over, and one that may have been handed over is never taken back.
"""

import uuid
from collections.abc import Collection, Mapping
from datetime import datetime

from django.db import connection
from django.db.models import Exists, OuterRef

from compose.models import HandOver, Message

_WRITE = """
INSERT INTO compose_handover (claim, at, taken_back) VALUES (%s, %s, %s) ON CONFLICT (claim) DO NOTHING
"""


def hand_over(claim: uuid.UUID, *, at: datetime) -> bool:
    """Mark that the claim goes to its gateway, and commit; False when it was taken back. Not inside a transaction."""
    field = HandOver._meta.pk
    values = [
        field.get_db_prep_save(claim, connection=connection),
        connection.ops.adapt_datetimefield_value(at),
        False,
    ]
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, values)
        return bool(cursor.rowcount == 1)


def is_settled(claim: uuid.UUID) -> bool:
    """Whether the answers for this claim, which was handed over, have been kept."""
    return not HandOver.objects.filter(claim=claim, taken_back=False).exists()


def settled(claim: uuid.UUID) -> None:
    """The answers are kept in the running transaction: the mark has done its work."""
    HandOver.objects.filter(claim=claim, taken_back=False).delete()


def taken_back(claims: Collection[uuid.UUID], *, at: datetime) -> Mapping[uuid.UUID | None, datetime]:
    """Take these claims back; returns those that were handed over before, each with that moment.

    In a transaction: a worker that marks one of them in this moment waits for its end, or this waits for the worker.
    """
    if not claims:
        return {}
    # In one order, so that two sweepers do not wait in a circle.
    HandOver.objects.bulk_create(
        [HandOver(claim=claim, at=at, taken_back=True) for claim in sorted(claims)], ignore_conflicts=True
    )
    return dict(HandOver.objects.filter(claim__in=claims, taken_back=False).values_list("claim", "at"))


def forget(*, before: datetime) -> None:
    """Delete the marks of workers that never came back for theirs, when the sweeper has read them.

    What a sweeper wrote stays: a machine that slept may wake at any time. So does the mark of what is being sent
    still: another sweeper may be about to read it, and without it would send a second time.
    """
    leaving = Message.objects.filter(state=Message.State.SENDING, claim=OuterRef("claim"))
    HandOver.objects.filter(~Exists(leaving), taken_back=False, at__lt=before).delete()
