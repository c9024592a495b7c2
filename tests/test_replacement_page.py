"""The special characters of a text on the compose page: named, replaced in one click, and brought back."""

from collections.abc import Iterator

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from compose.models import Submission
from credits.models import Account
from tests import factories
from tests.pages import Element, browser_of, read, sentence

HOME = "/"
# 76 characters that the alphabet has, and four that it has not: two SMS, or one once they are replaced.
TYPED = "L’« œuvre » " + "a" * 68
PLAIN = 'L\'" oeuvre " ' + "a" * 68


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


def press(browser: Client, page: Element, action: str, status: int = 200, **changes: str | None) -> Element:
    """Press one of the buttons of the page's form."""
    answer = browser.post(HOME, page.form(HOME).typed(action=action, **changes))
    assert answer.status_code == status, sentence(read(answer))
    return read(answer)


def start(browser: Client, **changes: str | None) -> dict[str, str]:
    form = read(browser.get(HOME)).form(HOME)
    return form.typed(**{"recipients": "06 12 34 56 78, 06 12 34 56 79", "text": TYPED} | changes)


def opened(browser: Client, action: str = "check", status: int = 200, **changes: str | None) -> Element:
    answer = browser.post(HOME, start(browser, **changes) | {"action": action})
    assert answer.status_code == status, sentence(read(answer))
    return read(answer)


def button(page: Element, action: str) -> Element | None:
    """The button with this action, unless it is hidden."""
    (found,) = page.form(HOME).element.all("button", name="action", value=action)
    return None if "hidden" in found.attributes else found


def named(page: Element) -> list[str]:
    return [one.text for one in page.one(**{"data-forced": ""}).all("span", **{"class": "forced-character"})]


def test_the_characters_are_named_and_the_saving_is_said_in_sms_and_in_credits(browser: Client) -> None:
    page = opened(browser)
    assert named(page) == ["’", "«", "œ", "»"]
    proposal = button(page, "replace")
    assert proposal is not None
    # One SMS less for each of two recipients, at one credit.
    assert proposal.text == "Replace them: 2 SMS become 1, 2 credits less"
    assert page.form(HOME).typed()["text"] == TYPED


def test_a_saving_of_one_credit_is_one_credit(browser: Client) -> None:
    proposal = button(opened(browser, recipients="06 12 34 56 78"), "replace")
    assert proposal is not None
    assert proposal.text.endswith("1 credit less")


def test_without_javascript_a_button_replaces_and_another_one_takes_it_back(browser: Client) -> None:
    page = press(browser, opened(browser), "replace")
    fields = page.form(HOME).typed()
    assert fields["text"] == PLAIN
    assert fields["recipients"] == "06 12 34 56 78, 06 12 34 56 79"
    assert button(page, "replace") is None
    assert "2 credits" in page.one(id="quote").text
    page = press(browser, page, "restore")
    assert page.form(HOME).typed()["text"] == TYPED
    assert button(page, "restore") is None
    assert button(page, "replace") is not None
    assert not Submission.objects.exists()


def test_the_way_back_survives_other_buttons_until_the_text_is_changed(browser: Client) -> None:
    page = press(browser, press(browser, opened(browser), "replace"), "check")
    assert button(page, "restore") is not None
    changed = press(browser, page, "restore", text=PLAIN + "!")
    assert changed.form(HOME).typed()["text"] == PLAIN + "!"
    assert "it is left as you wrote it" in changed.error("text")
    assert button(changed, "restore") is None


def test_replacing_complains_about_nothing_that_is_not_filled_in_yet(browser: Client) -> None:
    page = opened(browser, action="replace", recipients="", when="later", date="2020-01-01", time="")
    assert page.form(HOME).typed()["text"] == PLAIN
    assert page.all(id="errors") == []
    assert page.form(HOME).typed()["date"] == "2020-01-01"


def test_the_request_key_stays_so_that_what_follows_is_still_one_form(browser: Client) -> None:
    fields = start(browser)
    page = read(browser.post(HOME, fields | {"action": "replace"}))
    assert page.form(HOME).typed()["request_key"] == fields["request_key"]
    press(browser, page, "send", 302)
    assert Submission.objects.get().text == PLAIN


def test_a_message_too_long_for_the_account_may_fit_once_it_is_replaced(browser: Client) -> None:
    text = "’" + "a" * 1000
    page = opened(browser, "send", 422, text=text)
    assert "The message is too long" in page.error("text")
    proposal = button(page, "replace")
    assert proposal is not None
    assert proposal.text == "Replace them: 15 SMS become 7"
    press(browser, press(browser, page, "replace"), "send", 302)
    assert Submission.objects.get().parts == 7


# Three points for each … make two SMS of one.
LONGER = "…" * 70


@pytest.mark.parametrize("text", ["Bonjour", "Bonjour 😀", "中文", "Bonjour 😀 ’", LONGER])
def test_nothing_is_offered_that_would_save_nothing(browser: Client, text: str) -> None:
    assert button(opened(browser, text=text), "replace") is None


def test_nothing_is_replaced_without_a_click(browser: Client) -> None:
    assert browser.post(HOME, start(browser, action="send")).status_code == 302
    sent = Submission.objects.get()
    assert (sent.text, sent.encoding, sent.parts) == (TYPED, "ucs2", 2)


