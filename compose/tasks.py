"""Celery's entry points of what goes out."""

from celery import shared_task

from compose import dispatch, lanes
from compose.clock import database_now


@shared_task
def dispatch_due() -> int:
    """Send what is due in the interactive lane."""
    return lanes.serve(bulk=False, clock=database_now)


@shared_task
def dispatch_bulk() -> int:
    """Send what is due in the bulk lane."""
    return lanes.serve(bulk=True, clock=database_now)


@shared_task
def sweep() -> int:
    """Bring back what a crash left."""
    return dispatch.sweep(clock=database_now)
