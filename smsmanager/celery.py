"""The Celery application. Celery carries nudges only; the message table is the queue (docs/architecture.md)."""

import os
from typing import Any

from celery import Celery, signals
from django.db import close_old_connections

from compose import stopping

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "smsmanager.settings")

app = Celery("smsmanager")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.task_prerun.connect
def look_at_the_connection(**_signal: Any) -> None:
    """Begin each task with a database connection that works: the last task's (CELERY_DB_REUSE_MAX), or a new one.

    A kept one may have ended meanwhile, with the database's restart for instance; Django looks at it before its next
    use once it was told that a new piece of work begins.
    """
    close_old_connections()


@signals.worker_shutting_down.connect
def finish_what_is_in_hand(**_signal: Any) -> None:
    """A worker that was asked to stop begins no further chunk."""
    stopping.ask()
