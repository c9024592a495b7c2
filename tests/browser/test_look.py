"""Every page in both themes, wide and on a phone: no accessibility violation, nothing wider than the screen."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page

from smsmanager.demo import PASSWORD
from tests.browser.installation import sign_in, type_recipients
from tests.fixtures.browsers import listen
from tests.fixtures.instances import Running

pytestmark = [pytest.mark.browser, pytest.mark.processes]

PAGES = [
    "/",
    "/received/",
    "/received/?q=nothing-is-called-so",
    "/received/1/",
    "/sent/",
    "/sent/1/",
    "/sent/submission/1/",
    "/sent/submission/2/",
    "/scheduled/",
    "/stop-list/",
    "/stop-list/add/",
    "/stop-list/1/take-off/",
    "/senders/",
    "/senders/new/",
    "/credits/",
    "/credits/?q=nothing-is-called-so",
    "/credits/?since=2026-02-01&until=2026-01-01",
    "/credits/add/",
    "/credits/rates/?q=33",
    "/account/me/",
    "/account/settings/",
    "/account/reactions/",
    "/password/",
    "/sent/?q=nothing-is-called-so",
    "/not-there/",
]
BEFORE_SIGN_IN = ["/sign-in/", "/password/reset/", "/password/reset/sent/"]
SIZES = {"wide": {"width": 1440, "height": 900}, "phone": {"width": 360, "height": 740}}


def violations(page: Page) -> list[str]:
    found: dict[str, Any] = Axe().run(page).response
    return [
        f"{page.url}: {violation['id']}: {node['html'][:160]}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


def too_wide(page: Page) -> list[str]:
    """What sticks out of the screen to the right, so that the page could be scrolled sideways."""
    wide: bool = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    return [f"{page.url} is wider than its screen"] if wide else []


def open_context(browser: Browser, size: str, theme: str, errors: list[str]) -> BrowserContext:
    viewport = SIZES[size]
    context = browser.new_context(
        locale="fr-FR",
        color_scheme=theme,  # type: ignore[arg-type]
        viewport=viewport,  # type: ignore[arg-type]
        reduced_motion="reduce",
    )
    listen(context, errors)
    return context


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
def test_no_page_has_an_accessibility_violation_or_is_wider_than_its_screen(
    browser: Browser, running: Running, size: str, theme: str, page_errors: list[str]
) -> None:
    context = open_context(browser, size, theme, page_errors)
    page = context.new_page()
    problems = []
    for path in BEFORE_SIGN_IN:
        page.goto(f"{running.url}{path}")
        problems += violations(page) + too_wide(page)
    sign_in(page, running)
    for path in PAGES:
        page.goto(f"{running.url}{path}")
        problems += violations(page) + too_wide(page)
    context.close()
    assert problems == []
    assert [error for error in page_errors if "/not-there/" not in error] == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_compose_page_has_no_violation_with_errors_options_and_a_preview(
    browser: Browser, running: Running, theme: str, page_errors: list[str]
) -> None:
    context = open_context(browser, "phone", theme, page_errors)
    page = context.new_page()
    sign_in(page, running)
    page.locator("[name=sender]").select_option(label="BoulMartin")
    page.locator("[name=text]").fill("Œufs « frais » 😀 " * 12)
    type_recipients(page, "0112345678")
    page.locator("details.advanced summary, details summary", has_text="Options avancées").click()
    problems = violations(page) + too_wide(page)
    page.locator("button[value=send]").click()
    page.wait_for_load_state()
    problems += violations(page) + too_wide(page)
    context.close()
    assert problems == []


def test_the_compose_page_fits_a_laptop_without_scrolling(browser: Browser, running: Running) -> None:
    context = browser.new_context(locale="fr-FR", viewport={"width": 1366, "height": 768})
    page = context.new_page()
    sign_in(page, running)
    assert page.evaluate("document.documentElement.scrollHeight <= window.innerHeight")
    context.close()


def test_the_theme_and_the_language_that_were_chosen_stay(page: Page, running: Running) -> None:
    sign_in(page, running)
    page.locator("form[action='/theme/'] button[value=dark]").first.click()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.locator("form[action='/language/'] button[value=en]").first.click()
    assert page.locator("html").get_attribute("lang") == "en"
    page.goto(f"{running.url}/sent/")
    assert page.locator("html").get_attribute("data-theme") == "dark"
    assert page.locator("h1").inner_text() == "Sent SMS"


def test_the_administrations_list_of_gateways_shows_its_last_column_on_a_laptop(
    browser: Browser, running: Running
) -> None:
    context = browser.new_context(locale="fr-FR", viewport={"width": 1280, "height": 720})
    page = context.new_page()
    page.goto(f"{running.url}/administration/compose/gatewaystate/")
    page.locator("[name=username]").fill("admin")
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("[type=submit]").last.click()
    page.wait_for_selector("#result_list")
    assert page.evaluate("(e => e.scrollWidth - e.clientWidth)(document.querySelector('.results'))") == 0
    context.close()
