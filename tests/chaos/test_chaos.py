"""A short chaos run, with two beats; `make chaos` is the long one.

It says what it did, so that a failure can be done again.
"""

from pathlib import Path

import pytest

from tests.chaos import plan
from tests.chaos.house import House
from tests.chaos.run import run
from tests.fixtures import tool
from tests.tooling import tools

pytestmark = [pytest.mark.processes, pytest.mark.own_server]
SEED = 6
DEADLINE = 240.0
BEATS = 2


def test_nothing_is_lost_and_nothing_leaves_twice_whatever_is_killed(tmp_path: Path) -> None:
    tool(tools.broker)
    tool(tools.postgres)
    wanted = plan.made(seed=SEED, messages=1000, kills=6, flushes=1, restarts=1, beats=BEATS)
    print(*wanted.lines(), sep="\n")
    with House(tmp_path, seed=SEED, beats=BEATS, throttles=5) as house:
        outcome = run(house, wanted, deadline=DEADLINE, say=print)
    print(*outcome.lines(), sep="\n")
    assert outcome.findings == []
    assert outcome.blows.total() == len(wanted.blows)
    # Two beats stood beside each other, and neither ended but by its kills.
    assert [house.starts[f"beat{number}"] - 1 for number in range(BEATS)] == [1, 1]
    # Most of it left: a run in which all is cancelled would prove nothing.
    assert len(outcome.evidence.accepted) > wanted.messages / 2
