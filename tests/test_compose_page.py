"""The compose page, from the browser's form to the database."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from compose.models import Message, Submission
from credits.models import Account
from senders.models import Sender
from tests import factories
from tests.pages import Element, browser_of, read, sentence

HOME = "/"


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


def typed(browser: Client, **changes: str | None) -> dict[str, str]:
    """The compose page's form with these changes, as a browser sends it; a number and a text are there already."""
    form = read(browser.get(HOME)).form(HOME)
    return form.typed(**{"recipients": "06 12 34 56 78", "text": "Bonjour", "action": "send"} | changes)


def send(browser: Client, **changes: str | None) -> Submission:
    """Fill in the form, press Send, and return what was submitted."""
    answer = browser.post(HOME, typed(browser, **changes))
    assert answer.status_code == 302, sentence(read(answer))
    return Submission.objects.get(pk=int(answer.headers["Location"].rstrip("/").rsplit("/", 1)[1]))


def checked(browser: Client, **changes: str | None) -> Element:
    """Fill in the form, press Check, and return the page."""
    answer = browser.post(HOME, typed(browser, **changes | {"action": "check"}))
    assert answer.status_code == 200
    assert not Submission.objects.exists()
    return read(answer)


def test_the_fields_stand_in_the_order_of_the_guide(browser: Client) -> None:
    form = read(browser.get(HOME)).form(HOME)
    assert form.names == ["sender", "recipients", "text", "not_commercial", "when", "date", "time", "message_class"]
    labels = [element.text for element in form.element.all() if element.tag in ("label", "summary", "legend")]
    wanted = ["Sender", "Recipient", "Message", "This message is not commercial", "Advanced options"]
    assert [label.lstrip("0123456789 ") for label in labels if label.lstrip("0123456789 ") in wanted] == wanted
    buttons = {button.attributes.get("value"): button for button in form.element.all("button", name="action")}
    assert "Check" in buttons["check"].text
    assert "Send" in buttons["send"].text


def test_the_default_is_to_send_now_from_the_short_number_as_a_standard_commercial_message(
    account: Account, browser: Client
) -> None:
    factories.sender(account, "Aaa")
    form = read(browser.get(HOME)).form(HOME)
    fields = form.typed()
    assert Sender.objects.get(pk=fields["sender"]).is_pool
    (first, *_rest) = form.element.one("select", name="sender").all("option")
    assert first.text == "Short number that can be answered"
    assert fields["when"] == "now"
    assert fields["message_class"] == "standard"
    assert "not_commercial" not in fields
    assert "open" not in form.element.one(id="advanced").attributes


def test_only_enabled_senders_are_offered_grouped_by_whether_they_can_be_answered(
    account: Account, browser: Client
) -> None:
    for status in Sender.Status.values:
        factories.sender(account, f"Is {status}"[:11], status=status)
    factories.sender(account, "+33612000009", kind=Sender.Kind.VIRTUAL)
    groups = read(browser.get(HOME)).one("select", name="sender").all("optgroup")
    offered = {group.attributes["label"]: [option.text for option in group.all("option")] for group in groups}
    assert offered == {
        "Can be answered": ["Short number that can be answered", "+33612000009"],
        "Cannot be answered": ["Is enabled"],
    }


def test_sending_now_queues_a_message_and_holds_its_price(account: Account, browser: Client) -> None:
    made = send(browser, text="Bonjour")
    message = made.messages.get()
    assert (made.created_by, made.account, made.text) == (factories.owner(account), account, "Bonjour")
    assert (message.recipient, message.region, message.state) == ("+33612345678", "FR", Message.State.SCHEDULED)
    assert message.send_at == factories.NOON
    assert made.deferred_to is None
    assert factories.balances(account) == {"available": 99_000, "held": 1_000, "spent": 0}
    factories.assert_ledger_adds_up()


def test_sending_later_keeps_the_instant_of_the_accounts_clock() -> None:
    account = factories.account(name="Lagon", time_zone="Indian/Reunion")
    browser = browser_of(factories.owner(account))
    made = send(browser, when="later", date="2026-12-01", time="09:30", not_commercial="on")
    assert made.deferred_to == datetime(2026, 12, 1, 5, 30, tzinfo=UTC)
    assert made.time_zone == "Indian/Reunion"
    assert made.messages.get().send_at == made.deferred_to
    scheduled = sentence(read(browser.get(reverse("scheduled"))))
    assert "+33 6 12 34 56 78" in scheduled
    assert "09:30" in scheduled
    assert "+33 6 12 34 56 78" not in sentence(read(browser.get(reverse("sent"))))


