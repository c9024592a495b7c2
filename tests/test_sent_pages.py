"""Sent and scheduled SMS: where each message stands, what it cost, and taking back what has not left."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from compose import claims, dispatch, services
from compose.gateways.base import Accepted, InvalidRecipient, Outcome, Outgoing
from compose.models import Message, Submission
from compose.scheduled import Replaced
from credits.models import Account
from tests import factories
from tests.dispatching import dispatch_due
from tests.events import about, arrive
from tests.gateways_for_tests import scripted_gateway
from tests.pages import Element, browser_of, read, sentence

LATER = factories.NOON + timedelta(days=7)


@pytest.fixture(autouse=True)
def noon(db: None) -> Iterator[None]:
    with time_machine.travel(factories.NOON, tick=False):
        factories.pool()
        yield


@pytest.fixture
def account() -> Account:
    return factories.account(millis=100_000)


@pytest.fixture
def browser(account: Account) -> Client:
    return browser_of(factories.owner(account))


def shown(browser: Client, query: str = "") -> list[str]:
    """The recipients on the page of sent SMS."""
    return [link.text for link in read(browser.get("/sent/" + query)).all("a", **{"class": "row-link"})]


def last_refused(chunk: Sequence[Outgoing]) -> list[Outcome]:
    """An operator that takes all but the last message."""
    return [*(Accepted(f"ref-{one.id}") for one in chunk[:-1]), InvalidRecipient("no such number")]


def test_each_row_says_to_whom_from_whom_what_where_it_stands_and_its_price(account: Account, browser: Client) -> None:
    factories.message(account, to="+32 470 12 34 56", body="a" * 161)
    (row,) = read(browser.get("/sent/")).one("main").one("tbody").all("tr")
    for wanted in ("12:00", "+32 470 12 34 56", "Belgium", "BoulMartin", "aaa", "Waiting", "2"):
        assert wanted in row.text
    assert row.one("time").attributes["datetime"] == "2026-11-24T12:00:00+01:00"


def test_a_message_shows_what_became_of_it_and_what_that_did_to_the_credits(account: Account, browser: Client) -> None:
    sent = factories.submission(account, to=3)
    with scripted_gateway() as gateway:
        gateway.script = last_refused
        dispatch_due(clock=factories.at(factories.NOON))
    page = read(browser.get(reverse("submission", kwargs={"pk": sent.pk})))
    counts = [item.text for item in page.one("ul", **{"class": "counts"}).all("li")]
    assert counts == ["2 Sent", "1 Failed"]
    failed = Message.objects.get(state=Message.State.FAILED)
    page = read(browser.get(reverse("message", kwargs={"pk": failed.pk})))
    said = sentence(page)
    assert "This number cannot receive SMS. The price was given back." in said
    assert "no such number" in said
    assert "Given back" in said
    assert page.one(id="balance").text == "98 credits"
    factories.assert_ledger_adds_up()


@pytest.mark.parametrize("typed", ["0612000007", "06 12 00 00 07", "+33612000007", "0033612000007", "000007"])
def test_a_number_is_found_however_it_is_typed(account: Account, browser: Client, typed: str) -> None:
    for number in (7, 8):
        factories.message(account, to=factories.mobile(number))
    assert shown(browser, f"?q={typed}".replace("+", "%2B")) == ["+33 6 12 00 00 07"]


def test_a_text_and_a_status_are_found_together_and_kept_on_the_next_page(account: Account, browser: Client) -> None:
    for number in range(60):
        factories.message(account, to=factories.mobile(number), body=f"Galette {number}")
    factories.message(account, to=factories.mobile(99), body="Pain")
    page = read(browser.get("/sent/", {"q": "galette", "state": "scheduled"}))
    assert len(page.all("a", **{"class": "row-link"})) == 50
    (older,) = page.one("main").all("a", rel="next")
    assert len(shown(browser, older.attributes["href"])) == 10
    assert shown(browser, "?q=galette&state=delivered") == []
    assert "No message matches" in sentence(read(browser.get("/sent/?q=galette&state=delivered")))


def test_moments_are_those_of_the_accounts_clocks(account: Account) -> None:
    far = factories.account(name="Lagon", time_zone="Indian/Reunion")
    factories.message(far, deferred_to=datetime(2026, 12, 1, 5, 30, tzinfo=UTC))
    page = read(browser_of(factories.owner(far)).get("/scheduled/"))
    assert "(Réunion time)" in sentence(page)
    assert "09:30" in page.one("tbody").text


def test_what_waits_is_on_the_scheduled_page_only_and_moves_when_its_moment_comes(
    account: Account, browser: Client
) -> None:
    factories.message(account, deferred_to=LATER)
    assert shown(browser) == []
    assert "+33 6 12 34 56 78" in sentence(read(browser.get("/scheduled/")))
    with time_machine.travel(LATER, tick=False):
        browser.force_login(factories.owner(account))
        assert shown(browser) == ["+33 6 12 34 56 78"]
        assert "Nothing is waiting to leave" in sentence(read(browser.get("/scheduled/")))


def test_cancelling_a_message_gives_its_credit_back_at_once_and_says_so(account: Account, browser: Client) -> None:
    waiting = factories.message(account, deferred_to=LATER)
    address = reverse("cancel_message", kwargs={"pk": waiting.pk})
    form = read(browser.get("/scheduled/")).form(address)
    asked = read(browser.post(address, form.typed(), follow=True)).form(address)
    page = read(browser.post(address, asked.typed(decide="1"), follow=True))
    assert "1 message was cancelled and its price given back." in page.one(role="status").text
    assert page.one(id="balance").text == "100 credits"
    waiting.refresh_from_db()
    assert waiting.state == Message.State.CANCELLED
    (cancelled,) = waiting.transitions.filter(state=Message.State.CANCELLED)
    assert cancelled.by == factories.owner(account)
    assert shown(browser) == ["+33 6 12 34 56 78"]
    factories.assert_ledger_adds_up()


def test_cancelling_twice_gives_back_once_and_says_that_nothing_was_cancelled(
    account: Account, browser: Client
) -> None:
    waiting = factories.message(account, deferred_to=LATER)
    address = reverse("cancel_message", kwargs={"pk": waiting.pk})
    browser.post(address, {"decide": "1"}, follow=True)
    page = read(browser.post(address, {"decide": "1"}, follow=True))
    assert "Nothing was cancelled" in page.one(role="status").text
    assert factories.balances(account) == {"available": 100_000, "held": 0, "spent": 0}


def test_a_message_that_left_is_not_cancelled(account: Account, browser: Client) -> None:
    sent = factories.message(account)
    with scripted_gateway():
        dispatch_due(clock=factories.at(factories.NOON))
    page = read(browser.get(reverse("message", kwargs={"pk": sent.pk})))
    assert page.one("main").all("form") == []
    browser.post(reverse("cancel_message", kwargs={"pk": sent.pk}), {"decide": "1"})
    sent.refresh_from_db()
    assert sent.state == Message.State.ACCEPTED
    assert factories.balances(account)["spent"] == 1_000


def test_cancelling_a_submission_cancels_what_waits_and_leaves_what_left(account: Account, browser: Client) -> None:
    sent = factories.submission(account, to=3, deferred_to=LATER)
    first = sent.messages.order_by("pk")[0]
    browser.post(reverse("cancel_message", kwargs={"pk": first.pk}), {"decide": "1"})
    form = read(browser.get(reverse("submission", kwargs={"pk": sent.pk}))).form(
        reverse("cancel_submission", kwargs={"pk": sent.pk})
    )
    assert "2 messages" in form.element.text
    action = form.element.attributes["action"]
    asked = read(browser.post(action, form.typed(), follow=True)).form(action)
    page = read(browser.post(action, asked.typed(decide="1"), follow=True))
    assert "2 messages were cancelled and their price given back." in page.text
    assert page.one("ul", **{"class": "counts"}).text == "3 Cancelled"
    factories.assert_ledger_adds_up()


def test_the_recipients_of_a_large_submission_have_their_digits_in_groups_wherever_they_are_counted(
    account: Account, browser: Client
) -> None:
    first = factories.submission(account, to=2).messages.order_by("pk")[0]
    Submission.objects.filter(pk=first.submission_id).update(recipients=40_000)
    page = sentence(read(browser.get(reverse("message", kwargs={"pk": first.pk}))))
    assert "See all 40,000 recipients" in page
    assert "These lines are for all 40,000 messages of the submission" in page
    admin = browser_of(factories.user(superuser=True))
    cell = read(admin.get("/administration/compose/submission/?o=-5")).one("td", **{"class": "field-many"})
    assert cell.text == "40,000"


def test_only_the_first_fifty_messages_of_a_large_submission_are_listed_and_the_page_says_so(
    account: Account, browser: Client
) -> None:
    sent = factories.submission(account, to=60)
    page = read(browser.get(reverse("submission", kwargs={"pk": sent.pk})))
    assert len(page.all("a", **{"class": "row-link"})) == 50
    assert "Only the first 50 messages are shown here." in sentence(page)
    assert page.one("ul", **{"class": "counts"}).text == "60 Waiting"


def test_scheduled_rows_come_in_the_order_in_which_they_leave(account: Account, browser: Client) -> None:
    for days in (3, 1, 2):
        factories.message(account, to=factories.mobile(days), deferred_to=LATER + timedelta(days=days))
    links = read(browser.get("/scheduled/")).all("a", **{"class": "row-link"})
    assert [link.text[-1] for link in links] == ["1", "2", "3"]


def price_on_the_rows(page: Element) -> list[str]:
    """What the rows of messages of a page say that they cost."""
    return [cell.text for cell in page.all("td", **{"class": "number row-price"})]


def facts(page: Element) -> str:
    return page.one("dl", id="facts").text


def test_what_was_given_back_does_not_look_paid(account: Account, browser: Client) -> None:
    sent = factories.submission(account, to=3)
    with scripted_gateway() as gateway:
        gateway.script = last_refused
        dispatch_due(clock=factories.at(factories.NOON))
    page = read(browser.get(reverse("submission", kwargs={"pk": sent.pk})))
    assert price_on_the_rows(page) == ["1", "1", "0"]
    assert "Price2 credits Credits held: 3. Given back: 1." in facts(page)
    assert price_on_the_rows(read(browser.get("/sent/"))) == ["0", "1", "1"]
    failed = Message.objects.get(state=Message.State.FAILED)
    assert "this message costs nothing" in facts(read(browser.get(reverse("message", kwargs={"pk": failed.pk}))))
    paid = sent.messages.order_by("pk")[0]
    assert "costs nothing" not in facts(read(browser.get(reverse("message", kwargs={"pk": paid.pk}))))
    assert [row.cost for row in sent.messages.order_by("pk")] == [1_000, 1_000, 0]


def test_what_the_operator_never_took_is_given_back_on_every_page(account: Account, browser: Client) -> None:
    sent = factories.submission(account, to=3)
    with scripted_gateway():
        dispatch_due(clock=factories.at(factories.NOON))
        first, refused, _third = sent.messages.order_by("pk")
        arrive(about(first, "undelivered"), about(refused, "rejected"))
    page = read(browser.get(reverse("submission", kwargs={"pk": sent.pk})))
    assert price_on_the_rows(page) == ["1", "0", "1"]
    assert "Price2 credits Credits held: 3. Given back: 1." in facts(page)
    # The refund is a line of the submission too, and says of which message.
    assert ledger_lines(page)[-1] == [f"Refund Spent →to available Message {refused.pk}", "1"]
    assert page.one(id="ledger").one("a").attributes["href"] == reverse("message", kwargs={"pk": refused.pk})
    assert price_on_the_rows(read(browser.get("/sent/"))) == ["1", "0", "1"]
    page = read(browser.get(reverse("message", kwargs={"pk": refused.pk})))
    assert "this message costs nothing" in facts(page)
    assert "The operator refused the message. Its price was given back." in sentence(page)
    assert ledger_lines(page)[-1] == ["Refund Spent →to available", "1"]
    assert page.one(id="balance").text == "98 credits"
    paid = read(browser.get(reverse("message", kwargs={"pk": first.pk})))
    assert "costs nothing" not in facts(paid)
    assert "Refund" not in paid.one(id="ledger").text
    # The statement leads from the line back to the message.
    row = next(row for row in read(browser.get("/credits/")).one("main").all("tr") if "Refund" in row.text)
    assert reverse("message", kwargs={"pk": refused.pk}) in [link.attributes["href"] for link in row.all("a")]


def test_a_message_with_its_refund_asks_the_database_as_often_as_one_without(account: Account, browser: Client) -> None:
    sent = factories.submission(account, to=2)
    with scripted_gateway():
        dispatch_due(clock=factories.at(factories.NOON))
        taken, refused = sent.messages.order_by("pk")
        arrive(about(taken, "undelivered"), about(refused, "rejected"))
    asked = []
    for one in (taken, refused):
        address = reverse("message", kwargs={"pk": one.pk})
        browser.get(address)
        with CaptureQueriesContext(connection) as caught:
            assert browser.get(address).status_code == 200
        asked.append(len(caught))
    assert asked[0] == asked[1]


def ledger_lines(page: Element) -> list[list[str]]:
    """What the ledger's lines on the page of a message or submission say, without their dates."""
    lines = page.one(id="ledger").one("tbody").all("tr")
    return [[cell.text for cell in line.all("td")[1:]] for line in lines]


