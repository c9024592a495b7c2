"""What people type wrongly on the compose page: a sentence beside the field, nothing lost, nothing charged."""

from collections.abc import Iterator

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from compose import optouts
from compose.models import OptOut, Submission
from credits.models import Account, Transfer
from senders import services as sender_services
from senders.models import Sender
from tests import factories
from tests.pages import Element, browser_of, is_a_sentence, read, sentence

HOME = "/"
# Everything else than the default, so that what is lost shows.
DRAFT = {
    "recipients": "06 12 34 56 78, +32 470 12 34 56",
    "text": "Votre commande n° 214\r\nest prête <b>&amp;",
    "not_commercial": "on",
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
    return browser_of(factories.owner(account))


def refused(browser: Client, **changes: str | None) -> Element:
    """Send the draft with these changes; the page that comes back has lost and sent nothing."""
    fields = read(browser.get(HOME)).form(HOME).typed(**(DRAFT | {"action": "send"} | changes))
    before = Transfer.objects.count()
    answer = browser.post(HOME, fields)
    assert answer.status_code == 422
    assert not Submission.objects.exists()
    assert Transfer.objects.count() == before
    page = read(answer)
    kept = page.form(HOME).typed()
    for name in ("recipients", "text", "date", "time"):
        if name in fields:
            assert kept[name].split() == fields[name].split(), f"{name} is lost"
    assert kept.get("not_commercial") == fields.get("not_commercial")
    for name in ("when", "message_class"):
        if fields.get(name) in ("now", "later", "standard", "flash", "sim"):
            assert kept[name] == fields[name], f"{name} is lost"
    return page


@pytest.mark.parametrize(
    ("recipients", "said"),
    [
        ("", "Enter at least one mobile number."),
        ("  \n ", "Type at least one number."),
        ("bonjour", "This is not a telephone number."),
        ("+33", "The country code is there but the number is missing."),
        ("06 12 34", "too few digits"),
        ("06 12 34 56 78 90 12", "too many digits"),
        ("+999 123456789", "No country has this country code."),
        ("01 42 68 53 00", "This is a fixed line, which receives no SMS."),
        ("0899 70 10 00", "premium-rate"),
        ("36111", "A short number cannot receive your SMS."),
        ("06 12 34 56 78, 01 42 68 53 00", "01 42 68 53 00"),
        ('\', "1" OR 1=1 --', "This is not a telephone number."),
        ("+33612345678\u0000", "Null characters are not allowed."),
    ],
)
def test_a_number_that_cannot_receive_is_named_with_the_reason(browser: Client, recipients: str, said: str) -> None:
    fields = read(browser.get(HOME)).form(HOME).typed(recipients=recipients, text="Bonjour", action="send")
    answer = browser.post(HOME, fields)
    assert answer.status_code == 422
    assert said in read(answer).error("recipients")
    assert not Submission.objects.exists()


def test_one_wrong_number_among_many_stops_the_whole_and_is_shown_as_typed(browser: Client) -> None:
    error = refused(browser, recipients="06 12 34 56 78, 06 12, 06 98 76 54 32").error("recipients")
    assert "06 12" in error
    assert "06 98" not in error


def test_hundreds_of_wrong_numbers_are_counted_rather_than_listed(browser: Client) -> None:
    error = refused(browser, recipients=", ".join(["06 12"] * 300)).error("recipients")
    assert "and 280 more wrong numbers." in error


@pytest.mark.parametrize("text", ["", " ", " \r\n\t ", "\u00a0\u2003"])
def test_a_text_of_spaces_is_no_message(browser: Client, text: str) -> None:
    assert "Write a message" in refused(browser, text=text).error("text")


def test_a_text_longer_than_the_account_allows_says_how_many_sms_it_may_have(browser: Client) -> None:
    assert "at most 8 SMS" in refused(browser, text="a" * (153 * 8 + 1)).error("text")


def test_a_megabyte_of_text_is_answered_with_a_sentence_and_kept(browser: Client) -> None:
    page = refused(browser, text="é€" * 350_000)
    assert "The message is too long" in page.error("text")


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"date": "2026-11-24", "time": "11:59"}, "date", "past"),
        ({"date": "2020-01-01", "time": "10:00"}, "date", "past"),
        ({"date": "9999-12-31", "time": "10:00"}, "date", "too far away"),
        ({"date": "2028-01-01", "time": "10:00"}, "date", "more than a year ahead"),
        ({"date": "0001-01-01", "time": "00:00"}, "date", "too far away"),
        ({"date": "2027-02-30", "time": "10:00"}, "date", "This is not a date."),
        ({"date": "tomorrow", "time": "10:00"}, "date", "This is not a date."),
        ({"date": "2026-12-01", "time": "25:00"}, "time", "This is not a time."),
        ({"date": "2027-03-28", "time": "02:30"}, "time", "This time does not exist on that day"),
        ({"date": "2026-12-01", "time": ""}, "time", "Choose the date and the time"),
        ({"date": "", "time": "10:00"}, "date", "Choose the date and the time"),
        ({"date": "", "time": ""}, "date", "Choose the date and the time"),
        ({"date": None, "time": None}, "time", "Choose the date and the time"),
        ({"date": "2026-12-01\0", "time": "10:00"}, "date", "This is not a date."),
    ],
)
def test_a_moment_that_cannot_be_is_refused_beside_its_field(
    browser: Client, changes: dict[str, str | None], field: str, said: str
) -> None:
    page = refused(browser, **changes)
    errors = page.error(field) or page.error("time")
    assert said in errors
    assert is_a_sentence(errors)
    # The fold opens, or nobody would see it.
    assert "open" in page.one(id="advanced").attributes


