"""Processes that do one thing and kill themselves half-way: `python -m tests.processes.killed`.

It reads orders, one JSON object a line: {"work": name, "before": number, "values": {…}}. For each it forks a process,
which opens a connection of its own, does the work and sends itself SIGKILL right before its point `number` (the first
is 0). Points are the statements, the commits, the gateway's note of what it got, and the end. It answers
{"signal": number, "code": number}: the signal that ended the process, or 0 and its exit code. This process itself
never opens a connection, so that its children share nothing.
"""

import contextlib
import importlib
import json
import os
import signal
import sys
import threading
import traceback
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import django

from compose.gateways.base import Accepted, NotSent, Outcome, OutcomeUnknown, Outgoing, Rejected, Report

DEADLINE = 30.0
# Seconds after the first look at the lane: when a gateway that rests is to be tried, and when it is.
LOOKS = (0, 30, 35)
# Messages that a gateway takes at once.
CHUNK = 2
# What the gateway answers to a message, by the rest of its number.
ANSWERS: list[tuple[str, Callable[[Outgoing], Outcome]]] = [
    ("accepted", lambda message: Accepted(f"ref-{message.id}")),
    ("refused", lambda message: Rejected("no")),
    ("not sent", lambda message: NotSent("away")),
    ("unknown", lambda message: OutcomeUnknown("lost")),
]


class Countdown:
    """Called at each point; the process ends at point `number`."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self) -> None:
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1

    def statement(self, run: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        """As a wrapper of Django's `connection.execute_wrapper`."""
        self()
        return run(sql, params, many, context)


def recording(
    record: Path, answers: Sequence[tuple[str, Callable[[Outgoing], Outcome]]], point: Callable[[], None] = lambda: None
) -> Callable[[Sequence[Outgoing]], list[Outcome]]:
    """A gateway's script that keeps each message and what becomes of it on the disk before it answers."""

    def script(chunk: Sequence[Outgoing]) -> list[Outcome]:
        point()
        chosen = [(message, *answers[int(message.id) % len(answers)]) for message in chunk]
        with record.open("a") as file:
            file.writelines(f"{message.id} {name}\n" for message, name, _answer in chosen)
            file.flush()
            os.fsync(file.fileno())
        return [answer(message) for message, _name, answer in chosen]

    return script


def submit(values: dict[str, Any]) -> Callable[[], object]:
    from compose import services
    from credits.models import Account
    from tests import factories

    draft = factories.draft(
        Account.objects.get(pk=values["account"]), to=values["to"], request_key=uuid.UUID(values["request_key"])
    )
    return lambda: services.submit(draft, now=values["now"])


def dispatch(values: dict[str, Any]) -> Callable[[], object]:
    from tests.dispatching import dispatch_due
    from tests.factories import at

    return lambda: dispatch_due(clock=at(values["now"]))


def sweep(values: dict[str, Any]) -> Callable[[], object]:
    from compose import dispatch
    from tests.factories import at

    return lambda: dispatch.sweep(clock=at(values["now"]))


def cancel(values: dict[str, Any]) -> Callable[[], object]:
    from compose import services
    from compose.models import Submission

    submission = Submission.objects.get(pk=values["submission"])
    return lambda: services.cancel_submission(submission, by=submission.created_by, now=values["now"])


def report(values: dict[str, Any]) -> Callable[[], object]:
    from tests.events import arrive

    said = refusal(values["message"], values["now"])
    return lambda: arrive(said, now=values["now"])


def refusal(message: int, moment: datetime) -> Report:
    """The report that the operator never took the message, as often as it comes the same one."""
    return Report(
        key=f"report-{message}",
        reference=f"ref-{message}",
        message_id="",
        status="rejected",
        reason="",
        at=moment - timedelta(seconds=1),
    )


WORKS = {work.__name__: work for work in (submit, dispatch, sweep, cancel, report)}


def _one(order: dict[str, Any]) -> None:
    """In the child: the work, up to its point."""
    from tests.gateways_for_tests import scripted_gateway

    values = order["values"] | {"now": datetime.fromisoformat(order["values"]["now"])}
    point = Countdown(order["before"])
    if order["work"] == "lanes":
        _lanes(values, point)
        return
    work = WORKS[order["work"]](values)
    # Two chunks of two: the first is settled when the second is handed over.
    with scripted_gateway(batch_size=CHUNK) as gateway:
        gateway.script = recording(Path(values["record"]), ANSWERS, point)
        with counted(point):
            work()
        point()


