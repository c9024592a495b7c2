"""The settings of the processes of a run: those of the product, but for two things.

CHAOS_CLOCK, a list of seconds such as "10,-5,0.4": the application's clock (`django.utils.timezone.now`) is so much
ahead of the machine's, one after the other, each for JUMPS seconds. Settings are read before anything takes the clock.

What a crash left is looked for each second rather than every ten, so that a run takes less of them. The lease, which
decides what a crash has left, is in the environment (SMSMANAGER_LEASE_SECONDS).
"""

import os
import time
from datetime import datetime, timedelta

from django.utils import timezone

from smsmanager.settings import *  # noqa: F403
from smsmanager.settings import CELERY_BEAT_SCHEDULE

JUMPS = 0.7  # seconds
AHEAD = [float(seconds) for seconds in os.environ.get("CHAOS_CLOCK", "").split(",") if seconds]

CELERY_BEAT_SCHEDULE["bring back what a crash left"]["schedule"] = 1.0

if AHEAD:
    _right = timezone.now

    def _wrong() -> datetime:
        """The moment by a clock that jumps."""
        return _right() + timedelta(seconds=AHEAD[int(time.monotonic() / JUMPS) % len(AHEAD)])

    timezone.now = _wrong