def test_the_present_moment_is_past_and_a_minute_later_is_not(browser: Client) -> None:
    assert "past" in refused(browser, date="2026-11-24", time="12:00").one(id="errors").text
    fields = read(browser.get(HOME)).form(HOME).typed(**DRAFT | {"time": "12:01", "date": "2026-11-24"})
    assert browser.post(HOME, fields).status_code == 302


@pytest.mark.parametrize("status", ["waiting", "disabled", "refused"])
def test_a_sender_that_is_not_enabled_is_refused(account: Account, browser: Client, status: str) -> None:
    chosen = factories.sender(account, "Fournil", status=status)
    assert "This sender is not available in your account." in refused(browser, sender=str(chosen.pk)).error("sender")


def test_a_sender_of_another_account_is_refused_without_saying_that_it_exists(browser: Client) -> None:
    theirs = factories.sender(factories.account(name="Clinique du Parc"), "Clinique")
    page = refused(browser, sender=str(theirs.pk))
    assert "This sender is not available in your account." in page.error("sender")
    assert "Clinique" not in page.text


def test_a_sender_deleted_while_the_page_was_open_is_refused(account: Account, browser: Client) -> None:
    chosen = factories.sender(account)
    sender_services.delete(chosen, by=None)
    assert "not available" in refused(browser, sender=str(chosen.pk)).error("sender")


@pytest.mark.parametrize("sender", ["", "0", "-1", "BoulMartin", "1 OR 1=1", "9" * 400, "\0", None])
def test_a_sender_that_is_nonsense_is_refused(browser: Client, sender: str | None) -> None:
    assert is_a_sentence(refused(browser, sender=sender).error("sender"))


def test_an_account_without_any_sender_is_told_so(account: Account, browser: Client) -> None:
    Sender.objects.filter(account=None).update(status=Sender.Status.DISABLED)
    assert is_a_sentence(refused(browser).error("sender"))


def test_too_little_credit_says_how_many_are_missing_and_stores_nothing() -> None:
    account = factories.account(millis=1_500)
    page = refused(browser_of(factories.owner(account)))
    assert "There is not enough credit" in page.one(id="errors").text
    # Two recipients, one SMS each, at one credit.
    assert "0.5 missing" in page.one(id="quote").text
    assert factories.balances(account) == {"available": 1_500, "held": 0, "spent": 0}


def test_the_last_credit_can_be_spent(account: Account) -> None:
    poor = factories.account(millis=1_000)
    browser = browser_of(factories.owner(poor))
    fields = read(browser.get(HOME)).form(HOME).typed(recipients="06 12 34 56 78", text="Bonjour", action="send")
    assert browser.post(HOME, fields).status_code == 302
    assert factories.balances(poor) == {"available": 0, "held": 1_000, "spent": 0}


