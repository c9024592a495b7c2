"""The supervisor with small programs: their order, their ends, the patience it has with each."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from smsmanager.embedded import children, supervisor
from smsmanager.embedded.children import Child, Follower, Program
from smsmanager.embedded.supervisor import Broken, Stopped, Supervisor
from tests.fixtures.instances import until

pytestmark = pytest.mark.processes

# Says when it began and that it was asked to end, in a file that all of them share.
POLITE = """
import pathlib, signal, sys
def note(text): pathlib.Path(sys.argv[2]).open("a").write(f"{sys.argv[1]} {text}\\n")
def end(*_): note("ends"); sys.exit(0)
signal.signal(signal.SIGTERM, end)
note("begins")
while True: signal.pause()
"""
STUBBORN = """
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("child", child.pid, flush=True)
while True: signal.pause()
"""


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Child]:
    def child(name: str, code: str = POLITE, *, stop_seconds: float = 20) -> Child:
        program = Program(
            name=name,
            command=[sys.executable, "-c", code, name, str(tmp_path / "notes")],
            ready=lambda: code != POLITE or f"{name} begins" in notes(tmp_path),
            ready_seconds=20,
            stop_seconds=stop_seconds,
        )
        return Child(program, log_dir=tmp_path, environ=os.environ)

    return child


def notes(directory: Path) -> list[str]:
    file = directory / "notes"
    return file.read_text().splitlines() if file.exists() else []


def signals_when(seen: Callable[[], object], *numbers: int) -> threading.Thread:
    """Send this process `numbers` as soon as `seen` returns something true."""

    def send() -> None:
        until(seen, 20, "there was no reason for a signal")
        for number in numbers:
            os.kill(os.getpid(), number)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_children_are_stopped_in_the_reverse_of_their_start(
    make: Callable[..., Child], tmp_path: Path, number: int
) -> None:
    under_test = Supervisor(say=print)
    with under_test.catching_signals():
        under_test.start(make("first"))
        under_test.start(make("second"), make("third"))
        sender = signals_when(lambda: len(notes(tmp_path)) == 3, number)
        with pytest.raises(Stopped):
            under_test.watch()
        under_test.stop()
    sender.join()
    assert notes(tmp_path)[0] == "first begins"
    assert notes(tmp_path)[3:] == ["third ends", "second ends", "first ends"]


def test_a_child_that_does_not_end_in_its_time_is_killed_with_its_own_children(
    make: Callable[..., Child],
) -> None:
    said: list[str] = []
    stubborn = make("stubborn", STUBBORN, stop_seconds=0.2)
    under_test = Supervisor(say=said.append)
    under_test.start(stubborn)
    grandchild = until(lambda: grandchild_of(stubborn), 20, "no grandchild")
    under_test.stop()
    assert not stubborn.running
    until(lambda: not alive(grandchild), 10, "the grandchild was left")
    assert said == ["stubborn did not end within 0 s; killed."]


def test_a_second_signal_does_not_wait(make: Callable[..., Child], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "ONE_WISH", 0)
    stubborn = make("stubborn", STUBBORN, stop_seconds=60)
    under_test = Supervisor(say=print)
    with under_test.catching_signals():
        under_test.start(stubborn)
        until(lambda: grandchild_of(stubborn), 20, "not started")
        sender = signals_when(lambda: True, signal.SIGINT)
        with pytest.raises(Stopped):
            under_test.watch()
        sender.join()
        sender = signals_when(lambda: True, signal.SIGINT)
        under_test.stop()
        sender.join()
    assert not stubborn.running


def test_a_signal_passed_on_by_a_wrapper_counts_once(
    make: Callable[..., Child], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(supervisor, "ONE_WISH", 60)
    under_test = Supervisor(say=print)
    with under_test.catching_signals():
        under_test.start(make("polite"))
        sender = signals_when(lambda: True, signal.SIGINT, signal.SIGTERM)
        with pytest.raises(Stopped):
            under_test.watch()
        sender.join()
        under_test.stop()
    assert notes(tmp_path) == ["polite begins", "polite ends"]


def test_what_a_child_that_ended_left_behind_is_killed(make: Callable[..., Child]) -> None:
    leaving = make("leaving", STUBBORN.replace("while True: signal.pause()", "sys.exit(3)"))
    leaving.start()
    assert until(leaving.ended, 20, "it did not end") == 3
    until(lambda: not alive(grandchild_of(leaving)), 10, "the grandchild was left")


def test_a_child_that_keeps_ending_is_given_up(
    make: Callable[..., Child], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(supervisor, "BACKOFF", (0.0, 0.1))
    said: list[str] = []
    # Ready at its first start, so that its later ends are those of a program that once ran.
    broken = make("broken", "import signal, time; print('no luck', flush=True); time.sleep(0.3); raise SystemExit(7)")
    under_test = Supervisor(say=said.append)
    under_test.start(make("steady"), broken)
    with pytest.raises(Broken, match=r"broken ended with exit code 7, 3 times in short") as caught:
        under_test.watch()
    under_test.stop()
    assert str(caught.value).rstrip().endswith("no luck")
    assert ["it is started again" in line for line in said] == [True, True]
    assert notes(tmp_path) == ["steady begins", "steady ends"]


def test_a_child_that_is_never_ready_is_named(make: Callable[..., Child], tmp_path: Path) -> None:
    program = Program(
        name="slow",
        command=[sys.executable, "-c", "import time; time.sleep(600)"],
        ready=lambda: False,
        ready_seconds=0.2,
    )
    under_test = Supervisor(say=print)
    with pytest.raises(Broken, match="slow was not ready after"):
        under_test.start(Child(program, log_dir=tmp_path, environ=os.environ))
    under_test.stop()


def test_a_long_log_is_moved_aside_and_the_follower_reads_on(
    make: Callable[..., Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "LONGEST_LOG", 100)
    child, shown = make("any"), list[str]()
    follower = Follower(child.log, shown.append)
    follower.follow()
    with child.log.open("ab", buffering=0) as log:
        log.write(b"old " * 30 + b"\nhalf")
        follower.follow()
        child.shorten_log()
        assert child.log.stat().st_size == 0
        follower.follow()
        log.write(b"new\n")
        follower.follow()
    assert child.log.with_suffix(".log.1").read_bytes().startswith(b"old ")
    assert shown == ["old " * 30, "halfnew"]


def test_each_start_begins_a_new_log_and_keeps_the_one_before(make: Callable[..., Child]) -> None:
    make("any").log.write_text("before")
    log = make("any").log
    assert not log.exists()
    assert log.with_suffix(".log.1").read_text() == "before"


def grandchild_of(child: Child) -> int:
    found = child.log.read_text().split() if child.log.exists() else []
    return int(found[1]) if len(found) > 1 else 0


def alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
