"""Accounts that run low: told once for each crossing, topped up by an order when they asked for it; their letters."""

import smtplib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core import mail
from django.db import IntegrityError, connection, transaction
from django.utils import translation

from credits import alerts, ledger, letters, orders, tasks
from credits.models import Account, Letter, Member, Order, Pack, Transfer, Watch
from tests import factories
from tests.factories import NOON, at
from tests.fixtures.databases import FreshDatabase
from tests.threads import at_once

CAUSE = ("test", "1")


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def account(db: None) -> Account:
    """An account with 100 credits that wants to be told below 50."""
    made = factories.account()
    alerts.set_threshold(made, 50_000)
    return made


@pytest.fixture
def owner(account: Account) -> User:
    return factories.owner(account)


def spend(account: Account, millis: int) -> None:
    ledger.hold(account, millis, key=f"{account.pk}:{Transfer.objects.count()}", cause=CAUSE)


def told() -> list[str]:
    return list(Letter.objects.filter(key__startswith="low:").order_by("pk").values_list("to", flat=True))


# The alert


def test_nothing_is_said_above_the_threshold_or_on_it(account: Account) -> None:
    spend(account, 50_000)
    assert alerts.look() == 0
    assert not alerts.is_low(alerts.watch_of(account), 50_000)
    assert told() == []


def test_below_the_threshold_the_owners_are_told_once(account: Account, owner: User) -> None:
    second = factories.member(account, Member.Role.OWNER).user
    for role in (Member.Role.SENDER, Member.Role.READER):
        factories.member(account, role)
    spend(account, 50_001)
    assert [alerts.look(), alerts.look()] == [1, 0]
    spend(account, 10_000)
    assert alerts.look() == 0
    assert sorted(told()) == sorted([owner.email, second.email])
    watch = alerts.watch_of(account)
    assert watch.low_since == NOON
    assert alerts.is_low(watch, 39_999)
    letter = Letter.objects.order_by("pk")[0]
    assert "Boulangerie Martin" in letter.subject
    assert "49" in letter.body
    assert "50" in letter.body


def test_each_crossing_is_told(account: Account) -> None:
    for number in range(1, 4):
        with time_machine.travel(NOON + timedelta(hours=number), tick=False):
            spend(account, 60_000)
            alerts.look()
            assert len(told()) == number
            factories.grant(account, 60_000)
            assert alerts.look() == 1
            assert alerts.watch_of(account).low_since is None


def test_an_account_that_is_low_already_is_not_told_again_when_it_crosses_another_threshold(account: Account) -> None:
    orders.set_automatic(account, 20_000, 100)
    spend(account, 60_000)
    alerts.look()
    with time_machine.travel(NOON + timedelta(hours=1), tick=False):
        spend(account, 30_000)
        assert alerts.look() == 1
    assert Order.objects.count() == 1
    assert len(told()) == 1
    assert alerts.watch_of(account).low_since == NOON


def test_a_hold_that_is_given_back_ends_the_crossing(account: Account) -> None:
    spend(account, 60_000)
    alerts.look()
    ledger.post([ledger.release(account.pk, 60_000, key="r", cause=CAUSE)])
    alerts.look()
    assert alerts.watch_of(account).low_since is None


def test_an_account_that_asked_for_nothing_is_told_nothing(account: Account) -> None:
    other = factories.account(millis=0)
    assert alerts.look() == 0
    assert alerts.watch_of(other).alert_below is None
    assert not Watch.objects.filter(account=other).exists()
    alerts.set_threshold(account, None)
    spend(account, 99_000)
    assert alerts.look() == 0


def test_a_new_threshold_is_looked_at_anew_and_the_same_one_is_not(account: Account) -> None:
    spend(account, 60_000)
    alerts.look()
    alerts.set_threshold(account, 50_000)
    assert alerts.look() == 0
    alerts.set_threshold(account, 45_000)
    with time_machine.travel(NOON + timedelta(seconds=1), tick=False):
        alerts.look()
    assert len(told()) == 2


@pytest.mark.parametrize("millis", [0, -1])
def test_a_threshold_is_above_zero(account: Account, millis: int) -> None:
    with pytest.raises(ValueError, match="above zero"):
        alerts.set_threshold(account, millis)
    with pytest.raises(ValueError, match="above zero"):
        orders.set_automatic(account, millis, 100)
    with pytest.raises(IntegrityError), transaction.atomic():
        Watch.objects.update(alert_below=millis)


