"""Pages that ask for themselves again: as long as something may change, and for everything that may."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from compose.gateways.base import Report
from compose.models import Message
from compose.services import store_events
from credits.models import Account
from inbox import services as inbox_services
from tests import factories
from tests.dispatching import dispatch_due
from tests.gateways_for_tests import scripted_gateway
from tests.pages import browser_of, read

LATER = factories.NOON + timedelta(days=7)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


@pytest.fixture(autouse=True)
def noon(db: None) -> Iterator[None]:
    with time_machine.travel(factories.NOON, tick=False):
        factories.pool()
        yield


@pytest.fixture
def account() -> Account:
    return factories.account()


@pytest.fixture
def browser(account: Account) -> Client:
    return browser_of(factories.owner(account))


def asks(browser: Client, address: str) -> str:
    """How often a page asks again, as htmx reads it; "" when it does not."""
    page = read(browser.get(address))
    live = page.all(id="live")
    if not live or "hx-get" not in live[0].attributes:
        return ""
    assert live[0].attributes["hx-get"] == address
    # What is to be taken over is there, even while it is empty: else it could not appear.
    for part in live[0].attributes["hx-select-oob"].split(","):
        assert len(page.all(id=part.removeprefix("#"))) == 1
    return live[0].attributes["hx-trigger"]


def addresses(message: Message) -> list[str]:
    """The pages that show a message on its way."""
    return [
        reverse("message", kwargs={"pk": message.pk}),
        reverse("submission", kwargs={"pk": message.submission_id}),
        reverse("sent"),
    ]


def reported(message: Message) -> None:
    """The operator says that it was delivered."""
    message.refresh_from_db()
    report = Report(key="r1", reference=message.gateway_ref, status="delivered", at=factories.NOON)
    store_events("default", [report], now=factories.NOON)
    inbox_services.apply_waiting(clock=factories.at(factories.NOON))


def test_what_is_on_its_way_is_followed_until_it_is_delivered(account: Account, browser: Client) -> None:
    sent = factories.message(account)
    assert [asks(browser, address) for address in addresses(sent)] == ["every 5s"] * 3
    with scripted_gateway():
        dispatch_due(clock=factories.at(factories.NOON))
        assert [asks(browser, address) for address in addresses(sent)] == ["every 5s"] * 3
        reported(sent)
    assert [asks(browser, address) for address in addresses(sent)] == [""] * 3


def test_what_never_gets_a_report_is_followed_for_an_hour(account: Account, browser: Client) -> None:
    sent = factories.message(account)
    with scripted_gateway():
        dispatch_due(clock=factories.at(factories.NOON))
    with time_machine.travel(factories.NOON + HOUR - SECOND, tick=False):
        assert [asks(browser, address) for address in addresses(sent)] == ["every 5s"] * 3
    with time_machine.travel(factories.NOON + HOUR, tick=False):
        assert [asks(browser, address) for address in addresses(sent)] == [""] * 3


def test_an_answer_is_waited_for_after_the_delivery_where_one_can_come(account: Account, browser: Client) -> None:
    sent = factories.message(account, by=factories.pool())
    with scripted_gateway():
        dispatch_due(clock=factories.at(factories.NOON))
        reported(sent)
    assert [asks(browser, address) for address in addresses(sent)] == ["every 15s", "", ""]
    with time_machine.travel(factories.NOON + HOUR, tick=False):
        assert asks(browser, addresses(sent)[0]) == ""


def test_what_leaves_later_is_followed_at_leisure_until_it_leaves_or_is_cancelled(
    account: Account, browser: Client
) -> None:
    waiting = factories.message(account, deferred_to=LATER)
    message, submission, _sent = addresses(waiting)
    assert [asks(browser, address) for address in (message, submission)] == ["every 60s"] * 2
    assert asks(browser, reverse("scheduled")) == "every 15s"
    with time_machine.travel(LATER - SECOND, tick=False):
        browser.force_login(factories.owner(account))
        assert [asks(browser, address) for address in (message, submission)] == ["every 5s"] * 2
        browser.post(reverse("cancel_message", kwargs={"pk": waiting.pk}), {"decide": "1"})
        assert [asks(browser, address) for address in addresses(waiting)] == [""] * 3
        assert asks(browser, reverse("scheduled")) == ""


def test_older_pages_of_a_list_are_not_followed(account: Account, browser: Client) -> None:
    for number in range(60):
        factories.message(account, to=factories.mobile(number))
    assert asks(browser, "/sent/?state=scheduled") == "every 5s"
    (older,) = read(browser.get("/sent/")).one("main").all("a", rel="next")
    assert asks(browser, "/sent/" + older.attributes["href"]) == ""
