"""Received SMS that are marked and deleted: for whom, how many, and how it is undone."""

from collections.abc import Iterator

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from compose.models import OptOut
from credits.models import Account, Member
from inbox import marks, queries, threads
from inbox.models import Received, Unread
from tests import factories
from tests.pages import Element, browser_of, read, sentence

LIST, CHANGE = "/received/", "/received/change/"


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


def lines(browser: Client, query: str = "") -> dict[str, bool]:
    """Whether each text of the list is unread."""
    body = read(browser.get(LIST + query)).one("main").all("tbody")
    rows = body[0].all("tr") if body else []
    return {row.all("td")[2].text: row.attributes.get("class") == "unread" for row in rows}


def count(browser: Client) -> str:
    return read(browser.get("/")).one(id="unread").text.removesuffix(" unread")


def change(browser: Client, action: str, *rows: Received, back: str = "") -> Element:
    """What the list says after this was done to these messages."""
    answer = browser.post(CHANGE, {"action": action, "pk": [row.pk for row in rows], "back": back}, follow=True)
    assert answer.status_code == 200
    return read(answer)


def three(account: Account) -> list[Received]:
    return [
        factories.received(account, text, number=factories.mobile(number))
        for number, text in enumerate(("A", "B", "C"))
    ]


def member_of(account: Account, person: User) -> Member:
    return Member.objects.get(account=account, user=person)


def test_who_is_a_member_when_it_comes_has_it_unread_and_nobody_else(account: Account) -> None:
    reader = factories.member(account, Member.Role.READER)
    away = factories.member(account)
    away.user.is_active = False
    away.user.save()
    factories.owner(factories.account(name="Clinique du Parc"))
    came = factories.received(account)
    later = factories.member(account)
    members = set(Unread.objects.filter(received=came).values_list("member", flat=True))
    assert members == {reader.pk, member_of(account, factories.owner(account)).pk}
    assert queries.unread_count(later) == 0


def test_it_becomes_unread_with_one_statement_however_many_members_there_are(account: Account) -> None:
    for _person in range(5):
        factories.member(account)
    came = factories.received(account)
    Unread.objects.all().delete()
    with CaptureQueriesContext(connection) as caught:
        marks.arrived(came)
    assert len(caught) == 1
    assert Unread.objects.count() == 6


def test_what_belongs_to_no_account_is_unread_for_nobody(account: Account) -> None:
    came = factories.received(account)
    Unread.objects.all().delete()
    came.account = None
    marks.arrived(came)
    assert not Unread.objects.exists()


def test_who_is_taken_out_of_the_account_leaves_nothing_unread_behind(account: Account) -> None:
    member = factories.member(account)
    factories.received(account)
    member.delete()
    assert Unread.objects.count() == 1
    # Who comes back begins anew.
    assert queries.unread_count(factories.member(account, person=member.user)) == 0


def test_the_chosen_ones_are_marked_as_read_and_as_unread_for_this_person_only(
    account: Account, browser: Client
) -> None:
    colleague = browser_of(factories.member(account, Member.Role.READER).user)
    a, b, _c = three(account)
    change(browser, "read", a, b)
    assert lines(browser) == {"A": False, "B": False, "C": True}
    assert (count(browser), count(colleague)) == ("1", "3")
    change(browser, "unread", b)
    change(browser, "unread", b)
    assert lines(browser) == {"A": False, "B": True, "C": True}
    assert count(browser) == "2"


def test_a_conversation_is_marked_as_unread_from_its_page(account: Account, browser: Client) -> None:
    came = factories.received(account, "Later")
    page = read(browser.get(reverse("conversation", args=[came.pk])))
    assert count(browser) == ""
    form = next(form for form in page.one("main").all("form") if form.attributes["action"] == CHANGE)
    (button,) = form.all("button")
    change(browser, button.attributes["value"], came)
    assert lines(browser) == {"Later": True}


def test_what_is_deleted_is_gone_everywhere_and_the_undoing_brings_all_of_it_back(
    account: Account, browser: Client
) -> None:
    colleague = browser_of(factories.member(account).user)
    a, b, c = three(account)
    change(browser, "read", a)
    page = change(browser, "delete", a, b)
    assert "2 messages are deleted." in sentence(page)
    assert lines(browser) == {"C": True}
    assert lines(browser, "?q=B") == {}
    assert (count(browser), count(colleague)) == ("1", "1")
    assert threads.thread(account, a.number).lines == []
    exported = b"".join(browser.get("/received/export.csv")).decode()
    assert [text in exported for text in (a.number, b.number, c.number)] == [False, False, True]
    undo = page.one(id="deleted").one("form")
    fields = {
        "action": "restore",
        "pk": [box.attributes["value"] for box in undo.all("input", name="pk")],
        "back": undo.one("input", name="back").attributes["value"],
    }
    back = read(browser.post(CHANGE, fields, follow=True))
    assert "2 messages are back." in sentence(back)
    # As each person left them.
    assert lines(browser) == {"A": False, "B": True, "C": True}
    assert (count(browser), count(colleague)) == ("2", "3")


