"""The ledger under several threads on connections of their own: no race, no deadlock."""

import threading
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from compose.planning import Draft
from compose.services import submit
from credits import ledger, lines, proof
from credits.ledger import NotEnoughCredit
from credits.lines import Locked
from credits.models import Account, Book, Owed, Transfer
from tests import factories
from tests.factories import assert_ledger_adds_up, balances
from tests.fixtures.databases import FreshDatabase
from tests.threads import DEADLINE, at_once, until_waiting

CAUSE = ("test", "1")


def books(available: int, held: int = 0, spent: int = 0) -> dict[str, int]:
    return {"available": available, "held": held, "spent": spent}


def proven() -> None:
    """Every balance follows from the transfers. (These tests hold credits without messages.)"""
    assert proof.verify() == []


THREADS = 8
WRITERS = 50


def submit_at_once(account: Account) -> list[Any]:
    """So many writers, each on a connection of its own, submit a message of one credit each, at the same time.

    On PostgreSQL somebody has the account's books until all of them wait for these: none comes before the others.
    """
    drafts = [factories.draft(account) for _number in range(WRITERS)]
    taken = threading.Event()
    if connection.vendor != "postgresql":
        taken.set()

    def write(draft: Draft) -> Any:
        assert taken.wait(DEADLINE)
        return submit(draft, now=factories.NOON)

    def gate() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT id FROM credits_book WHERE account_id = %s FOR UPDATE", [account.pk])
            taken.set()
            until_waiting(WRITERS)

    writers: list[Any] = [partial(write, draft) for draft in drafts]
    results = at_once([*writers, gate] if connection.vendor == "postgresql" else writers)
    assert results[WRITERS:] in ([], [None])
    return results[:WRITERS]


