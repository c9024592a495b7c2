"""Two beats and ten dispatchers, each a process, at one table: no message is claimed twice."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from compose.models import Message
from tests import factories
from tests.factories import assert_ledger_adds_up
from tests.fixtures.databases import FreshDatabase
from tests.processes.dispatchers import DEADLINE

pytestmark = pytest.mark.processes

FEW = 3


def dispatched(database: FreshDatabase, record: Path, locks: str) -> tuple[Counter[str], set[str]]:
    """How often each message was handed over, and the processes that did."""
    record.touch()
    done = subprocess.run(
        [sys.executable, "-m", "tests.processes.dispatchers", str(record), locks],
        env=database.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=2 * DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    lines = [line.split() for line in record.read_text().splitlines()]
    return Counter(message for message, _process in lines), {process for _message, process in lines}


def test_no_message_is_claimed_twice(fresh_database: FreshDatabase, tmp_path: Path) -> None:
    # On SQLite all of them wait for one lock.
    many, clicks = (1_500, 40) if connection.vendor == "postgresql" else (200, 5)
    account = factories.account(millis=10**9)
    factories.submission(account, to=many, now=timezone.now())
    for _click in range(clicks):
        factories.submission(account, to=FEW, now=timezone.now())
    sent, processes = dispatched(fresh_database, tmp_path / "record", "locked")
    assert set(sent) == {str(pk) for pk in Message.objects.values_list("pk", flat=True)}
    assert len(sent) == many + clicks * FEW
    assert set(sent.values()) == {1}
    assert set(Message.objects.values_list("state", "attempts").distinct()) == {("accepted", 1)}
    assert len(processes) > 1
    assert_ledger_adds_up()


def test_without_the_lock_the_same_messages_are_claimed_by_all(fresh_database: FreshDatabase, tmp_path: Path) -> None:
    """The control. All ten read what is due before one of them writes.

    SQLite takes no row locks: its write transactions (IMMEDIATE) come one after the other, so there the race cannot
    be made, and the lock is left where it is.
    """
    locks = "unlocked" if connection.vendor == "postgresql" else "locked"
    factories.submission(factories.account(millis=10**9), to=20, now=timezone.now())
    sent, _processes = dispatched(fresh_database, tmp_path / "record", locks)
    assert (max(sent.values()) > 1) == (connection.vendor == "postgresql")
