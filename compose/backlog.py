"""How much waits at this moment, for those who watch the installation. Every question is answered by a partial index
and reads MOST rows at the most, however many messages there are.
"""

from datetime import datetime
from typing import Any

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


def oldest_due(now: datetime) -> datetime | None:
    """Since when the oldest due message has been due; None when none is. A step into the index for each queue."""
    return next((first for first in queues.heads().values() if first <= now), None)


def due(now: datetime) -> dict[Queue, int]:
    """Due messages of each queue that has some; each is counted up to MOST."""
    return queues.depths(now, most=MOST)


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
