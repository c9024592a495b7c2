"""Packs, and orders of them: placed once, credited once, by the administrator or by a payment backend."""

import copy
import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from credits import ledger, orders, paying, proof, tasks
from credits.models import Account, Letter, Order, Pack, Transfer
from credits.orders import MOST_WAITING, NotOnSale, NotPossible, TooManyWaiting
from credits.payments.base import PaymentFailed
from tests import factories
from tests.factories import NOON, assert_ledger_adds_up, at, balances
from tests.fixtures.databases import FreshDatabase
from tests.fixtures.payments import ShopPayments
from tests.pages import browser_of, read
from tests.threads import at_once

THREADS = 8
ORDERS = "/administration/credits/order/"


@pytest.fixture
def account(db: None) -> Account:
    """An account without credits."""
    return factories.account(millis=0)


@pytest.fixture
def owner(account: Account) -> User:
    return factories.owner(account)


def place(account: Account, size: int = 100, **more: Any) -> Order:
    return orders.place(account, size, factories.owner(account), **more)


# Ordering


@pytest.mark.django_db
def test_the_packs_on_sale_are_those_of_the_reference() -> None:
    sizes = [100, 200, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 1_000_000]
    assert list(Pack.objects.filter(on_sale=True).values_list("credits", flat=True)) == sizes
    assert set(Pack.objects.values_list("price", flat=True)) == {None}


def test_an_order_waits_and_brings_nothing(account: Account, owner: User) -> None:
    Pack.objects.filter(credits=500).update(price="49.90")
    order = place(account, 500)
    order.refresh_from_db()
    assert (order.status, order.credits, str(order.price), order.ordered_by) == ("pending", 500, "49.90", owner)
    assert (order.backend, order.address, order.credited_by) == ("manual", "", None)
    assert balances(account)["available"] == 0


def test_the_price_of_an_order_stays_what_it_was(account: Account) -> None:
    Pack.objects.filter(credits=500).update(price="49.90")
    order = place(account, 500)
    Pack.objects.filter(credits=500).update(price="59.90")
    order.refresh_from_db()
    assert str(order.price) == "49.90"


@pytest.mark.parametrize("size", [0, -100, 101, 250])
def test_only_packs_on_sale_are_ordered(account: Account, size: int) -> None:
    Pack.objects.filter(credits=250).update(on_sale=False)
    with pytest.raises(NotOnSale):
        place(account, size)
    assert not Order.objects.exists()


def test_a_double_click_orders_once(account: Account) -> None:
    key = uuid.uuid4()
    assert place(account, request_key=key) == place(account, request_key=key)
    assert place(account, request_key=uuid.uuid4()) != place(account)
    assert Order.objects.count() == 3


def test_the_administrators_are_told_of_an_order(account: Account) -> None:
    root = factories.user("root", superuser=True)
    place(account, 500)
    letter = Letter.objects.get()
    assert letter.to == root.email
    assert "500" in letter.subject


def test_an_account_has_twenty_waiting_orders_at_most(account: Account, owner: User) -> None:
    key = uuid.uuid4()
    waiting = [place(account, request_key=key), *(place(account) for _order in range(MOST_WAITING - 1))]
    with pytest.raises(TooManyWaiting):
        place(account)
    # A form that was sent again ordered already; other accounts order as before.
    assert place(account, request_key=key) == waiting[0]
    place(factories.account(name="Salon de thé"))
    assert Order.objects.filter(account=account).count() == MOST_WAITING == 20
    orders.cancel(waiting[0], owner)
    orders.confirm(waiting[1], None)
    assert [place(account).status, place(account).status] == ["pending", "pending"]
    with pytest.raises(TooManyWaiting):
        place(account)


# Deciding