def test_each_ledger_line_says_from_which_book_to_which(account: Account, browser: Client) -> None:
    sent = factories.message(account)
    with scripted_gateway():
        dispatch_due(clock=factories.at(factories.NOON))
    for address in (
        reverse("message", kwargs={"pk": sent.pk}),
        reverse("submission", kwargs={"pk": sent.submission_id}),
    ):
        assert ledger_lines(read(browser.get(address))) == [
            ["Held for sending Available →to held", "1"],
            ["Sent Held →to spent", "1"],
        ]


def test_the_ledger_lines_of_a_submission_account_for_its_price(account: Account, browser: Client) -> None:
    """Held, less what was released and refunded, is what the page says it cost."""
    sent = factories.submission(account, to=8)
    with scripted_gateway() as gateway:
        gateway.script = last_refused
        dispatch_due(clock=factories.at(factories.NOON))
        arrive(*(about(message, "rejected") for message in sent.messages.order_by("pk")[:3]))
    address = reverse("submission", kwargs={"pk": sent.pk})
    page = read(browser.get(address))
    lines = [(label.split()[0], int(amount)) for label, amount in ledger_lines(page)]
    assert sorted(lines) == [("Given", 1), ("Held", 8), ("Refund", 3), ("Sent", 7)]
    assert "Price4 credits Credits held: 8. Given back: 4." in facts(page)
    assert account.books.get(kind="spent").balance == 4_000


