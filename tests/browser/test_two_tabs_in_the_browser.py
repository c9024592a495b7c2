"""Two tabs of somebody who works in two accounts: the one that was left says so, and does nothing."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.installation import balance, sign_in, type_recipients
from tests.browser.test_look import open_context, too_wide, violations
from tests.fixtures.instances import Running

pytestmark = [pytest.mark.browser, pytest.mark.processes]

BAKERY, CLINIC = "Boulangerie Martin", "Clinique du Parc"
IN_TIME = 60_000
# Somebody who may send in both accounts of the demonstration.
PERSON = f"""
from django.contrib.auth.models import User
from credits.models import Account, Member
from smsmanager.demo import PASSWORD
if not User.objects.filter(username="deux").exists():
    person = User.objects.create_user("deux", "deux@example.org", PASSWORD)
    for name in ("{BAKERY}", "{CLINIC}"):
        Member.objects.create(account=Account.objects.get(name=name), user=person, role="owner")
"""


def work_in(page: Page, running: Running, account: str) -> None:
    page.goto(f"{running.url}/")
    page.locator("header summary").first.click()
    page.locator("button[name=account]", has_text=account).click()
    expect(page.locator("header summary").first).to_have_text(account)
    page.wait_for_load_state()


@pytest.mark.parametrize(("size", "theme"), [("wide", "dark"), ("phone", "light")])
def test_the_tab_that_was_left_says_so_and_sends_nothing(
    browser: Browser, running: Running, size: str, theme: str
) -> None:
    running.manage("shell", "-c", PERSON)
    errors: list[str] = []
    context = open_context(browser, size, theme, errors)
    left, follows, other = (context.new_page() for _tab in range(3))
    sign_in(left, running, "deux")
    work_in(left, running, CLINIC)
    before = balance(left)
    follows.goto(f"{running.url}/received/")
    work_in(other, running, BAKERY)
    # Where the price would be, in the left tab.
    type_recipients(left, "06 12 78 00 31")
    left.locator("[name=text]").press_sequentially("De la clinique")
    expect(left.locator("#quote .quote-when--moved")).to_contain_text(CLINIC)
    left.locator("button[value=send]").click()
    expect(left.locator("#elsewhere-form")).to_be_visible()
    assert violations(left) + too_wide(left) == []
    # What follows by itself took over nothing of the other account, and asks no more.
    expect(follows.locator("#elsewhere")).to_contain_text(BAKERY, timeout=IN_TIME)
    expect(follows.locator("#live[hx-get]")).to_have_count(0)
    expect(follows.locator("header summary").first).to_have_text(CLINIC)
    assert violations(follows) + too_wide(follows) == []
    # And back, with what was written.
    left.locator("#elsewhere-form button").click()
    expect(left.locator("header summary").first).to_have_text(CLINIC)
    expect(left.locator("[name=text]")).to_have_value("De la clinique")
    assert balance(left) == before
    follows.locator("#elsewhere button").click()
    follows.wait_for_url("**/received/")
    expect(follows.locator("header summary").first).to_have_text(CLINIC)
    context.close()
    # A browser reports each answer of this kind itself; nothing else was wrong.
    assert [error for error in errors if "409 (Conflict)" not in error] == []
