"""The ledger: every verb, every key once, nothing below zero."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

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