def test_lines_of_one_kind_are_one_line_with_their_number_their_sum_and_their_moments(
    account: Account, browser: Client
) -> None:
    """As many as the chunks in which a paced gateway takes a submission; the statement keeps each."""
    sent = factories.submission(account, to=9)
    moments = [factories.NOON, factories.NOON + timedelta(seconds=70)]
    with scripted_gateway(batch_size=2) as gateway:
        gateway.script = last_refused
        for moment in moments:
            with time_machine.travel(moment, tick=False):
                claimed, _left = claims.claim_due(clock=factories.at(moment), size=6)
                dispatch.send(claimed, clock=factories.at(moment))
    page = read(browser.get(reverse("submission", kwargs={"pk": sent.pk})))
    lines = page.one(id="ledger").one("tbody").all("tr")
    assert [" ".join(cell.text for cell in line.all("td")) for line in lines] == [
        "24 Nov. 2026 12:00:00 Held for sending Available →to held 9",
        "24 Nov. 2026 12:00:00 until 12:01:10 Sent Held →to spent 4 movements 4",
        "24 Nov. 2026 12:00:00 until 12:01:10 Given back Held →to available 5 movements 5",
    ]
    # The statement, whose balances are after each, keeps them one by one.
    words = urlencode({"q": f"submission {sent.pk}"})
    rows = read(browser.get(f"/credits/?{words}")).one("main").all("td", **{"data-label": "Available after"})
    assert [row.text for row in rows] == ["96", "95", "94", "93", "92", "91"]


