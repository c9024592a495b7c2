"""Accounts that run low: told once for each crossing, topped up by an order when they asked for it; their letters."""

import smtplib
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, ClassVar

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.db import IntegrityError, connection, transaction
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from credits import alerts, ledger, letters, orders, tasks
from credits.models import Account, Letter, Member, Order, Pack, Transfer, Watch
from tests import factories
from tests.factories import NOON, at
from tests.fixtures.databases import FreshDatabase
from tests.fixtures.payments import ShopPayments
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


@pytest.mark.parametrize("above", [False, True])
def test_a_pack_that_comes_back_and_is_taken_off_again_is_said_again(automatic: Account, above: bool) -> None:
    """Also where the account stood above its threshold while the pack was on sale."""
    root = factories.user("root", superuser=True)
    spend(automatic, 60_000)
    for time in range(1, 4):
        with time_machine.travel(NOON + timedelta(hours=time), tick=False):
            Pack.objects.update(on_sale=False)
            for _look in range(2):
                alerts.look()
            assert Letter.objects.filter(to=root.email, key__startswith="not_on_sale:").count() == time
            if above:
                factories.grant(automatic, 60_000)
            Pack.objects.update(on_sale=True)
            alerts.look()
            for order in Order.objects.filter(status="pending"):
                orders.confirm(order, None)
            alerts.look()
            assert Watch.objects.get().refill_missing_since is None
            spend(automatic, ledger_available(automatic) - 40_000)


def ledger_available(account: Account) -> int:
    return factories.balances(account)["available"]


def test_the_database_keeps_one_automatic_order_waiting(automatic: Account) -> None:
    spend(automatic, 60_000)
    alerts.look()
    with pytest.raises(IntegrityError), transaction.atomic():
        Order.objects.create(account=automatic, credits=200, automatic=True, backend="manual")


def test_an_automatic_order_that_waits_is_taken_for_its_own(automatic: Account) -> None:
    spend(automatic, 60_000)
    alerts.look()
    Watch.objects.update(refill_order=None)
    assert [alerts.look(), alerts.look()] == [1, 0]
    assert Watch.objects.get().refill_order == Order.objects.get()


def test_where_too_many_orders_wait_none_is_made_and_the_owners_are_told_once(automatic: Account, owner: User) -> None:
    for _order in range(orders.MOST_WAITING):
        orders.place(automatic, 100, owner)
    spend(automatic, 60_000)
    for _time in range(3):
        alerts.look()
    assert not Order.objects.filter(automatic=True).exists()
    assert list(Letter.objects.filter(key__startswith="too_many:").values_list("to", flat=True)) == [owner.email]
    orders.cancel(Order.objects.order_by("pk")[0], owner)
    alerts.look()
    assert Order.objects.get(automatic=True).is_pending


def test_the_payment_of_an_automatic_order_is_begun_after_the_look_and_keeps_no_alert_waiting(
    automatic: Account, shop: None
) -> None:
    ShopPayments.trouble = ZeroDivisionError("broken")
    spend(automatic, 60_000)
    assert alerts.look() == 1
    assert len(told()) == 1
    assert tasks.begin_payments() == 0
    ShopPayments.trouble = None
    with time_machine.travel(NOON + timedelta(minutes=1), tick=False):
        assert tasks.begin_payments() == 1
    order = Order.objects.get()
    assert (order.begun_at, order.is_payable) == (NOON + timedelta(minutes=1), True)
    assert ShopPayments.begun == [order.pk]


