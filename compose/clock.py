"""Whose clock decides: the database's, which all workers of all machines share."""

from datetime import datetime

from django.db import connection
from django.utils import timezone


def database_now() -> datetime:
    """This moment by the database's clock; on SQLite, which has none of its own, by this machine's.

    A worker whose clock is ahead sends nothing early by it, and one whose clock jumps does not lose its leases.
    """
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        # Not now(): that stands still for the length of a transaction.
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
        return moment
