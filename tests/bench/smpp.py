"""Submissions by SMPP beside a bare asyncio client, to the same SMSC, each of the three in a process of its own.

The gateway is used as dispatch uses it: `send` of one chunk after the other, each as large as the window, so that a
crash leaves a window in doubt. The bare client keeps its window full from the first submission to the last. The clock
is that of the wall, since most of the time is waiting; each side is timed by itself and in turns.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench import races

ROOT = Path(__file__).resolve().parents[2]
WINDOWS = (1, 10, 100)
DELAYS = (0.0, 0.02)
# Submissions in each run: about a second of them.
AMOUNTS = {(0.0, 1): 3000, (0.0, 10): 20_000, (0.0, 100): 50_000, (0.02, 1): 40, (0.02, 10): 400, (0.02, 100): 4000}
TARGET = 0.5
WINDOW_TARGET = 60


@contextlib.contextmanager
def program(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """One of the programs of `tests.bench.smpp_ends`, for the length of the block."""
    command = [sys.executable, "-m", "tests.bench.smpp_ends", *map(str, arguments)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def line(process: subprocess.Popen[str]) -> str:
    """What the program prints next. Raises RuntimeError when it ended instead."""
    assert process.stdout is not None
    said = process.stdout.readline().strip()
    if not said:
        raise RuntimeError(f"{process.args!r} ended with {process.wait()}")
    return said


def report() -> str:
    outcomes, rates = [], {}
    for delay in DELAYS:
        with program("smsc", delay) as smsc:
            port = line(smsc)
            for window in WINDOWS:
                rates[delay, window] = race(port, delay, window)
                outcomes.append(rates[delay, window])
    times = rates[0.02, 100].ours / rates[0.02, 1].ours
    said = f"With an SMSC that answers after 20 ms, a window of 100 sends {times:.0f} times as many as a window of 1"
    return "\n\n".join([races.table(outcomes), f"{said} (target: {WINDOW_TARGET}).", kannel()])


def race(port: str, delay: float, window: int) -> races.Outcome:
    """The gateway and the bare client in turns; the clock is what each side says it took."""
    amount = AMOUNTS[delay, window]
    answered = f"answered after {delay * 1000:.0f} ms" if delay else "answered at once"
    with program("ours", port, window) as ours, program("bare", port, window) as theirs:
        assert (line(ours), line(theirs)) == ("ready", "ready")
        took = [0.0]

        def work(process: subprocess.Popen[str]) -> Callable[[], None]:
            def run() -> None:
                assert process.stdin is not None
                process.stdin.write(f"{amount}\n")
                process.stdin.flush()
                took[0] += float(line(process))

            return run

        return races.run(
            races.Race(
                name=f"window {window}, {answered}",
                unit="submissions",
                amount=amount,
                ours=work(ours),
                theirs=work(theirs),
                target=TARGET,
            ),
            clock=lambda: took[0],
        )


def kannel() -> str:
    """Kannel's own rate on this machine, when it is installed."""
    from tests.bench.kannel import kannel_rate

    rate = kannel_rate()
    if rate is None:
        return "Kannel is not installed here, so its rate is not measured."
    return f"Kannel passes {rate:,.0f} messages per second on the same machine.".replace(",", " ")


if __name__ == "__main__":
    print(report())