def test_a_megabyte_of_special_characters_is_looked_at_no_further(browser: Client) -> None:
    page = opened(browser, "replace", 422, text="’" * 300_000)
    assert page.form(HOME).typed()["text"] == "’" * 300_000
    assert "too long" in page.error("text")


@pytest.mark.parametrize("before", ["\0", "é" * 200_000, "<script>", "Bonjour"])
def test_a_forged_former_text_brings_nothing_back(browser: Client, before: str) -> None:
    page = opened(browser, "restore", text="Bonjour", text_before=before)
    assert page.form(HOME).typed()["text"] == "Bonjour"
    assert opened(browser, "check", text="Bonjour", text_before=before).form(HOME).typed()["text_before"] == ""


def test_a_former_text_longer_than_any_message_is_looked_at_no_further(browser: Client) -> None:
    page = opened(browser, "restore", text="'" * 50_000, text_before="’" * 50_000)
    assert page.form(HOME).typed()["text"] == "'" * 50_000


@pytest.fixture
def always(account: Account) -> Account:
    account.always_replace = True
    account.save()
    return account


def test_with_the_accounts_setting_the_text_is_replaced_when_it_is_sent(always: Account, browser: Client) -> None:
    page = opened(browser)
    assert "Replaced when it is sent" in page.one(**{"data-forced": ""}).text
    assert named(page) == ["’ → '", '« → "', "œ → oe", '» → "']
    assert page.one(**{"data-preview": ""}).text == PLAIN
    assert button(page, "replace") is None
    # What was typed stays as it was typed.
    assert page.form(HOME).typed()["text"] == TYPED
    press(browser, page, "send", 302)
    sent = Submission.objects.get()
    assert (sent.body, sent.text, sent.encoding, sent.parts) == (PLAIN, PLAIN, "gsm7", 1)


def test_with_the_accounts_setting_a_text_that_would_stay_as_long_is_left_alone(
    always: Account, browser: Client
) -> None:
    page = opened(browser, text="« 中 »")
    assert "Replaced when it is sent" not in page.one(**{"data-forced": ""}).text
    assert named(page) == ["«", "中", "»"]
    assert button(page, "replace") is None
    press(browser, page, "send", 302)
    assert Submission.objects.get().text == "« 中 »"


def test_with_the_accounts_setting_a_text_that_would_become_longer_is_left_alone(
    always: Account, browser: Client
) -> None:
    assert browser.post(HOME, start(browser, action="send", text=LONGER)).status_code == 302
    sent = Submission.objects.get()
    assert (sent.text, sent.parts) == (LONGER, 1)


def test_with_the_accounts_setting_the_text_is_replaced_where_that_saves_an_sms_though_a_character_stays(
    always: Account, browser: Client
) -> None:
    # 71 characters become 70.
    assert browser.post(HOME, start(browser, action="send", text="e\u0301" + "中" * 69)).status_code == 302
    sent = Submission.objects.get()
    assert (sent.text, sent.encoding, sent.parts) == ("é" + "中" * 69, "ucs2", 1)


@pytest.mark.parametrize(("commercial", "body"), [(True, "é" + "中" * 58), (False, "e\u0301" + "中" * 58)])
def test_with_the_accounts_setting_the_clause_counts_in_what_is_saved(
    always: Account, browser: Client, commercial: bool, body: str
) -> None:
    # 60 characters become 59: with the 11 of the clause that is one SMS instead of two, without it one anyway.
    name = factories.sender(always)
    typed = {"text": "e\u0301" + "中" * 58, "sender": str(name.pk), "not_commercial": None if commercial else "on"}
    assert browser.post(HOME, start(browser, action="send", **typed)).status_code == 302
    sent = Submission.objects.get()
    assert (sent.body, sent.parts) == (body, 1)


def test_with_the_accounts_setting_a_text_of_nothing_but_invisible_characters_is_empty(
    always: Account, browser: Client
) -> None:
    assert "Write a message" in opened(browser, "send", 422, text="\u200b\u00ad").error("text")


def test_an_owner_turns_the_setting_on_and_off(account: Account, browser: Client) -> None:
    address = reverse("account_settings")
    page = read(browser.get(HOME))
    assert [link.text for link in page.all("a", href=address)] == ["Settings of the account"]
    page = read(browser.get(address))
    for fact in ("Boulangerie Martin", "France", "Paris", "8 SMS"):
        assert fact in sentence(page)
    answer = browser.post(address, page.form(address).typed(always_replace="on"), follow=True)
    assert "The settings of the account are kept." in sentence(read(answer))
    account.refresh_from_db()
    assert account.always_replace
    fields = read(browser.get(address)).form(address).typed()
    assert fields["always_replace"] == "on"
    browser.post(address, {name: value for name, value in fields.items() if name != "always_replace"})
    account.refresh_from_db()
    assert not account.always_replace


def test_who_does_not_manage_the_account_is_offered_no_settings(account: Account) -> None:
    browser = browser_of(factories.member(account).user)
    assert read(browser.get(HOME)).all("a", href=reverse("account_settings")) == []
