"""Charges for what has happened already, what is owed for them, refunds, and transfers between accounts."""

import pytest

from credits import ledger, owed
from credits.ledger import KeyConflict, NotEnoughCredit, NotTheOwner
from credits.models import Account, Member, Owed, Transfer
from tests import factories
from tests.factories import assert_ledger_adds_up, balances

CAUSE = ("received", "1")


@pytest.fixture
def account(db: None) -> Account:
    """An account with 2 credits."""
    return factories.account(millis=2_000)


def books(available: int, held: int = 0, spent: int = 0) -> dict[str, int]:
    return {"available": available, "held": held, "spent": spent}


# Charges


def test_a_charge_is_spent_at_once(account: Account) -> None:
    made = ledger.charge(account, 1_000, key="a", cause=CAUSE)
    assert isinstance(made, Transfer)
    assert (made.verb, made.cause_kind, made.cause_key) == ("charge", *CAUSE)
    assert balances(account) == books(1_000, spent=1_000)
    assert ledger.charge(account, 1_000, key="a", cause=CAUSE) == made
    assert balances(account) == books(1_000, spent=1_000)
    assert_ledger_adds_up()


def test_with_too_few_credits_a_charge_is_owed_and_no_book_goes_below_zero(account: Account) -> None:
    first = ledger.charge(account, 5_000, key="a", cause=CAUSE)
    assert ledger.charge(account, 5_000, key="a", cause=CAUSE) == first
    assert isinstance(first, Owed)
    assert balances(account) == books(2_000)
    assert owed.total(account) == 5_000
    assert_ledger_adds_up()


def test_the_next_top_up_pays_what_is_owed_first_and_once(account: Account) -> None:
    ledger.charge(account, 5_000, key="a", cause=CAUSE)
    ledger.top_up(account, 10_000, key="top", cause=("order", "1"))
    assert balances(account) == books(7_000, spent=5_000)
    assert owed.total(account) == 0
    debt = Owed.objects.get()
    assert debt.paid_by is not None
    assert (debt.paid_by.verb, debt.paid_by.amount, debt.paid_by.cause_key) == ("charge", 5_000, "1")
    assert ledger.charge(account, 5_000, key="a", cause=CAUSE) == debt
    ledger.top_up(account, 10_000, key="top", cause=("order", "1"))
    factories.grant(account, 1_000)
    assert balances(account) == books(8_000, spent=5_000)


def test_what_is_owed_longest_is_paid_first_and_whole(account: Account) -> None:
    for number, amount in enumerate([3_000, 4_000, 100_000, 2_500]):
        ledger.charge(account, amount, key=str(number), cause=CAUSE)
    factories.grant(account, 5_500)
    paid = Owed.objects.order_by("pk").values_list("key", "paid_by__amount")
    # 2 and 5.5 credits cover the first two; the last waits behind the third.
    assert list(paid) == [("0", 3_000), ("1", 4_000), ("2", None), ("3", None)]
    assert balances(account) == books(500, spent=7_000)
    factories.grant(account, 102_000)
    assert balances(account) == books(0, spent=109_500)
    assert_ledger_adds_up()


@pytest.mark.parametrize("way", ["transfer", "correction"])
def test_any_credits_from_outside_pay_what_is_owed(account: Account, way: str) -> None:
    ledger.charge(account, 5_000, key="a", cause=CAUSE)
    if way == "transfer":
        person = factories.owner(account)
        ledger.transfer(factories.account(owner=person), account, 3_000, "t", person)
    else:
        ledger.adjust(account, 3_000, key="c", cause=CAUSE, by=None, reason="Too much taken")
    assert balances(account) == books(0, spent=5_000)


def test_credits_that_come_back_to_the_account_are_its_own(account: Account) -> None:
    """Owed is paid by what comes from outside; a hold that is given back was never away."""
    ledger.hold(account, 2_000, key="h", cause=CAUSE)
    ledger.charge(account, 1_000, key="a", cause=CAUSE)
    ledger.post([ledger.release(account.pk, 2_000, key="r", cause=CAUSE)])
    assert balances(account) == books(2_000)
    assert owed.total(account) == 1_000


