"""While somebody writes to few, work on many messages takes turns, and leaves a processor to them."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from compose import turns
from compose.models import Submission
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import NOON, at
from tests.fixtures.databases import FreshDatabase
from tests.gateways_for_tests import scripted_gateway
from tests.threads import DEADLINE

# Holds the lock of a file until it is killed.
HOLDER = """
import fcntl, sys, time
file = open(sys.argv[1], "a")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with two processors and a directory of its own, where nothing was asked yet."""
    settings.SMS_TURNS_DIR = tmp_path / "turns"
    monkeypatch.setattr(turns, "at_a_time", lambda: 1)
    monkeypatch.setattr(turns, "HOLDS", 0.0)
    monkeypatch.setattr(turns, "PATIENCE", 0.02)
    # SQLite, whose writers wait for each other anyway, does the same here.
    monkeypatch.setattr(turns, "_engine_has_one_writer", lambda: False)
    return tmp_path / "turns"


def somebody_writes(ago: timedelta = timedelta(0), to: int = 1) -> None:
    submission = factories.submission(factories.account(millis=10**9), to=to)
    Submission.objects.filter(pk=submission.pk).update(created_at=timezone.now() - ago)


@pytest.fixture
def taken_elsewhere(folder: Path) -> Iterator[Any]:
    """Another process of this machine has its turn, until it is killed."""
    folder.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder / "turn-0")], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def waits(*, many: bool = True) -> bool:
    """Whether a turn does not come before others are through with theirs."""
    with turns.taken(many=many) as mine:
        return not mine


@pytest.mark.django_db
def test_while_somebody_writes_to_few_one_waits_for_the_other(taken_elsewhere: Any) -> None:
    somebody_writes()
    assert waits()


@pytest.mark.django_db
def test_a_message_to_few_waits_for_nobody(taken_elsewhere: Any) -> None:
    somebody_writes()
    assert not waits(many=False)


@pytest.mark.django_db
def test_while_nobody_writes_nobody_waits(taken_elsewhere: Any) -> None:
    assert not waits()
    somebody_writes(ago=timedelta(seconds=4))
    assert not waits()
    somebody_writes(to=101)
    assert not waits()


@pytest.mark.django_db
def test_as_many_as_there_are_processors_less_one_have_a_turn(
    taken_elsewhere: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    somebody_writes()
    monkeypatch.setattr(turns, "at_a_time", lambda: 2)
    assert not waits()
    with turns.taken(many=True):
        assert waits()
    assert not waits()


@pytest.mark.django_db
def test_the_turn_of_a_killed_process_is_free(taken_elsewhere: Any) -> None:
    somebody_writes()
    taken_elsewhere.send_signal(signal.SIGKILL)
    taken_elsewhere.wait(DEADLINE)
    assert not waits()


@pytest.mark.django_db
def test_without_a_directory_to_write_to_there_are_no_turns(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings.SMS_TURNS_DIR = tmp_path / "file" / "turns"
    somebody_writes()
    assert not waits()


@pytest.mark.django_db
def test_a_directory_that_somebody_else_put_there_is_not_used(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    folder.symlink_to(tmp_path / "elsewhere")
    somebody_writes()
    assert not waits()
    assert not any((tmp_path / "elsewhere").iterdir())


@pytest.mark.django_db
def test_a_turn_that_does_not_come_stops_no_message(taken_elsewhere: Any) -> None:
    somebody_writes()
    with scripted_gateway() as gateway:
        many = factories.submission(factories.account(millis=10**9), to=150)
        Submission.objects.exclude(pk=many.pk).update(created_at=timezone.now())
        assert dispatch_due(clock=at(NOON)) == 151
    assert len(gateway.sent) == 151


@pytest.mark.parametrize("locked", [True, False], ids=["with the lock", "the control, without"])
def test_one_comes_after_the_other(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch, locked: bool
) -> None:
    """Threads of one process, too."""
    somebody_writes()
    monkeypatch.setattr(turns, "PATIENCE", DEADLINE)
    if not locked:
        monkeypatch.setattr(turns, "_lock", lambda _file: True)
    all_inside = threading.Barrier(3)
    inside, most = 0, 0
    lock, start = threading.Lock(), threading.Barrier(3)

    def work() -> None:
        nonlocal inside, most
        start.wait(DEADLINE)
        with turns.taken(many=True):
            with lock:
                inside += 1
                most = max(most, inside)
            if not locked:
                # They meet inside.
                all_inside.wait(DEADLINE)
            with lock:
                inside -= 1
        connection.close()

    threads = [threading.Thread(target=work, daemon=True) for _each in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert (inside, most) == (0, 1 if locked else 3)
