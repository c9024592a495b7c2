"""The page where owners add credits: orders, automatic top-up, the low-credit alert, and credits that move."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from credits import alerts, orders
from credits.models import Account, Letter, Order, Pack, Transfer
from credits.payments.base import PaymentFailed
from tests import factories
from tests.fixtures.payments import ShopPayments
from tests.pages import Element, browser_of, is_a_sentence, read, sentence

PAGE = "/credits/add/"


@pytest.fixture(autouse=True)
def noon(db: None) -> Iterator[None]:
    with time_machine.travel(factories.NOON, tick=False):
        yield


@pytest.fixture
def person() -> User:
    return factories.user("claire")


@pytest.fixture
def account(person: User) -> Account:
    return factories.account(owner=person)


@pytest.fixture
def other(person: User, account: Account) -> Account:
    """Another account of the same owner."""
    return factories.account(name="Salon de thé", owner=person, millis=0)


@pytest.fixture
def browser(person: User, account: Account) -> Client:
    made = browser_of(person)
    made.post(reverse("switch_account"), {"account": account.pk})
    return made


def form(page: Element, action: str) -> dict[str, str]:
    """The form with this button, as it opens."""
    (found,) = (one for one in page.all("form", method="post") if one.all("button", name="action", value=action))
    fields = {
        field.attributes["name"]: field.attributes.get("value", "")
        for field in found.all("input")
        if field.attributes.get("type") not in ("radio", "hidden")
        or field.attributes["name"].endswith(("request_key", "made_in"))
    }
    for select in found.all("select"):
        chosen = [option for option in select.all("option") if "selected" in option.attributes]
        fields[select.attributes["name"]] = (chosen or select.all("option"))[0].attributes["value"]
    fields |= {
        radio.attributes["name"]: radio.attributes["value"]
        for radio in found.all("input", type="radio")
        if "checked" in radio.attributes
    }
    return fields | {"action": action}


def send(browser: Client, action: str, **fields: str) -> Any:
    """Fill this form in and press its button."""
    opened = form(read(browser.get(PAGE)), action)
    return browser.post(PAGE, opened | {f"{action}-{name}": value for name, value in fields.items()})


def said(browser: Client) -> str:
    """What the page says after a redirect."""
    return sentence(read(browser.get(PAGE)))


def test_a_pack_is_ordered_and_the_page_says_what_happens_next(account: Account, browser: Client) -> None:
    answer = send(browser, "order", pack="500")
    assert answer.headers["Location"] == PAGE
    order = Order.objects.get()
    assert (order.account, order.credits, order.status) == (account, 500, Order.Status.PENDING)
    page = said(browser)
    assert f"Order {order.pk} of 500 credits is placed. An administrator of this installation confirms it" in page
    assert "Waiting for confirmation added when an administrator confirms it" in page
    assert factories.balances(account)["available"] == 100_000


def test_a_double_click_orders_once(browser: Client) -> None:
    fields = form(read(browser.get(PAGE)), "order") | {"order-pack": "500"}
    assert browser.post(PAGE, fields).status_code == browser.post(PAGE, fields).status_code == 302
    assert Order.objects.count() == 1
    # The same form for another pack is another wish, which is asked again.
    answer = browser.post(PAGE, fields | {"order-pack": "200"})
    assert answer.status_code == 422
    assert "already used for another pack. Nothing was ordered now" in sentence(read(answer))
    again = form(read(answer), "order")
    assert again["order-pack"] == "200"
    assert browser.post(PAGE, again).status_code == 302
    assert list(Order.objects.order_by("pk").values_list("credits", flat=True)) == [500, 200]


@pytest.mark.parametrize("pack", ["", "7", "-1", "abc", "9" * 30])
def test_a_pack_that_is_none_is_refused_with_a_sentence(browser: Client, pack: str) -> None:
    answer = send(browser, "order", pack=pack)
    assert answer.status_code == 422
    assert is_a_sentence(read(answer).error("order-pack"))
    assert not Order.objects.exists()


def test_a_pack_taken_off_sale_while_the_page_was_open_is_not_ordered(browser: Client) -> None:
    fields = form(read(browser.get(PAGE)), "order") | {"order-pack": "500"}
    Pack.objects.filter(credits=500).update(on_sale=False)
    answer = browser.post(PAGE, fields)
    assert "This pack is no longer on sale." in read(answer).error("order-pack")
    assert not Order.objects.exists()


def test_without_a_pack_on_sale_the_page_says_whom_to_ask(browser: Client) -> None:
    Pack.objects.update(on_sale=False)
    assert "No pack is on sale. Ask an administrator" in said(browser)


def test_prices_are_shown_where_the_installation_has_them(person: User, account: Account) -> None:
    Pack.objects.filter(credits=1_000).update(price="79.90")
    french = read(browser_of(person, language="fr").get(PAGE)).text.replace("\u202f", "\xa0")
    assert "79,90\xa0€" in french.replace(" €", "\xa0€")


def test_an_order_is_cancelled_and_a_confirmed_one_is_not(account: Account, browser: Client) -> None:
    waiting, paid = factories.order(account), factories.order(account, 500)
    orders.confirm(paid, factories.user(superuser=True))
    browser.post(reverse("cancel_order", kwargs={"pk": waiting.pk}))
    assert f"Order {waiting.pk} is cancelled." in said(browser)
    browser.post(reverse("cancel_order", kwargs={"pk": paid.pk}))
    assert f"Order {paid.pk} was confirmed already" in said(browser)
    assert list(Order.objects.order_by("pk").values_list("status", flat=True)) == ["cancelled", "confirmed"]
    assert factories.balances(account)["available"] == 600_000


def test_a_confirmed_order_is_named_in_the_statement_with_a_link_to_it(account: Account, browser: Client) -> None:
    order = factories.order(account)
    orders.confirm(order, factories.user(superuser=True))
    page = read(browser.get("/credits/"))
    (link,) = (a for a in page.one("main").all("a") if a.text == f"Order {order.pk}")
    assert read(browser.get(link.attributes["href"])).all("tr", id=f"order-{order.pk}")
    # Who may not see orders gets no link that would turn them away.
    reader = read(browser_of(factories.member(account, "reader").user).get("/credits/"))
    assert f"Order {order.pk}" in sentence(reader)
    assert not [a for a in reader.one("main").all("a") if a.text == f"Order {order.pk}"]


def test_an_order_that_is_paid_at_an_address_has_a_link_to_it_and_no_other_kind_of_link(
    account: Account, browser: Client
) -> None:
    order = factories.order(account)
    for address, links in (("https://pay.example.org/1", 1), ("javascript:alert(1)", 0), ("http://pay.example.org", 0)):
        Order.objects.filter(pk=order.pk).update(address=address)
        assert len(read(browser.get(PAGE)).all("a", href=address)) == links


def test_a_payment_that_could_not_be_begun_is_begun_by_a_press_of_a_button(
    account: Account, browser: Client, shop: None
) -> None:
    ShopPayments.trouble = PaymentFailed("no answer")
    assert send(browser, "order", pack="500").status_code == 302
    order = Order.objects.get()
    words = said(browser)
    assert f"Order {order.pk} of 500 credits is placed, but its payment could not be begun." in words
    assert "its payment is not begun yet; it is tried again by itself" in words
    assert pay(browser, order).headers["Location"] == f"{PAGE}#order-{order.pk}"
    assert f"The payment of order {order.pk} cannot be begun now. The order waits" in said(browser)
    ShopPayments.trouble = None
    pay(browser, order)
    page = read(browser.get(PAGE))
    assert f"The payment of order {order.pk} is ready: “Pay” in the list below leads to its page now." in sentence(page)
    (link,) = page.all("a", href=f"https://shop.example.org/pay/{order.pk}")
    assert link.text.split() == ["Pay", str(order.pk)]
    assert not page.all("form", action=reverse("pay_order", kwargs={"pk": order.pk}))
    pay(browser, order)
    assert ShopPayments.begun == [order.pk]
    orders.cancel(order, None)
    pay(browser, order)
    assert f"Order {order.pk} does not wait any more: its status is “Cancelled”." in said(browser)


def test_where_the_administrator_confirms_there_is_nothing_to_pay(account: Account, browser: Client) -> None:
    order = factories.order(account)
    assert not read(browser.get(PAGE)).all("form", action=reverse("pay_order", kwargs={"pk": order.pk}))
    pay(browser, order)
    assert f"Order {order.pk} needs nothing more from you" in said(browser)


def test_an_old_order_is_shown_where_it_stands_after_its_payment_was_begun(account: Account, browser: Client) -> None:
    order = factories.order(account)
    for _number in range(20):
        orders.confirm(factories.order(account), None)
    assert pay(browser, order).headers["Location"] == f"{PAGE}?before={order.pk + 1}#order-{order.pk}"


def pay(browser: Client, order: Order) -> Any:
    """Press the button, whether or not it is there."""
    return browser.post(reverse("pay_order", kwargs={"pk": order.pk}))


def test_when_twenty_orders_wait_the_next_is_refused_with_a_sentence(account: Account, browser: Client) -> None:
    for _number in range(20):
        factories.order(account)
    answer = send(browser, "order", pack="500")
    assert answer.status_code == 422
    assert "20 orders of this account wait already, and no more than that may wait. Nothing was ordered" in sentence(
        read(answer)
    )
    assert Order.objects.count() == 20


@pytest.mark.parametrize(("amount", "words"), [("1", "1 credit was moved"), ("1.5", "1.5 credits were moved")])
def test_one_credit_was_moved_and_two_were(
    account: Account, other: Account, browser: Client, amount: str, words: str
) -> None:
    send(browser, "transfer", to=str(other.pk), amount=amount)
    assert f"{words} to Salon de thé." in said(browser)


def test_orders_are_paged_without_one_lost(account: Account, browser: Client) -> None:
    made = [factories.order(account).pk for _number in range(20)]
    for pk in made:
        orders.confirm(Order.objects.get(pk=pk), None)
    made += [factories.order(account).pk for _number in range(20)]
    orders.cancel(Order.objects.get(pk=made[-1]), None)
    made += [factories.order(account).pk for _number in range(1)]
    seen: list[str] = []
    address = PAGE
    while address:
        page = read(browser.get(address))
        seen += [row.attributes["id"] for row in page.one("table").one("tbody").all("tr")]
        older = page.one("main").all("a", rel="next")
        address = PAGE + older[0].attributes["href"] if older else ""
    assert seen == [f"order-{pk}" for pk in reversed(made)]


def test_the_alert_is_kept_shown_and_taken_away(account: Account, browser: Client) -> None:
    assert send(browser, "alert", threshold="150,5").status_code == 302
    assert alerts.watch_of(account).alert_below == 150_500
    page = read(browser.get(PAGE))
    assert page.one("input", name="alert-threshold").attributes["value"] == "150.5"
    # In words beside the balance on every page, and on the pages about credits.
    assert page.one(id="balance").text == "100 credits low"
    assert "Credits run low. 100 are left, and the alert of this account is at 150.5." in sentence(page)
    sent = read(browser.get(reverse("sent")))
    assert sent.one(id="balance").text == "100 credits low"
    reader = read(browser_of(factories.member(account, "reader").user).get("/credits/"))
    assert "The owners of the account can add some." in sentence(reader)
    assert send(browser, "alert", threshold="").status_code == 302
    assert alerts.watch_of(account).alert_below is None
    page = read(browser.get("/credits/"))
    assert page.one(id="balance").text == "100 credits"
    assert "run low" not in sentence(page)


def test_a_balance_at_its_threshold_is_not_low(account: Account, browser: Client) -> None:
    alerts.set_threshold(account, 100_000)
    assert read(browser.get("/credits/")).one(id="balance").text == "100 credits"
    factories.submission(account)
    assert read(browser.get("/credits/")).one(id="balance").text == "99 credits low"


@pytest.mark.parametrize(
    ("typed", "sentence_"),
    [
        ("0", "Write an amount above zero"),
        ("-5", "Write an amount of credits such as 100 or 0.5"),
        ("many", "Write an amount of credits such as 100 or 0.5"),
        ("0.0001", "Write an amount of credits such as 100 or 0.5"),
        ("1,234.5", "Write an amount of credits such as 100 or 0.5"),
        ("1,000", "Write the amount without a sign between the thousands"),
        ("1e3", "Write an amount of credits such as 100 or 0.5"),
        ("9999999999", "Write an amount above zero, up to 1,000,000,000 credits."),
        ("9" * 40, "at most 30 characters"),
        ("٣", "Write an amount of credits such as 100 or 0.5"),
    ],
)
def test_an_amount_that_is_none_is_refused_with_a_sentence_and_kept(
    account: Account, browser: Client, typed: str, sentence_: str
) -> None:
    answer = send(browser, "alert", threshold=typed)
    assert answer.status_code == 422
    page = read(answer)
    assert sentence_ in page.error("alert-threshold")
    assert page.one("input", name="alert-threshold").attributes["value"] == typed
    assert alerts.watch_of(account).alert_below is None


def test_a_thousand_with_a_french_comma_is_one(person: User, account: Account) -> None:
    french = browser_of(person, language="fr")
    send(french, "alert", threshold="1,000")
    assert alerts.watch_of(account).alert_below == 1_000
    # A thousand where the point stands between thousands, one where it is the decimal sign: it is asked.
    assert send(french, "alert", threshold="1.000").status_code == 422
    assert alerts.watch_of(account).alert_below == 1_000
    send(french, "alert", threshold="1\u202f000,5")
    assert alerts.watch_of(account).alert_below == 1_000_500


def test_the_automatic_top_up_is_kept_and_orders_when_it_should(account: Account, browser: Client) -> None:
    assert send(browser, "automatic", pack="250", threshold="200").status_code == 302
    assert "A pack of 250 credits is ordered whenever fewer than 200 are left." in said(browser)
    alerts.look()
    assert (Order.objects.get().credits, Order.objects.get().automatic) == (250, True)
    assert f"Order {Order.objects.get().pk} · automatic" in said(browser)
    opened = form(read(browser.get(PAGE)), "automatic")
    assert (opened["automatic-pack"], opened["automatic-threshold"]) == ("250", "200")
    # Turned off, the amount alone means nothing.
    send(browser, "automatic", pack="", threshold="200")
    assert "No pack is ordered automatically." in said(browser)
    watch = alerts.watch_of(account)
    assert (watch.refill_below, watch.refill_credits) == (None, None)


def test_an_automatic_top_up_needs_its_threshold(account: Account, browser: Client) -> None:
    answer = send(browser, "automatic", pack="250", threshold="")
    assert answer.status_code == 422
    page = read(answer)
    assert "Write below how many credits the pack is ordered." in page.error("automatic-threshold")
    assert form(page, "automatic")["automatic-pack"] == "250"
    assert alerts.watch_of(account).refill_credits is None


def test_an_automatic_top_up_whose_pack_is_no_longer_sold_is_said(browser: Client) -> None:
    send(browser, "automatic", pack="250", threshold="200")
    Pack.objects.filter(credits=250).update(on_sale=False)
    assert "The pack of 250 credits is no longer on sale, so nothing is ordered." in said(browser)


def test_credits_move_to_another_account_of_the_same_owner_once(
    account: Account, other: Account, browser: Client
) -> None:
    fields = form(read(browser.get(PAGE)), "transfer") | {"transfer-to": str(other.pk), "transfer-amount": "30"}
    assert browser.post(PAGE, fields).status_code == browser.post(PAGE, fields).status_code == 302
    assert "30 credits were moved to Salon de thé." in said(browser)
    assert factories.balances(account)["available"] == 70_000
    assert factories.balances(other)["available"] == 30_000
    answer = browser.post(PAGE, fields | {"transfer-amount": "31"})
    assert answer.status_code == 422
    assert "already used for another transfer. Nothing was moved now" in sentence(read(answer))
    assert browser.post(PAGE, form(read(answer), "transfer")).status_code == 302
    assert factories.balances(other)["available"] == 61_000
    factories.assert_ledger_adds_up()


def test_more_than_there_is_does_not_move_and_the_amount_is_kept(
    account: Account, other: Account, browser: Client
) -> None:
    answer = send(browser, "transfer", to=str(other.pk), amount="100.5")
    assert answer.status_code == 422
    page = read(answer)
    assert page.error("transfer-amount") == "The account has 0.5 credits too few for this. Nothing was moved."
    assert form(page, "transfer")["transfer-amount"] == "100.5"
    assert factories.balances(other)["available"] == 0


def test_credits_move_to_no_account_of_somebody_else_and_not_to_itself(
    account: Account, other: Account, browser: Client
) -> None:
    stranger = factories.account(name="Clinique du Parc", millis=0)
    factories.member(stranger, "sender", person=factories.owner(account))
    offered = read(browser.get(PAGE)).one("select", name="transfer-to").all("option")
    assert [option.text for option in offered] == ["Salon de thé"]
    for pk in (stranger.pk, account.pk, 0, 2**70):
        answer = send(browser, "transfer", to=str(pk), amount="1")
        assert answer.status_code == 422
        assert is_a_sentence(read(answer).error("transfer-to"))
    assert not Transfer.objects.filter(verb="transfer").exists()


def test_who_owns_one_account_only_is_offered_no_transfer(browser: Client) -> None:
    page = read(browser.get(PAGE))
    assert "Move credits to another account" not in sentence(page)
    answer = browser.post(PAGE, {"action": "transfer", "transfer-to": "1", "transfer-amount": "1"})
    assert answer.status_code == 422


@pytest.mark.parametrize("action", ["", "nothing", "order", "transfer", "request", "_data"])
def test_a_forged_form_changes_nothing_and_is_no_error_of_ours(browser: Client, action: str) -> None:
    answer = browser.post(PAGE, {"action": action, f"{action}-request_key": "garbage"})
    assert answer.status_code == 422
    assert not Order.objects.exists()
    assert not Transfer.objects.filter(verb="transfer").exists()


def test_the_owners_are_told_by_the_letters_of_orders_and_alerts(account: Account, browser: Client) -> None:
    send(browser, "order", pack="500")
    send(browser, "alert", threshold="150")
    alerts.look()
    assert Letter.objects.filter(to=factories.owner(account).email).count() == 1


def test_a_page_of_an_owner_asks_as_often_for_many_orders_as_for_one(account: Account, browser: Client) -> None:
    def asked() -> int:
        browser.get(PAGE)
        with CaptureQueriesContext(connection) as caught:
            assert browser.get(PAGE).status_code == 200
        return len(caught)

    factories.order(account)
    few = asked()
    for number in range(30):
        orders.place(account, 100, factories.member(account, "owner").user, request_key=uuid.uuid4())
        if number % 2:
            orders.confirm(Order.objects.latest("pk"), factories.user(superuser=True))
    assert asked() == few <= 8