def test_a_date_left_in_the_form_does_not_defer_a_message_sent_now(browser: Client) -> None:
    assert send(browser, when="now", date="2026-12-01", time="09:30").deferred_to is None


@pytest.mark.parametrize("message_class", ["standard", "flash", "sim"])
def test_the_type_of_sms_is_kept(browser: Client, message_class: str) -> None:
    assert send(browser, message_class=message_class).message_class == message_class


@pytest.mark.parametrize(("ticked", "commercial"), [("on", False), (None, True)])
def test_the_box_says_that_the_message_is_not_commercial(browser: Client, ticked: str | None, commercial: bool) -> None:
    assert send(browser, not_commercial=ticked).commercial is commercial


@pytest.mark.parametrize(
    ("kind", "ticked", "text"),
    [
        ("alphanumeric", None, "Bonjour\nSTOP:36111"),
        ("alphanumeric", "on", "Bonjour"),
        ("virtual", None, "Bonjour"),
        ("short", None, "Bonjour"),
    ],
)
def test_only_a_commercial_message_that_cannot_be_answered_gets_the_stop_clause(
    account: Account, browser: Client, kind: str, ticked: str | None, text: str
) -> None:
    value = "BoulMartin" if kind == "alphanumeric" else "+33612000009"
    chosen = factories.pool() if kind == "short" else factories.sender(account, value, kind=kind)
    made = send(browser, sender=str(chosen.pk), not_commercial=ticked)
    assert made.text == text
    assert made.body == "Bonjour"


def test_the_clause_counts_in_the_price(account: Account, browser: Client) -> None:
    name = factories.sender(account)
    assert send(browser, sender=str(name.pk), text="a" * 149).parts == 1
    assert send(browser, sender=str(name.pk), text="a" * 150).parts == 2


def test_a_line_break_of_the_browser_is_one_character(browser: Client) -> None:
    made = send(browser, text="Bonjour\r\nMartin")
    assert made.text == "Bonjour\nMartin"


def test_the_page_after_sending_says_to_how_many_and_at_what_price(account: Account, browser: Client) -> None:
    answer = browser.post(
        HOME, typed(browser, recipients="06 12 34 56 78, 06 12 34 56 79", text="a" * 161), follow=True
    )
    page = read(answer)
    (notice,) = page.all(role="status", **{"class": "notice notice--success"})
    assert "2 recipients" in notice.text
    said = sentence(page)
    for wanted in ("+33 6 12 34 56 78", "+33 6 12 34 56 79", "4", "96", "Waiting", "2 Waiting"):
        assert wanted in said
    # Only once: whoever comes back later has not just sent it.
    again = read(browser.get(answer.redirect_chain[-1][0]))
    assert again.all(role="status", **{"class": "notice notice--success"}) == []
    assert page.one(id="balance").text == "96 credits"


def test_several_recipients_get_a_message_each_and_duplicates_one(account: Account, browser: Client) -> None:
    numbers = "06 12 34 56 78\n+33612345679; 0033612345678 , +32 470 12 34 56"
    page = checked(browser, recipients=numbers)
    assert "1 number was there twice" in sentence(page)
    made = send(browser, recipients=numbers)
    assert sorted(made.messages.values_list("recipient", "region")) == [
        ("+32470123456", "BE"),
        ("+33612345678", "FR"),
        ("+33612345679", "FR"),
    ]
    assert made.recipients == 3
    assert factories.balances(account)["held"] == 3_000


def test_a_double_click_sends_once_and_leads_to_the_same_page(account: Account, browser: Client) -> None:
    fields = typed(browser)
    first, second = browser.post(HOME, fields), browser.post(HOME, fields)
    assert first.status_code == second.status_code == 302
    assert first.headers["Location"] == second.headers["Location"]
    assert Message.objects.count() == 1
    assert factories.balances(account) == {"available": 99_000, "held": 1_000, "spent": 0}
    factories.assert_ledger_adds_up()


def test_a_form_that_was_sent_asks_again_when_it_says_something_else(account: Account, browser: Client) -> None:
    fields = typed(browser)
    browser.post(HOME, fields)
    answer = browser.post(HOME, fields | {"text": "Bonsoir"})
    assert answer.status_code == 422
    page = read(answer)
    assert "already sent with another content" in page.one(id="errors").text
    assert Message.objects.count() == 1
    assert factories.balances(account)["available"] == 99_000
    # Pressing Send again on that page sends it.
    answer = browser.post(HOME, page.form(HOME).typed(action="send"))
    assert answer.status_code == 302, sentence(read(answer))
    assert sorted(Submission.objects.values_list("text", flat=True)) == ["Bonjour", "Bonsoir"]


