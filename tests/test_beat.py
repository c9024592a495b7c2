"""Beat and a clock that jumps: it goes on ticking, whichever way."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from celery.beat import PersistentScheduler
from django.conf import settings

from smsmanager import readiness
from smsmanager.beat import Scheduler
from smsmanager.celery import app

NOON = datetime(2026, 11, 24, 11, tzinfo=UTC)
EACH_SECOND = "dispatch what is due"
EACH_HOUR = "prove the ledger"

Ticks = Callable[..., Counter[str]]


@pytest.fixture
def ticks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ticks:
    """What such a scheduler, with its file in `tmp_path`, sends in some seconds from a moment on; each time started."""
    sent: Counter[str] = Counter()

    def count(_scheduler: Any, entry: Any, **_options: Any) -> None:
        sent[entry.name] += 1

    monkeypatch.setattr(PersistentScheduler, "apply_entry", count)
    monkeypatch.setattr(readiness, "show_beat", lambda: None)
    # There is no broker here.
    monkeypatch.setattr(PersistentScheduler, "producer", None)
    running: dict[type[PersistentScheduler], PersistentScheduler] = {}

    def run(kind: type[PersistentScheduler], begin: datetime, seconds: int, *, anew: bool = False) -> Counter[str]:
        if anew:
            running.pop(kind).close()
        with time_machine.travel(begin, tick=False) as clock:
            if kind not in running:
                running[kind] = kind(app=app, schedule_filename=str(tmp_path / kind.__module__))
            sent.clear()
            end = begin + timedelta(seconds=seconds)
            while datetime.now(UTC) < end:
                # Beat sleeps as long as it is told to; a look takes a moment, too.
                clock.shift(max(running[kind].tick(), 0.01))
            return Counter(sent)

    return run


def test_the_installation_has_this_beat() -> None:
    named = f"{Scheduler.__module__}:{Scheduler.__qualname__}"
    assert named == settings.CELERY_BEAT_SCHEDULER


@pytest.mark.parametrize("anew", [False, True], ids=["running on", "started again"])
def test_a_clock_that_was_set_back_stops_no_tick(ticks: Ticks, anew: bool) -> None:
    assert ticks(Scheduler, NOON, 10)[EACH_SECOND] >= 9
    assert ticks(Scheduler, NOON - timedelta(hours=1), 10, anew=anew)[EACH_SECOND] >= 9


def test_celerys_own_would_wait_until_the_clock_is_there_again(ticks: Ticks) -> None:
    """The control."""
    assert ticks(PersistentScheduler, NOON, 10)[EACH_SECOND] >= 9
    assert ticks(PersistentScheduler, NOON - timedelta(hours=1), 10)[EACH_SECOND] == 0


def test_what_is_done_each_hour_is_done_an_hour_after_the_clock_was_set_back(ticks: Ticks) -> None:
    ticks(Scheduler, NOON, 5)
    assert ticks(Scheduler, NOON - timedelta(days=1), 5)[EACH_HOUR] == 0
    assert ticks(Scheduler, NOON - timedelta(days=1) + timedelta(minutes=59), 5)[EACH_HOUR] == 0
    assert ticks(Scheduler, NOON - timedelta(days=1) + timedelta(minutes=61), 5)[EACH_HOUR] == 1


def test_a_clock_that_was_set_forward_does_nothing_twice(ticks: Ticks) -> None:
    ticks(Scheduler, NOON, 5)
    after = ticks(Scheduler, NOON + timedelta(hours=5), 2)
    assert after[EACH_HOUR] == 1
    assert after[EACH_SECOND] <= 2