def test_a_confirmed_order_is_credited_once_however_often_it_is_confirmed(account: Account, owner: User) -> None:
    root = factories.user("root", superuser=True)
    order = place(account)
    first, second, done = (orders.confirm(order, root, "Transfer 17") for _time in range(3))
    assert first == second == done
    assert (done.status, done.decided_by, done.reference) == ("confirmed", root, "Transfer 17")
    line = Transfer.objects.get()
    assert done.credited_by == line
    assert (line.verb, line.amount, line.key, line.by, line.reason) == (
        "top_up",
        100_000,
        f"order:{order.pk}",
        root,
        "Transfer 17",
    )
    assert (line.cause_kind, line.cause_key) == ("order", str(order.pk))
    assert balances(account)["available"] == 100_000
    assert Letter.objects.filter(to=owner.email).count() == 1
    assert_ledger_adds_up()


def test_who_decided_an_order_first_has_decided_it(account: Account, owner: User) -> None:
    first = orders.confirm(place(account), owner, "Transfer 17")
    again = orders.confirm(first, None, "Transfer 18")
    assert (again.decided_by, again.decided_at, again.reference) == (owner, first.decided_at, "Transfer 17")


def test_a_cancelled_order_is_never_credited(account: Account, owner: User) -> None:
    order = place(account)
    assert orders.cancel(order, owner).status == "cancelled"
    assert orders.cancel(order, owner).decided_by == owner
    with pytest.raises(NotPossible):
        orders.confirm(order, owner)
    assert balances(account)["available"] == 0


def test_a_confirmed_order_is_not_cancelled(account: Account, owner: User) -> None:
    order = place(account)
    orders.confirm(order, None)
    with pytest.raises(NotPossible):
        orders.cancel(order, owner)
    assert balances(account)["available"] == 100_000


def test_what_was_owed_is_paid_from_the_order(account: Account) -> None:
    ledger.charge(account, 30_000, key="a", cause=("received", "1"))
    orders.confirm(place(account), None)
    assert balances(account) == {"available": 70_000, "held": 0, "spent": 30_000}


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "confirmed"},
        {"status": "cancelled"},
        {"status": "confirmed", "decided_at": factories.NOON},
        {"credits": 0},
        {"automatic": False, "ordered_by": None},
    ],
)
def test_the_database_refuses_an_order_that_cannot_be(account: Account, changes: dict[str, Any]) -> None:
    order = place(account)
    with pytest.raises(IntegrityError), transaction.atomic():
        Order.objects.filter(pk=order.pk).update(**changes)


# At once


def test_confirmed_by_many_at_once_it_is_credited_once(fresh_database: FreshDatabase) -> None:
    account = factories.account(millis=0)
    order = place(account)
    results = at_once([lambda: orders.confirm(order, None)] * THREADS)
    assert {result.status for result in results} == {"confirmed"}
    assert balances(account)["available"] == 100_000
    assert_ledger_adds_up()


