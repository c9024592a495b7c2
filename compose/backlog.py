"""How much waits at this moment, for those who watch the installation. Every question is answered by a partial index
and reads MOST rows at the most, however many messages there are.
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import QuerySet

from compose import queues, routing
from compose.models import GatewayEvent, GatewayState, Message
from compose.queues import Queue

# Rows are counted up to here: a larger figure costs time and says nothing else.
MOST = 200_000
PAUSED = "paused"
# What a gateway can be, for who watches: the states of its breaker, and paused by a person.
CONDITIONS = (*GatewayState.State.values, PAUSED)
# Why a message waits beyond its departure, as the claim or the attempt in vain wrote it down (compose/reasons.py).
HOLDS_BACK = (
    "bad_configuration",
    "gateway_paused",
    "gateway_unreachable",
    "no_short_number",
    "out_of_funds",
    "throttled",
)
# What is held back is looked at again by then; the longest of these waits is the one between two rounds of attempts.
LOOKED_AT_AGAIN = timedelta(minutes=20)
# The next rows of one queue; the state is a literal, for SQLite uses a partial index for nothing else.
_NEXT = """
SELECT * FROM (
    SELECT gateway, reason, send_at FROM compose_message
    WHERE state = 'scheduled' AND gateway = %s AND bulk = %s AND due_at <= %s ORDER BY due_at, id LIMIT %s
) AS few"""


class Held(NamedTuple):
    """How many messages of a gateway are held back for one reason, and when the first of them was to leave."""

    many: int
    since: datetime


def oldest_due(now: datetime) -> datetime | None:
    """Since when the oldest due message has been due; None when none is. A step into the index for each queue."""
    return next((first for first in queues.heads().values() if first <= now), None)


def due(now: datetime) -> dict[Queue, int]:
    """Due messages of each queue that has some; each is counted up to MOST."""
    return queues.depths(now, most=MOST)


def held_back(now: datetime) -> dict[tuple[str, str], Held]:
    """What was to leave and waits for its gateway or for a short number, by gateway and reason (of HOLDS_BACK).

    Such a message is not due: its claim moved it on. It is among the next rows of its queue all the same, of which the
    first MOST are looked at, in one query for all queues.
    """
    until = connection.ops.adapt_datetimefield_value(now + LOOKED_AT_AGAIN)
    each = [(name, bulk) for name in ("", *routing.names()) for bulk in (False, True)]
    values: list[Any] = [value for name, bulk in each for value in (name, bulk, until, MOST)]
    reasons = ", ".join(["%s"] * len(HOLDS_BACK))
    with connection.cursor() as cursor:
        # Every value is a parameter.
        cursor.execute(
            "SELECT gateway, reason, COUNT(*), MIN(send_at) "  # noqa: S608
            f"FROM ({' UNION ALL '.join([_NEXT] * len(each))}) AS next "
            f"WHERE reason IN ({reasons}) GROUP BY gateway, reason",
            [*values, *HOLDS_BACK],
        )
        return {(name, reason): Held(many, queues.moment(since)) for name, reason, many, since in cursor.fetchall()}


def sending() -> dict[str, int]:
    """Messages that a worker has claimed, by gateway."""
    return _by_gateway(Message.objects.filter(state=Message.State.SENDING).order_by("leased_until"))


def unconfirmed() -> dict[str, int]:
    """Messages that may have left, by gateway."""
    return _by_gateway(Message.objects.filter(state=Message.State.UNCONFIRMED).order_by("valid_until"))


def events() -> dict[str, int]:
    """Stored events that were not applied yet, by gateway."""
    return _by_gateway(GatewayEvent.objects.filter(applied_at=None).order_by("looked", "look_at", "pk"))


def conditions() -> dict[str, str]:
    """What each configured gateway is, one of CONDITIONS."""
    states = {state.name: state for state in GatewayState.objects.all().order_by()}
    found: dict[str, str] = {}
    for name in routing.names():
        state = states.get(name)
        if state is None:
            found[name] = GatewayState.State.CLOSED.value
        else:
            found[name] = PAUSED if state.paused_at is not None else str(state.state)
    return found


def _by_gateway(rows: QuerySet[Any]) -> dict[str, int]:
    """How many of the first MOST rows each gateway has. The order is the index's, which therefore gives the rows."""
    inner, values = rows.values("gateway")[:MOST].query.sql_with_params()
    with connection.cursor() as cursor:
        # The inner statement is Django's; its values are parameters.
        cursor.execute(f"SELECT gateway, COUNT(*) FROM ({inner}) AS few GROUP BY gateway", values)  # noqa: S608
        return dict(cursor.fetchall())
