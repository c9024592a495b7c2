"""The compose page in a real browser: what is written is counted, shown, priced, tested, sent, and never lost."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils.translation import gettext, override
from playwright.sync_api import Browser, Page, expect

from smsmanager.demo import PASSWORD
from tests.browser.installation import WORDS, balance, sign_in, type_recipients
from tests.browser.test_look import SIZES, open_context, too_wide, violations
from tests.fixtures.instances import Running

pytestmark = [pytest.mark.browser, pytest.mark.processes]

PARIS = ZoneInfo("Europe/Paris")
LANGUAGES = pytest.mark.parametrize("locale", list(WORDS))
# Four characters that the alphabet lacks: two SMS, or one once they are replaced.
TYPED = "L’« œuvre » " + "a" * 68
PLAIN = 'L\'" oeuvre " ' + "a" * 68


def in_words(locale: str, sentence: str) -> str:
    """The sentence in the language of the page."""
    with override(locale[:2]):
        return gettext(sentence)


def credits_of(text: str) -> float:
    return float(text.replace("\u202f", "").replace("\xa0", "").replace(",", "."))


def fill_in(page: Page, numbers: str, text: str) -> None:
    type_recipients(page, numbers)
    page.locator("[name=text]").fill(text)


def always_replace(page: Page, running: Running, wanted: bool) -> None:
    """Set that the account always replaces special characters, or not, and go to the compose page."""
    page.goto(f"{running.url}/account/settings/")
    page.locator("[name=always_replace]").set_checked(wanted)
    page.locator("main button[type=submit]").click()
    expect(page.locator(".notice--success")).to_be_visible()
    page.goto(f"{running.url}/")


def forgive(page_errors: list[str], *statuses: str) -> None:
    """The browser notes an answer with one of these statuses as an error: those are meant."""
    assert all(any(status in error for status in statuses) for error in page_errors), page_errors
    page_errors.clear()


@contextmanager
def without_script(browser: Browser, locale: str) -> Iterator[Page]:
    context = browser.new_context(locale=locale, java_script_enabled=False, timezone_id="Europe/Paris")
    yield context.new_page()
    context.close()


# The counter and the preview


@LANGUAGES
def test_the_counter_follows_each_key_and_is_read_out_only_when_the_writing_rests(
    page: Page, running: Running, locale: str
) -> None:
    sign_in(page, running)
    text, sms, left = (
        page.locator("[name=text]"),
        page.locator("[data-counter-sms]"),
        page.locator("[data-counter-left]"),
    )
    said = page.locator("[data-live-counter]")
    expect(page.locator("[data-counter]")).to_be_hidden()
    for typed, count, rest in (("a" * 160, 1, 0), ("a" * 161, 2, 145), ("€" * 81, 2, 143), ("中" * 71, 2, 63)):
        text.fill(typed)
        expect(sms).to_contain_text(f"{count} SMS")
        expect(left).to_contain_text(re.compile(rf"\b{rest}\b"))
    expect(said).to_contain_text("2 SMS")
    page.evaluate(
        """() => {
            window.spoken = 0;
            new MutationObserver(() => { window.spoken += 1; })
                .observe(document.querySelector("[data-live-counter]"), { childList: true });
        }"""
    )
    text.fill("")
    text.press_sequentially("Bonjour, votre commande vous attend.", delay=5)
    expect(said).to_contain_text("124")
    assert page.evaluate("window.spoken") == 1


def test_back_from_the_page_after_sending_counts_and_shows_what_the_browser_brings_back(
    page: Page, running: Running
) -> None:
    sign_in(page, running)
    fill_in(page, "06 12 77 01 41", "Bonjour de retour")
    page.locator("[name=not_commercial]").check()
    page.locator("button[value=send]").click()
    page.wait_for_url("**/sent/submission/*/")
    page.go_back()
    page.wait_for_url(f"{running.url}/")
    expect(page.locator("[name=text]")).to_have_value("Bonjour de retour")
    expect(page.locator("[data-counter]")).to_be_visible()
    expect(page.locator("[data-counter-sms]")).to_contain_text("1 SMS")
    expect(page.locator("[data-preview]")).to_contain_text("Bonjour de retour")
    expect(page.locator("[data-preview-empty]")).to_be_hidden()


def test_a_message_longer_than_the_account_allows_is_said_while_it_is_written(page: Page, running: Running) -> None:
    sign_in(page, running)
    page.locator("[name=text]").fill("a" * (153 * 8))
    expect(page.locator("[data-too-long]")).to_be_hidden()
    page.locator("[name=text]").press_sequentially("a")
    expect(page.locator("[data-too-long]")).to_be_visible()
    expect(page.locator("[data-too-long]")).to_contain_text("8 SMS")


@LANGUAGES
def test_the_phone_shows_the_whole_text_and_each_sms_on_demand(page: Page, running: Running, locale: str) -> None:
    sign_in(page, running)
    whole, parts = page.locator("[data-preview]"), page.locator("[data-preview-parts] li")
    toggle = page.get_by_label(in_words(locale, "Show the SMS one by one"))
    page.locator("[name=text]").fill("Bonjour")
    expect(whole).to_have_text("Bonjour")
    expect(toggle).to_be_hidden()
    page.locator("[name=sender]").select_option(label="BoulMartin")
    page.locator("[name=text]").fill("a" * 150)
    expect(whole).to_have_text("a" * 150 + " STOP:36111")
    expect(whole.locator("mark")).to_have_text("STOP:36111")
    toggle.check()
    expect(whole).to_be_hidden()
    expect(parts).to_have_count(2)
    expect(parts.first.locator("p")).to_have_text("a" * 150 + " ST")
    expect(parts.last.locator("mark")).to_have_text("OP:36111")
    toggle.uncheck()
    expect(whole).to_be_visible()
    page.locator("[name=not_commercial]").check()
    expect(whole).to_have_text("a" * 150)
    expect(toggle).to_be_hidden()


# Special characters


@LANGUAGES
def test_special_characters_are_replaced_in_one_click_and_brought_back(
    page: Page, running: Running, locale: str
) -> None:
    sign_in(page, running)
    fill_in(page, "06 12 77 01 01, 06 12 77 01 02", TYPED)
    text, replace, undo = (
        page.locator(name) for name in ("[name=text]", "[data-forced-replace]", "[data-forced-undo]")
    )
    expect(page.locator("[data-forced-list] kbd")).to_have_text(["’", "«", "œ", "»"])
    expect(page.locator("[data-preview] .mark-forced")).to_have_text(["’", "«", "œ", "»"])
    # The saving in credits is said as soon as the price is known: one SMS less for each of two recipients.
    saving = in_words(locale, "Replace them: {before} SMS become {after}, {n} credits less")
    expect(replace).to_have_text(saving.format(before=2, after=1, n=2))
    page.locator("[data-forced-list] button").nth(2).click()
    assert page.evaluate("document.getSelection().toString()") == "œ"
    replace.click()
    expect(text).to_have_value(PLAIN)
    expect(page.locator("[data-counter-sms]")).to_contain_text("1 SMS")
    expect(undo).to_be_focused()
    undo.click()
    expect(text).to_have_value(TYPED)
    expect(undo).to_be_hidden()
    expect(page.locator("#quote strong")).to_contain_text("4")


def test_the_keyboard_takes_a_replacement_back_too(page: Page, running: Running) -> None:
    sign_in(page, running)
    text = page.locator("[name=text]")
    text.press_sequentially("L’été")
    page.locator("[data-forced-replace]").press("Enter")
    expect(text).to_have_value("L'été")
    text.press("Control+z")
    expect(text).to_have_value("L’été")
    expect(page.locator("[data-forced-undo]")).to_be_hidden()
    expect(page.locator("[data-forced-replace]")).to_be_visible()


def test_what_is_typed_after_a_replacement_ends_its_undo(page: Page, running: Running) -> None:
    sign_in(page, running)
    page.locator("[name=text]").fill("L’été")
    page.locator("[data-forced-replace]").click()
    expect(page.locator("[data-forced-undo]")).to_be_visible()
    page.locator("[name=text]").press("End")
    page.locator("[name=text]").press_sequentially("!")
    expect(page.locator("[data-forced-undo]")).to_be_hidden()
    expect(page.locator("[name=text]")).to_have_value("L'été!")


def test_nothing_is_offered_where_an_emoji_keeps_the_message_long(page: Page, running: Running) -> None:
    sign_in(page, running)
    page.locator("[name=text]").fill("L’été 😀")
    expect(page.locator("[data-forced-list] kbd")).to_have_text(["’", "😀"])
    expect(page.locator("[data-forced-replace]")).to_be_hidden()


@LANGUAGES
def test_an_account_may_always_replace(page: Page, running: Running, locale: str) -> None:
    sign_in(page, running, "nadia")

    always_replace(page, running, True)
    fill_in(page, "06 12 77 01 11", TYPED)
    expect(page.locator("[data-counter-sms]")).to_contain_text("1 SMS")
    expect(page.locator("[data-preview]")).to_contain_text(PLAIN)
    expect(page.locator("[data-forced-list] button")).to_have_text(["’ → '", '« → "', "œ → oe", '» → "'])
    expect(page.locator("[data-forced-replace]")).to_be_hidden()
    expect(page.locator("#quote strong")).to_contain_text("1")
    expect(page.locator("[name=text]")).to_have_value(TYPED)
    page.locator("[name=not_commercial]").check()
    page.locator("button[value=send]").click()
    page.wait_for_url("**/sent/submission/*/")
    expect(page.locator("main")).to_contain_text(PLAIN)
    always_replace(page, running, False)
    page.locator("[name=text]").fill(TYPED)
    expect(page.locator("[data-counter-sms]")).to_contain_text("2 SMS")


def test_an_account_that_always_replaces_leaves_a_text_alone_that_would_stay_as_long(
    page: Page, running: Running
) -> None:
    sign_in(page, running, "nadia")
    always_replace(page, running, True)
    fill_in(page, "06 12 77 01 12", "« Joyeux anniversaire 🎂 »")
    expect(page.locator("[data-preview]")).to_have_text("« Joyeux anniversaire 🎂 »")
    expect(page.locator("[data-forced-list] button")).to_have_text(["«", "🎂", "»"])
    expect(page.locator("[data-forced-replace]")).to_be_hidden()
    page.locator("button[value=send]").click()
    page.wait_for_url("**/sent/submission/*/")
    expect(page.locator("main")).to_contain_text("« Joyeux anniversaire 🎂 »")
    always_replace(page, running, False)


# When, how, for how much


@LANGUAGES
def test_a_moment_that_is_past_is_said_before_the_click_and_refused_by_it(
    page: Page, running: Running, locale: str, page_errors: list[str]
) -> None:
    sign_in(page, running)
    fill_in(page, "06 12 77 01 21", "Demain")
    page.locator("#advanced summary").click()
    expect(page.locator("[name=date]")).to_be_disabled()
    page.get_by_label(WORDS[locale]["later"]).check()
    yesterday = datetime.now(PARIS) - timedelta(days=1)
    page.locator("[name=date]").fill(f"{yesterday:%Y-%m-%d}")
    page.locator("[name=time]").fill("09:30")
    past = in_words(locale, "This moment is past. Choose a later one, or send the message now.")
    expect(page.locator("#quote")).to_contain_text(past)
    before = balance(page)
    page.locator("button[value=send]").click()
    expect(page.locator("#id_time_error")).to_have_text(past)
    expect(page.locator("[name=date]")).to_have_value(f"{yesterday:%Y-%m-%d}")
    expect(page.locator("#advanced")).to_have_attribute("open", "")
    assert balance(page) == before
    forgive(page_errors, "422")


@LANGUAGES
def test_the_hour_that_comes_twice_is_explained_and_a_deferred_flash_is_kept(
    page: Page, running: Running, locale: str
) -> None:
    sign_in(page, running)
    fill_in(page, "06 12 77 01 31", "La nuit")
    page.locator("[name=not_commercial]").check()
    page.locator("#advanced summary").click()
    page.get_by_label(WORDS[locale]["later"]).check()
    page.locator("[name=date]").fill(str(clocks_go_back()))
    page.locator("[name=time]").fill("02:30")
    page.locator("[name=message_class][value=flash]").check()
    twice = "The clocks go back that night and this time comes twice: the message leaves the first time."
    expect(page.locator("#quote")).to_contain_text(in_words(locale, twice))
    expect(page.locator("#quote")).to_contain_text("02:30")
    page.locator("button[value=send]").click()
    page.wait_for_url("**/sent/submission/*/")
    expect(page.locator("#facts")).to_contain_text("Flash")
    expect(page.locator("main")).to_contain_text("02:30")
    page.locator("#cancel-button").click()
    page.locator("#asked button[name=decide]").click()
    expect(page.locator("#cancel-button")).to_have_count(0)


def clocks_go_back() -> date:
    """The next night, tomorrow at the earliest, in which the clocks of Paris go back: the last Sunday of October."""
    tomorrow = datetime.now(PARIS).date() + timedelta(days=1)
    for year in (tomorrow.year, tomorrow.year + 1):
        last = date(year, 10, 31)
        sunday = last - timedelta(days=(last.weekday() + 1) % 7)
        if sunday >= tomorrow:
            return sunday
    raise AssertionError(tomorrow)


@LANGUAGES
def test_the_price_is_there_before_the_click_and_says_how_many_credits_are_missing(
    page: Page, running: Running, locale: str
) -> None:
    sign_in(page, running)
    before = credits_of(balance(page))
    fill_in(page, "06 12 77 01 41, 06 12 77 01 42", "a" * 161)
    expect(page.locator("#quote strong")).to_contain_text("4")
    expect(page.locator("#quote")).to_contain_text("4 SMS")
    expect(page.locator("[data-live-quote]")).to_contain_text("4 SMS")
    page.locator("[name=text]").fill("a")
    numbers = ", ".join(f"+336127{number:05d}" for number in range(1, int(before) + 3))
    page.locator("[data-chips-input]").fill(numbers)
    page.locator("[data-chips-input]").blur()
    # Two recipients were there, and two more than there are credits have come.
    expect(page.locator("#quote .quote-price--bad")).to_contain_text("4")


@LANGUAGES
def test_when_the_price_cannot_be_had_the_button_that_asks_for_it_comes_back(
    page: Page, running: Running, locale: str, page_errors: list[str]
) -> None:
    sign_in(page, running)
    expect(page.locator("button[value=check]")).to_be_hidden()
    page.route("**/quote/", lambda route: route.fulfill(status=500, body="Broken"))
    fill_in(page, "06 12 77 01 51", "Bonjour")
    expect(page.locator("button[value=check]")).to_be_visible()
    page.locator("button[value=check]").click()
    expect(page.locator("#quote strong")).to_contain_text("1")
    expect(page.locator("[name=text]")).to_have_value("Bonjour")
    forgive(page_errors, "500", "htmx:responseError")


# A test to oneself


@LANGUAGES
def test_a_test_goes_to_ones_own_number_once_however_often_the_button_is_pressed(
    page: Page, running: Running, locale: str
) -> None:
    sign_in(page, running)
    before = credits_of(balance(page))
    page.locator("[name=text]").fill(f"Essai {locale}")
    expect(page.locator("#test-note")).to_contain_text("+33 6 12 34 00 10")
    expect(page.locator("#test-note")).to_contain_text("1")
    page.locator("button[value=test]").dblclick()
    notice = page.locator(".notice--success")
    expect(notice).to_contain_text("+33 6 12 34 00 10")
    expect(page.locator("[name=text]")).to_have_value(f"Essai {locale}")
    assert credits_of(balance(page)) == before - 1
    notice.get_by_role("link").click()
    expect(page.locator("main")).to_contain_text("+33 6 12 34 00 10")
    # The message itself is still there to be sent.
    page.goto(f"{running.url}/")
    expect(page.locator("[name=text]")).to_have_value(f"Essai {locale}")


def test_without_a_number_of_ones_own_the_test_leads_to_where_it_is_given(
    page: Page, running: Running, page_errors: list[str]
) -> None:
    sign_in(page, running, "nadia")
    page.locator("[name=text]").fill("Essai sans numéro")
    page.locator("button[value=test]").click()
    notice = page.locator(".notice--warning")
    expect(notice).to_be_visible()
    notice.get_by_role("link").click()
    expect(page.locator("[name=mobile]")).to_be_visible()
    page.goto(f"{running.url}/")
    expect(page.locator("[name=text]")).to_have_value("Essai sans numéro")
    forgive(page_errors, "422")


# The draft


def test_a_draft_survives_an_ended_session(page: Page, running: Running) -> None:
    sign_in(page, running)
    fill_in(page, "06 12 77 01 61", "Session perdue")
    page.locator("[name=not_commercial]").check()
    expect(page.locator("#quote strong")).to_be_visible()
    page.context.clear_cookies(name="smsmanager_session")
    page.locator("button[value=send]").click()
    expect(page.locator("[name=username]")).to_be_visible()
    sign_in(page, running)
    expect(page.locator("[name=text]")).to_have_value("Session perdue")
    expect(page.locator("[name=recipients]")).to_have_value("+33612770161")
    expect(page.locator("[name=not_commercial]")).to_be_checked()
    expect(page.locator("[data-chips-list] [data-chip-number]")).to_have_count(1)


@LANGUAGES
def test_without_a_script_what_was_written_survives_an_ended_session(
    browser: Browser, running: Running, locale: str
) -> None:
    with without_script(browser, locale) as page:
        sign_in(page, running, chips=False)
        page.locator("[name=recipients]").fill("06 12 77 01 62\n0142685300")
        page.locator("[name=text]").fill("Session\n« perdue » ")
        page.locator("[name=not_commercial]").check()
        page.context.clear_cookies(name="smsmanager_session")
        page.locator("button[value=send]").click()
        for password in ("wrong", PASSWORD):
            page.locator("[name=username]").fill("claire")
            page.locator("[name=password]").fill(password)
            page.locator("form button[type=submit]").last.click()
        expect(page.locator("[name=text]")).to_have_value("Session\n« perdue » ")
        expect(page.locator("[name=recipients]")).to_have_value("06 12 77 01 62\n0142685300")
        expect(page.locator("[name=not_commercial]")).to_be_checked()


@LANGUAGES
def test_that_a_sender_does_not_reach_a_country_is_explained_once(
    page: Page, running: Running, locale: str, page_errors: list[str]
) -> None:
    sign_in(page, running)
    page.locator("[name=sender]").select_option(label="BoulMartin")
    fill_in(page, "+1 650 253 0000", "Bonjour")
    note = page.locator("#sender-reach")
    expect(note).not_to_be_empty()
    expect(page.locator(".quote-unreached-above")).to_be_visible()
    expect(page.locator(".quote-unreached")).to_be_hidden()
    page.locator("button[value=send]").click()
    expect(page.locator("#id_sender_error")).to_be_visible()
    expect(note).not_to_be_empty()
    expect(note).to_be_hidden()
    # Another sender is chosen: what is true of it stands where the error stood.
    page.locator("[name=sender]").select_option(index=0)
    expect(note).to_be_visible()
    forgive(page_errors, "422")


@pytest.mark.parametrize("status", [403, 500])
def test_a_draft_survives_a_refused_form_and_an_error_of_the_server(
    page: Page, running: Running, page_errors: list[str], status: int
) -> None:
    sign_in(page, running)
    fill_in(page, "06 12 77 01 71", f"Erreur {status}")
    expect(page.locator("#quote strong")).to_be_visible()
    if status == 403:
        page.locator("#composer [name=csrfmiddlewaretoken]").evaluate("field => { field.value = 'x'.repeat(64); }")
    else:
        page.route(
            f"{running.url}/",
            lambda route: (
                route.fulfill(status=500, body="Broken") if route.request.method == "POST" else route.continue_()
            ),
        )
    page.locator("button[value=send]").click()
    expect(page.locator("[name=text]")).to_have_count(0)
    page.goto(f"{running.url}/")
    expect(page.locator("[name=text]")).to_have_value(f"Erreur {status}")
    expect(page.locator("[name=recipients]")).to_have_value("+33612770171")
    forgive(page_errors, str(status))


def test_each_person_has_a_draft_of_their_own(page: Page, running: Running) -> None:
    sign_in(page, running)
    page.locator("[name=text]").fill("De Claire")
    page.context.clear_cookies()
    sign_in(page, running, "hugo")
    expect(page.locator("[name=text]")).to_have_value("")
    page.locator("[name=text]").fill("De Hugo")
    page.context.clear_cookies()
    sign_in(page, running)
    expect(page.locator("[name=text]")).to_have_value("De Claire")


def test_a_draft_that_is_discarded_is_gone(page: Page, running: Running) -> None:
    sign_in(page, running)
    page.locator("[name=text]").fill("À oublier")
    page.reload()
    expect(page.locator("[name=text]")).to_have_value("À oublier")
    page.locator("[data-draft-note] button").click()
    expect(page.locator("[name=text]")).to_have_value("")
    page.reload()
    expect(page.locator("[name=text]")).to_have_value("")


# The draft of a change


def planned(page: Page, running: Running, text: str) -> str:
    """A message to three recipients in three days, sent by whoever is signed in; the address where it is changed."""
    sign_in(page, running)
    fill_in(page, "06 12 77 04 01, 06 12 77 04 02, 06 12 77 04 03", text)
    page.locator("[name=not_commercial]").check()
    page.locator("#advanced summary").click()
    page.locator("[name=when][value=later]").check()
    page.locator("[name=date]").fill(str(datetime.now(PARIS).date() + timedelta(days=3)))
    page.locator("[name=time]").fill("10:00")
    page.locator("button[value=send]").click()
    page.wait_for_url("**/sent/submission/*/")
    return f"{page.url}edit/"


def change(page: Page, address: str) -> None:
    """Open the page that changes a message; its last script has run."""
    page.goto(address)
    expect(page.locator("[data-chips]")).to_be_visible()


def drafts(page: Page) -> dict[str, dict[str, str]]:
    """The drafts of changes that this browser keeps, by their names."""
    kept: dict[str, dict[str, str]] = page.evaluate(
        """() => Object.fromEntries(Object.entries(localStorage)
            .filter(([name]) => name.includes(":changes:")).map(([name, draft]) => [name, JSON.parse(draft)]))"""
    )
    return kept


@LANGUAGES
def test_what_was_changed_of_a_message_that_waits_comes_back_until_it_is_replaced(
    page: Page, running: Running, locale: str
) -> None:
    address = planned(page, running, "Texte planifié")
    change(page, address)
    expect(page.locator("#quote strong")).to_be_visible()
    assert drafts(page) == {}
    page.locator("[name=text]").fill("Mon texte changé")
    # What nobody touched is no part of it: when it comes back that is as the message is by then.
    assert [set(draft) for draft in drafts(page).values()] == [{"text", "waiting"}]
    page.reload()
    expect(page.locator("[name=text]")).to_have_value("Mon texte changé")
    expect(page.locator("[data-draft-note]")).to_contain_text(in_words(locale, "Your draft is back."))
    expect(page.locator("[data-preview]")).to_contain_text("Mon texte changé")
    page.goto(f"{running.url}/sent/")
    change(page, address)
    expect(page.locator("[name=text]")).to_have_value("Mon texte changé")
    page.locator("[data-draft-note] button").click()
    expect(page.locator("[name=text]")).to_have_value("Texte planifié")
    page.reload()
    expect(page.locator("[name=text]")).to_have_value("Texte planifié")
    expect(page.locator("[data-draft-note]")).to_be_empty()
    # Written back by hand it is no draft either.
    page.locator("[name=text]").fill("Autre")
    assert len(drafts(page)) == 1
    page.locator("[name=text]").fill("Texte planifié")
    assert drafts(page) == {}
    page.locator("[name=text]").fill("Remplacé")
    page.locator("button[value=send]").click()
    expect(page.locator("[data-clear-draft]")).to_be_visible()
    expect(page.locator("main")).to_contain_text("Remplacé")
    assert drafts(page) == {}


def test_who_was_taken_out_of_a_message_does_not_come_back_with_the_draft_of_its_change(
    page: Page, running: Running
) -> None:
    address = planned(page, running, "Texte à trois")
    change(page, address)
    name = page.locator("#composer").get_attribute("data-draft")
    page.evaluate("name => localStorage.setItem(`${name}:3`, JSON.stringify({ text: 'D’avant' }))", name)
    page.locator("[name=text]").fill("Mon texte changé")
    type_recipients(page, "06 12 77 04 09")
    expect(page.locator("[data-chips-list] [data-chip-number]")).to_have_count(4)
    page.reload()
    expect(page.locator("[data-chips-list] [data-chip-number]")).to_have_count(4)
    expect(page.locator("[name=text]")).to_have_value("Mon texte changé")
    # What an earlier version kept is gone.
    assert list(drafts(page)) == [name]
    page.goto(address.removesuffix("edit/"))
    page.get_by_role("link", name="+33 6 12 77 04 01").first.click()
    page.locator("#cancel-button").click()
    page.locator("#asked button[name=decide]").click()
    expect(page.locator(".notice--success")).to_be_visible()
    change(page, address)
    expect(page.locator("[name=text]")).to_have_value("Mon texte changé")
    expect(page.locator("[name=recipients]")).to_have_value("+33612770402\n+33612770403")
    expect(page.locator("[data-chips-list] [data-chip-number]")).to_have_count(2)
    with_those = "Your draft is back, with the recipients whose messages still wait."
    expect(page.locator("[data-draft-note]")).to_contain_text(in_words("fr", with_those))


@pytest.mark.parametrize("status", [403, 422])
def test_what_was_changed_survives_a_refused_form(
    page: Page, running: Running, page_errors: list[str], status: int
) -> None:
    address = planned(page, running, f"Texte {status}")
    change(page, address)
    page.locator("[name=text]").fill(f"Changé {status}")
    if status == 403:
        page.locator("#composer [name=csrfmiddlewaretoken]").evaluate("field => { field.value = 'x'.repeat(64); }")
    else:
        page.locator("[name=time]").fill("")
    page.locator("button[value=send]").click()
    if status == 422:
        expect(page.locator("#errors")).to_be_visible()
        page.locator("[name=text]").fill("Changé encore")
    else:
        expect(page.locator("[name=text]")).to_have_count(0)
    change(page, address)
    expect(page.locator("[name=text]")).to_have_value("Changé encore" if status == 422 else "Changé 403")
    expect(page.locator("[name=recipients]")).to_have_value("+33612770401\n+33612770402\n+33612770403")
    expect(page.locator("[name=time]")).to_have_value("" if status == 422 else "10:00")
    forgive(page_errors, str(status))


# The look


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
def test_no_state_of_the_page_has_a_violation_or_is_wider_than_its_screen(
    browser: Browser, running: Running, page_errors: list[str], theme: str, size: str
) -> None:
    context = open_context(browser, size, theme, page_errors)
    page = context.new_page()
    problems: list[str] = []

    def look() -> None:
        problems.extend(violations(page) + too_wide(page))

    sign_in(page, running)
    look()
    page.locator("[name=sender]").select_option(label="BoulMartin")
    fill_in(page, "06 12 77 03 01, 0692 12 34 56, +91 98123 45678", TYPED * 2)
    expect(page.locator("#quote .quote-where")).to_be_visible()
    look()
    page.locator("[data-forced-replace]").click()
    page.locator("[data-one-by-one]").check()
    look()
    type_recipients(page, ", ".join(f"+336127{number:05d}" for number in range(1, 400)))
    expect(page.locator("#quote .quote-price--bad")).to_be_visible()
    look()
    page.locator("[name=text]").fill("中" * 600)
    expect(page.locator("[data-too-long]")).to_be_visible()
    look()
    page.locator("[name=text]").fill("Essai")
    expect(page.locator("#quote .quote-price--bad")).to_be_visible()
    page.locator("button[value=test]").click()
    expect(page.locator(".notice--success")).to_be_visible()
    look()
    page.locator("button[value=send]").click()
    expect(page.locator("#errors")).to_be_visible()
    look()
    context.close()
    assert problems == []
    forgive(page_errors, "422")


# By the keyboard, and without a script


def test_the_whole_page_works_by_the_keyboard(page: Page, running: Running) -> None:
    sign_in(page, running)
    page.locator("[name=sender]").focus()
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        here = page.evaluate(
            "document.activeElement.id || document.activeElement.value || document.activeElement.tagName"
        )
        reached.append(here)
        if here == "id_recipients":
            page.keyboard.type("06 12 77 01 81,")
        elif here == "id_text":
            page.keyboard.type("Au clavier")
        elif here == "id_not_commercial":
            page.keyboard.press("Space")
        elif here == "send":
            break
    order = ["id_recipients", "id_text", "id_not_commercial", "SUMMARY", "test", "send"]
    assert [name for name in reached if name in order] == order
    page.keyboard.press("Enter")
    page.wait_for_url("**/sent/submission/*/")
    expect(page.locator("main")).to_contain_text("Au clavier")
    expect(page.locator("main")).to_contain_text("+33 6 12 77 01 81")


def test_enter_in_the_date_sends_and_replaces_nothing(page: Page, running: Running) -> None:
    sign_in(page, running)
    fill_in(page, "06 12 77 01 91", "L’été")
    page.locator("#advanced summary").click()
    page.locator("[name=when][value=later]").check()
    page.locator("[name=date]").fill(str(datetime.now(PARIS).date() + timedelta(days=2)))
    page.locator("[name=time]").fill("10:00")
    page.locator("[name=time]").press("Enter")
    expect(page.locator("#quote strong")).to_be_visible()
    expect(page.locator("[name=text]")).to_have_value("L’été")
    assert page.url == f"{running.url}/"


@LANGUAGES
def test_without_a_script_each_button_does_its_work(browser: Browser, running: Running, locale: str) -> None:
    with without_script(browser, locale) as page:
        sign_in(page, running, chips=False)
        page.locator("[name=recipients]").fill("06 12 77 02 01, 06 12 77 02 02")
        page.locator("[name=text]").fill(TYPED)
        page.locator("[name=not_commercial]").check()
        page.locator("button[value=check]").click()
        expect(page.locator("#quote strong")).to_contain_text("4")
        expect(page.locator("[data-preview]")).to_have_text(TYPED)
        expect(page.locator("[data-preview-parts]")).to_be_hidden()
        page.locator("[data-one-by-one]").check()
        expect(page.locator("[data-preview-parts] li")).to_have_count(2)
        expect(page.locator("[data-preview-parts]")).to_be_visible()
        expect(page.locator("[data-preview]")).to_be_hidden()
        page.locator("button[value=replace]").click()
        expect(page.locator("[name=text]")).to_have_value(PLAIN)
        expect(page.locator("#quote strong")).to_contain_text("2")
        page.locator("button[value=restore]").click()
        expect(page.locator("[name=text]")).to_have_value(TYPED)
        page.locator("button[value=replace]").click()
        page.locator("button[value=test]").click()
        expect(page.locator(".notice--success")).to_contain_text("+33 6 12 34 00 10")
        expect(page.locator("[name=text]")).to_have_value(PLAIN)
        page.locator("button[value=send]").click()
        page.wait_for_url("**/sent/submission/*/")
        expect(page.locator("main")).to_contain_text("+33 6 12 77 02 02")
