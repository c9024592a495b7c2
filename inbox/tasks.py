"""Celery's entry points of what comes in."""

import threading

from celery import shared_task

from inbox import services

_collecting = threading.Lock()


@shared_task
def collect() -> int:
    """Fetch what waits at the gateways and apply what is stored.

    One at a time in a process: a second thread would only fight for the same rows, and on SQLite keep the
    pages and the sending from their turn.
    """
    if not _collecting.acquire(blocking=False):
        return 0
    try:
        services.poll_gateways()
        return services.apply_waiting()
    finally:
        _collecting.release()
