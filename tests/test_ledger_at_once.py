"""The ledger under several threads on connections of their own: no race, no deadlock."""

import threading
from typing import Any

import pytest
from django.db import IntegrityError, connection

from compose.services import submit
from credits import ledger
from credits.ledger import NotEnoughCredit
from credits.models import Account, Book, Transfer
from tests import factories
from tests.factories import assert_ledger_adds_up, balances
from tests.fixtures.databases import FreshDatabase
from tests.threads import DEADLINE, at_once

CAUSE = ("test", "1")


def books(available: int, held: int = 0, spent: int = 0) -> dict[str, int]:
    return {"available": available, "held": held, "spent": spent}


def proven() -> None:
    """Every balance follows from the transfers. (These tests hold credits without messages.)"""
    assert ledger.verify() == []


THREADS = 8


def submit_at_once(account: Account) -> list[Any]:
    """So many threads submit a message of one credit each, at the same time."""
    drafts = [factories.draft(account) for _number in range(THREADS)]
    return at_once([lambda draft=draft: submit(draft, now=factories.NOON) for draft in drafts])  # type: ignore[misc]


def test_of_many_at_once_exactly_those_succeed_that_the_balance_covers(fresh_database: FreshDatabase) -> None:
    account = factories.account(millis=THREADS // 2 * 1_000)
    results = submit_at_once(account)
    refusals = [result for result in results if isinstance(result, Exception)]
    assert [type(refusal) for refusal in refusals] == [NotEnoughCredit] * (THREADS // 2)
    assert balances(account) == books(0, held=THREADS // 2 * 1_000)
    assert account.submissions.count() == THREADS // 2
    assert_ledger_adds_up()


def test_without_the_lock_only_the_constraint_stands_between_the_race_and_a_negative_balance(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control. All read the balance before one of them writes, and each finds it enough for itself.

    SQLite takes no row locks: its write transactions (IMMEDIATE) come one after the other, so there the race
    cannot be made, and taking the lock away changes nothing.
    """
    account = factories.account(millis=THREADS // 2 * 1_000)
    all_have_read = threading.Barrier(THREADS)

    def unlocked(accounts: set[int], *, with_issued: bool) -> dict[tuple[int | None, str], Book]:
        found = list(Book.objects.filter(account_id__in=accounts))
        if connection.vendor == "postgresql":
            all_have_read.wait(DEADLINE)
        return {(book.account_id, book.kind): book for book in found}

    monkeypatch.setattr(ledger, "_locked_books", unlocked)
    refusals = [result for result in submit_at_once(account) if isinstance(result, Exception)]
    kind = IntegrityError if connection.vendor == "postgresql" else NotEnoughCredit
    assert [type(refusal) for refusal in refusals] == [kind] * (THREADS // 2)
    assert balances(account) == books(0, held=THREADS // 2 * 1_000)
    assert_ledger_adds_up()


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
