"""Celery's entry points of what comes in."""

from celery import shared_task

from inbox import services


@shared_task
def collect() -> int:
    """Fetch what waits at the gateways and apply what is stored."""
    services.poll_gateways()
    return services.apply_waiting()
