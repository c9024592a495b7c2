"""Credits: the administrator's grants and corrections, and a statement that explains every balance."""

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from compose import services
from credits.models import Account, Transfer
from tests import factories
from tests.pages import Element, browser_of, read, sentence


@pytest.fixture(autouse=True)
def noon(db: None) -> Iterator[None]:
    with time_machine.travel(factories.NOON, tick=False):
        yield


@pytest.fixture
def account() -> Account:
    return factories.account(millis=10_000)


@pytest.fixture
def browser(account: Account) -> Client:
    return browser_of(factories.owner(account))


@pytest.fixture
def admin() -> Client:
    return browser_of(factories.user("root", superuser=True))


def form_of(admin: Client, account: Account) -> dict[str, str]:
    """The grant form as it opens."""
    page = read(admin.get(reverse("admin:credits_account_grant", args=[account.pk])))
    return {"request_key": page.one("input", name="request_key").attributes["value"]}


def record(admin: Client, account: Account, **fields: str) -> Any:
    address = reverse("admin:credits_account_grant", args=[account.pk])
    return admin.post(address, form_of(admin, account) | fields)


def rows(page: Element) -> list[list[str]]:
    """The lines of the statement: movement, cause, change and balance after it."""
    bodies = page.one("main").one("table", **{"class": "list"}).one("tbody").all("tr")
    return [[cell.text for cell in row.all() if cell.tag in ("td", "th")][1:] for row in bodies]


def test_a_grant_is_recorded_with_its_reason_and_who_gave_it(account: Account, admin: Client, browser: Client) -> None:
    answer = record(admin, account, amount="250.5", reason="Pack of November")
    assert answer.headers["Location"] == reverse("admin:credits_account_changelist")
    line = Transfer.objects.latest("pk")
    assert (line.verb, line.amount, line.reason) == (Transfer.Verb.TOP_UP, 250_500, "Pack of November")
    assert line.by is not None
    assert line.by.username == "root"
    assert factories.balances(account)["available"] == 260_500
    assert rows(read(browser.get("/credits/")))[0] == [
        "Top-up",
        "By the administrator Pack of November",
        "+250.5",
        "260.5",
    ]
    (logged,) = read(admin.get(reverse("admin:credits_account_history", args=[account.pk]))).one("tbody").all("tr")
    assert "Pack of November" in logged.text
    factories.assert_ledger_adds_up()


def test_a_correction_takes_away_and_says_why(account: Account, admin: Client, browser: Client) -> None:
    record(admin, account, amount="-4", reason="Granted twice")
    line = Transfer.objects.latest("pk")
    assert (line.verb, line.amount, line.reason) == (Transfer.Verb.ADJUST, 4_000, "Granted twice")
    assert rows(read(browser.get("/credits/")))[0][2:] == ["−4", "6"]
    factories.assert_ledger_adds_up()


def test_a_correction_below_the_balance_is_refused_with_what_is_missing(account: Account, admin: Client) -> None:
    answer = record(admin, account, amount="-12.5", reason="Too much")
    assert "The account has 2.5 credits too few for this. Nothing was changed." in read(answer).text
    assert factories.balances(account)["available"] == 10_000
    assert Transfer.objects.count() == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"amount": "0", "reason": "Nothing"},
        {"amount": "0.0001", "reason": "Too fine"},
        {"amount": "", "reason": "Empty"},
        {"amount": "many", "reason": "A word"},
        {"amount": "NaN", "reason": "No number"},
        {"amount": "1e999", "reason": "No end"},
        {"amount": "1000000001", "reason": "A slip of the finger"},
        {"amount": "5", "reason": ""},
        {"amount": "5", "reason": " "},
        {"amount": "5", "reason": "a" * 251},
        {"amount": "5", "reason": "a\0"},
        {"amount": "5", "reason": "No key", "request_key": "garbage"},
    ],
)
def test_a_grant_that_makes_no_sense_is_refused_and_moves_nothing(
    account: Account, admin: Client, fields: dict[str, str]
) -> None:
    assert record(admin, account, **fields).status_code == 200
    assert Transfer.objects.count() == 1


def test_the_same_grant_form_sent_twice_grants_once(account: Account, admin: Client) -> None:
    fields = form_of(admin, account) | {"amount": "5", "reason": "Pack"}
    address = reverse("admin:credits_account_grant", args=[account.pk])
    assert admin.post(address, fields).status_code == admin.post(address, fields).status_code == 302
    assert factories.balances(account)["available"] == 15_000
    answer = admin.post(address, fields | {"amount": "6"})
    assert "already used for another amount" in read(answer).text
    assert factories.balances(account)["available"] == 15_000


