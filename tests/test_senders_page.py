"""The page of senders: a request, what the administrator says to it, and the switches."""

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from credits.models import Account, Member
from senders import services
from senders.models import Sender
from tests import factories
from tests.pages import browser_of, is_a_sentence, read, sentence

LIST = "/senders/"
REQUEST = "/senders/new/"


@pytest.fixture(autouse=True)
def noon(db: None) -> Iterator[None]:
    with time_machine.travel(factories.NOON, tick=False):
        factories.pool()
        yield


@pytest.fixture
def account() -> Account:
    return factories.account()


@pytest.fixture
def browser(account: Account) -> Client:
    return browser_of(factories.owner(account))


def ask(browser: Client, **changes: str | None) -> Any:
    """Fill in the request for a sender and send it."""
    form = read(browser.get(REQUEST)).form(REQUEST)
    filled = {"value": "BoulMartin", "description": "Enseigne", "justification": "It is our name."} | changes
    return browser.post(REQUEST, form.typed(**filled))


def offered(browser: Client) -> list[str]:
    return [option.text for option in read(browser.get("/")).one("select", name="sender").all("option")]


def row(browser: Client, name: str) -> str:
    """What the list says of a sender."""
    rows = read(browser.get(LIST)).one("tbody").all("tr")
    (found,) = (row.text for row in rows if row.all("th")[0].text.startswith(name))
    return found


def test_a_request_waits_for_the_administrator_and_says_so(account: Account, browser: Client) -> None:
    answer = ask(browser)
    assert answer.headers["Location"] == LIST
    made = Sender.objects.get(account=account)
    assert (made.kind, made.value, made.description) == ("alphanumeric", "BoulMartin", "Enseigne")
    assert (made.status, made.requested_by) == (Sender.Status.WAITING, factories.owner(account))
    page = read(browser.get(LIST))
    assert "approved" in page.one(role="status", **{"class": "notice notice--success"}).text
    assert "Waiting for validation" in row(browser, "BoulMartin")
    assert offered(browser) == ["Short number that can be answered"]


@pytest.mark.parametrize("value", ["A", "a1", "Boul-Martin", "B. M, & + _", "3 Suisses", "ABCDEFGHIJK"])
def test_a_name_of_the_permitted_characters_is_taken(browser: Client, value: str) -> None:
    assert ask(browser, value=value).status_code == 302
    assert Sender.objects.filter(value=value).exists()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "This field is required."),
        ("ABCDEFGHIJKL", "A name has 1 to 11 characters"),
        ("Pâtisserie", "A name has 1 to 11 characters"),
        ("Boul/Martin", "A name has 1 to 11 characters"),
        ("A\nB", "A name has 1 to 11 characters"),
        ("12345", "A name needs at least one letter"),
        ("- . , & + _", "A name needs at least one letter"),
        ("A" * 41, "at most 40 characters"),
    ],
)
def test_a_name_that_phones_would_not_show_is_refused_beside_its_field(browser: Client, value: str, said: str) -> None:
    answer = ask(browser, value=value)
    assert answer.status_code == 422
    page = read(answer)
    assert said in page.one(id="errors").text
    assert page.form(REQUEST).typed()["justification"].strip() == "It is our name."
    assert not Sender.objects.exclude(account=None).exists()


@pytest.mark.parametrize("value", ["+33612345678", "06 12 34 56 78", "+33 6 12 34 56 78", "0033612345678"])
def test_a_virtual_number_is_kept_in_international_form(browser: Client, value: str) -> None:
    assert ask(browser, kind="virtual", value=value).status_code == 302
    assert Sender.objects.get(kind="virtual").value == "+33612345678"


@pytest.mark.parametrize("value", ["0612", "Martin", "+99912345678", "36111"])
def test_a_virtual_number_that_is_none_is_refused(browser: Client, value: str) -> None:
    answer = ask(browser, kind="virtual", value=value)
    assert answer.status_code == 422
    assert "This is not a valid number." in read(answer).one(id="errors").text


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "short"},
        {"kind": "numeric"},
        {"kind": None},
        {"justification": ""},
        {"justification": "a" * 251},
        {"description": "a" * 41},
    ],
)
def test_a_request_that_lacks_something_or_says_too_much_is_refused(
    browser: Client, changes: dict[str, str | None]
) -> None:
    answer = ask(browser, **changes)
    assert answer.status_code == 422
    assert read(answer).one(id="errors").all("li")
    assert not Sender.objects.exclude(account=None).exists()