@contextlib.contextmanager
def counted(point: Countdown) -> Iterator[None]:
    """Statements and commits of this thread's connection are points, for the length of the block."""
    from django.db import connection

    commit = connection._commit  # type: ignore[attr-defined]

    def and_commit() -> None:
        point()
        commit()

    connection._commit = and_commit  # type: ignore[attr-defined]
    try:
        with connection.execute_wrapper(point.statement):
            yield
    finally:
        connection._commit = commit  # type: ignore[attr-defined]


def _lanes(values: dict[str, Any], point: Countdown) -> None:
    """Serve the interactive lane, with a thread for each of two gateways, while one of them goes away and comes back.

    `default` does not take its first chunk, so the rest of the batch is given back. At the second look one message is
    claimed to see whether it is back, and given back too: the worker was asked to stop. At the third look, by another
    worker so to speak, that message is handed over and taken. What waits then is left to those that live on.

    Two threads that run as they like do not have the same n-th statement twice. So they take turns: `other` has a chunk
    in its hands until `default` has done all of its first look. Points are those of the thread of `default`, from its
    first answer on; what comes before that is as in `dispatch`. The thread that started them only reads.
    """
    from django.test import override_settings

    from compose import claims, lanes, stopping
    from tests.factories import at
    from tests.gateways_for_tests import scripted_gateways

    record, served, claim_due = Path(values["record"]), lanes._in_thread, claims.claim_due
    away, takes = ([answer] for answer in (ANSWERS[2], ANSWERS[0]))
    asked, done = threading.Event(), threading.Event()
    counting = contextlib.ExitStack()

    def in_turn(queue: Any, clock: Callable[[], datetime]) -> int:
        if queue.gateway == "other":
            return served(queue, clock)
        assert asked.wait(DEADLINE)
        with counting:
            if look != LOOKS[0]:
                counting.enter_context(counted(point))
            claimed = served(queue, clock)
        done.set()
        return claimed

    def and_asked_to_stop(*claimed: Any, **how: Any) -> Any:
        made = claim_due(*claimed, **how)
        # One byte for all children of the process that forks them: it is set back for each look.
        stopping._asked[0] = look == LOOKS[1]
        return made

    def default(chunk: Sequence[Outgoing]) -> list[Outcome]:
        if look == LOOKS[0]:
            counting.enter_context(counted(point))
            return recording(record, away)(chunk)
        return recording(record, takes, point)(chunk)

    def other(chunk: Sequence[Outgoing]) -> list[Outcome]:
        asked.set()
        assert done.wait(DEADLINE)
        return recording(record, takes)(chunk)

    with (
        scripted_gateways(default={"batch_size": CHUNK}, other={"batch_size": CHUNK}) as gateways,
        override_settings(SMS_BREAKER_FAILURES=1),
        mock.patch.object(lanes, "_in_thread", in_turn),
        mock.patch.object(claims, "claim_due", and_asked_to_stop),
        # It looks when a thread has ended, and not by its clock.
        mock.patch.object(lanes, "LOOK_EVERY", DEADLINE),
    ):
        gateways["default"].script, gateways["other"].script = default, other
        for look in LOOKS:
            stopping._asked[0] = 0
            lanes.serve(bulk=False, clock=at(values["now"] + timedelta(seconds=look)))
        point()


def _wait(child: int) -> dict[str, int]:
    _pid, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return {"signal": os.WTERMSIG(status), "code": 0}
    return {"signal": 0, "code": os.WEXITSTATUS(status)}


def main() -> None:
    """Serve orders until the input ends."""
    django.setup()
    # What every child needs is loaded once, here.
    for name in ("smsmanager.celery", "compose.lanes", "tests.events", "tests.gateways_for_tests"):
        importlib.import_module(name)
    importlib.import_module("tests.factories").recipients(1)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                _one(json.loads(line))
            except BaseException:  # noqa: BLE001  (whatever it is, it is said, and this process ends here)
                traceback.print_exc()
                os._exit(1)
            # Without what a process does at its end: it would be done for the parent too.
            os._exit(0)
        sys.stdout.write(json.dumps(_wait(child)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