def test_the_check_button_says_price_and_balance_and_sends_nothing(account: Account, browser: Client) -> None:
    page = checked(browser, recipients="06 12 34 56 78, 06 12 34 56 79", text="a" * 161)
    quote = page.one(id="quote").text
    for wanted in ("2 recipients", "4 SMS", "4 credits", "Leaves at once", "96"):
        assert wanted in quote
    assert factories.balances(account)["available"] == 100_000
    # And the form is as it was typed, ready to be sent.
    assert browser.post(HOME, page.form(HOME).typed(action="send")).status_code == 302


def test_a_text_that_nobody_sees_is_named_beside_a_wrong_number(browser: Client) -> None:
    page = read(browser.post(HOME, typed(browser, recipients="0112345678", text="\u200b\u2060 ")))
    assert "fixed line" in page.error("recipients")
    assert page.error("text") == "Write a message: it is empty or holds only spaces."


def test_the_preview_and_the_counter_are_there_while_a_number_is_to_be_corrected(browser: Client) -> None:
    answer = browser.post(HOME, typed(browser, recipients="0112345678", text="a" * 161, action="check"))
    assert answer.status_code == 422
    page = read(answer)
    assert page.error("recipients")
    assert page.one(**{"data-preview": ""}).text == "a" * 161
    assert len(page.one(**{"data-preview-parts": ""}).all("li")) == 2
    assert page.one(**{"data-counter-sms": ""}).text == "2 SMS for each recipient"
    assert "hidden" not in page.one(**{"data-counter": ""}).attributes


def test_without_javascript_the_preview_shows_the_text_and_its_parts_with_the_clause(
    account: Account, browser: Client
) -> None:
    name = factories.sender(account)
    page = checked(browser, sender=str(name.pk), text="a" * 160)
    preview = page.one(**{"data-preview": ""})
    assert preview.text == "a" * 160 + " STOP:36111"
    (clause,) = preview.all("mark")
    assert clause.text == "STOP:36111"
    parts = page.one(**{"data-preview-parts": ""}).all("li")
    assert [part.one("small").text for part in parts] == ["SMS 1 of 2", "SMS 2 of 2"]
    assert "".join(part.one("p").text for part in parts) == "a" * 160 + " STOP:36111"
    assert "hidden" not in page.one(**{"data-preview-toggle": ""}).attributes


def test_one_sms_is_one_bubble_and_there_is_nothing_to_take_apart(browser: Client) -> None:
    page = checked(browser, text="Œufs frais")
    assert page.one(**{"data-preview": ""}).text == "Œufs frais"
    assert [mark.text for mark in page.one(**{"data-preview": ""}).all("mark", **{"class": "mark-forced"})] == ["Œ"]
    assert page.one(**{"data-preview-parts": ""}).all("li") == []
    assert "hidden" in page.one(**{"data-preview-toggle": ""}).attributes


@time_machine.travel(datetime(2026, 11, 22, 11, tzinfo=UTC), tick=False)
def test_a_commercial_message_on_a_sunday_says_when_it_will_leave_and_why(browser: Client) -> None:
    quote = checked(browser).one(id="quote").text
    assert "Commercial messages do not leave on a Sunday." in quote
    assert "23 November at 08:00" in quote
    assert send(browser).messages.get().send_at == datetime(2026, 11, 23, 7, tzinfo=UTC)


def test_a_time_that_comes_twice_takes_the_first_and_says_so(browser: Client) -> None:
    when: dict[str, Any] = {"when": "later", "date": "2027-10-31", "time": "02:30", "not_commercial": "on"}
    assert "comes twice" in checked(browser, **when).one(id="quote").text
    assert send(browser, **when).deferred_to == datetime(2027, 10, 31, 0, 30, tzinfo=UTC)


def test_the_quote_fragment_is_a_piece_of_the_page_with_the_price(account: Account, browser: Client) -> None:
    fields = typed(browser, recipients="06 12 34 56 78", text="a" * 161)
    answer = browser.post(reverse("quote"), fields, headers={"hx-request": "true"})
    assert answer.status_code == 200
    assert "<html" not in answer.content.decode()
    said = read(answer).text
    assert "2 SMS" in said
    assert "98" in said
    assert not Submission.objects.exists()


