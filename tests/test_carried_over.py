"""A message sent after the session ended, without JavaScript: it goes through the sign-in, and nothing is lost."""

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from compose.models import Submission
from credits.models import Account
from tests import factories
from tests.pages import Element, browser_of, read

HOME = "/"
WRITTEN = {"recipients": "06 12 34 56 78\r\n0142685300", "text": " L’été\r\n<b>est</b> là \r\n", "not_commercial": "on"}
LATER = {"when": "later", "date": "2026-12-01", "time": "14:30", "message_class": "flash"}


@pytest.fixture(autouse=True)
def noon(db: None) -> Iterator[None]:
    with time_machine.travel(factories.NOON, tick=False):
        factories.pool()
        yield


@pytest.fixture
def person() -> User:
    return factories.user("claire")


@pytest.fixture
def account(person: User) -> Account:
    return factories.account(owner=person)


@pytest.fixture
def browser(person: User, account: Account) -> Client:
    return browser_of(person)


def send_too_late(browser: Client, address: str = HOME, **changes: str) -> Any:
    """Write a message, lose the session, press Send; the answer that the browser comes to."""
    data = read(browser.get(address)).form(HOME).typed(**WRITTEN | {"action": "send"} | changes)
    browser.cookies.clear()
    answer = browser.post(HOME, data)
    # The browser posts the same again, to the page of the sign-in.
    assert answer.status_code == 307
    return browser.post(answer.headers["Location"], data)


def sign_in(browser: Client, page: Element, username: str = "claire", password: str = factories.PASSWORD) -> Element:
    form = page.form(reverse("login"))
    return read(browser.post(reverse("login"), form.typed(username=username, password=password), follow=True))


def lf(form: dict[str, str], *names: str) -> list[str]:
    return [form[name].replace("\r\n", "\n") for name in names]


def test_what_was_written_is_in_the_form_again_after_the_sign_in(browser: Client, account: Account) -> None:
    name = factories.sender(account)
    answer = send_too_late(browser, sender=str(name.pk), **LATER)
    assert answer.status_code == 200
    assert "sign in again to find your message" in read(answer).one(role="status").text
    page = sign_in(browser, read(answer))
    assert "so nothing was sent. Here is your message" in page.text
    form = page.form(HOME).typed()
    wanted = WRITTEN | LATER | {"sender": str(name.pk)}
    assert lf(form, *wanted) == lf(wanted, *wanted)
    assert not Submission.objects.exists()
    # It is not there for ever.
    assert read(browser.get(HOME)).form(HOME).typed()["text"] == ""


def test_it_is_sent_once_it_is_right(browser: Client) -> None:
    page = sign_in(browser, read(send_too_late(browser, recipients="06 12 34 56 78")))
    assert browser.post(HOME, page.form(HOME).typed(action="send")).status_code == 302
    assert Submission.objects.get().body == " L’été\n<b>est</b> là \n"


def test_a_wrong_password_loses_nothing(browser: Client) -> None:
    page = read(send_too_late(browser))
    for _attempt in range(2):
        answer = browser.post(reverse("login"), page.form(reverse("login")).typed(username="claire", password="wrong"))
        page = read(answer)
    assert lf(sign_in(browser, page).form(HOME).typed(), "text") == lf(WRITTEN, "text")


def test_an_answer_to_somebody_stays_one(browser: Client) -> None:
    page = sign_in(browser, read(send_too_late(browser, f"{HOME}?to=%2B33612345678")))
    form = page.form(HOME).typed()
    assert (form["to"], *lf(form, "text")) == ("+33612345678", *lf(WRITTEN, "text"))


def test_somebody_else_who_signs_in_does_not_find_it_in_their_form(browser: Client) -> None:
    factories.account(owner=factories.user("nadia"))
    page = sign_in(browser, read(send_too_late(browser)), "nadia")
    assert page.form(HOME).typed()["text"] == ""


def test_nothing_is_stored_of_who_is_not_signed_in(account: Account) -> None:
    browser = browser_of()
    answer = browser.post(reverse("login"), WRITTEN)
    assert answer.status_code == 200
    assert not Session.objects.exists()
    assert "smsmanager_session" not in answer.cookies


def test_a_form_of_the_sign_in_without_a_name_is_told_what_to_fill_in(account: Account) -> None:
    assert "Fill in both fields" in read(browser_of().post(reverse("login"), {})).text