@pytest.mark.django_db
def test_a_look_at_many_accounts_asks_once(django_assert_num_queries: Any) -> None:
    for _number in range(5):
        alerts.set_threshold(factories.account(), 50_000)
    with django_assert_num_queries(1):
        assert alerts.look() == 0


def test_looked_at_by_many_at_once_it_is_told_once(fresh_database: FreshDatabase) -> None:
    account = factories.account(millis=0)
    alerts.set_threshold(account, 1_000)
    orders.set_automatic(account, 1_000, 100)
    results = at_once([alerts.look] * 8)
    assert not any(isinstance(result, Exception) for result in results)
    alerts.look()
    assert len(told()) == 1
    assert Order.objects.count() == 1


# The automatic top-up


@pytest.fixture
def automatic(account: Account) -> Account:
    """The account orders 100 credits by itself below 50."""
    orders.set_automatic(account, 50_000, 100)
    return account


def test_below_the_threshold_an_order_is_made_once(automatic: Account, owner: User) -> None:
    alerts.look()
    assert not Order.objects.exists()
    spend(automatic, 60_000)
    for _time in range(3):
        alerts.look()
    order = Order.objects.get()
    assert (order.credits, order.status, order.automatic, order.ordered_by) == (100, "pending", True, None)
    assert Letter.objects.filter(key__startswith=f"automatic:{order.pk}:", to=owner.email).count() == 1


def test_while_one_waits_no_second_is_made_whatever_the_balance_does(automatic: Account) -> None:
    for _time in range(3):
        spend(automatic, 60_000)
        alerts.look()
        factories.grant(automatic, 60_000)
        alerts.look()
    assert Order.objects.count() == 1


def test_the_next_crossing_makes_the_next_order(automatic: Account) -> None:
    for number in range(1, 4):
        spend(automatic, 100_000)
        alerts.look()
        assert Order.objects.count() == number
        orders.confirm(Order.objects.order_by("-pk")[0], None)
        alerts.look()


def test_a_pack_that_was_too_small_is_followed_by_another(automatic: Account) -> None:
    orders.set_automatic(automatic, 500_000, 100)
    for number in range(1, 4):
        alerts.look()
        assert Order.objects.count() == number
        orders.confirm(Order.objects.order_by("-pk")[0], None)


def test_a_cancelled_order_is_an_answer_until_the_next_crossing(automatic: Account, owner: User) -> None:
    spend(automatic, 60_000)
    alerts.look()
    orders.cancel(Order.objects.get(), owner)
    alerts.look()
    assert Order.objects.count() == 1
    factories.grant(automatic, 60_000)
    alerts.look()
    spend(automatic, 60_000)
    alerts.look()
    assert Order.objects.count() == 2


def test_asked_for_anew_it_orders_anew_after_a_cancelled_one(automatic: Account, owner: User) -> None:
    spend(automatic, 60_000)
    alerts.look()
    orders.set_automatic(automatic, 50_000, 200)
    alerts.look()
    assert Order.objects.count() == 1
    orders.cancel(Order.objects.get(), owner)
    orders.set_automatic(automatic, 50_000, 200)
    alerts.look()
    assert list(Order.objects.order_by("pk").values_list("credits", flat=True)) == [100, 200]


@pytest.mark.parametrize(("threshold", "pack"), [(None, None), (None, 100), (50_000, None)])
def test_without_a_threshold_or_a_pack_it_is_off(automatic: Account, threshold: int | None, pack: int | None) -> None:
    watch = orders.set_automatic(automatic, threshold, pack)
    assert (watch.refill_below, watch.refill_credits) == (None, None)
    spend(automatic, 99_000)
    alerts.look()
    assert not Order.objects.exists()


def test_only_a_pack_on_sale_is_chosen(account: Account) -> None:
    with pytest.raises(orders.NotOnSale):
        orders.set_automatic(account, 1_000, 123)


def test_a_pack_that_is_no_longer_on_sale_is_said_to_the_administrators_once(automatic: Account) -> None:
    root = factories.user("root", superuser=True)
    Pack.objects.update(on_sale=False)
    spend(automatic, 60_000)
    for _time in range(3):
        alerts.look()
    assert not Order.objects.exists()
    assert Letter.objects.filter(to=root.email).count() == 1
    assert len(told()) == 1


