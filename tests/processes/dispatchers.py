"""Ten dispatchers and two beats, each a process: `python -m tests.processes.dispatchers RECORD locked|unlocked`.

The beats put ticks into a queue as fast as it takes them; a dispatcher takes one and runs the task of that name, as a
worker does. Each message that a gateway gets stands in RECORD with the process that handed it over. It all ends when
nothing waits in the table of messages any more. "unlocked" is the control: rows are read without their locks, nobody
writes before all have read, and each dispatcher runs its task once.
"""

import contextlib
import importlib
import multiprocessing
import os
import queue
import sys
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import django

DISPATCHERS, BEATS = 10, 2
TICKS = ("dispatch_due", "dispatch_bulk", "sweep")
# Messages of a claimed batch and of a chunk; seconds that the gateway takes for one.
BATCH, CHUNK, TAKES = 50, 10, 0.002
DEADLINE = 90.0


def recording(record: Path) -> Any:
    """A gateway's script that keeps on the disk what it gets."""
    from compose.gateways.base import Accepted, Outcome, Outgoing

    def script(chunk: Sequence[Outgoing]) -> list[Outcome]:
        lines = "".join(f"{message.id} {os.getpid()}\n" for message in chunk)
        file = os.open(record, os.O_WRONLY | os.O_APPEND)
        os.write(file, lines.encode())
        os.close(file)
        time.sleep(TAKES)
        return [Accepted(f"ref-{message.id}") for message in chunk]

    return script


def unlock(all_have_read: Any) -> None:
    """Take the locks of rows away; the first batch of each process waits until all have read theirs."""
    from django.db.models import QuerySet

    from compose import claims
    from compose.models import Message

    checked, waited = claims._outside_no_window, False

    def read_together(rows: list[Message], now: datetime) -> list[Message]:
        nonlocal waited
        if rows and not waited:
            waited = True
            all_have_read.wait(DEADLINE)
        return checked(rows, now)

    QuerySet.select_for_update = lambda self, **_options: self  # type: ignore[method-assign]
    claims._outside_no_window = read_together


def beat(ticks: Any, over: Any) -> None:
    while not over.is_set():
        for tick in TICKS:
            try:
                ticks.put(tick, timeout=0.1)
            except queue.Full:
                break


def dispatch(ticks: Any, over: Any) -> None:
    from compose import tasks

    while not over.is_set():
        try:
            tick = ticks.get(timeout=0.1)
        except queue.Empty:
            continue
        getattr(tasks, tick)()


def dispatch_once(all_have_read: Any) -> None:
    """The control."""
    from django.db import IntegrityError

    from compose import tasks

    unlock(all_have_read)
    # The ledger refuses to end a hold twice; the message has left by then.
    with contextlib.suppress(IntegrityError):
        tasks.dispatch_due()


def wait() -> None:
    """Until nothing waits and nothing is on its way."""
    from compose.models import Message

    end = time.monotonic() + DEADLINE
    while Message.objects.filter(state__in=["scheduled", "sending"]).exists():
        if time.monotonic() > end:
            raise SystemExit("Messages are still on their way.")
        time.sleep(0.05)


def main(record: Path, locks: str) -> None:
    django.setup()
    # What every child needs is loaded once, here, without a connection.
    for name in ("smsmanager.celery", "compose.tasks", "tests.gateways_for_tests"):
        importlib.import_module(name)
    from compose import dispatch as dispatching
    from tests.gateways_for_tests import scripted_gateway

    setattr(dispatching, "BATCH", BATCH)  # noqa: B010  (imported there)
    fork = multiprocessing.get_context("fork")
    ticks, over = fork.Queue(maxsize=2 * DISPATCHERS), fork.Event()
    with scripted_gateway(batch_size=CHUNK) as gateway:
        gateway.script = recording(record)
        children = [fork.Process(target=beat, args=(ticks, over), daemon=True) for _each in range(BEATS)]
        if locks == "locked":
            children += [fork.Process(target=dispatch, args=(ticks, over), daemon=True) for _each in range(DISPATCHERS)]
        else:
            together = fork.Barrier(DISPATCHERS)
            children = [
                fork.Process(target=dispatch_once, args=(together,), daemon=True) for _each in range(DISPATCHERS)
            ]
        for child in children:
            child.start()
        try:
            if locks == "locked":
                wait()
        finally:
            over.set()
            for child in children:
                child.join(DEADLINE)
    assert threading.active_count() == 1, "a process with threads was forked"


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
