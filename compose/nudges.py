"""Telling Celery to look at the table now. The table is the queue: a lost nudge costs a second, never a message."""

import logging

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)


def after_commit(task: str) -> None:
    """Send the task `task` when the running transaction has committed (at once when there is none)."""
    transaction.on_commit(lambda: _send(task))


def _send(task: str) -> None:
    try:
        current_app.send_task(task, expires=60, retry=False)
    except OperationalError as error:
        log.warning("The broker does not answer (%s); the next look at the table does the work.", type(error).__name__)