def test_taking_credits_away_pays_nothing(account: Account) -> None:
    ledger.charge(account, 5_000, key="a", cause=CAUSE)
    ledger.adjust(account, -500, key="c", cause=CAUSE, by=None, reason="Given twice")
    assert balances(account) == books(1_500)


def test_the_key_of_another_charge_is_a_conflict(account: Account) -> None:
    ledger.charge(account, 5_000, key="owed", cause=CAUSE)
    ledger.charge(account, 500, key="paid", cause=CAUSE)
    stranger = factories.account()
    for key in ("owed", "paid"):
        with pytest.raises(KeyConflict):
            ledger.charge(account, 501, key=key, cause=CAUSE)
        with pytest.raises(KeyConflict):
            ledger.charge(stranger, 500, key=key, cause=CAUSE)


def test_a_charge_of_nothing_is_refused(account: Account) -> None:
    with pytest.raises(ValueError, match="more than nothing"):
        ledger.charge(account, 0, key="a", cause=CAUSE)


# Refunds


def test_a_refund_gives_back_what_was_captured_once_for_each_message(account: Account) -> None:
    ledger.hold(account, 2_000, key="h", cause=CAUSE)
    ledger.post([ledger.capture(account.pk, 2_000, key="c", cause=CAUSE)])
    first = ledger.refund(account.pk, 800, message=7)
    assert ledger.refund(account.pk, 800, message=7) == first
    assert balances(account) == books(800, spent=1_200)
    with pytest.raises(KeyConflict):
        ledger.refund(account.pk, 1_200, message=7)
    with pytest.raises(NotEnoughCredit):
        ledger.refund(account.pk, 1_201, message=8)
    assert balances(account) == books(800, spent=1_200)


# Transfers


@pytest.fixture
def second(account: Account) -> Account:
    """Another account of the same owner, without credits."""
    return factories.account(name="Clinique du Parc", owner=factories.owner(account), millis=0)


def test_a_transfer_is_one_line_that_moves_at_once(account: Account, second: Account) -> None:
    person = factories.owner(account)
    first = ledger.transfer(account, second, 1_500, "a", person)
    assert ledger.transfer(account, second, 1_500, "a", person) == first
    assert (balances(account), balances(second)) == (books(500), books(1_500))
    assert (first.verb, first.by, first.debit.account, first.credit.account) == ("transfer", person, account, second)
    assert_ledger_adds_up()


def test_a_transfer_moves_no_more_than_there_is(account: Account, second: Account) -> None:
    with pytest.raises(NotEnoughCredit) as refused:
        ledger.transfer(account, second, 2_001, "a", factories.owner(account))
    assert (refused.value.account_id, refused.value.missing) == (account.pk, 1)
    assert (balances(account), balances(second)) == (books(2_000), books(0))


@pytest.mark.parametrize("role", [Member.Role.SENDER, Member.Role.READER, None])
def test_only_who_owns_both_accounts_moves_credits_between_them(
    account: Account, second: Account, role: str | None
) -> None:
    person = factories.owner(factories.account(name="Third"))
    factories.member(account, Member.Role.OWNER, person=person)
    if role is not None:
        factories.member(second, role, person=person)
    for pair in ((account, second), (second, account)):
        with pytest.raises(NotTheOwner):
            ledger.transfer(*pair, 1, "a", person)
    assert balances(account) == books(2_000)


def test_a_transfer_to_the_same_account_is_none(account: Account) -> None:
    with pytest.raises(ValueError, match="another account"):
        ledger.transfer(account, account, 1, "a", factories.owner(account))


def test_a_transfer_back_with_the_same_key_is_a_conflict(account: Account, second: Account) -> None:
    ledger.transfer(account, second, 500, "a", factories.owner(account))
    with pytest.raises(KeyConflict):
        ledger.transfer(second, account, 500, "a", factories.owner(account))
