"""Telling Celery to look at the table now. The table is the queue: a lost nudge costs a second, never a message."""

import logging
import threading
import time

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)
# Seconds between two nudges of a flood; the clock nudges as often.
AT_MOST_EVERY = 1.0
_sent_at: dict[str, float] = {}
_sending = threading.Lock()


def after_commit(task: str) -> None:
    """Send the task `task` when the running transaction has committed (at once when there is none)."""
    transaction.on_commit(lambda: _send(task))


def after_commit_at_most_every_second(task: str) -> None:
    """As `after_commit`, at most once a second in this process: for what may come in floods."""
    transaction.on_commit(lambda: _send(task) if _may_send(task) else None)


def _may_send(task: str) -> bool:
    now = time.monotonic()
    with _sending:
        if now - _sent_at.get(task, -AT_MOST_EVERY) < AT_MOST_EVERY:
            return False
        _sent_at[task] = now
        return True


def _send(task: str) -> None:
    try:
        current_app.send_task(task, expires=60, retry=False)
    except OperationalError as error:
        log.warning("The broker does not answer (%s); the next look at the table does the work.", type(error).__name__)
