"""Celery's entry points of accounts and credits."""

from celery import shared_task

from credits import alerts, letters, paying


@shared_task
def watch_balances() -> int:
    """Say which accounts run low, once for each crossing, and order what they asked for."""
    return alerts.look()


@shared_task
def begin_payments() -> int:
    """Begin the payments of orders that were never begun."""
    return paying.begin_waiting()


@shared_task
def send_letters() -> int:
    """Send the letters that wait."""
    return letters.send_waiting()
