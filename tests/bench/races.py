"""Two ways of doing the same work, timed in turns, and what came out as a table."""

import gc
import os
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

RUNS = 5


@dataclass(frozen=True, kw_only=True)
class Race:
    """One piece of work of `amount` units, done by `ours` and by `theirs`; `target` is the ratio to reach."""

    name: str
    unit: str
    amount: int
    ours: Callable[[], object]
    theirs: Callable[[], object]
    target: float | None = None


@dataclass(frozen=True)
class Outcome:
    """Rates are units per second; `ratio` is the median of the ratios of each pair of runs."""

    race: Race
    ours: float
    theirs: float
    ratio: float


def run(race: Race, *, clock: Callable[[], float] = time.process_time) -> Outcome:
    """Five runs of each, in turns, so that a busy moment of the machine meets both.

    The clock is the processor time of this process unless another is given.
    """
    race.ours(), race.theirs()  # Caches fill before the clock starts.
    pairs = [(_seconds(race.ours, clock), _seconds(race.theirs, clock)) for _ in range(RUNS)]
    return Outcome(
        race,
        race.amount / statistics.median(ours for ours, _theirs in pairs),
        race.amount / statistics.median(theirs for _ours, theirs in pairs),
        statistics.median(theirs / ours for ours, theirs in pairs),
    )


def _seconds(work: Callable[[], object], clock: Callable[[], float]) -> float:
    gc.collect()
    start = clock()
    work()
    return clock() - start


def table(outcomes: Iterable[Outcome]) -> str:
    """The outcomes in Markdown."""
    lines = ["| what | here, per second | beside, per second | ratio | target |", "|---|---:|---:|---:|---:|"]
    for outcome in outcomes:
        race = outcome.race
        target = "" if race.target is None else f"≥ {race.target:g}"
        rates = f"{_figure(outcome.ours)} {race.unit} | {_figure(outcome.theirs)} {race.unit}"
        lines.append(f"| {race.name} | {rates} | {outcome.ratio:.2f} | {target} |")
    return "\n".join(lines)


def _figure(rate: float) -> str:
    return f"{rate:,.0f}".replace(",", " ") if rate >= 100 else f"{rate:.1f}"


def load() -> str:
    """How busy the machine is, for whoever reads the figures."""
    return f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}"
