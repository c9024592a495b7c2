"""Received SMS: who has read what, and conversations in both directions."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from compose.models import GatewayEvent
from credits.models import Account, Member
from inbox.models import Received, Unread
from senders.models import Sender
from tests import factories
from tests.dispatching import dispatch_due
from tests.gateways_for_tests import scripted_gateway
from tests.pages import Element, browser_of, read, sentence

LIST = "/received/"


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


def unread(page: Element) -> str:
    """The count beside "Received SMS" in the navigation."""
    return page.one(id="unread").text.removesuffix(" unread")


def rows(browser: Client) -> list[tuple[str, bool]]:
    """The text of each line and whether it is unread."""
    body = read(browser.get(LIST)).one("main").all("tbody")
    lines = body[0].all("tr") if body else []
    return [(row.all("td")[2].text, row.attributes.get("class") == "unread") for row in lines]


def test_an_empty_inbox_says_what_will_appear_there(browser: Client) -> None:
    assert "No SMS received yet" in sentence(read(browser.get(LIST)))
    assert unread(read(browser.get(LIST))) == ""


def test_the_newest_comes_first_with_who_what_and_when(account: Account, browser: Client) -> None:
    for minutes in (0, 2, 1):
        factories.received(account, f"After {minutes}", when=factories.NOON + timedelta(minutes=minutes))
    assert [text for text, _unread in rows(browser)] == ["After 2", "After 1", "After 0"]
    said = sentence(read(browser.get(LIST)))
    assert "+33 6 12 34 56 78" in said
    assert "12:02" in said


def test_opening_a_message_marks_it_read_for_this_person_only(account: Account, browser: Client) -> None:
    colleague = browser_of(factories.member(account, Member.Role.READER).user)
    came = factories.received(account, "One", number="+33612345678")
    factories.received(account, "Two", number="+33698765432")
    assert unread(read(browser.get("/"))) == "2"
    assert rows(browser) == [("Two", True), ("One", True)]
    browser.get(reverse("conversation", kwargs={"pk": came.pk}))
    assert rows(browser) == [("Two", True), ("One", False)]
    assert unread(read(browser.get("/"))) == "1"
    assert rows(colleague) == [("Two", True), ("One", True)]
    assert unread(read(colleague.get("/"))) == "2"


def test_the_page_that_reads_a_message_counts_it_no_more(account: Account, browser: Client) -> None:
    came = factories.received(account)
    assert unread(read(browser.get(reverse("conversation", kwargs={"pk": came.pk})))) == ""


def test_opening_a_conversation_reads_all_that_it_shows_and_twice_is_as_once(account: Account, browser: Client) -> None:
    came = [factories.received(account, f"Text {number}") for number in range(3)]
    for _time in range(2):
        browser.get(reverse("conversation", kwargs={"pk": came[0].pk}))
        assert not Unread.objects.exists()
    assert unread(read(browser.get(LIST))) == ""


def test_seeing_the_list_reads_nothing(account: Account, browser: Client) -> None:
    factories.received(account)
    browser.get(LIST)
    assert Unread.objects.count() == 1


def test_above_ninety_nine_the_count_says_so(account: Account, browser: Client) -> None:
    common = {"gateway": "default", "kind": "received", "payload": {}, "look_at": factories.NOON}
    events = GatewayEvent.objects.bulk_create(GatewayEvent(key=f"came-{number}", **common) for number in range(100))
    came = Received.objects.bulk_create(
        Received(account=account, event=event, number="+33612345678", to="38111", received_at=factories.NOON)
        for event in events
    )
    member = Member.objects.get(account=account)
    Unread.objects.bulk_create(Unread(member=member, received=one) for one in came[1:])
    assert unread(read(browser.get("/"))) == "99"
    Unread.objects.create(member=member, received=came[0])
    assert unread(read(browser.get("/"))) == "99+"


def test_a_conversation_shows_what_was_sent_and_what_came_in_the_order_of_time(
    account: Account, browser: Client
) -> None:
    first = factories.received(account, "Are you open?", when=factories.NOON - timedelta(hours=1))
    factories.message(account, body="Yes, until seven.")
    factories.received(account, "Thank you!", when=factories.NOON + timedelta(minutes=5))
    factories.message(account, to="06 98 76 54 32", body="To somebody else")
    factories.message(factories.account(name="Clinique du Parc"), body="From another account")
    page = read(browser.get(reverse("conversation", kwargs={"pk": first.pk})))
    bubbles = [element for element in page.all("div") if "bubble" in element.attributes.get("class", "").split()]
    assert [bubble.one("p").text for bubble in bubbles] == ["Are you open?", "Yes, until seven.", "Thank you!"]
    directions = ["out" if "bubble--out" in bubble.attributes["class"] else "in" for bubble in bubbles]
    assert directions == ["in", "out", "in"]
    assert [bubble.one("span", **{"class": "visually-hidden"}).text for bubble in bubbles] == [
        "Received:",
        "Sent:",
        "Received:",
    ]


def test_an_answer_names_the_message_it_answers_and_the_message_shows_it(account: Account, browser: Client) -> None:
    came = factories.received(account, "First")
    with scripted_gateway():
        asked = factories.message(account, body="At what time do you come?", by=Sender.objects.get(value=came.to))
        dispatch_due(clock=factories.at(factories.NOON))
        factories.received(account, "At five", when=factories.NOON + timedelta(minutes=5))
    assert "Answers: At what time do you come?" in sentence(read(browser.get(LIST)))
    page = read(browser.get(reverse("message", kwargs={"pk": asked.pk})))
    assert [link.one(**{"class": "bubble-text"}).text for link in page.all("a", **{"class": "answer"})] == ["At five"]


def test_a_reply_that_nobodys_message_explains_is_in_no_accounts_inbox(account: Account, browser: Client) -> None:
    factories.received(account, "Known")
    Unread.objects.all().delete()
    Received.objects.update(account=None)
    assert rows(browser) == []
    assert unread(read(browser.get("/"))) == ""
    (lost,) = Received.objects.all()
    assert browser.get(reverse("conversation", kwargs={"pk": lost.pk})).status_code == 404


def test_scripts_in_a_received_text_are_shown_as_text(account: Account, browser: Client) -> None:
    script = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    came = factories.received(account, script)
    for page in (LIST, reverse("conversation", kwargs={"pk": came.pk})):
        shown = read(browser.get(page))
        assert "alert(1)" in sentence(shown)
        assert shown.all(onerror="alert(2)") == []


def test_the_first_page_asks_for_news_and_later_pages_do_not(account: Account, browser: Client) -> None:
    for number in range(60):
        factories.received(account, number=factories.mobile(number))
    page = read(browser.get(LIST))
    assert page.one(id="live").attributes["hx-get"] == LIST
    assert page.one(id="live").attributes["hx-select-oob"] == "#rows,#balance,#unread,#live"
    (older,) = page.one("main").all("a", rel="next")
    assert read(browser.get(LIST + older.attributes["href"])).all(id="live") == []