def test_the_trouble_of_one_account_stops_no_other_and_is_told_once_a_day(
    account: Account, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    root = factories.user("root", superuser=True)
    others = [factories.account(name=f"Salon {number}") for number in range(2)]
    for one in others:
        alerts.set_threshold(one, 50_000)
    for one in (account, *others):
        orders.set_automatic(one, 50_000, 100)
        spend(one, 60_000)
    refill = orders.refill

    def breaks(watch: Watch, *more: Any) -> Order | None:
        if watch.account == account:
            raise ZeroDivisionError("key=s3cret")
        return refill(watch, *more)

    monkeypatch.setattr(orders, "refill", breaks)
    for hours in (0, 1, 24):
        with time_machine.travel(NOON + timedelta(hours=hours), tick=False):
            alerts.look()
    assert sorted(told()) == sorted(factories.owner(one).email for one in others)
    assert set(Order.objects.values_list("account", flat=True)) == {one.pk for one in others}
    assert "could not be done" in caplog.text
    letters_to_root = Letter.objects.filter(to=root.email, key__startswith="watch_trouble:")
    assert letters_to_root.count() == 2
    for letter in letters_to_root:
        assert "ZeroDivisionError" in letter.body
        assert "Boulangerie Martin" in letter.body
        assert "s3cret" not in letter.body


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


class NoTransactionBackend(BaseEmailBackend):
    """Takes letters only when no transaction is open."""

    def open(self) -> None:
        assert not connection.in_atomic_block

    def send_messages(self, messages: Sequence[Any]) -> int:
        assert not connection.in_atomic_block
        return len(messages)


class Post(BaseEmailBackend):
    """A mail server for tests: counts connections, and fails as it is told."""

    opened = 0
    # What `open` raises, and what a letter to an address raises; which of them end the connection.
    away: BaseException | None = None
    refuses: ClassVar[dict[str, BaseException]] = {}
    went: ClassVar[list[str]] = []
    seconds = 0.0

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.is_open = False

    def open(self) -> bool:
        if self.is_open:
            return False
        Post.opened += 1
        if Post.away is not None:
            raise Post.away
        self.is_open = True
        return True

    def close(self) -> None:
        self.is_open = False

    def send_messages(self, messages: Sequence[Any]) -> int:
        assert self.is_open
        for message in messages:
            Post.seconds += 10
            if message.to[0] in Post.refuses:
                raise Post.refuses[message.to[0]]
            message.message()
            Post.went.append(message.to[0])
        return len(messages)


@pytest.fixture
def post(db: None, settings: Any) -> Iterator[type[Post]]:
    """Letters go to `Post`."""
    settings.EMAIL_BACKEND = "tests.test_alerts.Post"
    yield Post
    Post.opened, Post.away, Post.seconds = 0, None, 0.0
    Post.refuses.clear()
    Post.went.clear()


def waiting(*to: str) -> list[Letter]:
    return [Letter.objects.create(key=address, to=address, subject="s", body="b", look_at=NOON) for address in to]


def tries() -> dict[str, int]:
    return dict(Letter.objects.values_list("to", "tries"))


def test_a_batch_of_letters_goes_over_one_connection(post: type[Post]) -> None:
    waiting(*(f"{number}@example.org" for number in range(letters.BATCH + 1)))
    assert letters.send_waiting(clock=at(NOON)) == letters.BATCH
    assert post.opened == 1
    assert letters.send_waiting(clock=at(NOON)) == 1
    assert letters.send_waiting(clock=at(NOON)) == 0
    assert post.opened == 2


@pytest.mark.parametrize(
    ("error", "connections"),
    [
        (smtplib.SMTPRecipientsRefused({"b@example.org": (550, b"nobody")}), 1),
        (smtplib.SMTPDataError(554, b"spam"), 1),
        (smtplib.SMTPDataError(421, b"enough"), 2),
        (smtplib.SMTPRecipientsRefused({"b@example.org": (421, b"enough")}), 2),
        (smtplib.SMTPServerDisconnected("gone"), 2),
        (TimeoutError("slow"), 2),
        (ValueError("no address"), 1),
    ],
)
def test_a_letter_that_fails_for_itself_stops_no_other(
    post: type[Post], error: BaseException, connections: int
) -> None:
    waiting("a@example.org", "b@example.org", "c@example.org")
    post.refuses["b@example.org"] = error
    assert letters.send_waiting(clock=at(NOON)) == 2
    assert post.went == ["a@example.org", "c@example.org"]
    assert post.opened == connections
    left = Letter.objects.get(sent_at=None)
    assert (left.to, left.tries, left.look_at) == ("b@example.org", 1, NOON + letters.FIRST_RETRY)


def test_a_mail_server_that_is_away_is_asked_once_for_all_letters_that_wait(post: type[Post]) -> None:
    waiting("a@example.org", "b@example.org")
    post.away = ConnectionRefusedError("away")
    for second in range(0, 181, 20):
        letters.send_waiting(clock=at(NOON + timedelta(seconds=second)))
    # At 0, 60 and 180 seconds.
    assert post.opened == 3
    assert tries() == {"a@example.org": 3, "b@example.org": 3}
    post.away = None
    assert letters.send_waiting(clock=at(NOON + timedelta(seconds=419))) == 0
    assert letters.send_waiting(clock=at(NOON + timedelta(seconds=420))) == 2


def test_a_slow_mail_server_keeps_a_run_of_the_task_no_longer_than_said(
    post: type[Post], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting(*(f"{number}@example.org" for number in range(10)))
    monkeypatch.setattr("credits.letters.time.monotonic", lambda: post.seconds)
    # Ten seconds each: one more may begin at the very end.
    assert letters.send_waiting(clock=at(NOON)) == 7
    # The others are not held against themselves and go at once in the next run.
    assert sorted(tries().values()) == [0] * 3 + [1] * 7
    assert letters.send_waiting(clock=at(NOON)) == 3


def test_letters_whose_keys_are_alike_for_a_long_way_are_both_written(account: Account) -> None:
    long = "in_vain:1:" + "x" * 200
    for occasion in (f"{long}1", f"{long}2", f"{long}1"):
        letters.to_owners(account, key=occasion, subject=_("Rates"), body=_("Rates"), values={})
    keys = list(Letter.objects.values_list("key", flat=True))
    assert len(keys) == 2
    assert {len(key) for key in keys} == {160}
    # What fits stays as it is, as it stands in databases already.
    letters.to_owners(account, key="short", subject=_("Rates"), body=_("Rates"), values={})
    assert Letter.objects.filter(key=f"short:{factories.owner(account).email}").exists()


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


def test_a_process_that_dies_with_a_letter_in_hand_leaves_it_to_another(letter: Letter, post: type[Post]) -> None:
    post.refuses[letter.to] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        letters.send_waiting(clock=at(NOON))
    post.refuses.clear()
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