def test_the_quote_fragment_does_not_complain_about_what_is_not_filled_in_yet(browser: Client) -> None:
    said = read(browser.post(reverse("quote"), typed(browser, recipients="", text=""))).text
    assert "Enter at least one" not in said
    assert "Write a message" not in said


def test_the_quote_fragment_says_what_is_wrong_with_a_number_and_what_is_missing(browser: Client) -> None:
    wrong = read(browser.post(reverse("quote"), typed(browser, recipients="01 42 68 53 00"))).text
    assert "This is a fixed line" in wrong
    dear = ", ".join(factories.mobile(number) for number in range(101))
    quote = read(browser.post(reverse("quote"), typed(browser, recipients=dear))).text
    assert "1 missing" in quote
    # What cannot be paid does not leave.
    assert "Leaves at once" not in quote


def test_the_balance_stands_on_the_page_and_follows(browser: Client) -> None:
    assert read(browser.get(HOME)).one(id="balance").text == "100 credits"
    send(browser)
    assert read(browser.get(HOME)).one(id="balance").text == "99 credits"


def test_answering_a_conversation_opens_the_page_with_the_number(account: Account, browser: Client) -> None:
    came = factories.received(account, number="+33698765432")
    page = read(browser.get(reverse("conversation", kwargs={"pk": came.pk})))
    (link,) = (a for a in page.one("main").all("a") if a.text.startswith("Answer"))
    form = read(browser.get(link.attributes["href"])).form(HOME)
    assert form.typed()["recipients"] == "+33698765432"
    assert form.element.attributes["data-draft"].endswith(":+33698765432")
    # Nor does the answer to a mistake bring the draft of another message.
    answer = browser.post(HOME, form.typed(action="send"))
    assert answer.status_code == 422
    form = read(answer).form(HOME)
    draft = form.element.attributes["data-draft"]
    assert draft.endswith(":+33698765432")
    page = read(browser.post(HOME, form.typed(action="send", text="Merci"), follow=True))
    (notice,) = (element for element in page.all(role="status") if "data-clear-draft" in element.attributes)
    assert notice.attributes["data-clear-draft"] == draft


def test_without_javascript_the_counter_comes_with_the_answer(account: Account, browser: Client) -> None:
    page = checked(browser, text="œuf \u202f" * 14)
    counter = page.one(**{"data-counter": ""})
    assert "hidden" not in counter.attributes
    assert counter.text == (
        "1 SMS for each recipient characters in the last SMS: 70 used, 0 left Special characters, 70 in one SMS"
    )
    forced = page.one(**{"data-forced": ""})
    assert [one.text for one in forced.all("span", **{"class": "forced-character"})] == [
        "œ × 14",
        "no-break space × 14",
    ]
    assert "hidden" in page.one(**{"data-preview-clause": ""}).attributes
    page = checked(browser, text="Bonjour", sender=str(factories.sender(account).pk))
    assert "18 used, 142 left" in page.one(**{"data-counter": ""}).text
    assert page.one(**{"data-preview-sender": ""}).text == "BoulMartin"
    assert "hidden" not in page.one(**{"data-preview-clause": ""}).attributes
    assert "hidden" in page.one(**{"data-forced": ""}).attributes


@pytest.mark.parametrize(
    ("recipients", "title"),
    [("01 42 68 53 00", "One thing needs your attention."), ("1, 2, 3", "3 things need your attention.")],
)
def test_the_title_of_the_errors_agrees_with_their_number(browser: Client, recipients: str, title: str) -> None:
    page = read(browser.post(HOME, typed(browser, recipients=recipients)))
    assert page.one(id="errors").one("strong").text.startswith(title)


def test_the_page_costs_the_database_as_little_as_any_page(account: Account, browser: Client) -> None:
    browser.get(HOME)
    with CaptureQueriesContext(connection) as caught:
        browser.get(HOME)
    # Session, person, memberships, the senders; balance and unread answers in the frame.
    assert len(caught) <= 6
    for number in range(30):
        factories.sender(account, f"Shop {number}")
    with CaptureQueriesContext(connection) as again:
        browser.get(HOME)
    assert len(again) == len(caught)


def test_a_double_click_leads_to_a_page_that_says_the_same(browser: Client) -> None:
    fields = typed(browser)
    said = []
    for _ in range(2):
        page = read(browser.post(HOME, fields, follow=True))
        (notice,) = page.all("div", role="status", **{"class": "notice notice--success"})
        said.append(notice.text)
    assert said[0] == said[1]