def test_the_ledger_of_a_submission_costs_as_many_queries_with_many_lines_as_with_few(
    account: Account, browser: Client
) -> None:
    asked = []
    for many in (2, 30):
        sent = factories.submission(account, to=many)
        with scripted_gateway(batch_size=2) as gateway:
            gateway.script = last_refused
            dispatch_due(clock=factories.at(factories.NOON))
            taken = sent.messages.filter(state=Message.State.ACCEPTED)
            arrive(*(about(message, "rejected") for message in taken))
        address = reverse("submission", kwargs={"pk": sent.pk})
        with CaptureQueriesContext(connection) as caught:
            page = read(browser.get(address))
        asked.append(len(caught))
        assert [line[1] for line in ledger_lines(page)] == [str(many), *[str(many // 2)] * 3]
    assert asked[0] == asked[1]


def test_what_took_the_place_of_another_submission_has_its_own_lines_only(account: Account, browser: Client) -> None:
    old = factories.submission(account, to=3, deferred_to=LATER)
    new, _made = services.submit(
        factories.draft(account, to=2), now=factories.NOON, replaces=Replaced(old, old.recipients)
    )
    pages = [read(browser.get(reverse("submission", kwargs={"pk": one.pk}))) for one in (old, new)]
    assert [ledger_lines(page) for page in pages] == [
        [["Held for sending Available →to held", "3"], ["Given back Held →to available", "3"]],
        [["Held for sending Available →to held", "2"]],
    ]
    assert ["Price0 credits" in facts(pages[0]), "Price2 credits" in facts(pages[1])] == [True, True]


def marked(page: Element) -> list[str]:
    """The entry of the navigation that the page marks, and where its way back leads."""
    back = page.one("main").all("a", **{"class": "back"})
    return [link.attributes["href"] for link in [*page.all("a", **{"aria-current": "page"}), *back]]


def test_a_page_of_what_waits_belongs_to_the_scheduled_ones_and_says_who_wrote_it_and_when_it_leaves(
    account: Account, browser: Client
) -> None:
    person = factories.owner(account)
    person.first_name, person.last_name = "Claire", "Martin"
    person.save()
    waiting = factories.message(account, deferred_to=LATER, person=person)
    addresses = [
        reverse("message", kwargs={"pk": waiting.pk}),
        reverse("submission", kwargs={"pk": waiting.submission_id}),
    ]
    pages = [read(browser.get(address)) for address in addresses]
    assert [marked(page) for page in pages] == [["/scheduled/", "/scheduled/"]] * 2
    assert all("Claire Martin" in sentence(page) for page in pages)
    assert "Planned departure: Tuesday 1 December 2026 at 12:00." in pages[0].one(id="story").text
    browser.post(reverse("cancel_message", kwargs={"pk": waiting.pk}), {"decide": "1"})
    pages = [read(browser.get(address)) for address in addresses]
    assert [marked(page) for page in pages] == [["/sent/", "/sent/"]] * 2
    # Who cancelled it stands in the story, and the list does not say that it left.
    assert pages[0].one(id="story").text.count("By Claire Martin.") == 2
    assert "planned for 1 Dec. 2026 12:00" in sentence(read(browser.get("/sent/")))


def test_a_reader_of_an_empty_account_is_not_asked_to_write(account: Account) -> None:
    reader = browser_of(factories.member(account, "reader").user)
    for address in ("/sent/", "/scheduled/", "/received/"):
        assert [a for a in read(reader.get(address)).one("main").all("a") if a.attributes["href"] == "/"] == []
