"""The Celery application. Celery carries nudges only; the message table is the queue (docs/architecture.md)."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "smsmanager.settings")

app = Celery("smsmanager")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
