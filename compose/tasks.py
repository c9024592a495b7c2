"""Celery's entry points of what goes out."""

from celery import shared_task

from compose import dispatch


@shared_task
def dispatch_due() -> int:
    """Send what is due."""
    return dispatch.dispatch_due()


@shared_task
def sweep() -> int:
    """Bring back what a crash left."""
    return dispatch.sweep()
