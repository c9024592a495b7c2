"""A message as a task of its own, the way in which the product does not send: what it is measured against.

A task claims one message, hands it over and settles it, with the product's own verbs. The messages are deferred to a
moment that no worker of the product reaches while they are sent; to these tasks it has come. It is less than a lease
away, for the sweeper takes back what is leased for longer than there are leases.
"""

from datetime import datetime, timedelta

from celery import shared_task

from compose import claims, dispatch
from compose.clock import database_now
from compose.queues import Queue

QUEUE = "alone"
LATER = timedelta(seconds=90)


def later() -> datetime:
    return database_now() + LATER


@shared_task(name="tests.bench.alone.send_one", queue=QUEUE)
def send_one(*, bulk: bool) -> None:
    """Send one message of a lane."""
    made, _moved = claims.claim_due(Queue("default", bulk=bulk), clock=later, size=1)
    dispatch.send(made, clock=later)
