"""What received answers cost, on the page of the conversation: what was taken for each, and what is owed."""

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from credits import statement
from credits.models import Account
from inbox.models import Received
from tests import factories
from tests.pages import Element, browser_of, read, sentence


@pytest.fixture(autouse=True)
def noon(db: None) -> Iterator[None]:
    with time_machine.travel(factories.NOON, tick=False):
        yield


@pytest.fixture
def account() -> Account:
    return factories.account()


@pytest.fixture
def browser(account: Account) -> Client:
    return browser_of(factories.owner(account))


def test_a_conversation_says_what_each_answer_cost_and_what_is_owed_for_it(settings: Any) -> None:
    account = factories.account(millis=1_500)
    browser = browser_of(factories.owner(account))

    def opened(came: Received) -> Element:
        return read(browser.get(reverse("conversation", kwargs={"pk": came.pk})))

    notes = []
    for price in (500, 1_000, 1_000, 0):
        settings.SMS_REPLY_PRICE = price
        page = opened(factories.received(account, f"For {price}"))
        notes.append("What each received answer costs in credits: " in sentence(page))
    assert notes == [True, True, True, False]
    last = Received.objects.latest("pk")
    page = opened(last)
    said = [note.text for note in page.all("div", **{"class": "thread-note"})]
    assert ["0.5 credits" in said[0], "1 credit" in said[1], "1 credit · owed" in said[2]] == [True] * 3
    assert "owed" not in said[1]
    assert "credit" not in said[3]
    # What the bubbles say is what the statement says, and what is owed.
    books = statement.books(account)
    assert (books.spent, books.owed) == (1_500, 1_000)
    # Another account's conversation with the same number is none of its business.
    other = factories.account(name="Clinique du Parc")
    browser_of_other = browser_of(factories.owner(other))
    came = factories.received(other, "To the clinic")
    words = sentence(read(browser_of_other.get(reverse("conversation", kwargs={"pk": came.pk}))))
    assert "credit " not in words
    assert "owed" not in words
    factories.grant(account, 2_000)
    assert "owed" not in sentence(opened(last))


def test_a_long_conversation_asks_as_often_as_a_short_one(account: Account, browser: Client) -> None:
    came = factories.received(account, "First")
    address = reverse("conversation", kwargs={"pk": came.pk})
    asked = []
    for _round in range(2):
        browser.get(address)
        with CaptureQueriesContext(connection) as caught:
            assert browser.get(address).status_code == 200
        asked.append(len(caught))
        for number in range(10):
            factories.received(account, f"More {number}")
    assert asked[0] == asked[1]
