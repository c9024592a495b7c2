"""The pool of short numbers: who gets which, who waits, and that nobody waits in a circle."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db import connection, transaction

from compose.models import Message
from credits.models import Account
from senders.models import Lease, ShortNumber
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import NOON, assert_message, at, take_numbers
from tests.fixtures.databases import FreshDatabase
from tests.gateways_for_tests import ScriptedGateway, scripted_gateway
from tests.threads import DEADLINE, at_once

State = Message.State


@pytest.fixture
def account(db: None) -> Account:
    """An account with 100 credits."""
    return factories.account()


@pytest.fixture
def gateway() -> Iterator[ScriptedGateway]:
    """The only gateway: it takes all messages until its script says otherwise."""
    with scripted_gateway() as made:
        yield made


def test_an_account_keeps_its_short_number_with_a_recipient(account: Account, gateway: ScriptedGateway) -> None:
    numbers = []
    for hours in (0, 1, 2):
        message = factories.message(account, by=factories.pool())
        dispatch_due(clock=at(NOON + timedelta(hours=hours)))
        message.refresh_from_db()
        numbers.append(message.originator)
    assert len(set(numbers)) == 1
    assert Lease.objects.get().until == NOON + timedelta(hours=2 + 48)


def test_two_accounts_never_use_one_short_number_with_one_recipient(gateway: ScriptedGateway, db: None) -> None:
    for _account in range(2):
        factories.message(factories.account(), by=factories.pool())
    dispatch_due(clock=at(NOON))
    assert sorted(message.originator for message in gateway.sent) == ["38111", "38112"]


def test_commercial_messages_have_short_numbers_of_their_own(account: Account, gateway: ScriptedGateway) -> None:
    for commercial in (True, False):
        factories.message(account, by=factories.pool(), commercial=commercial)
    dispatch_due(clock=at(NOON))
    assert {(message.commercial, message.originator) for message in gateway.sent} == {(True, "36111"), (False, "38111")}


def test_a_message_without_a_free_short_number_waits_until_one_is_free(gateway: ScriptedGateway, db: None) -> None:
    sender = factories.pool(other=["38111"])
    first, second = (factories.message(factories.account(), by=sender) for _account in range(2))
    assert dispatch_due(clock=at(NOON)) == 1
    assert_message(first, State.ACCEPTED, originator="38111")
    assert_message(second, State.SCHEDULED, "no_short_number", due_at=NOON + timedelta(minutes=5), originator="")
    Lease.objects.update(until=NOON + timedelta(hours=1))
    assert dispatch_due(clock=at(NOON + timedelta(minutes=5))) == 0
    assert dispatch_due(clock=at(NOON + timedelta(hours=1))) == 1
    assert_message(second, State.ACCEPTED, originator="38111")


def test_a_disabled_short_number_is_given_to_nobody(account: Account, gateway: ScriptedGateway) -> None:
    sender = factories.pool(other=["38111"])
    ShortNumber.objects.update(enabled=False)
    message = factories.message(account, by=sender)
    dispatch_due(clock=at(NOON))
    assert_message(message, State.SCHEDULED, "no_short_number")


def test_claims_that_want_the_same_short_numbers_in_opposite_order_do_not_deadlock(
    fresh_database: FreshDatabase,
) -> None:
    """Each of two claims leases one recipient, sees the other one begin, and leases the other's recipient.

    On SQLite the second claim cannot begin before the first has ended, so it has nobody to wait for.
    """
    factories.pool()
    one, other = factories.account(), factories.account()
    begun: queue.Queue[int] = queue.Queue()
    leased = threading.Event()

    def first() -> dict[str, str]:
        with transaction.atomic():
            found = take_numbers(one, "+33612000001")
            begun.put(0)
            if connection.vendor == "postgresql":
                pid = begun_by_second.get(timeout=DEADLINE)
                wait_until(lambda: leased.is_set() or is_blocked(pid))
            return found | take_numbers(one, "+33612000002")

    def second() -> dict[str, str]:
        begun.get(timeout=DEADLINE)
        with transaction.atomic():
            if connection.vendor == "postgresql":
                begun_by_second.put(connection.connection.info.backend_pid)
            found = take_numbers(other, "+33612000002")
            leased.set()
            return found | take_numbers(other, "+33612000001")

    begun_by_second: queue.Queue[int] = queue.Queue()
    results = at_once([first, second])
    assert results == [
        {"+33612000001": "38111", "+33612000002": "38111"},
        {"+33612000001": "38112", "+33612000002": "38112"},
    ]


def is_blocked(pid: int) -> bool:
    """Whether this process of PostgreSQL waits for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT cardinality(pg_blocking_pids(%s)) > 0", [pid])
        return bool(cursor.fetchone()[0])


def wait_until(true: Callable[[], bool]) -> None:
    """Look again and again until it is true; a test that waits in vain fails."""
    deadline = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