def test_the_offer_to_undo_stands_once_and_the_page_that_follows_does_not_take_it(
    account: Account, browser: Client
) -> None:
    (came, *_others) = three(account)
    browser.post(CHANGE, {"action": "delete", "pk": came.pk})
    assert "deleted" not in sentence(read(browser.get(LIST, headers={"hx-request": "true"})))
    assert "The message is deleted." in sentence(read(browser.get(LIST)))
    assert "deleted" not in sentence(read(browser.get(LIST)))


def test_a_deletion_keeps_who_did_it_when_and_what_it_cost_and_the_stop_list(account: Account, browser: Client) -> None:
    factories.opt_out(account, "+33612345678")
    came = factories.received(account, "STOP")
    before = factories.balances(account)
    change(browser, "delete", came)
    came.refresh_from_db()
    assert (came.deleted_at, came.deleted_by) == (factories.NOON, factories.owner(account))
    assert factories.balances(account) == before
    assert OptOut.objects.filter(account=account, removed_at=None).count() == 1
    factories.assert_ledger_adds_up()


def test_who_reads_marks_and_deletes_nothing(account: Account) -> None:
    reader = browser_of(factories.member(account, Member.Role.READER).user)
    came = factories.received(account)
    page = read(reader.get(LIST))
    assert [button.attributes["value"] for button in page.one(id="chosen").all("button")] == ["read", "unread"]
    for action in ("delete", "restore"):
        assert reader.post(CHANGE, {"action": action, "pk": came.pk}).status_code == 403
    assert Received.objects.filter(deleted_at=None).count() == 1
    change(reader, "read", came)
    assert count(reader) == ""


@pytest.mark.parametrize("action", ["read", "unread", "delete", "restore"])
def test_a_stranger_changes_nothing_by_its_number(account: Account, browser: Client, action: str) -> None:
    mine, gone = factories.received(account, "Mine"), factories.received(account, "Gone")
    change(browser, "delete", gone)
    change(browser, "read", mine) if action == "unread" else None
    before = list(Unread.objects.order_by("pk").values())
    stranger = factories.owner(factories.account(name="Clinique du Parc"))
    change(browser_of(stranger), action, mine, gone)
    assert list(Unread.objects.order_by("pk").values()) == before
    assert list(Received.objects.order_by("pk").values_list("deleted_at", flat=True)) == [None, factories.NOON]


@pytest.mark.parametrize(
    "posted",
    [{}, {"action": "delete"}, {"action": "burn", "pk": "1"}, {"action": "read", "pk": ["x", "9" * 30, "-1", "١"]}],
)
def test_what_makes_no_sense_changes_nothing_and_says_so(account: Account, browser: Client, posted: object) -> None:
    factories.received(account)
    page = read(browser.post(CHANGE, posted, follow=True))
    assert "No message is chosen." in sentence(page)
    assert count(browser) == "1"


def test_the_list_comes_back_as_it_was_and_leads_nowhere_else(account: Account, browser: Client) -> None:
    came = factories.received(account)
    for back, address in (
        ("q=Merci&unread=on", "/received/?q=Merci&unread=on"),
        ("", "/received/"),
        ("//evil.example/", "/received/"),
    ):
        answer = browser.post(CHANGE, {"action": "read", "pk": came.pk, "back": back})
        assert answer.headers["Location"] == address


def test_what_a_colleague_deleted_is_not_brought_back_by_its_number(account: Account, browser: Client) -> None:
    came = factories.received(account, "Private")
    change(browser, "delete", came)
    colleague = browser_of(factories.member(account).user)
    assert "Nothing was brought back" in sentence(change(colleague, "restore", came))
    assert lines(colleague) == {}
    assert "The message is back." in sentence(change(browser, "restore", came))
    # A second click says what is so.
    assert "Nothing was brought back" in sentence(change(browser, "restore", came))


def test_all_of_the_page_is_chosen_without_a_script(account: Account, browser: Client) -> None:
    three(account)
    assert all("checked" not in box.attributes for box in read(browser.get(LIST)).all("input", name="pk"))
    page = read(browser.get(LIST))
    (link,) = [link for link in page.all("a") if link.text == "Choose all"]
    boxes = read(browser.get(LIST + link.attributes["href"])).all("input", name="pk")
    assert len(boxes) == 3
    assert all("checked" in box.attributes for box in boxes)


def test_the_frame_of_a_page_asks_four_things_of_the_database(account: Account, browser: Client) -> None:
    for number in range(20):
        factories.received(account, number=factories.mobile(number))
    browser.get("/account/me/")
    with CaptureQueriesContext(connection) as caught:
        browser.get("/password/")
    asked = [query["sql"] for query in caught]
    assert len(asked) <= 4, asked
    assert sum("inbox_" in sql for sql in asked) == 1