@pytest.mark.parametrize("status", Sender.Status.values)
def test_a_sender_that_the_account_has_already_is_refused_whatever_its_status(
    account: Account, browser: Client, status: str
) -> None:
    factories.sender(account, "BoulMartin", status=status)
    answer = ask(browser)
    assert answer.status_code == 422
    assert "Your account has this sender already." in read(answer).one(id="errors").text
    assert Sender.objects.filter(account=account).count() == 1


def test_a_deleted_sender_can_be_asked_for_again_and_another_account_may_have_the_same(
    account: Account, browser: Client
) -> None:
    services.delete(factories.sender(account, "BoulMartin"), by=None)
    factories.sender(factories.account(name="Other"), "BoulMartin")
    assert ask(browser).status_code == 302


def test_two_clicks_at_once_on_a_request_make_one_sender(
    account: Account, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = services.request_sender

    def after_the_other_click(**asked: Any) -> Sender:
        alone(**asked)
        return alone(**asked)

    monkeypatch.setattr(services, "request_sender", after_the_other_click)
    answer = ask(browser)
    assert answer.status_code == 422
    assert "Your account has this sender already." in read(answer).one(id="errors").text
    assert Sender.objects.filter(account=account).count() == 1


def test_disable_enable_and_delete_say_what_they_did_and_change_what_is_offered(
    account: Account, browser: Client
) -> None:
    name = factories.sender(account)
    for verb, label, there in [("disable", "Disabled", False), ("enable", "Enabled", True)]:
        page = read(browser.post(f"/senders/{name.pk}/{verb}/", follow=True))
        assert f"BoulMartin is {verb}d" in page.one(role="status").text
        assert label in row(browser, "BoulMartin")
        assert ("BoulMartin" in offered(browser)) is there
    sent = factories.message(account, by=name)
    page = read(browser.post(f"/senders/{name.pk}/delete/", follow=True))
    assert "BoulMartin is deleted" in page.one(role="status").text
    assert "BoulMartin" not in page.one("main").one("tbody").text
    assert "BoulMartin" in sentence(read(browser.get(reverse("message", kwargs={"pk": sent.pk}))))


@pytest.mark.parametrize(("status", "verb"), [("waiting", "enable"), ("refused", "enable"), ("waiting", "disable")])
def test_a_switch_that_the_status_does_not_allow_changes_nothing_and_says_so(
    account: Account, browser: Client, status: str, verb: str
) -> None:
    name = factories.sender(account, status=status)
    page = read(browser.post(f"/senders/{name.pk}/{verb}/", follow=True))
    assert is_a_sentence(page.one(role="alert").text)
    name.refresh_from_db()
    assert name.status == status


def test_a_second_delete_is_not_found(account: Account, browser: Client) -> None:
    name = factories.sender(account)
    browser.post(f"/senders/{name.pk}/delete/")
    assert browser.post(f"/senders/{name.pk}/delete/").status_code == 404


def test_the_shared_pool_belongs_to_nobody_who_could_switch_it(browser: Client) -> None:
    pool = factories.pool()
    for verb in ("disable", "enable", "delete"):
        assert browser.post(f"/senders/{pool.pk}/{verb}/").status_code == 404
    assert read(browser.get(LIST)).one("tbody").all("form") == []


def test_only_owners_are_offered_what_only_owners_may_do(account: Account) -> None:
    factories.sender(account)
    for role in (Member.Role.SENDER, Member.Role.READER):
        page = read(browser_of(factories.member(account, role).user).get(LIST))
        assert "BoulMartin" in sentence(page)
        assert page.one("main").all("a", href=REQUEST) == []
        assert page.one("main").all("form") == []
