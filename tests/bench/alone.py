"""A message as a task of its own, the way in which the product does not send: what it is measured against.

A task claims one message, hands it over and settles it, with the product's own verbs. The messages are deferred to a
day later, which no worker of the product reaches; to these tasks it has come.
"""

from datetime import datetime, timedelta

from celery import shared_task

from compose import claims, dispatch
from compose.clock import database_now
from compose.queues import Queue

QUEUE = "alone"
LATER = timedelta(days=1)


def a_day_later() -> datetime:
    return database_now() + LATER


@shared_task(name="tests.bench.alone.send_one", queue=QUEUE)
def send_one() -> None:
    """Send one message of the bulk lane."""
    made, _moved = claims.claim_due(Queue("default", bulk=True), clock=a_day_later, size=1)
    dispatch.send(made, clock=a_day_later)
