"""What a movement finds that had to wait: two sessions whose steps are put in order by hand."""

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from credits import ledger, lines, proof
from credits.ledger import NotEnoughCredit
from credits.models import Account
from tests import factories
from tests.factories import balances
from tests.fixtures.databases import FreshDatabase
from tests.threads import DEADLINE, at_once, until_waiting

CAUSE = ("test", "1")


@pytest.fixture(params=["one statement", "statement by statement"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How a hold is written. SQLite knows the second way only, and does it twice here."""
    if request.param == "statement by statement":
        monkeypatch.setattr(lines, "move_alone", lambda *_everything: False)
    return str(request.param)


def held_behind(account: Account, first: Callable[[], Any], *, isolation: str = "READ COMMITTED") -> Any:
    """The answer to a hold of 6 credits that waits for the books while `first` changes them in a transaction.

    What `first` raises rolls its transaction back. SQLite lets nobody begin meanwhile: there one comes after the other.
    """
    locked = threading.Event()

    def before() -> None:
        with suppress(Undone), transaction.atomic():
            with connection.cursor() as cursor:
                lines.lock(cursor, [account.pk], with_issued=False)
            locked.set()
            if connection.vendor == "postgresql":
                until_waiting(1)
            first()

    def behind() -> Any:
        assert locked.wait(DEADLINE)
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(f"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL {isolation}")
        return ledger.hold(account, 6_000, key=f"behind:{account.pk}", cause=CAUSE)

    none, answer = at_once([before, behind])
    assert none is None
    return answer


class Undone(Exception):
    """Whoever was first changes their mind."""


def test_who_waited_for_the_books_finds_them_as_they_are_by_then(fresh_database: FreshDatabase, way: str) -> None:
    """Not as they were when it began to wait: what was taken is gone, what came is there, what was undone never was."""
    taken, given, undone = [factories.account(millis=millis) for millis in (10_000, 1_000, 10_000)]
    answer = held_behind(taken, lambda: ledger.hold(taken, 6_000, key="first:1", cause=CAUSE))
    assert (type(answer), answer.missing) == (NotEnoughCredit, 2_000)
    assert balances(taken) == {"available": 4_000, "held": 6_000, "spent": 0}

    answer = held_behind(given, lambda: factories.grant(given, 9_000))
    assert answer.amount == 6_000
    assert balances(given) == {"available": 4_000, "held": 6_000, "spent": 0}

    def and_back() -> None:
        ledger.hold(undone, 6_000, key="first:2", cause=CAUSE)
        raise Undone

    answer = held_behind(undone, and_back)
    assert answer.amount == 6_000
    assert balances(undone) == {"available": 4_000, "held": 6_000, "spent": 0}
    assert proof.verify() == []


def test_who_waited_in_a_transaction_of_one_moment_changes_nothing(fresh_database: FreshDatabase, way: str) -> None:
    """The ledger is written at READ COMMITTED; a caller's stricter transaction is refused by the database, whole."""
    account = factories.account(millis=10_000)
    answer = held_behind(
        account, lambda: ledger.hold(account, 1_000, key="first", cause=CAUSE), isolation="REPEATABLE READ"
    )
    if connection.vendor == "postgresql":
        assert isinstance(answer, OperationalError)
        assert balances(account) == {"available": 9_000, "held": 1_000, "spent": 0}
    else:
        assert balances(account) == {"available": 3_000, "held": 7_000, "spent": 0}
    assert proof.verify() == []


def test_a_movement_in_what_was_rolled_back_to_a_savepoint_never_was(fresh_database: FreshDatabase, way: str) -> None:
    account = factories.account(millis=10_000)
    with transaction.atomic():
        with suppress(Undone), transaction.atomic():
            ledger.hold(account, 9_000, key="a", cause=CAUSE)
            raise Undone
        assert ledger.hold(account, 8_000, key="a", cause=CAUSE).amount == 8_000
        with pytest.raises(NotEnoughCredit):
            ledger.hold(account, 3_000, key="b", cause=CAUSE)
        assert ledger.hold(account, 2_000, key="b", cause=CAUSE).amount == 2_000
    assert balances(account) == {"available": 0, "held": 10_000, "spent": 0}
    assert proof.verify() == []


def test_charges_holds_and_posts_over_several_accounts_do_not_wait_in_a_circle(fresh_database: FreshDatabase) -> None:
    accounts = [factories.account(millis=1_000_000) for _number in range(3)]

    def work(number: int) -> None:
        mine = accounts[number % 3]
        for turn in range(5):
            name = f"{number}:{turn}"
            ledger.hold(mine, 20, key=f"hold:{name}", cause=CAUSE)
            ledger.charge(mine, 10, key=f"charge:{name}", cause=CAUSE)
            every = [ledger.release(one.pk, 5, key=f"{name}:{one.pk}", cause=CAUSE) for one in (mine, *accounts[::-1])]
            with suppress(NotEnoughCredit):
                ledger.post(every[:1] + every[2:] if number % 2 else every[:0:-1])
            factories.grant(mine, 10)

    assert at_once([partial(work, number) for number in range(8)]) == [None] * 8
    assert [balances(one)["spent"] for one in accounts] == [10 * 5 * turns for turns in (3, 3, 2)]
    assert proof.verify() == []