def test_ten_thousand_recipients_are_sent_in_one_go() -> None:
    account = factories.account(millis=10_000_000)
    browser = browser_of(factories.owner(account))
    numbers = "\n".join(factories.mobile(number) for number in range(10_000))
    fields = read(browser.get(HOME)).form(HOME).typed(recipients=numbers, text="Bonjour", action="send")
    answer = browser.post(HOME, fields)
    assert answer.status_code == 302
    assert Submission.objects.get().messages.count() == 10_000
    assert "10000 recipients" in sentence(read(browser.get(answer.headers["Location"]))).replace(",", "")
    assert factories.balances(account) == {"available": 0, "held": 10_000_000, "spent": 0}


def test_more_than_a_hundred_thousand_recipients_are_refused_with_a_sentence(browser: Client) -> None:
    page = refused(browser, recipients="0612345678\n" * 100_001)
    assert "More than 100,000 numbers" in page.error("recipients")


def test_scripts_in_every_field_come_back_as_text(account: Account, browser: Client) -> None:
    script = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>"
    fields = dict.fromkeys([*DRAFT, "sender", "request_key", "not_commercial", "action"], script)
    requests = [(HOME, script), (reverse("quote"), script)]
    requests += [(HOME, action) for action in ("check", "replace", "restore", "test", "send")]
    for address, action in requests:
        answer = browser.post(address, fields | {"action": action, "text_before": script, "to": script})
        assert answer.status_code in (200, 422)
        page = read(answer)
        assert [s for s in page.all("script") if "alert" in s.text] == []
        assert page.all("img", src="x") == []
        assert page.all(onerror="alert(2)") == []
    # And what was sent, wherever it is shown afterwards.
    sent = factories.message(account, body=script)
    for name, kwargs in [("sent", {}), ("message", {"pk": sent.pk}), ("submission", {"pk": sent.submission_id})]:
        page = read(browser.get(reverse(name, kwargs=kwargs)))
        assert page.all("img", src="x") == []
        assert "alert(1)" in sentence(page)


def test_all_recipients_on_the_stop_list_leave_nobody_and_the_page_says_so(account: Account, browser: Client) -> None:
    optouts.opt_out(account, ["+33612345678", "+32470123456"], source=OptOut.Source.MANUAL)
    assert is_a_sentence(refused(browser, not_commercial=None).error("recipients"))


def test_a_sender_that_does_not_reach_a_country_is_refused_and_the_country_named(
    account: Account, browser: Client
) -> None:
    name = factories.sender(account)
    error = refused(browser, sender=str(name.pk), recipients="+1 201 555 0123").error("sender")
    assert "United States" in error
    assert is_a_sentence(error)


@pytest.mark.parametrize("recipients", ["+33", "+", "00", "+33 6", "(0)", "06/12", "tel:+33612345678;ext=2"])
def test_the_beginning_of_a_number_is_no_number(browser: Client, recipients: str) -> None:
    assert refused(browser, recipients=recipients).error("recipients")


@pytest.mark.parametrize("text", ["\u200b\u200b", "\u00ad", "\ufeff \n"])
def test_a_text_that_shows_nothing_is_no_message(browser: Client, text: str) -> None:
    assert is_a_sentence(refused(browser, text=text).error("text"))


@pytest.mark.parametrize("action", ["check", "replace", "restore", "test"])
def test_a_megabyte_in_every_field_is_answered_whatever_the_button(browser: Client, action: str) -> None:
    fields = read(browser.get(HOME)).form(HOME).typed(**DRAFT | {"action": action})
    long = "’x" * 120_000
    for name in ("text", "recipients", "date", "time", "when", "message_class", "sender", "text_before", "to"):
        answer = browser.post(HOME, fields | {name: long})
        assert answer.status_code in (200, 422), name
    assert not Submission.objects.exclude(text="Votre commande n° 214\nest prête <b>&amp;").exists()


@pytest.mark.parametrize("action", ["", "SEND", "delete", "\0", "send,test", "x" * 10_000])
def test_a_button_that_the_page_does_not_have_sends_nothing(browser: Client, action: str) -> None:
    fields = read(browser.get(HOME)).form(HOME).typed(**DRAFT | {"action": action})
    assert browser.post(HOME, fields).status_code == 200
    assert not Submission.objects.exists()
