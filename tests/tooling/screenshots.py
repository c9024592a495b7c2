"""`make screenshots`: the pictures of the README, taken from a fresh installation with the demonstration."""

import os
import tempfile
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from playwright.sync_api import Browser, Page, sync_playwright  # noqa: E402

from smsmanager.demo import PASSWORD  # noqa: E402
from tests.browser.installation import type_recipients  # noqa: E402
from tests.fixtures.instances import Running, installation  # noqa: E402
from tests.tooling import tools  # noqa: E402

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
TEXT = "Bonjour, votre commande [n° 214] vous attend : 12 €.\nÀ demain !"


def sign_in(browser: Browser, running: Running, *, width: int, height: int, theme: str, language: str) -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=theme,  # type: ignore[arg-type]
        locale=language,
        timezone_id="Europe/Paris",
        device_scale_factor=1,
    )
    page = context.new_page()
    page.goto(f"{running.url}/")
    page.locator("[name=username]").fill("claire")
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("form button[type=submit]").last.click()
    page.locator("#id_recipients").wait_for()
    return page


def write(page: Page) -> None:
    """Fill the form in and wait for its price."""
    page.locator("[name=sender]").select_option(label="BoulMartin")
    type_recipients(page, "06 12 34 00 11, +33 6 12 34 00 12")
    with page.expect_response("**/quote/"):
        page.locator("[name=text]").fill(TEXT)
    page.wait_for_load_state("networkidle")


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        installation(Path(folder) / "data", "--port", "0") as running,
        sync_playwright() as playwright,
    ):
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=tools.chromium(), args=[*root, "--disable-gpu"])
        wide = {"width": 1366, "height": 768}
        for theme, language, name in (
            ("light", "fr-FR", "compose-fr-light"),
            ("dark", "fr-FR", "compose-fr-dark"),
            ("light", "en-GB", "compose-en-light"),
        ):
            page = sign_in(browser, running, theme=theme, language=language, **wide)
            write(page)
            page.screenshot(path=IMAGES / f"{name}.png")
        page = sign_in(browser, running, width=390, height=844, theme="dark", language="fr-FR")
        write(page)
        page.screenshot(path=IMAGES / "compose-fr-dark-phone.png")
        page = sign_in(browser, running, theme="light", language="fr-FR", width=1100, height=560)
        page.goto(f"{running.url}/received/1/")
        page.screenshot(path=IMAGES / "conversation-fr-light.png")
        page.goto(f"{running.url}/sent/")
        page.screenshot(path=IMAGES / "sent-fr-light.png")
        browser.close()


if __name__ == "__main__":
    main()
