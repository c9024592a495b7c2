"""A test of a message to the phone of who writes it: priced, at once, never commercial; the page stays as it was."""

from collections.abc import Iterator

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from compose.models import Submission
from credits.models import Account, Member
from senders.models import Sender
from tests import factories
from tests.pages import Element, browser_of, is_a_sentence, read, sentence

HOME = "/"
OWN = "+33698765432"
# Everything else than the default, so that what is lost shows.
WRITTEN = {
    "recipients": "06 12 34 56 78, 06 12 34 56 79",
    "text": "Portes ouvertes\r\nsamedi",
    "when": "later",
    "date": "2026-12-01",
    "time": "09:30",
    "message_class": "flash",
}


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
    give_number(account, OWN)
    return browser_of(factories.owner(account))


def give_number(account: Account, number: str) -> None:
    Member.objects.filter(account=account).update(mobile=number)


def fields(browser: Client, **changes: str | None) -> dict[str, str]:
    return read(browser.get(HOME)).form(HOME).typed(**WRITTEN | {"action": "test"} | changes)


def pressed(browser: Client, status: int = 200, **changes: str | None) -> Element:
    """Write the message, press the button, and return the page that comes back."""
    answer = browser.post(HOME, fields(browser, **changes))
    assert answer.status_code == status, sentence(read(answer))
    return read(answer)


def notice(page: Element) -> str:
    return " ".join(one.text for one in page.all("div", role="status", **{"class": "notice notice--success"}))


def test_a_test_goes_at_once_to_the_members_own_number_and_keeps_all_that_was_typed(
    account: Account, browser: Client
) -> None:
    name = factories.sender(account)
    page = pressed(browser, sender=str(name.pk))
    made = Submission.objects.get()
    message = made.messages.get()
    assert (message.recipient, message.send_at, message.price) == (OWN, factories.NOON, 1_000)
    assert (made.sender, made.text, made.message_class) == (name, "Portes ouvertes\nsamedi", "flash")
    assert (made.commercial, made.deferred_to) == (False, None)
    assert factories.balances(account) == factories.HELD
    said = notice(page)
    for wanted in ("A test was sent to +33 6 98 76 54 32: 1 SMS.", "It cost 1 credit.", "no STOP clause"):
        assert wanted in said
    (link,) = (a for a in page.one("main").all("a") if a.text == "Follow the test")
    assert link.attributes["href"] == reverse("submission", kwargs={"pk": made.pk})
    kept = page.form(HOME).typed()
    for field, value in WRITTEN.items():
        assert kept[field].split() == value.split()
    assert "not_commercial" not in kept
    assert page.all(id="errors") == []
    factories.assert_ledger_adds_up()


def test_a_test_of_a_commercial_message_on_a_sunday_leaves_at_once() -> None:
    with time_machine.travel("2026-11-22T11:00:00Z", tick=False):
        account = factories.account()
        give_number(account, OWN)
        pressed(browser_of(factories.owner(account)), when="now", date="", time="")
        message = Submission.objects.get().messages.get()
        assert message.send_at == message.submission.created_at
        assert message.postponed_by == ""


@pytest.mark.parametrize("recipients", ["", "06 12", "01 42 68 53 00"])
def test_the_recipients_and_the_moment_need_not_be_right_for_a_test(browser: Client, recipients: str) -> None:
    page = pressed(browser, recipients=recipients, date="2020-01-01")
    assert "A test was sent" in notice(page)
    assert page.all(id="errors") == []
    assert page.form(HOME).typed()["recipients"] == recipients


def test_a_double_click_sends_one_test(account: Account, browser: Client) -> None:
    sent = fields(browser)
    first, second = browser.post(HOME, sent), browser.post(HOME, sent)
    assert notice(read(first)) == notice(read(second))
    assert Submission.objects.count() == 1
    assert factories.balances(account) == factories.HELD


def test_the_same_test_may_be_sent_again_on_purpose(browser: Client) -> None:
    page = pressed(browser)
    assert browser.post(HOME, page.form(HOME).typed(action="test")).status_code == 200
    assert Submission.objects.count() == 2


def test_another_text_from_the_same_page_is_another_test(browser: Client) -> None:
    sent = fields(browser)
    browser.post(HOME, sent)
    browser.post(HOME, sent | {"text": "Autre"})
    assert sorted(Submission.objects.values_list("text", flat=True)) == ["Autre", "Portes ouvertes\nsamedi"]


