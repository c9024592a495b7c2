"""The ledger: every verb, every key once, nothing below zero."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from credits import ledger, proof
from credits.ledger import KeyConflict, NotEnoughCredit
from credits.models import Account, Book, Transfer
from tests import factories
from tests.factories import assert_ledger_adds_up, balances

CAUSE = ("test", "1")


@pytest.fixture
def account(db: None) -> Account:
    """An account with 10 credits."""
    return factories.account(millis=10_000)


def books(available: int, held: int = 0, spent: int = 0) -> dict[str, int]:
    return {"available": available, "held": held, "spent": spent}


def proven() -> None:
    """Every balance follows from the transfers. (These tests hold credits without messages.)"""
    assert proof.verify() == []


# Verbs


def test_a_top_up_brings_credits_from_the_installation(account: Account) -> None:
    ledger.top_up(account, 500, key="a", cause=CAUSE)
    assert balances(account) == books(10_500)
    assert Book.objects.get(account=None).balance == -10_500
    assert_ledger_adds_up()


def test_a_hold_sets_credits_aside(account: Account) -> None:
    ledger.hold(account, 4_000, key="a", cause=CAUSE)
    assert balances(account) == books(6_000, held=4_000)
    proven()


def test_a_capture_spends_what_was_held(account: Account) -> None:
    ledger.hold(account, 4_000, key="a", cause=CAUSE)
    ledger.post([ledger.capture(account.pk, 3_000, key="b", cause=CAUSE)])
    assert balances(account) == books(6_000, held=1_000, spent=3_000)
    proven()


def test_a_release_gives_back_what_was_held(account: Account) -> None:
    ledger.hold(account, 4_000, key="a", cause=CAUSE)
    ledger.post([ledger.release(account.pk, 4_000, key="b", cause=CAUSE)])
    assert balances(account) == books(10_000)
    proven()


def test_a_correction_goes_either_way_and_says_who_and_why(account: Account) -> None:
    by = factories.owner(account)
    taken = ledger.adjust(account, -2_500, key="a", cause=CAUSE, by=by, reason="Given twice")
    ledger.adjust(account, 500, key="b", cause=CAUSE, by=by, reason="Too much taken")
    assert balances(account) == books(8_000)
    assert (taken.verb, taken.amount, taken.by, taken.reason) == ("adjust", 2_500, by, "Given twice")
    assert_ledger_adds_up()


def test_a_grant_tops_up_and_a_negative_grant_corrects(account: Account) -> None:
    assert factories.grant(account, 100).verb == "top_up"
    assert factories.grant(account, -100).verb == "adjust"
    assert balances(account) == books(10_000)


@pytest.mark.django_db
def test_the_first_movement_of_an_account_makes_its_books() -> None:
    bare = Account.objects.create(name="Bare")
    ledger.top_up(bare, 1, key="a", cause=CAUSE)
    assert balances(bare) == books(1)
    assert_ledger_adds_up()


def test_several_movements_are_made_together_or_not_at_all(account: Account) -> None:
    ledger.hold(account, 1_000, key="a", cause=CAUSE)
    with pytest.raises(NotEnoughCredit):
        ledger.post(
            [
                ledger.capture(account.pk, 600, key="b", cause=CAUSE),
                ledger.release(account.pk, 600, key="c", cause=CAUSE),
            ]
        )
    assert balances(account) == books(9_000, held=1_000)
    assert not Transfer.objects.filter(key__in=["b", "c"]).exists()


@pytest.mark.django_db
def test_posting_nothing_does_nothing() -> None:
    assert ledger.post([]) == {}


@pytest.mark.parametrize("amount", [0, -1])
def test_a_movement_of_nothing_or_less_is_refused(account: Account, amount: int) -> None:
    with pytest.raises(ValueError, match="more than nothing"):
        ledger.hold(account, amount, key="a", cause=CAUSE)


# Twice is once


def test_the_same_key_twice_moves_once_and_answers_the_same(account: Account) -> None:
    first = ledger.hold(account, 4_000, key="a", cause=CAUSE)
    again = ledger.hold(account, 4_000, key="a", cause=CAUSE)
    assert again == first
    assert balances(account) == books(6_000, held=4_000)


def test_a_key_that_is_done_is_answered_even_when_the_credits_are_gone(account: Account) -> None:
    first = ledger.hold(account, 10_000, key="a", cause=CAUSE)
    assert ledger.hold(account, 10_000, key="a", cause=CAUSE) == first


def test_a_request_key_grants_once(account: Account) -> None:
    key = uuid.uuid4()
    assert factories.grant(account, 100, request_key=key) == factories.grant(account, 100, request_key=key)
    assert balances(account) == books(10_100)


@pytest.mark.parametrize(
    "other",
    [
        lambda mine, other: ledger.hold(mine, 4_001, key="a", cause=CAUSE),
        lambda mine, other: ledger.top_up(mine, 4_000, key="a", cause=CAUSE),
        lambda mine, other: ledger.hold(other, 4_000, key="a", cause=CAUSE),
    ],
    ids=["another amount", "another verb", "another account"],
)
def test_a_key_of_another_transfer_is_a_conflict(account: Account, other: Callable[[Account, Account], Any]) -> None:
    stranger = factories.account(millis=10_000)
    ledger.hold(account, 4_000, key="a", cause=CAUSE)
    with pytest.raises(KeyConflict):
        other(account, stranger)
    assert balances(account) == books(6_000, held=4_000)
    assert balances(stranger) == books(10_000)


# By itself


WITHIN: dict[str, Callable[[Account], Any]] = {
    "hold": lambda account: ledger.hold(account, 10, key="a", cause=CAUSE, by=factories.owner(account)),
    "capture": lambda account: ledger.post([ledger.capture(account.pk, 10, key="a", cause=CAUSE)])["a"],
    "release": lambda account: ledger.post([ledger.release(account.pk, 10, key="a", cause=CAUSE)])["a"],
    "refund": lambda account: ledger.refund(account.pk, 10, message=5),
    "charge": lambda account: ledger.charge(account, 10, key="a", cause=CAUSE),
}


@pytest.fixture
def busy(account: Account) -> Account:
    """An account with something in each of its books."""
    ledger.hold(account, 5_000, key="held", cause=CAUSE)
    ledger.post([ledger.capture(account.pk, 2_500, key="spent", cause=CAUSE)])
    return account


@pytest.mark.parametrize("move", WITHIN.values(), ids=WITHIN)
def test_what_a_movement_answers_is_what_stands_in_the_ledger(busy: Account, move: Callable[[Account], Any]) -> None:
    made = move(busy)
    assert made.cause_kind in {"test", "message"}
    shown = {field.attname: getattr(made, field.attname) for field in Transfer._meta.concrete_fields}
    kept = Transfer.objects.get(key=made.key)
    assert shown == {name: getattr(kept, name) for name in shown}
    before = balances(busy)
    assert move(busy) == made
    assert balances(busy) == before
    proven()


@pytest.mark.parametrize("name", ["hold", "capture", "release", "refund"])
def test_on_postgresql_a_movement_within_an_account_is_one_statement(busy: Account, name: str) -> None:
    """On SQLite it is three between the two of a savepoint."""
    with CaptureQueriesContext(connection) as made:
        WITHIN[name](busy)
    # Who does it is looked up by the test.
    asked = [query for query in made.captured_queries if not query["sql"].startswith('SELECT "')]
    assert len(asked) == (1 if connection.vendor == "postgresql" else 5)


def test_a_refusal_leaves_the_transaction_around_it_as_it_was(account: Account) -> None:
    with transaction.atomic():
        ledger.hold(account, 1_000, key="a", cause=CAUSE)
        with pytest.raises(NotEnoughCredit):
            ledger.hold(account, 9_001, key="b", cause=CAUSE)
        with pytest.raises(KeyConflict):
            ledger.hold(account, 999, key="a", cause=CAUSE)
        ledger.hold(account, 9_000, key="b", cause=CAUSE)
    assert balances(account) == books(0, held=10_000)
    proven()


@pytest.mark.parametrize("many", [1, 2])
def test_lines_are_written_under_the_keys_that_were_reserved_for_them(account: Account, many: int) -> None:
    ledger.hold(account, 5_000, key="a", cause=CAUSE)
    with transaction.atomic():
        reserved = ledger.reserved(many)
        movements = [ledger.capture(account.pk, 1_000, key=f"b{pk}", cause=CAUSE, pk=pk) for pk in reserved]
        made = ledger.post(movements)
    assert [made[f"b{pk}"].pk for pk in reserved] == reserved
    # Those that come after it have others.
    assert ledger.hold(account, 1, key="c", cause=CAUSE).pk > max(reserved)
    assert balances(account) == books(4_999, held=5_001 - 1_000 * many, spent=1_000 * many)
    proven()


# Nothing below zero


def test_too_large_a_hold_says_how_much_is_missing_and_changes_nothing(account: Account) -> None:
    with pytest.raises(NotEnoughCredit) as refused:
        ledger.hold(account, 10_001, key="a", cause=CAUSE)
    assert (refused.value.account_id, refused.value.missing) == (account.pk, 1)
    assert balances(account) == books(10_000)
    assert not Transfer.objects.filter(key="a").exists()


def test_a_correction_takes_no_more_than_there_is(account: Account) -> None:
    with pytest.raises(NotEnoughCredit):
        ledger.adjust(account, -10_001, key="a", cause=CAUSE, by=None, reason="Too much")
    assert balances(account) == books(10_000)


def test_no_more_is_captured_than_is_held(account: Account) -> None:
    ledger.hold(account, 1_000, key="a", cause=CAUSE)
    with pytest.raises(NotEnoughCredit):
        ledger.post([ledger.capture(account.pk, 1_001, key="b", cause=CAUSE)])
    assert balances(account) == books(9_000, held=1_000)