def test_who_may_not_change_accounts_may_not_grant(account: Account) -> None:
    person = factories.user()
    address = reverse("admin:credits_account_grant", args=[account.pk])
    fields = {"amount": "5", "reason": "Pack", "request_key": "8c0b0b3e-58b8-4d77-b0d6-0d3c5a4c1f63"}
    assert browser_of(person).post(address, fields, follow=True).status_code == 403
    person.is_staff = True
    person.save()
    assert browser_of(person).post(address, fields).status_code == 403
    assert browser_of().post(address, fields, follow=True).redirect_chain[-1][0].startswith(reverse("login"))
    assert Transfer.objects.count() == 1


def test_the_way_back_from_a_grant_is_one_navigation(account: Account, admin: Client) -> None:
    page = read(admin.get(f"/administration/credits/account/{account.pk}/grant/"))
    trail = [nav for nav in page.all("nav") if nav.all("div", **{"class": "breadcrumbs"})]
    assert len(trail) == 1
    assert next(link.text for link in trail[0].all("a")) == "Home"


def test_a_grant_to_an_account_that_is_not_there_is_not_found(admin: Client) -> None:
    for pk in (0, 2**63):
        assert admin.get(reverse("admin:credits_account_grant", args=[pk])).status_code == 404


def test_an_account_opened_in_the_administration_has_its_books(admin: Client) -> None:
    fields = {
        "name": "Clinique du Parc",
        "country": "FR",
        "time_zone": "Europe/Paris",
        "max_parts": "8",
        "members-TOTAL_FORMS": "0",
        "members-INITIAL_FORMS": "0",
    }
    answer = admin.post(reverse("admin:credits_account_add"), fields)
    assert answer.status_code == 302
    made = Account.objects.get(name="Clinique du Parc")
    assert factories.balances(made) == {"available": 0, "held": 0, "spent": 0}
    record(admin, made, amount="7", reason="Pack")
    assert factories.balances(made)["available"] == 7_000


def test_each_line_of_the_statement_leads_to_what_caused_it(account: Account, browser: Client) -> None:
    sent = factories.submission(account, to=3)
    page = read(browser.get("/credits/"))
    assert rows(page)[0] == ["Held for sending", f"Submission {sent.pk}", "−3", "7"]
    (link,) = (a for a in page.one("main").all("a") if a.text == f"Submission {sent.pk}")
    assert link.attributes["href"] == reverse("submission", kwargs={"pk": sent.pk})
    assert "3 recipients" in sentence(read(browser.get(link.attributes["href"])))
    services.cancel_submission(sent, by=factories.owner(account), now=factories.NOON)
    assert rows(read(browser.get("/credits/")))[0] == ["Given back", f"Submission {sent.pk}", "+3", "10"]


def test_the_page_shows_what_is_available_held_and_spent(account: Account, browser: Client) -> None:
    factories.submission(account, to=3)
    gauges = read(browser.get("/credits/")).one("dl", **{"class": "gauges"}).text
    assert gauges.split("Held")[0].startswith("Available 7")
    assert "Held 3" in gauges
    assert "Spent 0" in gauges


def test_the_running_balance_is_right_over_several_pages(account: Account, browser: Client) -> None:
    balance, wanted = 10_000, [(10_000, 10_000)]
    for number in range(1, 130):
        # Some lines that give and some that take, and some that change nothing of what is available.
        if number % 3:
            factories.grant(account, number * 70)
            balance += number * 70
            wanted.append((number * 70, balance))
        else:
            factories.message(account, to=factories.mobile(number))
            balance -= 1_000
            wanted.append((-1_000, balance))
    assert factories.balances(account)["available"] == balance
    seen: list[tuple[int, int]] = []
    address, pages = "/credits/", 0
    while address:
        page = read(browser.get(address))
        seen += [(millis(line[2]), millis(line[3])) for line in rows(page)]
        older = page.one("main").all("a", rel="next")
        address = "/credits/" + older[0].attributes["href"] if older else ""
        pages += 1
    assert pages == 3
    assert seen == wanted[::-1]


def millis(text: str) -> int:
    """An amount as the page writes it, in thousandths."""
    return round(float(text.replace("−", "-").replace(",", "")) * 1000)


def test_another_accounts_lines_are_not_in_the_statement(account: Account, browser: Client) -> None:
    factories.account(name="Clinique du Parc", millis=5_000)
    assert len(rows(read(browser.get("/credits/")))) == 1


def test_the_members_of_the_account_are_listed_with_their_roles(account: Account, browser: Client) -> None:
    factories.member(account, "reader", person=factories.user("lea"))
    said = sentence(read(browser.get("/credits/")))
    assert "lea" in said
    assert "Reader" in said
