"""Several processes share the limits of gateways: by Redis, and without it by the database."""

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from django.db import connection

from compose.models import GatewayPace
from tests.fixtures.databases import FreshDatabase

PROCESSES, SECONDS = 4, 5
RATES = {"slow": 20, "fast": 200}
FILE = '[default]\nbackend = "console"\n' + "".join(
    f'[{name}]\nbackend = "console"\nmessages_per_second = {rate}\n' for name, rate in RATES.items()
)


@pytest.mark.processes
@pytest.mark.parametrize("place", ["redis", "database"])
def test_processes_that_take_as_fast_as_they_can_share_one_limit(
    broker: str, fresh_database: FreshDatabase, tmp_path: Path, place: str
) -> None:
    (file := tmp_path / "gateways.toml").write_text(FILE)
    # Nobody listens at port 1 of the loopback.
    url = broker if place == "redis" else "redis://127.0.0.1:1/0"
    # A twentieth of a second each, in each of the processes.
    takes = SECONDS * 20 // PROCESSES
    connection.close()
    done = subprocess.run(
        [sys.executable, "-m", "tests.processes.taking", str(PROCESSES), *(f"{name}={takes}" for name in RATES)],
        env=os.environ | fresh_database.environ | {"SMSMANAGER_GATEWAYS": str(file), "REDIS_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    got = json.loads(done.stdout)
    for name, rate in RATES.items():
        leaving = sorted((at, count) for at, count in got[name])
        assert len(leaving) == PROCESSES * takes
        assert {count for _at, count in leaving} == {rate // 20}
        # A clock of milliseconds may give two slots that are one closer.
        gaps = [after[0] - before[0] for before, after in pairwise(leaving)]
        assert min(gaps) > 0.05 - 0.002
        most = max(sum(count for at, count in leaving if first <= at <= first + 1) for first, _count in leaving)
        assert most <= rate * 1.05 + 1
        # And all of it: asked so much faster than that, the line has no gap.
        assert sum(count for _at, count in leaving[:-1]) / (leaving[-1][0] - leaving[0][0]) == pytest.approx(
            rate, rel=0.05
        )
    assert GatewayPace.objects.exists() == (place == "database")
