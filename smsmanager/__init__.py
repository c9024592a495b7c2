"""The whole: settings, addresses, the Celery application and the commands that run everything."""

from smsmanager.celery import app as celery_app

__all__ = ["celery_app"]