def test_without_the_lock_the_key_alone_credits_once(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = factories.account(millis=0)
    order = place(account)
    monkeypatch.setattr(orders, "_locked", lambda order: Order.objects.get(pk=order.pk, status="pending"))
    at_once([lambda: orders.confirm(order, None)] * THREADS)
    assert Transfer.objects.count() == 1
    assert balances(account)["available"] == 100_000
    assert_ledger_adds_up()


def test_without_the_lock_and_the_key_it_would_be_credited_again(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: each confirmation finds an order that waits, and each of their lines has a key of its own.

    The trigger on the order's pointer to its line refuses that too, so it has to go as well.
    """
    account = factories.account(millis=0)
    order = place(account)
    waiting = copy.copy(Order.objects.select_related("account").get(pk=order.pk))
    top_up = ledger.top_up

    def unkeyed(account: Account, amount: int, *, key: str, **more: Any) -> Transfer:
        return top_up(account, amount, key=f"{key}:{uuid.uuid4()}", **more)

    monkeypatch.setattr(ledger, "top_up", unkeyed)
    monkeypatch.setattr(orders, "_locked", lambda order: copy.copy(waiting))
    orders.confirm(order, None)
    with pytest.raises(IntegrityError, match="credited once"):
        orders.confirm(order, None)
    with connection.cursor() as cursor:
        on = " ON credits_order" if connection.vendor == "postgresql" else ""
        cursor.execute(f"DROP TRIGGER credits_order_credited_by_id_once{on}")
    orders.confirm(order, None)
    assert balances(account)["available"] == 200_000
    assert any(found.key.startswith("line:order:") for found in proof.verify())


def test_confirmed_and_cancelled_at_once_it_is_one_of_both(fresh_database: FreshDatabase) -> None:
    for _time in range(5):
        account = factories.account(millis=0)
        order = place(account)
        at_once([lambda order=order: orders.confirm(order, None), lambda order=order: orders.cancel(order, None)])  # type: ignore[misc]
        order.refresh_from_db()
        assert balances(account)["available"] == (100_000 if order.status == "confirmed" else 0)
        assert order.status in {"confirmed", "cancelled"}
    assert_ledger_adds_up()


def test_a_double_click_at_the_same_time_orders_once(fresh_database: FreshDatabase) -> None:
    account, key = factories.account(millis=0), uuid.uuid4()
    results = at_once([lambda: place(account, request_key=key)] * THREADS)
    assert {result.pk for result in results} == {Order.objects.get().pk}


def test_ordered_by_many_at_once_no_more_wait_than_may(fresh_database: FreshDatabase) -> None:
    account = factories.account(millis=0)
    for _order in range(MOST_WAITING - 2):
        place(account)
    results = at_once([lambda: place(account)] * THREADS)
    assert sum(isinstance(result, TooManyWaiting) for result in results) == THREADS - 2
    assert Order.objects.filter(account=account).count() == MOST_WAITING


def test_begun_paid_and_confirmed_by_many_at_once_it_is_begun_once_and_credited_once(
    fresh_database: FreshDatabase, shop: None
) -> None:
    """The owner presses Pay twice, two workers look for what was not begun, and the service says that it is paid."""
    ShopPayments.trouble = PaymentFailed("no answer")
    account = factories.account(millis=0)
    order = place(account)
    ShopPayments.trouble = None

    def pressed() -> str:
        return paying.pay(Order.objects.get(pk=order.pk))

    later = at(timezone.now() + timedelta(hours=1))
    looked: Callable[[], int] = lambda: paying.begin_waiting(clock=later)  # noqa: E731
    results = at_once([pressed, pressed, looked, looked, *[lambda: orders.paid(order, "shop-1")] * 4])
    assert not [result for result in results if isinstance(result, BaseException)]
    # None at all where it was paid before anybody began.
    assert ShopPayments.begun in ([], [order.pk])
    assert Order.objects.get().status == "confirmed"
    assert balances(account)["available"] == 100_000
    assert Transfer.objects.count() == 1
    assert_ledger_adds_up()


# A payment backend


@pytest.mark.usefixtures("shop")
def test_a_backend_says_where_the_order_is_paid(account: Account) -> None:
    order = place(account)
    order.refresh_from_db()
    assert (order.backend, order.address) == ("shop", f"https://shop.example.org/pay/{order.pk}")


@pytest.mark.usefixtures("shop")
def test_a_payment_that_cannot_be_begun_leaves_an_order_that_waits(account: Account) -> None:
    ShopPayments.trouble = PaymentFailed("no answer")
    order = place(account)
    assert (order.status, order.address) == ("pending", "")
    ShopPayments.trouble = None
    assert paying.pay(order) == f"https://shop.example.org/pay/{order.pk}"
    orders.cancel(order, None)
    assert paying.pay(Order.objects.get()) == f"https://shop.example.org/pay/{order.pk}"


@pytest.mark.usefixtures("shop")
def test_a_payment_that_was_not_begun_is_tried_again_with_growing_pauses(account: Account) -> None:
    with time_machine.travel(NOON, tick=False):
        ShopPayments.trouble = PaymentFailed("no answer")
        order = place(account)
    tried = []
    for minute in range(70):
        before = Order.objects.get().begin_tries
        assert paying.begin_waiting(clock=at(NOON + timedelta(minutes=minute))) == 0
        tried += [minute] * (Order.objects.get().begin_tries - before)
    assert tried == [1, 3, 7, 15, 31, 63]
    # What a payment service is known to raise is told to nobody: the order itself was.
    assert not Letter.objects.filter(key__startswith="not_begun:").exists()
    ShopPayments.trouble = None
    assert paying.begin_waiting(clock=at(NOON + timedelta(minutes=126))) == 0
    assert paying.begin_waiting(clock=at(NOON + timedelta(minutes=127))) == 1
    order.refresh_from_db()
    assert (order.address, order.begun_at) == (
        f"https://shop.example.org/pay/{order.pk}",
        NOON + timedelta(minutes=127),
    )
    assert paying.begin_waiting(clock=at(NOON + timedelta(days=1))) == 0
    assert ShopPayments.begun == [order.pk]


def test_a_pause_is_never_longer_than_six_hours(account: Account, shop: None) -> None:
    ShopPayments.trouble = PaymentFailed("no answer")
    order = place(account)
    Order.objects.update(begin_tries=30_000, begin_next=NOON)
    paying.begin_waiting(clock=at(NOON))
    order.refresh_from_db()
    assert order.begin_next == NOON + timedelta(hours=6)


@pytest.mark.usefixtures("shop")
def test_a_process_that_dies_before_or_while_it_begins_a_payment_leaves_it_to_the_next(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    with time_machine.travel(NOON, tick=False):
        with monkeypatch.context() as patch:
            patch.setattr(orders, "pay", lambda order: None)
            before = place(account)
        ShopPayments.trouble = KeyboardInterrupt()
        with pytest.raises(KeyboardInterrupt):
            place(account, 200)
        ShopPayments.trouble = None
    during = Order.objects.get(credits=200)
    assert paying.begin_waiting(clock=at(NOON + paying.LEASE - timedelta(seconds=1))) == 0
    assert paying.begin_waiting(clock=at(NOON + paying.LEASE)) == 2
    assert ShopPayments.begun == [before.pk, during.pk]
    assert tasks.begin_payments() == 0


@pytest.mark.usefixtures("shop")
def test_a_backend_that_breaks_keeps_no_other_order_from_being_begun_and_is_told_once(
    account: Account, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = factories.user("root", superuser=True)
    ShopPayments.trouble = PaymentFailed("no answer")
    broken, fine = place(account), place(factories.account(name="Salon de thé"))
    ShopPayments.trouble = None
    start = ShopPayments.start

    def breaks(self: ShopPayments, order: Order) -> str | None:
        if order.pk == broken.pk:
            raise ZeroDivisionError("key=s3cret")
        return start(self, order)

    monkeypatch.setattr(ShopPayments, "start", breaks)
    for hour in range(1, 4):
        paying.begin_waiting(clock=at(timezone.now() + timedelta(hours=hour)))
    assert ShopPayments.begun == [fine.pk]
    broken.refresh_from_db()
    assert (broken.status, broken.begun_at, broken.begin_tries) == ("pending", None, 4)
    assert f"The payment of order {broken.pk} could not be begun" in caplog.text
    letter = Letter.objects.get(key__startswith="not_begun:")
    assert letter.to == root.email
    assert "ZeroDivisionError" in letter.body
    assert "s3cret" not in letter.body + letter.subject


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("address", ["http://shop.example.org/{}", "javascript:alert({})", "https://" + "x" * 2000])
def test_an_address_where_nobody_should_pay_is_kept_from_everybody(account: Account, address: str) -> None:
    ShopPayments.address = address
    order = place(account)
    order.refresh_from_db()
    assert (order.address, order.begun_at, order.begin_tries) == ("", None, 1)


@pytest.mark.usefixtures("shop")
def test_a_decided_order_is_not_begun(account: Account) -> None:
    ShopPayments.trouble = PaymentFailed("no answer")
    cancelled, confirmed = place(account), place(account)
    orders.cancel(cancelled, None)
    orders.confirm(confirmed, None)
    ShopPayments.trouble = None
    assert paying.begin_waiting(clock=at(timezone.now() + timedelta(days=1))) == 0
    # Read before it was decided.
    assert [paying.pay(order) for order in (cancelled, confirmed)] == ["", ""]
    assert ShopPayments.begun == []


@pytest.mark.usefixtures("shop")
def test_an_order_that_was_begun_nowhere_is_begun_where_the_installation_is_paid_now(
    account: Account, settings: Any
) -> None:
    ShopPayments.trouble = PaymentFailed("no answer")
    order = place(account)
    settings.SMS_PAYMENTS = {"BACKEND": "credits.payments.manual.ManualPayments"}
    assert paying.begin_waiting(clock=at(timezone.now() + timedelta(hours=1))) == 1
    order.refresh_from_db()
    assert (order.backend, order.address, order.to_begin) == ("manual", "", False)


def tell(*paid: int, word: str = "open") -> Any:
    """The payment service calls the door, without a session and without a token."""
    said = json.dumps({"word": word, "orders": paid})
    return Client(enforce_csrf_checks=True).post(reverse("payments"), said, content_type="application/json")


@pytest.mark.usefixtures("shop")
def test_what_the_service_says_is_paid_is_credited_once(account: Account) -> None:
    one, two = place(account), place(account, 200)
    assert [tell(one.pk, two.pk).status_code, tell(one.pk).status_code] == [204, 204]
    assert balances(account)["available"] == 300_000
    assert Order.objects.get(pk=one.pk).reference == f"shop-{one.pk}"
    assert_ledger_adds_up()


@pytest.mark.usefixtures("shop")
def test_what_is_not_from_the_service_is_refused(account: Account) -> None:
    order = place(account)
    assert tell(order.pk, word="sesame").status_code == 403
    assert balances(account)["available"] == 0


@pytest.mark.usefixtures("shop")
def test_what_cannot_be_credited_is_received_and_logged(account: Account, caplog: pytest.LogCaptureFixture) -> None:
    order, other = place(account), place(account)
    orders.cancel(order, None)
    assert tell(order.pk, 10**30, -1, 999_999, other.pk).status_code == 204
    assert f"Order {order.pk} was paid in vain, it is cancelled" in caplog.text
    assert "order 999999" in caplog.text
    assert balances(account)["available"] == 100_000


@pytest.mark.usefixtures("shop")
def test_money_that_brings_no_credits_is_said_to_the_administrators_once(account: Account) -> None:
    cancelled, by_hand, by_shop = place(account), place(account), place(account)
    orders.cancel(cancelled, None)
    orders.confirm(by_hand, factories.user("root", superuser=True), "transfer 12")
    for _again in range(2):
        assert tell(cancelled.pk, by_hand.pk, by_shop.pk).status_code == 204
    told = Letter.objects.filter(key__startswith="in_vain:").order_by("pk")
    assert [letter.to for letter in told] == ["root@example.org"] * 2
    for letter, order in zip(told, (cancelled, by_hand), strict=True):
        assert f"shop-{order.pk}" in letter.body
    assert balances(account)["available"] == 200_000
    assert Order.objects.get(pk=by_hand.pk).reference == "transfer 12"
    assert_ledger_adds_up()


def test_nobody_is_trusted_where_the_administrator_confirms(account: Account) -> None:
    assert tell(place(account).pk).status_code == 403


# The administration


@pytest.fixture
def admin(db: None) -> Client:
    return browser_of(factories.user("root", superuser=True))


def act(browser: Client, action: str, *chosen: Order, **more: str) -> Any:
    fields: dict[str, Any] = {"action": action, "_selected_action": [order.pk for order in chosen], **more}
    return browser.post(ORDERS, fields, follow=True)


def test_orders_that_wait_come_first(account: Account, admin: Client) -> None:
    made = [place(account, size) for size in (100, 200, 250, 500)]
    orders.confirm(made[3], None)
    orders.cancel(made[1], None)
    page = read(admin.get(ORDERS))
    shown = [row.one("td", **{"class": "field-what"}).text for row in page.one(id="result_list").one("tbody").all("tr")]
    assert shown == ["250", "100", "500", "200"]


def test_the_administrator_confirms_with_a_reference_in_one_click(account: Account, admin: Client) -> None:
    one, two = place(account), place(account, 200)
    page = read(act(admin, "confirm", one, two, reference=" Transfer 17 "))
    assert "2 orders are credited." in page.text
    assert balances(account)["available"] == 300_000
    assert set(Order.objects.values_list("reference", "decided_by__username")) == {("Transfer 17", "root")}
    assert "was left as it is" in read(act(admin, "confirm", one)).text
    assert "was left as it is" in read(act(admin, "cancel", one)).text
    assert balances(account)["available"] == 300_000


def test_the_administrator_cancels(account: Account, admin: Client) -> None:
    order = place(account)
    assert "1 order is cancelled." in read(act(admin, "cancel", order)).text
    assert "was left as it is" in read(act(admin, "confirm", order)).text
    assert balances(account)["available"] == 0


def test_an_order_cancelled_meanwhile_is_not_called_credited(
    account: Account, admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the same person in another window, between the reading of the list and the lock of the order."""
    order, confirm = place(account), orders.confirm

    def too_late(order: Order, by: Any, reference: str = "") -> Order:
        orders.cancel(order, by)
        return confirm(order, by, reference)

    monkeypatch.setattr(orders, "confirm", too_late)
    page = read(act(admin, "confirm", order)).text
    assert "was left as it is" in page
    assert "1 order is credited" not in page
    assert balances(account)["available"] == 0


def test_a_grant_sent_by_many_clicks_is_made_and_noted_once(fresh_database: FreshDatabase) -> None:
    """Six entries in the account's history would be six grants to whoever reads it."""
    account, root = factories.account(millis=0), factories.user("root", superuser=True)
    typed = {"amount": "5", "reason": "Gift", "request_key": str(uuid.uuid4())}
    address = reverse("admin:credits_account_grant", args=[account.pk])
    browsers = [browser_of(root) for _number in range(6)]
    answers = at_once([partial(browser.post, address, typed) for browser in browsers])
    assert [answer.status_code for answer in answers] == [302] * 6
    assert balances(account)["available"] == 5_000
    [entry] = LogEntry.objects.filter(object_id=str(account.pk))
    assert (entry.user, "Gift" in entry.change_message) == (root, True)


def test_an_order_is_changed_by_no_form(account: Account, admin: Client) -> None:
    order = place(account)
    for name, args in (("add", []), ("change", [order.pk]), ("delete", [order.pk])):
        answer = admin.post(reverse(f"admin:credits_order_{name}", args=args), {"credits": "9", "status": "confirmed"})
        assert answer.status_code == 403
    assert admin.get(reverse("admin:credits_order_change", args=[order.pk])).status_code == 200
    order.refresh_from_db()
    assert (order.status, order.credits) == ("pending", 100)


@pytest.mark.parametrize("may", ["view_order", "view_account"])
def test_who_may_not_change_orders_decides_nothing(account: Account, may: str) -> None:
    order = place(account)
    person = factories.user()
    person.is_staff = True
    person.save()
    person.user_permissions.add(Permission.objects.get(codename=may))
    answer = act(browser_of(person), "confirm", order)
    assert answer.status_code == (200 if may == "view_order" else 403)
    order.refresh_from_db()
    assert order.status == "pending"
