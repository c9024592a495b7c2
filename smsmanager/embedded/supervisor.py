"""Children started in order, watched, brought back when they end by themselves, stopped in order.

One thread: Linux ties the parent-death signal to the thread that started a child, and nothing here needs
a second one. Every wait is a loop that looks at the children, the logs and the signals in turn.
"""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

from smsmanager.embedded.children import Child

# A child that ends by itself is started again after these waits (seconds). When it has ended once more
# after the last of them, everything is stopped.
BACKOFF = (0.5, 1, 2, 4, 8)
# A child that has run this long (seconds) has recovered: its waits begin anew.
RECOVERED = 60
INTERVAL = 0.1
# Two signals closer than this (seconds) are one wish: the terminal sends Ctrl-C to the whole foreground,
# and a program that started this one may pass its own on.
ONE_WISH = 0.3
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """A signal asked for the end."""


class Broken(Exception):
    """A child cannot be kept running; the text says which, how it ended and its last lines."""


class Supervisor:
    """Keeps children running until a signal asks for the end.

    `say` prints a line for the operator; `idle` is called ten times a second.
    """

    def __init__(self, *, say: Callable[[str], None], idle: Callable[[], None] = lambda: None) -> None:
        self._say, self._idle = say, idle
        self._children: list[Child] = []
        self._failures: dict[Child, int] = {}
        self._started: dict[Child, float] = {}
        self._due: dict[Child, float] = {}
        self._signals = self._heeded = 0
        self._last_signal = 0.0

    @contextlib.contextmanager
    def catching_signals(self) -> Iterator[None]:
        """Take SIGINT, SIGTERM and SIGHUP as the wish to stop; a second one as the wish not to wait."""

        def note(number: int, frame: FrameType | None) -> None:
            now = time.monotonic()
            if not self._signals or now - self._last_signal >= ONE_WISH:
                self._signals += 1
            self._last_signal = now

        before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
        for number in STOP_SIGNALS:
            # Started by nohup, it goes on when the terminal closes.
            if not (number == signal.SIGHUP and before[number] is signal.SIG_IGN):
                signal.signal(number, note)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def start(self, *children: Child) -> None:
        """Start `children` and wait until each is ready.

        Raises Broken when one ends before that or takes too long, Stopped when a signal came.
        """
        begun = time.monotonic()
        for child in children:
            self._children.append(child)
            self._start(child)
        waiting = list(children)
        while waiting:
            self._pause()
            for child in self._children:
                code = child.ended()
                if code is not None:
                    raise Broken(_end(child, code) + " while starting. Everything was stopped." + _tail(child))
            waiting = [child for child in waiting if not child.program.ready()]
            for child in waiting:
                if time.monotonic() - begun > child.program.ready_seconds:
                    raise Broken(
                        f"{child.name} was not ready after {child.program.ready_seconds:.0f} s. "
                        "Everything was stopped." + _tail(child)
                    )

    def watch(self) -> None:
        """Keep the children running until a signal comes, then raise Stopped.

        Raises Broken when one keeps ending by itself.
        """
        while True:
            self._pause()
            now = time.monotonic()
            for child in self._children:
                child.shorten_log()
                if child in self._due:
                    if now >= self._due[child]:
                        del self._due[child]
                        self._start(child)
                elif (code := child.ended()) is not None:
                    self._bring_back(child, code, now)

    def stop(self) -> None:
        """Stop the children, the last started first; returns when none is left."""
        for child in reversed(self._children):
            if not child.running:
                continue
            deadline = time.monotonic() + child.program.stop_seconds
            child.ask_to_stop()
            while child.running:
                if self._signals > self._heeded:
                    child.kill()
                elif time.monotonic() > deadline:
                    self._say(f"{child.name} did not end within {child.program.stop_seconds:.0f} s; killed.")
                    child.kill()
                time.sleep(INTERVAL / 2)
                self._idle()
        self._children.clear()

    def _start(self, child: Child) -> None:
        child.start()
        self._started[child] = time.monotonic()

    def _bring_back(self, child: Child, code: int, now: float) -> None:
        failures = 0 if now - self._started[child] > RECOVERED else self._failures.get(child, 0)
        if failures == len(BACKOFF):
            raise Broken(_end(child, code) + f", {failures + 1} times in short. Everything was stopped." + _tail(child))
        self._failures[child] = failures + 1
        self._due[child] = now + BACKOFF[failures]
        self._say(_end(child, code) + f"; it is started again in {BACKOFF[failures]} s." + _tail(child))

    def _pause(self) -> None:
        time.sleep(INTERVAL)
        self._idle()
        if self._signals:
            self._heeded = 1
            raise Stopped


def _end(child: Child, code: int) -> str:
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return f"{child.name} {how}"


def _tail(child: Child) -> str:
    lines: Sequence[str] = child.last_lines(8)
    return f" The last lines of {child.log}:" + "".join(f"\n    {line}" for line in lines) if lines else ""
