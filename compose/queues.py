"""The queues of what waits: one for each gateway and lane, all of them in the table of messages.

A submission to many recipients is in the bulk lane, any other in the interactive one, so that who writes to one person
does not wait behind a hundred thousand. Each gateway has its own queue in each lane, so that gateways do not wait for
each other. Which gateway that is, submission says from the routes; a claim that finds a better way moves the message.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from django.conf import settings
from django.db import connection
from django.utils.dateparse import parse_datetime

from compose import nudges, routing
from senders.models import Sender
from senders.rules import gateway_of

INTERACTIVE, BULK = "interactive", "bulk"
TASKS = {False: "compose.tasks.dispatch_due", True: "compose.tasks.dispatch_bulk"}

# The gateways that have waiting messages, found by one step into the index `message_due` for each, and the first
# moment of each lane. The states are literals, for SQLite uses a partial index for nothing else.
_HEADS = """
WITH RECURSIVE waiting (gateway) AS (
    SELECT MIN(gateway) FROM compose_message WHERE state = 'scheduled'
    UNION ALL
    SELECT (SELECT MIN(gateway) FROM compose_message WHERE state = 'scheduled' AND gateway > waiting.gateway)
    FROM waiting WHERE waiting.gateway IS NOT NULL
), lane (bulk) AS (VALUES (%s), (%s)), queue (gateway, bulk, first) AS (
    SELECT waiting.gateway, lane.bulk, (
        SELECT MIN(due_at) FROM compose_message
        WHERE state = 'scheduled' AND gateway = waiting.gateway AND bulk = lane.bulk
    )
    FROM waiting CROSS JOIN lane WHERE waiting.gateway IS NOT NULL
)
"""
_FIRST = f"{_HEADS} SELECT first, gateway, bulk FROM queue WHERE first IS NOT NULL"  # noqa: S608  (of this file)
# Rows of one queue are counted up to a bound.
_COUNTED = f"""{_HEADS}
SELECT gateway, bulk, (
    SELECT COUNT(*) FROM (
        SELECT 1 FROM compose_message
        WHERE state = 'scheduled' AND gateway = queue.gateway AND bulk = queue.bulk AND due_at <= %s
        LIMIT %s
    ) AS few
) FROM queue WHERE first <= %s
"""  # noqa: S608  (of this file)


class Queue(NamedTuple):
    """The messages that wait for one gateway ("" when none was chosen yet) in one lane."""

    gateway: str
    bulk: bool

    @property
    def lane(self) -> str:
        return BULK if self.bulk else INTERACTIVE


def heads() -> dict[Queue, datetime]:
    """When the first message of each queue is or was due, the earliest first. One query, whatever waits."""
    with connection.cursor() as cursor:
        cursor.execute(_FIRST, [False, True])
        return {Queue(gateway, bool(bulk)): moment(first) for first, gateway, bulk in sorted(cursor.fetchall())}


def waiting(now: datetime, *, bulk: bool | None = None) -> list[Queue]:
    """The queues that have a due message, of one lane or of both: the longest due first."""
    return [queue for queue, first in heads().items() if first <= now and bulk in (None, queue.bulk)]


def depths(now: datetime, *, most: int) -> dict[Queue, int]:
    """How many messages of each queue are due, up to `most` in each. One query."""
    adapted = connection.ops.adapt_datetimefield_value(now)
    with connection.cursor() as cursor:
        cursor.execute(_COUNTED, [False, True, adapted, most, adapted])
        return {Queue(gateway, bool(bulk)): count for gateway, bulk, count in cursor.fetchall()}


def is_bulk(recipients: int) -> bool:
    """Whether a submission to so many recipients goes in the bulk lane."""
    return recipients > settings.SMS_BULK_RECIPIENTS


def nudge(*, bulk: bool) -> None:
    """Have a worker look at the lane when the running transaction has committed."""
    nudges.after_commit(TASKS[bulk])


def gateways_for(
    regions: set[str], *, account_id: int, sender: Sender, message_class: str, commercial: bool
) -> Mapping[str, str]:
    """For each region the gateway in whose queue such a message waits: the first that carries it, "" for none.

    The queries are those of `routing.routes`, and one for a virtual number.
    """
    routes, gateway = routing.routes(), gateway_of(sender)
    wanted = {
        region: routing.Wanted(account_id, region, sender.pk, sender.kind, message_class, commercial, gateway)
        for region in regions
    }
    return {region: next(iter(routes.candidates(one)), "") for region, one in wanted.items()}


def moment(stored: datetime | str) -> datetime:
    """What a statement of our own read as a moment: SQLite keeps them as texts, in UTC."""
    if isinstance(stored, datetime):
        return stored
    found = parse_datetime(stored)
    assert found is not None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
