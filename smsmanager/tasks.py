"""Celery's entry points of the whole."""

import logging
import time
from typing import Any

from celery import shared_task, signals
from django.db import Error

from compose import queues
from smsmanager import proof, readiness
from smsmanager.models import Heartbeat

log = logging.getLogger(__name__)
_shown_at = float("-inf")


@signals.task_prerun.connect
def worker_is_here(sender: Any, **_signal: Any) -> None:
    """Note that a worker takes what the broker has in the interactive lane; at most so often in this process.

    With any task that begins, and not with one of its own: where all processes send for minutes, it would wait behind
    each nudge that came before it.
    """
    global _shown_at
    lane = (sender.request.delivery_info or {}).get("routing_key")
    if lane != queues.INTERACTIVE or time.monotonic() - _shown_at < readiness.SIGN_EVERY:
        return
    _shown_at = time.monotonic()
    try:
        readiness.note(Heartbeat.WORKER)
    except Error as error:
        log.warning("The worker's sign of life was not kept: the database does not answer (%s)", type(error).__name__)


@shared_task
def verify_ledger() -> int:
    """Prove the ledger, and write to the administrators about what is newly found."""
    return proof.report(proof.prove())
