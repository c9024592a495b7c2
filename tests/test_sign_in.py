"""Who comes in: sign-in, sign-out, passwords, and the account one works in."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from django.test import Client
from django.urls import reverse

from credits.models import Account, Member
from tests import factories
from tests.pages import browser_of, is_a_sentence, read, sentence

NEW = "a wholly different phrase"


@pytest.fixture(autouse=True)
def noon(db: None) -> Iterator[None]:
    with time_machine.travel(factories.NOON, tick=False):
        yield


@pytest.fixture
def person() -> User:
    return factories.user("claire")


@pytest.fixture
def account(person: User) -> Account:
    return factories.account(owner=person)


def sign_in(browser: Client, username: str = "claire", password: str = factories.PASSWORD, next_page: str = "") -> Any:
    address = reverse("login") + (f"?next={next_page}" if next_page else "")
    form = read(browser.get(address)).form(reverse("login"))
    return browser.post(reverse("login"), form.typed(username=username, password=password))


def test_signing_in_leads_to_the_compose_page(account: Account) -> None:
    browser = browser_of()
    assert sign_in(browser).headers["Location"] == "/"
    page = read(browser.get("/"))
    assert account.name in page.text
    assert "claire" in page.text


def test_signing_in_leads_to_the_page_that_was_asked_for(account: Account) -> None:
    browser = browser_of()
    asked = browser.get("/sent/?q=a&state=delivered").headers["Location"]
    form = read(browser.get(asked)).form(reverse("login"))
    answer = browser.post(reverse("login"), form.typed(username="claire", password=factories.PASSWORD))
    assert answer.headers["Location"] == "/sent/?q=a&state=delivered"


@pytest.mark.parametrize(
    ("username", "password"), [("claire", "wrong"), ("nobody", factories.PASSWORD), ("CLAIRE", "x" * 100_000)]
)
def test_a_wrong_name_and_a_wrong_password_get_the_same_sentence(
    account: Account, username: str, password: str
) -> None:
    browser = browser_of()
    answer = sign_in(browser, username, password)
    assert answer.status_code == 200
    page = read(answer)
    assert "Please enter a correct username and password" in page.one(role="alert").text
    assert page.form(reverse("login")).typed()["username"] == username
    assert page.form(reverse("login")).typed()["password"] == ""
    assert "_auth_user_id" not in browser.session


def test_an_empty_form_says_what_to_fill_in(account: Account) -> None:
    assert is_a_sentence(read(sign_in(browser_of(), "", "")).one(role="alert").text)


def test_a_person_who_was_shut_out_cannot_sign_in(person: User, account: Account) -> None:
    browser = browser_of(person)
    person.is_active = False
    person.save()
    assert sign_in(browser_of()).status_code == 200
    # Not even with a session from before.
    assert browser.get("/").headers["Location"].startswith(reverse("login"))


@pytest.mark.parametrize("asked", ["/sign-in/", "/sign-in/?next=/sign-in/", "//elsewhere.example/"])
def test_who_is_signed_in_and_is_sent_to_sign_in_reaches_the_first_page(
    account: Account, person: User, asked: str
) -> None:
    answer = browser_of(person).get(reverse("login"), {"next": asked})
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/"


def test_signing_out_ends_the_session(person: User, account: Account) -> None:
    browser = browser_of(person)
    form = read(browser.get("/")).form(reverse("logout"))
    assert browser.post(reverse("logout"), form.typed()).headers["Location"] == reverse("login")
    assert browser.get("/").headers["Location"].startswith(reverse("login"))


def test_the_session_cookie_is_for_the_server_only(account: Account) -> None:
    browser = browser_of()
    sign_in(browser)
    cookie = browser.cookies["smsmanager_session"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


def test_the_session_gets_another_key_when_somebody_signs_in(account: Account, person: User) -> None:
    browser = browser_of(factories.owner(factories.account(name="Other")))
    before = browser.session.session_key
    browser.post(reverse("logout"))
    sign_in(browser)
    assert browser.session.session_key != before


def test_changing_the_password_keeps_this_browser_and_ends_the_others(person: User, account: Account) -> None:
    here, there = browser_of(person), browser_of(person)
    form = read(here.get(reverse("password_change"))).one("main").all("form")[0]
    assert [field.attributes["name"] for field in form.all("input", type="password")] == [
        "old_password",
        "new_password1",
        "new_password2",
    ]
    fields = {"old_password": factories.PASSWORD, "new_password1": NEW, "new_password2": NEW}
    answer = here.post(reverse("password_change"), fields, follow=True)
    assert "Your password is changed" in sentence(read(answer))
    assert here.get("/").status_code == 200
    assert there.get("/").headers["Location"].startswith(reverse("login"))
    assert sign_in(browser_of(), password=NEW).status_code == 302


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"old_password": "wrong"}, "Your old password was entered incorrectly"),
        ({"new_password2": "another one"}, "The two password fields"),
        ({"new_password1": "short", "new_password2": "short"}, "too short"),
        ({"new_password1": "1234567890", "new_password2": "1234567890"}, "entirely numeric"),
        ({"new_password1": "password123", "new_password2": "password123"}, "too common"),
    ],
)
def test_a_password_that_is_not_taken_says_why(
    person: User, account: Account, changes: dict[str, str], said: str
) -> None:
    fields = {"old_password": factories.PASSWORD, "new_password1": NEW, "new_password2": NEW} | changes
    page = read(browser_of(person).post(reverse("password_change"), fields))
    assert said in page.one(id="errors").text
    assert NEW not in page.text
    assert sign_in(browser_of()).status_code == 302


def asked_for_a_link(browser: Client, email: str) -> Any:
    form = read(browser.get(reverse("password_reset"))).one("main").all("form")[0]
    assert form.all("input", type="email")
    return browser.post(reverse("password_reset"), {"email": email})


def link_in(letter: EmailMessage) -> str:
    found = re.search(r"http://testserver(/\S+)", str(letter.body))
    assert found
    return found[1]


def test_a_forgotten_password_is_chosen_anew_by_the_link_of_a_letter(
    person: User, account: Account, mailoutbox: list[EmailMessage]
) -> None:
    browser = browser_of()
    assert asked_for_a_link(browser, person.email).headers["Location"] == reverse("password_reset_done")
    (letter,) = mailoutbox
    assert letter.to == [person.email]
    assert "claire" in str(letter.body)
    assert "\n" not in letter.subject
    answer = browser.get(link_in(letter), follow=True)
    form = read(answer).one("main").all("form")[0]
    assert form.all("input", type="password")
    (address, _status) = answer.redirect_chain[-1]
    answer = browser.post(address, {"new_password1": NEW, "new_password2": NEW}, follow=True)
    assert answer.redirect_chain[-1][0] == reverse("password_reset_complete")
    assert sign_in(browser_of(), password=NEW).status_code == 302
    # It works once.
    page = read(browser_of().get(link_in(letter), follow=True))
    assert "This link works no more" in sentence(page)
    assert page.all("input", type="password") == []


def test_the_link_of_a_letter_works_for_four_hours(
    person: User, account: Account, mailoutbox: list[EmailMessage]
) -> None:
    asked_for_a_link(browser_of(), person.email)
    link = link_in(mailoutbox[0])
    for hours, works in [(3.9, True), (4.1, False)]:
        with time_machine.travel(factories.NOON + timedelta(hours=hours), tick=False):
            page = read(browser_of().get(link, follow=True))
            assert bool(page.all("input", type="password")) is works


def test_an_address_that_nobody_has_gets_the_same_answer_and_no_letter(
    person: User, account: Account, mailoutbox: list[EmailMessage]
) -> None:
    known = asked_for_a_link(browser_of(), person.email)
    mailoutbox.clear()
    unknown = asked_for_a_link(browser_of(), "nobody@example.org")
    assert (unknown.status_code, unknown.headers["Location"]) == (known.status_code, known.headers["Location"])
    assert mailoutbox == []


@pytest.mark.parametrize("token", ["set-password", "x", "a" * 500, "c4k7d1-" + "0" * 32])
def test_a_forged_link_chooses_no_password(person: User, account: Account, token: str) -> None:
    address = reverse("password_reset_confirm", kwargs={"uidb64": "MQ", "token": token})
    browser_of().post(address, {"new_password1": NEW, "new_password2": NEW})
    assert "This link works no more" in sentence(read(browser_of().get(address)))
    assert sign_in(browser_of()).status_code == 302


def test_a_person_of_two_accounts_switches_between_them_and_stays_there(person: User, account: Account) -> None:
    other = factories.account(name="Clinique du Parc", millis=7_000)
    factories.member(other, Member.Role.SENDER, person=person)
    factories.message(other, body="From the clinic")
    browser = browser_of(person)
    page = read(browser.get("/"))
    form = page.form(reverse("switch_account"))
    offered = {button.text: button.attributes["value"] for button in form.element.all("button", name="account")}
    assert set(offered) == {account.name, other.name}
    assert page.one(id="balance").text == "100 credits"
    fields = form.typed(account=offered[other.name])
    assert browser.post(reverse("switch_account"), fields).headers["Location"] == "/"
    assert read(browser.get("/")).one(id="balance").text == "6 credits"
    assert "From the clinic" in sentence(read(browser.get("/sent/")))
    # In another browser nothing was chosen.
    assert "From the clinic" not in sentence(read(browser_of(person).get("/sent/")))
    # Who leaves the chosen account is back in the other one.
    Member.objects.filter(account=other, user=person).delete()
    assert read(browser.get("/")).one(id="balance").text == "100 credits"


def test_the_chosen_account_is_the_one_that_pays(person: User, account: Account) -> None:
    other = factories.account(name="Clinique du Parc", millis=7_000)
    factories.sender(other, "Clinique")
    factories.member(other, Member.Role.SENDER, person=person)
    browser = browser_of(person)
    browser.post(reverse("switch_account"), {"account": str(other.pk)})
    form = read(browser.get("/")).form("/")
    answer = browser.post("/", form.typed(recipients="06 12 34 56 78", text="Bonjour", action="send"))
    assert answer.status_code == 302
    assert factories.balances(other)["available"] == 6_000
    assert factories.balances(account)["available"] == 100_000


def test_a_person_without_an_account_is_told_what_to_do(person: User) -> None:
    page = read(browser_of(person).get("/", follow=True))
    assert "You are not a member of an SMS account yet" in sentence(page)
    assert page.all(id="balance") == page.all("nav", **{"class": "side"}) == []


@pytest.mark.parametrize(
    ("typed", "kept", "shown"),
    [
        ("06 12 34 56 78", "+33612345678", "+33 6 12 34 56 78"),
        ("+32470123456", "+32470123456", "+32 470 12 34 56"),
    ],
)
def test_a_member_keeps_a_mobile_number_of_their_own(
    person: User, account: Account, typed: str, kept: str, shown: str
) -> None:
    browser = browser_of(person)
    page = read(browser.post(reverse("profile"), {"mobile": typed}, follow=True))
    assert page.one(role="status").text == "Your mobile number is kept."
    assert page.form(reverse("profile")).typed()["mobile"] == shown
    assert Member.objects.get(user=person).mobile == kept
    browser.post(reverse("profile"), {"mobile": ""})
    assert Member.objects.get(user=person).mobile == ""


@pytest.mark.parametrize("typed", ["01 42 68 53 00", "0612", "claire", "1" * 41])
def test_a_number_that_is_no_mobile_is_not_kept(person: User, account: Account, typed: str) -> None:
    answer = browser_of(person).post(reverse("profile"), {"mobile": typed})
    assert answer.status_code == 422
    page = read(answer)
    assert page.one(id="errors").all("li")
    assert page.form(reverse("profile")).typed()["mobile"] == typed
    assert Member.objects.get(user=person).mobile == ""
