"""The filters of received SMS: what they find, page by page and as a file."""

import csv
import io
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from compose.models import GatewayEvent
from compose.searching import holds
from credits.models import Account, Member
from inbox import marks
from inbox.models import Received
from senders.models import Sender
from tests import factories
from tests.pages import browser_of, read, sentence

LIST, FILE = "/received/", "/received/export.csv"


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


def found(browser: Client, query: str = "") -> list[str]:
    body = read(browser.get(LIST + query)).one("main").all("tbody")
    return [row.all("td")[2].text for row in body[0].all("tr")] if body else []


def file(browser: Client, query: str = "", language: str = "en") -> list[list[str]]:
    answer = browser.get(FILE + query, headers={"accept-language": language})
    assert answer.status_code == 200
    text = b"".join(answer).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text), delimiter=";" if language == "fr" else ","))


def test_words_and_numbers_are_found_however_they_are_written(account: Account, browser: Client) -> None:
    factories.received(account, "Où est l'ÉGLISE ?", number="+33612345678")
    factories.received(account, "At the market", number="+33698765432")
    assert found(browser, "?q=MARKET") == ["At the market"]
    assert found(browser, "?q=06+98+76") == ["At the market"]
    assert found(browser, "?q=%2B33698765432") == ["At the market"]
    assert found(browser, "?q=glise") == ["Où est l'ÉGLISE ?"]
    assert found(browser, "?q=%25") == []
    page = read(browser.get(LIST + "?q=nothing"))
    assert "No received SMS matches" in sentence(page)


def test_days_are_those_of_the_account_and_both_count(account: Account, browser: Client) -> None:
    # Half past midnight in Paris is the day before in UTC.
    midnight = factories.NOON.replace(hour=23, minute=30)
    factories.received(account, "Tuesday", when=factories.NOON)
    factories.received(account, "Wednesday", when=midnight)
    assert found(browser, "?since=2026-11-25") == ["Wednesday"]
    assert found(browser, "?until=2026-11-24") == ["Tuesday"]
    assert found(browser, "?since=2026-11-24&until=2026-11-25") == ["Wednesday", "Tuesday"]
    page = read(browser.get(LIST + "?since=2026-11-25&until=2026-11-24"))
    assert "This day is before the first one." in sentence(page)


def test_unread_ones_alone_and_those_to_one_number_alone(account: Account, browser: Client) -> None:
    first = factories.received(account, "To our number")
    short = factories.received(account, "To the short number", number="+33698765432")
    Received.objects.filter(pk=short.pk).update(to="38111")
    marks.mark_read(Member.objects.get(account=account), [first.pk])
    assert found(browser, "?unread=on") == ["To the short number"]
    assert found(browser, "?to=short") == ["To the short number"]
    assert found(browser, f"?to={first.to.replace('+', '%2B')}") == ["To our number"]
    assert found(browser, f"?q=to&unread=on&to={first.to.replace('+', '%2B')}") == []
    # Of another account's number there is no word.
    other = factories.sender(factories.account(name="Clinique"), "+33700000001", kind=Sender.Kind.VIRTUAL)
    page = sentence(read(browser.get(LIST)))
    assert first.to in page
    assert other.value not in page


def test_a_number_that_was_asked_for_in_vain_is_none_of_the_accounts(account: Account, browser: Client) -> None:
    refused = factories.sender(account, "+33700000001", kind=Sender.Kind.VIRTUAL, status=Sender.Status.REFUSED)
    factories.received(account, "To our number")
    assert refused.value not in sentence(read(browser.get(LIST)))


def test_the_pages_of_a_search_keep_it_and_miss_and_repeat_nothing(account: Account, browser: Client) -> None:
    made = factories.received(account, "Number 0")
    rows = [
        Received(
            account=account,
            event_id=made.event_id,
            number=factories.mobile(number),
            to=made.to,
            text=f"Number {number}",
            # Several of the same moment stand at the edges of pages.
            received_at=factories.NOON + timedelta(minutes=number // 7),
        )
        for number in range(1, 121)
    ]
    _stored(rows)
    address, seen, pages = LIST + "?q=Number&unread=", [], 0
    while address:
        page = read(browser.get(address))
        seen += [row.all("td")[2].text for row in page.one("main").all("tbody")[0].all("tr")]
        links = page.one("main").all("a", rel="next")
        address = LIST + links[0].attributes["href"] if links else ""
        assert not address or "q=Number" in address
        pages += 1
    assert pages == 3
    assert sorted(seen) == sorted({f"Number {number}" for number in range(121)})


def _stored(rows: list[Received]) -> None:
    """Rows of the list, each with an event of its own."""
    events = [
        GatewayEvent(gateway="default", key=f"row-{number}", kind="received", payload={}, look_at=factories.NOON)
        for number in range(len(rows))
    ]
    for row, event in zip(rows, GatewayEvent.objects.bulk_create(events), strict=True):
        row.event = event
    Received.objects.bulk_create(rows)


def test_the_file_holds_what_the_filters_show_and_no_formula(account: Account, browser: Client) -> None:
    factories.received(account, '=HYPERLINK("http://evil.example")', number="+33612345678")
    factories.received(account, "Merci; à demain", number="+33698765432", when=factories.NOON + timedelta(minutes=1))
    header, *rows = file(browser)
    assert header == ["Date", "From", "To", "Message", "Answers", "Unread"]
    assert [row[1] for row in rows] == ["'+33698765432", "'+33612345678"]
    assert [row[3] for row in rows] == ["Merci; à demain", '\'=HYPERLINK("http://evil.example")']
    assert rows[0][0] == "2026-11-24 12:01:00"
    assert [row[3] for row in file(browser, "?q=demain", language="fr")[1:]] == ["Merci; à demain"]
    answer = browser.get(FILE + "?since=2026-11-25&until=2026-11-24")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/received/?since=2026-11-25&until=2026-11-24")


def test_a_long_file_is_made_batch_by_batch(account: Account, browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inbox.queries.EXPORTED_AT_ONCE", 2)
    for number in range(5):
        factories.received(account, f"Text {number}", number=factories.mobile(number))
    with CaptureQueriesContext(connection) as caught:
        assert len(file(browser)) == 6
    batches = [query for query in caught if "LIMIT 3" in query["sql"]]
    assert len(batches) == 3


def test_the_list_asks_as_often_however_long_it_is(account: Account, browser: Client) -> None:
    factories.received(account)
    asked = []
    for _round in range(2):
        browser.get(LIST)
        with CaptureQueriesContext(connection) as caught:
            browser.get(LIST)
        asked.append(len(caught))
        for number in range(10):
            factories.received(account, number=factories.mobile(number))
    assert asked[0] == asked[1]


def test_on_postgresql_a_search_goes_through_its_index(account: Account) -> None:
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'received_search'")
        (definition,) = cursor.fetchone()
        assert "gin_trgm_ops" in definition
        # There are few rows, which are read fastest as they are: this leaves it no other way than the index.
        cursor.execute("DROP INDEX received_shown, received_thread")
        cursor.execute("SET LOCAL enable_seqscan = off")
    rows = Received.objects.filter(deleted_at=None)
    plan = rows.filter(holds("06 98 76 54", words="text", number="number")).order_by().explain()
    assert plan.count("received_search") == 2, plan
