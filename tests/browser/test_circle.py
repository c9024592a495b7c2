"""The whole circle in a real browser, against the processes that `make run` starts."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.installation import (
    WORDS,
    assert_not_reloaded,
    balance,
    mark,
    reload_until,
    sign_in,
    type_recipients,
)
from tests.fixtures.instances import Running

pytestmark = [pytest.mark.browser, pytest.mark.processes]

PARIS = ZoneInfo("Europe/Paris")
# For what a page comes to say by itself, in milliseconds.
IN_TIME = 60_000
LANGUAGES = pytest.mark.parametrize("locale", list(WORDS))


def credits_of(text: str) -> float:
    return float(text.replace("\u202f", "").replace("\xa0", "").replace(",", "."))


@LANGUAGES
def test_a_message_from_the_short_number_is_delivered_answered_and_paid(
    page: Page, running: Running, locale: str
) -> None:
    words = WORDS[locale]
    recipient = {"fr-FR": "06 12 77 00 21", "en-GB": "06 12 77 00 22"}[locale]
    sign_in(page, running)
    expect(page.locator("h1")).to_have_text(words["compose"])
    expect(page.locator("[name=sender] option:checked")).to_have_text(words["pool"])
    before = credits_of(balance(page))

    type_recipients(page, recipient)
    page.locator("[name=text]").fill("Bonjour [test] à 5 €")
    page.locator("[name=not_commercial]").check()
    page.locator("summary", has_text=words["advanced"]).click()
    expect(page.locator("[name=when][value=now]")).to_be_checked()
    expect(page.locator("[name=message_class][value=standard]")).to_be_checked()
    page.locator("button[value=send]").click()

    page.wait_for_url("**/sent/submission/*/")
    mark(page)
    shown = "+33 " + recipient[1:]
    main = page.locator("main")
    message = page.context.new_page()
    message.goto(running.url + str(main.get_by_role("link", name=shown).get_attribute("href")))
    mark(message)
    assert credits_of(balance(page)) == before - 1

    # Both pages follow what happens, without being loaded again.
    expect(page.locator("#progress .status--delivered").first).to_have_text(words["delivered"], timeout=IN_TIME)
    expect(page.locator("form[action$='/cancel/']")).to_have_count(0)
    expect(page.locator("#ledger")).to_contain_text(words["spent"], timeout=IN_TIME)
    assert_not_reloaded(page)
    expect(message.locator("#facts .status")).to_have_text(words["delivered"], timeout=IN_TIME)
    expect(message.locator("#story")).to_contain_text(words["delivered"])
    expect(message.locator("#ledger")).to_contain_text(words["spent"])
    expect(message.locator("#cancel form")).to_have_count(0)
    expect(message.locator("#answers")).to_contain_text("Bien reçu, merci !", timeout=IN_TIME)
    expect(message.locator("#unread")).to_have_class("badge-count")
    assert_not_reloaded(message)
    message.close()

    page.get_by_role("link", name=words["received"]).first.click()
    answer = main.get_by_role("link").filter(has_text=shown)
    reload_until(page, lambda: answer.count() > 0, "the answer never appeared in the received SMS")
    answer.first.click()
    expect(main).to_contain_text("Bonjour [test] à 5 €")
    expect(main).to_contain_text("Bien reçu, merci !")

    page.goto(f"{running.url}/credits/")
    assert credits_of(balance(page)) == before - 1
    assert "The ledger adds up" in running.manage("verify_ledger")


@LANGUAGES
def test_a_deferred_flash_message_waits_among_the_scheduled_ones_until_it_is_cancelled(
    page: Page, running: Running, locale: str
) -> None:
    words = WORDS[locale]
    sign_in(page, running)
    before = credits_of(balance(page))
    moment = datetime.now(PARIS) + timedelta(days=3)
    page.locator("[name=sender]").select_option(label="BoulMartin")
    type_recipients(page, "0612770031, 06 12 77 00 32")
    page.locator("[name=text]").fill("Portes ouvertes")
    page.locator("summary", has_text=words["advanced"]).click()
    page.get_by_label(words["later"]).check()
    page.locator("[name=date]").fill(f"{moment:%Y-%m-%d}")
    page.locator("[name=time]").fill("10:00")
    page.locator("[name=message_class][value=flash]").check()
    # A commercial message from a name carries the clause, and the preview shows it.
    expect(page.locator("main")).to_contain_text("STOP:36111")
    page.locator("button[value=send]").click()
    page.wait_for_url("**/sent/submission/*/")
    submission = page.url
    expect(page.locator("main")).to_contain_text("STOP:36111")
    assert credits_of(balance(page)) == before - 2

    page.get_by_role("link", name=words["scheduled"]).first.click()
    expect(page.locator("main")).to_contain_text("+33 6 12 77 00 31")
    page.goto(submission)
    page.locator("form[action$='/cancel/'] button[type=submit]").first.click()
    # Of two messages it is asked first.
    page.locator("#asked button[name=decide]").click()
    page.wait_for_url("**/sent/submission/*/")
    expect(page.locator("main")).to_contain_text(words["cancelled"])
    assert credits_of(balance(page)) == before
    assert "The ledger adds up" in running.manage("verify_ledger")


@LANGUAGES
def test_a_wrong_number_is_explained_and_all_that_was_typed_is_kept(
    page: Page, running: Running, locale: str, page_errors: list[str]
) -> None:
    sign_in(page, running)
    before = balance(page)
    type_recipients(page, "0112345678, 0612770041")
    page.locator("[name=text]").fill("Texte à garder")
    page.locator("button[value=send]").click()
    expect(page.locator("[role=alert]").first).to_be_visible()
    # Both are there, each with what the server found: the wrong one as typed, with the reason.
    expect(page.locator("[name=recipients]")).to_have_value("0112345678\n+33612770041")
    expect(page.locator("[data-chips-list] [data-state=wrong]")).to_contain_text("0112345678")
    expect(page.locator("[name=text]")).to_have_value("Texte à garder")
    assert balance(page) == before
    # The browser notes the status 422 of the answer as an error: that one is meant.
    assert all("422" in error for error in page_errors), page_errors
    page_errors.clear()
    # What is being corrected is no longer called wrong.
    expect(page.locator("#errors a[href='#id_recipients']")).to_have_count(1)
    page.locator("[data-state=wrong] [data-chip-remove]").click()
    expect(page.locator("[name=recipients]")).to_have_value("+33612770041")
    expect(page.locator("#errors, #id_recipients_error, .is-invalid, [aria-invalid]")).to_have_count(0)


def test_the_circle_needs_no_javascript(browser: Browser, running: Running) -> None:
    words = WORDS["fr-FR"]
    context = browser.new_context(locale="fr-FR", java_script_enabled=False)
    page = context.new_page()
    sign_in(page, running, chips=False)
    page.locator("[name=recipients]").fill("06 12 77 00 51")
    page.locator("[name=text]").fill("Sans script")
    page.locator("[name=not_commercial]").check()
    page.locator("button[value=check]").click()
    expect(page.locator("main")).to_contain_text("1 SMS")
    expect(page.locator("[name=text]")).to_have_value("Sans script")
    page.locator("button[value=send]").click()
    page.wait_for_url("**/sent/submission/*/")
    reload_until(
        page, lambda: words["delivered"] in page.locator("main").inner_text(), "the message was never delivered"
    )
    context.close()


def test_what_was_typed_survives_a_closed_tab(page: Page, running: Running) -> None:
    sign_in(page, running)
    type_recipients(page, "06 12 77 00 61")
    page.locator("[name=text]").fill("Brouillon à retrouver")
    page.locator("[name=text]").blur()
    again = page.context.new_page()
    page.close()
    again.goto(f"{running.url}/")
    expect(again.locator("[name=text]")).to_have_value("Brouillon à retrouver")
    expect(again.locator("[name=recipients]")).to_have_value("+33612770061")


def test_a_page_that_follows_leaves_the_focus_and_what_is_open_where_they_are(page: Page, running: Running) -> None:
    sign_in(page, running)
    type_recipients(page, "06 12 77 00 81, 06 12 77 00 82")
    page.locator("[name=text]").fill("Suivi")
    page.locator("[name=not_commercial]").check()
    page.locator("button[value=send]").click()
    page.wait_for_url("**/sent/submission/*/")
    mark(page)
    link = page.locator("#progress a.row-link").last
    link.focus()
    menu = page.locator("details[data-menu]").first
    menu.evaluate("menu => { menu.open = true; }")
    expect(page.locator("#progress tbody .status--delivered")).to_have_count(2, timeout=IN_TIME)
    # The bar moved to its end with them.
    expect(page.locator("#progress [role=progressbar]")).to_have_attribute("aria-valuenow", "100")
    expect(page.locator("#part-delivered")).to_have_attribute("width", "1000.0")
    expect(page.locator("#progress a.row-link").last).to_be_focused()
    expect(menu).to_have_attribute("open", "")
    # Nothing more can change: the page asks no longer.
    expect(page.locator("#live[hx-get]")).to_have_count(0)
    assert_not_reloaded(page)


def test_a_damaged_draft_and_a_full_storage_stop_nothing(page: Page, running: Running) -> None:
    sign_in(page, running)
    text, counter = page.locator("[name=text]"), page.locator("[data-counter]")
    text.fill("Avant")
    page.evaluate("for (const key of Object.keys(localStorage)) localStorage.setItem(key, '{')")
    page.reload()
    expect(text).to_have_value("")
    page.evaluate("() => { Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError'); }; }")
    text.fill("a" * 161)
    expect(counter).to_contain_text("2 SMS")
    text.fill("a")
    expect(counter).to_contain_text("159")


def test_an_answer_does_not_take_the_place_of_a_draft(page: Page, running: Running) -> None:
    sign_in(page, running)
    recipients, text = page.locator("[name=recipients]"), page.locator("[name=text]")
    type_recipients(page, "06 12 77 00 91")
    text.fill("Le brouillon")
    page.goto(f"{running.url}/?to=%2B33612770092")
    expect(recipients).to_have_value("+33612770092")
    text.fill("La réponse")
    page.goto(f"{running.url}/")
    expect(text).to_have_value("Le brouillon")
    page.goto(f"{running.url}/?to=%2B33612770092")
    expect(text).to_have_value("La réponse")
    page.locator("[name=not_commercial]").check()
    page.locator("button[value=send]").click()
    page.wait_for_url("**/sent/submission/*/")
    page.goto(f"{running.url}/?to=%2B33612770092")
    expect(text).to_have_value("")
    page.goto(f"{running.url}/")
    expect(text).to_have_value("Le brouillon")


def test_a_double_click_on_send_sends_once(page: Page, running: Running) -> None:
    sign_in(page, running)
    before = credits_of(balance(page))
    type_recipients(page, "06 12 77 00 71")
    page.locator("[name=text]").fill("Une seule fois")
    page.locator("[name=not_commercial]").check()
    page.locator("button[value=send]").dblclick()
    page.wait_for_url("**/sent/submission/*/")
    page.goto(f"{running.url}/sent/?q=Une+seule+fois")
    expect(page.locator("main").get_by_text("Une seule fois")).to_have_count(1)
    assert credits_of(balance(page)) == before - 1
