"""A worker of production that is stopped while it sends: nothing in doubt, nothing that waits for a lease."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.utils import timezone

from compose.models import HandOver, Message
from smsmanager.celery import app
from tests import factories
from tests.factories import assert_ledger_adds_up
from tests.fixtures.databases import FreshDatabase

DEADLINE = 60.0
MESSAGES = 1000
# Twenty seconds of work.
FILE = '[default]\nbackend = "console"\nmessages_per_second = 50\n'


@pytest.mark.processes
def test_a_worker_that_is_asked_to_stop_leaves_nothing_in_doubt(
    fresh_database: FreshDatabase, broker: str, tmp_path: Path
) -> None:
    factories.submission(factories.account(millis=100_000_000), to=MESSAGES, now=timezone.now())
    (file := tmp_path / "gateways.toml").write_text(FILE)
    log = tmp_path / "worker.log"
    with log.open("wb") as output:
        # As docker-compose.yml starts it: two processes, of which one sends and the other takes what comes meanwhile.
        worker = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "--app", "smsmanager", "worker", "--queues", "bulk"),
                *("--concurrency", "2", "--without-mingle", "--without-gossip"),
            ],
            env=os.environ | fresh_database.environ | {"REDIS_URL": broker, "SMSMANAGER_GATEWAYS": str(file)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        with app.connection_for_write() as connection:
            app.send_task("compose.tasks.dispatch_bulk", connection=connection)
        end = time.monotonic() + DEADLINE
        while Message.objects.filter(state="accepted").count() < 10:
            assert worker.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        worker.send_signal(signal.SIGTERM)
        # Not killed, and long before it had sent everything.
        assert worker.wait(DEADLINE) == 0, log.read_text()
    finally:
        worker.kill()
        worker.wait()
    states = list(Message.objects.values_list("state", flat=True))
    assert set(states) == {"accepted", "scheduled"}
    assert 10 <= states.count("accepted") < MESSAGES
    assert not HandOver.objects.exists()
    assert set(Message.objects.filter(state="scheduled").values_list("attempts", "claim")) == {(0, None)}
    assert_ledger_adds_up()
