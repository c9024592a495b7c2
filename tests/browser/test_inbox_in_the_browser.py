"""Received SMS in a real browser: the whole circle of an answer, choosing and deleting, and how the pages look."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.installation import assert_not_reloaded, mark, sign_in, type_recipients
from tests.browser.test_look import SIZES, open_context, too_wide, violations
from tests.fixtures.instances import Running

pytestmark = [pytest.mark.browser, pytest.mark.processes]

IN_TIME = 60_000
SENT = {"fr-FR": "1 SMS · 1 crédit", "en-GB": "1 SMS · 1 credit"}


def write_and_send(page: Page, recipient: str, text: str) -> None:
    type_recipients(page, recipient)
    page.locator("[name=text]").fill(text)
    page.locator("[name=not_commercial]").check()
    page.locator("button[value=send]").click()
    page.wait_for_url("**/sent/submission/*/")


def answered(page: Page, running: Running, recipient: str, text: str) -> None:
    """The conversation with this number, after a message to it was answered."""
    write_and_send(page, recipient, text)
    page.goto(f"{running.url}/received/")
    mark(page)
    link = page.locator("a.row-link", has_text=f"+33 {recipient[1:]}")
    expect(link).to_have_count(1, timeout=IN_TIME)
    assert_not_reloaded(page)
    link.click()
    expect(page.locator("#thread")).to_contain_text(text)


@pytest.mark.parametrize("locale", list(SENT))
def test_an_answer_appears_without_reloading_and_is_answered_from_its_conversation(
    page: Page, running: Running, locale: str
) -> None:
    sign_in(page, running)
    recipient = {"fr-FR": "06 12 78 00 21", "en-GB": "06 12 78 00 22"}[locale]
    answered(page, running, recipient, "À quelle heure ?")
    mark(page)
    text = page.locator("#reply [name=text]")
    text.press_sequentially("Entendu, à 17 h")
    expect(page.locator("[data-counter]")).to_contain_text("1 SMS")
    expect(page.locator("#quote .quote-price")).to_contain_text("1")
    assert_not_reloaded(page)
    page.locator("#reply button[value=send]").click()
    expect(page.locator("#replied")).to_contain_text(SENT[locale])
    expect(page.locator("#reply [name=text]")).to_have_value("")
    bubbles = page.locator("#thread .bubble--out")
    expect(bubbles).to_have_count(2)

    # The phone got it, and answers again: what is written meanwhile and where is left as it is.
    mark(page)
    text.press_sequentially("Encore un mot")
    expect(page.locator("#thread .status--delivered")).to_have_count(2, timeout=IN_TIME)
    expect(page.locator("#thread .bubble--in")).to_have_count(2, timeout=IN_TIME)
    expect(text).to_be_focused()
    expect(text).to_have_value("Encore un mot")
    expect(page.locator("[data-news]")).to_contain_text("Bien reçu")
    assert_not_reloaded(page)
    # It survives a closed page.
    page.goto(page.url)
    expect(page.locator("#reply [name=text]")).to_have_value("Encore un mot")
    page.locator("#reply [name=text]").fill("")


def test_messages_are_chosen_with_the_keyboard_deleted_and_brought_back(page: Page, running: Running) -> None:
    sign_in(page, running)
    page.goto(f"{running.url}/received/")
    boxes = page.locator("input[name=pk]")
    total = boxes.count()
    assert total > 0
    page.locator("#choose-all").focus()
    page.keyboard.press("Space")
    expect(page.locator("input[name=pk]:checked")).to_have_count(total)
    expect(page.locator("[data-chosen-count]")).to_contain_text(str(total))
    boxes.first.focus()
    page.keyboard.press("Space")
    expect(page.locator("#choose-all")).to_have_js_property("indeterminate", True)
    page.locator("#choose-all").uncheck()
    boxes.first.check()
    first = boxes.first.get_attribute("value")
    page.locator("#delete-chosen").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#deleted")).to_be_focused()
    expect(page.locator(f"input[type=checkbox][name=pk][value='{first}']")).to_have_count(0)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(f"input[type=checkbox][name=pk][value='{first}']")).to_have_count(1)


def test_what_is_chosen_stays_chosen_when_something_arrives(page: Page, running: Running) -> None:
    sign_in(page, running)
    page.goto(f"{running.url}/received/")
    boxes = page.locator("input[name=pk]")
    before = boxes.count()
    boxes.first.check()
    boxes.first.focus()
    chosen = boxes.first.get_attribute("value")
    other = page.context.new_page()
    other.goto(f"{running.url}/")
    write_and_send(other, "06 12 78 00 31", "Une de plus")
    other.close()
    expect(boxes).to_have_count(before + 1, timeout=IN_TIME)
    expect(page.locator(f"input[name=pk][value='{chosen}']")).to_be_checked()
    expect(page.locator(f"input[name=pk][value='{chosen}']")).to_be_focused()
    expect(page.locator("[data-news]")).not_to_be_empty()


def test_all_of_it_works_without_a_script(browser: Browser, running: Running) -> None:
    context = browser.new_context(locale="en-GB", java_script_enabled=False)
    page = context.new_page()
    sign_in(page, running, chips=False)
    page.goto(f"{running.url}/received/")
    page.locator("a.row-link").last.click()
    page.locator("#reply [name=text]").fill("Sans script")
    page.locator("#reply button[value=check]").click()
    expect(page.locator("#quote")).to_contain_text("1 credit")
    page.locator("#reply button[value=send]").click()
    expect(page.locator("#replied")).to_contain_text("on its way")
    page.goto(f"{running.url}/received/")
    page.locator("input[name=pk]").last.check()
    page.locator("#delete-chosen").click()
    page.locator("#deleted button").click()
    expect(page.locator(".notice--success")).to_contain_text("The message is back.")
    context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
def test_the_inbox_has_no_violation_whatever_is_open_on_it(
    browser: Browser, running: Running, size: str, theme: str, page_errors: list[str]
) -> None:
    context = open_context(browser, size, theme, page_errors)
    page = context.new_page()
    sign_in(page, running)
    page.goto(f"{running.url}/received/?since=2030-01-01&until=2029-01-01")
    problems = violations(page) + too_wide(page)
    page.goto(f"{running.url}/received/?unread=")
    page.locator("input[name=pk]").first.check()
    page.locator(".filters-more").evaluate("more => { more.open = true; }")
    problems += violations(page) + too_wide(page)
    page.locator("#delete-chosen").click()
    expect(page.locator("#deleted")).to_be_visible()
    problems += violations(page) + too_wide(page)
    page.locator("#deleted button").click()
    page.locator("a.row-link").first.click()
    page.locator("#reply [name=text]").fill("œ" * 80)
    expect(page.locator("#quote .quote-price")).to_be_visible()
    problems += violations(page) + too_wide(page)
    page.locator("#reply [name=text]").fill("")
    page.locator("#reply button[value=send]").click()
    expect(page.locator("#errors")).to_be_visible()
    problems += violations(page) + too_wide(page)
    context.close()
    assert problems == []
    # The browser notes the status 422 of the answer as an error: that one is meant.
    assert all("422" in error for error in page_errors), page_errors


def test_back_to_a_conversation_counts_the_answer_that_the_browser_brings_back(page: Page, running: Running) -> None:
    sign_in(page, running)
    answered(page, running, "06 12 78 00 51", "À quelle heure ?")
    text = page.locator("#reply [name=text]")
    text.fill("Entendu, à 17 h")
    # After it was sent there is no draft any more.
    page.evaluate("localStorage.clear()")
    page.goto(f"{running.url}/sent/")
    page.go_back()
    expect(text).to_have_value("Entendu, à 17 h")
    expect(page.locator("[data-counter]")).to_contain_text("1 SMS")
    expect(page.locator("#quote .quote-price")).to_contain_text("1")
