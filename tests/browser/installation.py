"""What the browser tests do on every page: sign in, wait for something, read the balance."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from smsmanager.demo import PASSWORD
from tests.fixtures.instances import Running, until

# The two languages of the pages: what the tests look for, as a person reads it.
WORDS = {
    "fr-FR": {
        "compose": "Composer un message",
        "received": "SMS reçus",
        "scheduled": "SMS planifiés",
        "pool": "Numéro court permettant la réponse",
        "send": "Envoyer",
        "advanced": "Options avancées",
        "later": "Envoi différé",
        "delivered": "Délivré",
        "spent": "dépensé",
        "cancelled": "Annulé",
    },
    "en-GB": {
        "compose": "Write a message",
        "received": "Received SMS",
        "scheduled": "Scheduled SMS",
        "pool": "Short number that can be answered",
        "send": "Send",
        "advanced": "Advanced options",
        "later": "Send later",
        "delivered": "Delivered",
        "spent": "spent",
        "cancelled": "Cancelled",
    },
}


def sign_in(page: Page, running: Running, name: str = "claire", *, chips: bool = True) -> None:
    """Sign in with the demonstration's password, from the landing page.

    `chips` is False where the recipients are a plain field: for a reader, and without scripts.
    """
    page.goto(f"{running.url}/")
    page.locator("[name=username]").fill(name)
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("main button[type=submit], form button[type=submit]").last.click()
    expect(page.locator("#id_recipients")).to_be_visible()
    page.wait_for_load_state()
    if chips:
        # The last script of the page has run: what is typed from now on is heard.
        expect(page.locator("[data-chips]")).to_be_visible()


def type_recipients(page: Page, numbers: str) -> None:
    """Type into the field of the recipients, which is one of chips as soon as its script runs, and leave it."""
    expect(page.locator("[data-chips]")).to_be_visible()
    page.locator("#id_recipients").fill(numbers)
    page.locator("#id_recipients").blur()


def balance(page: Page) -> str:
    """The balance at the top of the page, as it is written."""
    return page.locator("#balance strong").inner_text()


def reload_until(page: Page, look: Callable[[], bool], otherwise: str) -> None:
    """Load the page again until `look` says yes."""

    def again() -> bool:
        # Chromium refuses to load a page again that is still on its way.
        page.wait_for_load_state()
        page.reload()
        return look()

    until(again, 30, otherwise)


def mark(page: Page) -> None:
    """Mark the page as it is loaded now; the mark is gone once it is loaded again."""
    page.evaluate("document.documentElement.setAttribute('data-loaded-once', '')")


def assert_not_reloaded(page: Page) -> None:
    """Since `mark` the page was not loaded again."""
    assert page.locator("html[data-loaded-once]").count() == 1


def number_of(url: str) -> int:
    """The id at the end of an address."""
    found = re.search(r"/(\d+)/$", url)
    assert found, url
    return int(found[1])