def test_the_message_itself_can_be_sent_after_its_test(browser: Client) -> None:
    page = pressed(browser)
    answer = browser.post(HOME, page.form(HOME).typed(action="send"))
    assert answer.status_code == 302
    assert [made.recipients for made in Submission.objects.order_by("pk")] == [1, 2]


def test_even_the_page_of_before_the_test_can_still_be_sent(browser: Client) -> None:
    sent = fields(browser)
    browser.post(HOME, sent)
    assert browser.post(HOME, sent | {"action": "send"}).status_code == 302
    assert Submission.objects.count() == 2


def test_without_a_number_the_answer_says_why_and_leads_to_where_it_is_given(account: Account) -> None:
    browser = browser_of(factories.owner(account))
    page = pressed(browser, 422)
    (said,) = page.one("main").all("div", role="alert")
    assert is_a_sentence(said.one("p").text.removesuffix("Give my mobile number").strip())
    assert said.one("a").attributes["href"] == reverse("profile")
    assert page.form(HOME).typed()["text"].split() == WRITTEN["text"].split()
    assert not Submission.objects.exists()
    assert factories.balances(account) == factories.FULL
    assert "give your mobile number first" in read(browser.get(HOME)).one(id="test-note").text


def test_a_test_costs_what_the_own_number_costs_and_the_page_says_so_before(account: Account) -> None:
    factories.rate("IN", 400)
    give_number(account, "+919812345678")
    browser = browser_of(factories.owner(account))
    checked = read(browser.post(HOME, fields(browser, action="check", text="a" * 161, when="now")))
    assert "It costs 0.8 credits." in checked.one(id="test-note").text
    quoted = read(browser.post(reverse("quote"), fields(browser, recipients="", text="a" * 161)))
    assert "It costs 0.8 credits." in quoted.one(id="test-note").text
    assert "It cost 0.8 credits." in notice(pressed(browser, text="a" * 161))
    assert factories.balances(account)["held"] == 800


def test_too_little_credit_for_a_test_says_how_many_are_missing() -> None:
    poor = factories.account(millis=500)
    give_number(poor, OWN)
    page = pressed(browser_of(factories.owner(poor)), 422)
    assert "not enough credit for a test: 0.5 credits are missing" in page.one(id="errors").text
    assert page.form(HOME).typed()["text"].split() == WRITTEN["text"].split()
    assert not Submission.objects.exists()
    assert factories.balances(poor) == {"available": 500, "held": 0, "spent": 0}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"text": " "}, "text"),
        ({"text": "a" * 2000}, "text"),
        ({"text": "a\0"}, "text"),
        ({"sender": "0"}, "sender"),
        ({"message_class": "holographic"}, "message_class"),
    ],
)
def test_what_is_wrong_with_the_message_itself_stops_its_test_beside_the_field(
    browser: Client, changes: dict[str, str], field: str
) -> None:
    page = pressed(browser, 422, recipients="01 42 68 53 00", **changes)
    assert is_a_sentence(page.error(field))
    # Not about what a test does not use.
    assert page.error("recipients") == page.error("date") == ""
    assert not Submission.objects.exists()


def test_a_sender_disabled_since_the_page_was_opened_sends_no_test(account: Account, browser: Client) -> None:
    name = factories.sender(account)
    sent = fields(browser, sender=str(name.pk))
    Sender.objects.filter(pk=name.pk).update(status=Sender.Status.DISABLED)
    answer = browser.post(HOME, sent)
    assert answer.status_code == 422
    assert is_a_sentence(read(answer).error("sender"))


def test_a_reader_sends_no_test(account: Account) -> None:
    browser = browser_of(factories.member(account, Member.Role.READER).user)
    assert browser.post(HOME, {"action": "test", "text": "Bonjour"}).status_code == 403
    # Nor is a number asked of one who cannot.
    assert read(browser.get(HOME)).one(id="test-note").text == ""


def test_a_key_that_another_message_has_used_is_answered_with_a_sentence(account: Account, browser: Client) -> None:
    sent = fields(browser)
    browser.post(HOME, sent)
    # Only somebody who forges one meets it: the key of a test follows from the form's.
    Submission.objects.update(fingerprint="of another message")
    answer = browser.post(HOME, sent)
    assert answer.status_code == 422
    assert "already sent with another content" in sentence(read(answer))
    assert Submission.objects.count() == 1
    again = browser.post(HOME, read(answer).form(HOME).typed(action="test"))
    assert "A test was sent" in notice(read(again))