@pytest.fixture(params=["one statement", "statement by statement"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How a hold is written. SQLite knows the second way only, and does it twice here."""
    if request.param == "statement by statement":
        monkeypatch.setattr(lines, "move_alone", lambda *_everything: False)
    return str(request.param)


def test_of_many_at_once_exactly_those_succeed_that_the_balance_covers(fresh_database: FreshDatabase, way: str) -> None:
    account = factories.account(millis=WRITERS // 2 * 1_000)
    results = submit_at_once(account)
    refusals = [result for result in results if isinstance(result, Exception)]
    assert [type(refusal) for refusal in refusals] == [NotEnoughCredit] * (WRITERS // 2)
    assert balances(account) == books(0, held=WRITERS // 2 * 1_000)
    assert account.submissions.count() == WRITERS // 2
    assert_ledger_adds_up()


def without_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """All writers read the balance before one of them writes, and each finds it enough for itself.

    SQLite takes no row locks: its write transactions (IMMEDIATE) come one after the other, so there the race
    cannot be made, and taking the lock away changes nothing.
    """
    assert "FOR UPDATE" in lines.ALONE
    monkeypatch.setattr(lines, "ALONE", lines.ALONE.replace("FOR UPDATE", ""))

    def unlocked(cursor: Any, accounts: set[int], *, with_issued: bool) -> dict[tuple[int | None, str], Locked]:
        found = Book.objects.filter(account_id__in=accounts).values_list("pk", "account_id", "kind", "balance")
        return {row[1:3]: Locked(*row) for row in found}

    monkeypatch.setattr(ledger, "_locked_books", unlocked)


def test_without_the_lock_only_the_constraint_stands_between_the_race_and_a_negative_balance(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """The control: the ledger's own question is answered wrongly, and the database refuses what follows."""
    account = factories.account(millis=WRITERS // 2 * 1_000)
    without_the_lock(monkeypatch)
    refusals = [result for result in submit_at_once(account) if isinstance(result, Exception)]
    kind = IntegrityError if connection.vendor == "postgresql" else NotEnoughCredit
    assert [type(refusal) for refusal in refusals] == [kind] * (WRITERS // 2)
    assert balances(account) == books(0, held=WRITERS // 2 * 1_000)
    assert_ledger_adds_up()


def test_without_the_lock_and_the_constraint_the_balance_goes_below_zero(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """The control of both: nothing else in the product or in these tests keeps the balance above zero."""
    account = factories.account(millis=WRITERS // 2 * 1_000)
    without_the_lock(monkeypatch)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE credits_book DROP CONSTRAINT book_balance_never_negative")
    submit_at_once(account)
    lost = WRITERS if connection.vendor == "postgresql" else WRITERS // 2
    assert balances(account) == books((WRITERS // 2 - lost) * 1_000, held=lost * 1_000)


def test_holds_and_their_ends_at_once_lose_no_movement(fresh_database: FreshDatabase, way: str) -> None:
    """Each waits for the books and then moves what they hold by then, not what they held when it began to wait."""
    account = factories.account(millis=THREADS * 10)

    def work(number: int) -> None:
        for turn in range(10):
            ledger.hold(account, 1, key=f"hold:{number}:{turn}", cause=CAUSE)
            make = ledger.capture if (number + turn) % 2 else ledger.release
            ledger.post([make(account.pk, 1, key=f"end:{number}:{turn}", cause=CAUSE)])

    assert at_once([partial(work, number) for number in range(THREADS)]) == [None] * THREADS
    assert balances(account) == books(THREADS * 5, spent=THREADS * 5)
    proven()


def test_the_same_key_at_once_moves_once_and_answers_all(fresh_database: FreshDatabase) -> None:
    account = factories.account(millis=10_000)
    results = at_once([lambda: ledger.hold(account, 4_000, key="a", cause=CAUSE)] * THREADS)
    assert {result.pk for result in results} == {Transfer.objects.get(key="a").pk}
    assert balances(account) == books(6_000, held=4_000)


def test_posts_over_the_same_accounts_in_any_order_wait_and_do_not_deadlock(fresh_database: FreshDatabase) -> None:
    accounts = [factories.account(millis=100_000) for _number in range(4)]

    def post(number: int) -> None:
        order = accounts if number % 2 else accounts[::-1]
        for turn in range(5):
            ledger.post(
                [
                    ledger.Movement(
                        verb=Transfer.Verb.HOLD,
                        account=account.pk,
                        amount=10,
                        key=f"{number}:{turn}:{account.pk}",
                        cause=CAUSE,
                    )
                    for account in order
                ]
            )

    results = at_once([lambda number=number: post(number) for number in range(THREADS)])  # type: ignore[misc]
    assert results == [None] * THREADS
    assert [balances(account)["held"] for account in accounts] == [THREADS * 5 * 10] * 4
    proven()


def test_two_transfers_that_cross_wait_for_each_other(fresh_database: FreshDatabase) -> None:
    person = factories.user()
    one, two = (factories.account(owner=person, millis=10_000) for _number in range(2))

    def move(number: int) -> None:
        pair = (one, two) if number % 2 else (two, one)
        for turn in range(5):
            ledger.transfer(*pair, 10, f"{number}:{turn}", person)

    assert at_once([lambda number=number: move(number) for number in range(THREADS)]) == [None] * THREADS  # type: ignore[misc]
    assert balances(one) == balances(two) == books(10_000)
    assert_ledger_adds_up()


def test_what_is_owed_is_paid_once_by_credits_that_come_at_once(fresh_database: FreshDatabase) -> None:
    account = factories.account(millis=0)
    for number in range(3):
        ledger.charge(account, 1_000, key=f"charge:{number}", cause=CAUSE)
    results = at_once(
        [lambda n=n: ledger.top_up(account, 1_500, key=f"top:{n}", cause=CAUSE) for n in range(THREADS)]  # type: ignore[misc]
    )
    assert not any(isinstance(result, Exception) for result in results)
    assert balances(account) == books(THREADS * 1_500 - 3_000, spent=3_000)
    assert Transfer.objects.filter(verb="charge").count() == 3
    assert_ledger_adds_up()


def test_a_charge_and_the_credits_that_pay_it_do_not_miss_each_other(fresh_database: FreshDatabase) -> None:
    """Whichever is first: nothing stays owed that could have been paid."""
    accounts = [factories.account(millis=0) for _number in range(10)]
    for account in accounts:
        charge = partial(ledger.charge, account, 1_000, key=f"charge:{account.pk}", cause=CAUSE)
        at_once([charge, partial(ledger.top_up, account, 1_000, key=f"top:{account.pk}", cause=CAUSE)])
    assert [balances(account) for account in accounts] == [books(0, spent=1_000)] * 10
    assert not Owed.objects.filter(paid_by=None).exists()
