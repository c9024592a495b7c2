"""Credits in the administration: statements one click away, orders, and nothing offered to whom it is refused."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.core.checks import run_checks
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from credits import ledger, orders
from credits.models import Account, Order, Transfer
from tests import factories
from tests.pages import Element, browser_of, read, sentence

ACCOUNTS = "/administration/credits/account/"
ORDERS = "/administration/credits/order/"
REACH_NOBODY = "Letters to the administrators reach nobody"


@pytest.fixture(autouse=True)
def noon(db: None) -> Iterator[None]:
    with time_machine.travel(factories.NOON, tick=False):
        yield


@pytest.fixture
def account() -> Account:
    return factories.account(millis=100_000)


@pytest.fixture
def admin() -> Client:
    return browser_of(factories.user("root", superuser=True))


def staff(*may: str) -> Client:
    """Somebody who may come in, and do what is named."""
    person = factories.user()
    person.is_staff = True
    person.save()
    person.user_permissions.set(Permission.objects.filter(codename__in=may))
    return browser_of(person)


def content(page: Element) -> Element:
    return page.one("div", id="content")


def shown(page: Element) -> list[list[str]]:
    """The lines of the statement, without their dates."""
    rows = page.one(id="statement").one("tbody").all("tr")
    return [[cell.text for cell in row.all() if cell.tag in ("td", "th")][1:] for row in rows]


def statement_of(account: Account, page: str = "statement") -> str:
    return reverse(f"admin:credits_account_{page}", args=[account.pk])


# The statement


def test_the_statement_of_an_account_is_one_click_away_from_the_accounts_and_from_the_orders(
    account: Account, admin: Client
) -> None:
    factories.order(account)
    for address in (ACCOUNTS, ORDERS):
        (link,) = content(read(admin.get(address))).all("a", href=statement_of(account))
        assert link.text == "Statement"
    root = factories.user("chef", superuser=True)
    ledger.adjust(account, -2_500, key="k", cause=("grant", "k"), by=root, reason="Typed twice")
    sent = factories.submission(account, to=3)
    page = read(admin.get(statement_of(account)))
    assert "Available: 94.5. Held for messages on their way: 3. Spent: 0." in content(page).text
    person = factories.owner(account).get_username()
    assert shown(page) == [
        ["Held for sending", f"Submission {sent.pk}", "−3", "94.5", person],
        ["Correction", "By the administratorTyped twice", "−2.5", "97.5", "chef"],
        ["Top-up", "By the administratorPack", "+100", "100", person],
    ]
    # Each line leads to itself in the ledger.
    newest = Transfer.objects.latest("pk")
    assert page.all("a", href=reverse("admin:credits_transfer_change", args=[newest.pk]))


def test_the_statement_is_filtered_paged_and_exported(account: Account, admin: Client) -> None:
    for number in range(60):
        ledger.hold(account, 1_000 + number, key=f"h{number}", cause=("submission", str(number)))
    first = read(admin.get(statement_of(account)))
    second = read(admin.get(statement_of(account) + first.one("a", rel="next").attributes["href"]))
    assert len(shown(first) + shown(second)) == 61
    only = read(admin.get(statement_of(account), {"verb": "top_up"}))
    assert [row[0] for row in shown(only)] == ["Top-up"]
    (link,) = only.all("a", href=statement_of(account, "statement_file") + "?verb=top_up")
    text = b"".join(admin.get(link.attributes["href"])).decode("utf-8-sig")
    assert [row[1] for row in csv.reader(io.StringIO(text))] == ["Movement", "Top-up"]
    nothing = read(admin.get(statement_of(account), {"q": "no such thing"}))
    assert "No movement of this kind" in content(nothing).text
    wrong = read(admin.get(statement_of(account), {"since": "2027-01-01", "until": "2026-01-01", "before": "x"}))
    assert "This day is before the first one." in content(wrong).text


def test_the_statement_of_an_account_without_movements_and_of_none(admin: Client) -> None:
    empty = factories.account(millis=0)
    assert "Nothing has moved in this account yet." in content(read(admin.get(statement_of(empty)))).text
    for page in ("statement", "statement_file"):
        assert admin.get(reverse(f"admin:credits_account_{page}", args=[999_999])).status_code == 404


@pytest.mark.parametrize(
    ("may", "status"),
    [(("view_account", "view_transfer"), 200), (("view_account",), 403), (("view_transfer",), 403), ((), 403)],
)
def test_the_statement_is_for_who_may_look_at_accounts_and_at_ledger_lines(
    account: Account, may: tuple[str, ...], status: int
) -> None:
    browser = staff(*may)
    for page in ("statement", "statement_file"):
        assert browser.get(statement_of(account, page)).status_code == status
    owner = browser_of(factories.owner(account))
    assert owner.get(statement_of(account), follow=True).status_code == 403


# What is offered


def test_nothing_is_offered_to_whom_it_would_be_refused(account: Account) -> None:
    factories.order(account)
    grant = reverse("admin:credits_account_grant", args=[account.pk])
    looks = staff("view_account", "view_order")
    for address in (ACCOUNTS, ORDERS, reverse("admin:credits_order_change", args=[Order.objects.get().pk])):
        page = content(read(looks.get(address)))
        assert page.all("a", href=grant) == []
        assert page.all("a", href=statement_of(account)) == []
        assert "Grant or correct" not in page.text
    assert looks.get(grant).status_code == 403
    reads = staff("view_account", "view_transfer", "view_order")
    page = content(read(reads.get(statement_of(account))))
    assert page.all("a", href=grant) == []
    changes = staff("view_account", "change_account")
    assert content(read(changes.get(ACCOUNTS))).one("a", href=grant).text == "Grant or correct"
    assert changes.get(grant).status_code == 200


@pytest.mark.parametrize(("amount", "words"), [("1", "+1 credit recorded"), ("-2", "−2 credits recorded")])
def test_one_credit_is_recorded_and_two_are(account: Account, admin: Client, amount: str, words: str) -> None:
    address = reverse("admin:credits_account_grant", args=[account.pk])
    key = read(admin.get(address)).one("input", name="request_key").attributes["value"]
    answer = admin.post(address, {"amount": amount, "reason": "r", "request_key": key}, follow=True)
    assert words in read(answer).text


def test_an_order_in_the_list_says_when_who_and_where_it_stands(account: Account, admin: Client) -> None:
    person = factories.owner(account).get_username()
    confirmed = orders.confirm(factories.order(account, 500), factories.user("chef", superuser=True), "Transfer 17")
    cells = content(read(admin.get(ORDERS))).one(id="result_list").one("tbody").one("tr").all()
    said = [cell.text for cell in cells if cell.attributes.get("class", "").startswith("field-")]
    assert said == [f"11/24/2026 noon{person}", str(account), "500", "ConfirmedchefTransfer 17", "Statement"]
    page = content(read(admin.get(reverse("admin:credits_order_change", args=[confirmed.pk])))).text
    assert "Transfer 17" in page
    assert "payment begun" in page.casefold()


# Who gets the letters


def warned(**where: Any) -> list[str]:
    return [found.id for found in run_checks(include_deployment_checks=True, **where) if found.id == "smsmanager.W010"]


def test_where_letters_reach_nobody_the_first_page_and_the_check_say_so(account: Account, settings: Any) -> None:
    browser = staff("view_account")
    somebody = factories.user("root", superuser=True)
    for address, active, admins, reached in (
        ("root@example.org", True, [], True),
        ("", True, [], False),
        ("root@example.org", False, [], False),
        ("", True, [("ops@example.org", "ops@example.org")], True),
    ):
        settings.ADMINS = admins
        somebody.email, somebody.is_active = address, active
        somebody.save()
        page = read(browser.get("/administration/"))
        assert (REACH_NOBODY in content(page).text) is not reached
        assert warned(databases=["default"]) == ([] if reached else ["smsmanager.W010"])
    # Without leave to ask the database nothing is asked, and an ordinary check warns of nothing.
    settings.ADMINS = []
    assert warned() == []
    call_command("check", "--database", "default", "--fail-level", "WARNING")
    assert REACH_NOBODY not in sentence(read(browser_of(factories.owner(account)).get("/credits/")))