def test_the_database_keeps_one_automatic_order_waiting(automatic: Account) -> None:
    spend(automatic, 60_000)
    alerts.look()
    Watch.objects.update(refill_order=None)
    with pytest.raises(IntegrityError), transaction.atomic():
        alerts.look()


# Letters


@pytest.fixture
def letter(account: Account) -> Letter:
    """A letter that waits."""
    spend(account, 60_000)
    alerts.look()
    return Letter.objects.get()


def test_a_letter_is_sent_once_and_outside_any_transaction(fresh_database: FreshDatabase, settings: Any) -> None:
    settings.EMAIL_BACKEND = "tests.test_alerts.NoTransactionBackend"
    account = factories.account()
    alerts.set_threshold(account, 50_000)
    spend(account, 60_000)
    assert tasks.watch_balances() == 1
    assert [tasks.send_letters(), tasks.send_letters()] == [1, 0]
    assert Letter.objects.get().sent_at is not None


class NoTransactionBackend:
    """Takes letters only when no transaction is open."""

    def __init__(self, **_options: Any) -> None: ...

    def send_messages(self, messages: list[Any]) -> int:
        assert not connection.in_atomic_block
        return len(messages)


def test_what_is_rolled_back_writes_no_letter(account: Account) -> None:
    spend(account, 60_000)
    with transaction.atomic():
        alerts.look()
        transaction.set_rollback(True)
    assert told() == []
    assert alerts.look() == 1


def test_the_letter_arrives_in_the_language_of_the_installation(account: Account, owner: User) -> None:
    spend(account, 60_000)
    with translation.override("en"):
        alerts.look()
    assert letters.send_waiting() == 1
    [sent] = mail.outbox
    assert sent.to == [owner.email]
    assert sent.body == Letter.objects.get().body


def test_a_mail_server_that_is_away_is_asked_again_later_and_later(
    letter: Letter, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def away(*_everything: Any) -> None:
        asked.append(1)
        raise smtplib.SMTPServerDisconnected("away")

    with monkeypatch.context() as patch:
        patch.setattr(letters, "send_mail", away)
        assert letters.send_waiting(clock=at(NOON)) == 0
        assert letters.send_waiting(clock=at(NOON + timedelta(seconds=59))) == 0
        assert letters.send_waiting(clock=at(NOON + timedelta(seconds=60))) == 0
        assert letters.send_waiting(clock=at(NOON + timedelta(seconds=120))) == 0
    assert len(asked) == 2
    assert letters.send_waiting(clock=at(NOON + timedelta(seconds=180))) == 1
    assert Letter.objects.get().tries == 3
    assert len(mail.outbox) == 1


def test_a_process_that_dies_with_a_letter_in_hand_leaves_it_to_another(
    letter: Letter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_everything: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(letters, "send_mail", dies)
        with pytest.raises(KeyboardInterrupt):
            letters.send_waiting(clock=at(NOON))
    assert letters.send_waiting(clock=at(NOON + timedelta(minutes=9))) == 0
    assert letters.send_waiting(clock=at(NOON + timedelta(minutes=10))) == 1


def test_a_name_with_a_line_break_breaks_no_letter(account: Account) -> None:
    Account.objects.filter(pk=account.pk).update(name="Boulangerie\nBcc: all@example.org")
    spend(account, 60_000)
    alerts.look()
    assert letters.send_waiting() == 1
    assert "\n" not in mail.outbox[0].subject


def test_an_address_that_is_none_keeps_no_other_letter_from_leaving(account: Account, owner: User) -> None:
    """The list of administrators may hold anything; the letters behind it go on, now and at every later look."""
    for address in ("a\n@example.org", "fine@example.org"):
        Letter.objects.create(key=address, to=address, subject="s", body="b", look_at=NOON)
    assert letters.send_waiting(clock=at(NOON)) == 1
    assert [sent.to for sent in mail.outbox] == [["fine@example.org"]]
    assert Letter.objects.get(sent_at=None).look_at == NOON + letters.FIRST_RETRY


def test_owners_without_an_address_are_not_written_to(
    account: Account, owner: User, caplog: pytest.LogCaptureFixture
) -> None:
    owner.email = ""
    owner.save()
    spend(account, 60_000)
    assert alerts.look() == 1
    assert told() == []
    assert "Nobody has an address" in caplog.text
    assert alerts.watch_of(account).low_since == NOON
