"""The clock that ticks for the installation: Celery's, which does not wait here for a clock that was set back.

Celery's beat keeps by the machine's clock when each entry ran last, and keeps it in a file too. Set back by an hour,
that clock would say for an hour that nothing is due: deferred messages would wait and nothing would be swept, and a
new start of beat would read the same in its file.

It gives its sign of life itself (smsmanager/readiness.py), so that no queue and no busy worker stands between.
"""

import time
from typing import Any

from celery.beat import PersistentScheduler

from smsmanager import readiness


class Scheduler(PersistentScheduler):
    """Celery's scheduler; what it did in the future, it did now."""

    _shown_at = float("-inf")

    def tick(self, *args: Any, **options: Any) -> float:
        """One look at what is due; returns how many seconds there are until the next."""
        self._forget_the_future()
        if time.monotonic() - self._shown_at >= readiness.SIGN_EVERY:
            self._shown_at = time.monotonic()
            readiness.show_beat()
        seconds: float = super().tick(*args, **options)
        return seconds

    def _forget_the_future(self) -> None:
        now = self.app.now()
        for entry in self.schedule.values():
            if entry.last_run_at is not None and entry.last_run_at > now:
                entry.last_run_at = now
                # Worked out anew: the order of what comes next has moments of the future in it, too.
                self._heap = None
