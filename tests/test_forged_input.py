"""What no page of ours would send: forged forms, edited addresses, foreign redirects. Never an error 500."""

from collections.abc import Iterator

import pytest
import time_machine
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.test import Client
from django.urls import reverse

from compose.models import Submission
from credits.models import Account
from tests import factories
from tests.pages import browser_of, is_a_sentence, read, sentence

HOME = "/"
FOREIGN = [
    "https://example.org/",
    "//example.org",
    "/\\example.org",
    "javascript:alert(1)",
    "http:///example.org",
    "\0",
]


@pytest.fixture(autouse=True)
def noon(db: None) -> Iterator[None]:
    with time_machine.travel(factories.NOON, tick=False):
        factories.pool()
        yield


@pytest.fixture
def account() -> Account:
    return factories.account(millis=100_000)


@pytest.fixture
def browser(account: Account) -> Client:
    return browser_of(factories.owner(account))


def typed(browser: Client, **changes: str | None) -> dict[str, str]:
    form = read(browser.get(HOME)).form(HOME)
    return form.typed(**{"recipients": "06 12 34 56 78", "text": "Bonjour", "action": "send"} | changes)


@pytest.mark.parametrize("token", ["", "forged"])
def test_a_form_without_our_token_is_refused_with_a_sentence(account: Account, token: str) -> None:
    browser = browser_of(factories.owner(account), csrf=True)
    fields = typed(browser)
    answer = browser.post(HOME, fields | {"csrfmiddlewaretoken": token})
    assert answer.status_code == 403
    assert "Nothing was sent or changed." in sentence(read(answer))
    assert not Submission.objects.exists()
    # With the page's own token the same form is sent.
    assert browser.post(HOME, fields).status_code == 302


def test_every_form_of_every_page_carries_the_token(account: Account, browser: Client) -> None:
    factories.message(account, deferred_to=factories.NOON.replace(month=12))
    browser.logout()
    pages = [read(browser.get(reverse(name))) for name in ("login", "password_reset")]
    browser.force_login(factories.owner(account))
    names = ("compose", "scheduled", "senders", "sender_request", "profile", "account_settings", "password_change")
    pages += [read(browser.get(reverse(name))) for name in names]
    for page in pages:
        for form in page.all("form", method="post"):
            assert len(form.all("input", name="csrfmiddlewaretoken")) == 1, form.attributes


@pytest.mark.parametrize("key", [None, "", "garbage", "0" * 4000, "\0", "{}"])
def test_a_form_without_a_usable_request_key_asks_again_and_keeps_what_was_typed(
    browser: Client, key: str | None
) -> None:
    answer = browser.post(HOME, typed(browser, request_key=key))
    assert answer.status_code == 422
    page = read(answer)
    assert "press Send again" in page.one(id="errors").text
    assert not Submission.objects.exists()
    again = page.form(HOME).typed(action="send")
    assert again["recipients"] == "06 12 34 56 78"
    assert browser.post(HOME, again).status_code == 302
    assert Submission.objects.count() == 1


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("message_class", "holographic", "Choose Standard, Flash or SIM."),
        ("message_class", "\0", "Choose Standard, Flash or SIM."),
        ("when", "yesterday", "Choose to send the message now or later."),
        ("when", "\0", "Choose to send the message now or later."),
    ],
)
def test_a_choice_that_the_page_does_not_offer_is_refused_beside_its_field(
    browser: Client, field: str, value: str, said: str
) -> None:
    answer = browser.post(HOME, typed(browser, **{field: value}))
    assert answer.status_code == 422
    assert said in read(answer).error(field)
    assert not Submission.objects.exists()


@pytest.mark.parametrize("action", ["check", "replace", "restore", "test"])
@pytest.mark.parametrize("field", ["sender", "recipients", "text", "message_class", "text_before", "to", "date"])
def test_a_nul_byte_is_no_error_of_ours_whatever_the_button(browser: Client, field: str, action: str) -> None:
    fields = typed(browser, when="later", date="2026-12-01", time="10:00", action=action)
    assert browser.post(HOME, fields | {field: fields.get(field, "") + "\0"}).status_code in (200, 422)


@pytest.mark.parametrize("field", ["sender", "recipients", "text", "when", "date", "time", "message_class"])
def test_a_nul_byte_is_refused_in_every_field(browser: Client, field: str) -> None:
    fields = typed(browser, when="later", date="2026-12-01", time="10:00")
    answer = browser.post(HOME, fields | {field: fields[field] + "\0"})
    assert answer.status_code == 422
    assert is_a_sentence(read(answer).error(field))
    assert browser.post(reverse("quote"), fields | {field: fields[field] + "\0"}).status_code == 200
    assert not Submission.objects.exists()


@pytest.mark.parametrize(
    ("name", "fields", "status"),
    [
        ("login", {"username": "a\0", "password": "b\0"}, 200),
        ("password_reset", {"email": "a\0@example.org"}, 200),
        ("profile", {"mobile": "+33612345678\0"}, 422),
        ("account_settings", {"always_replace": "on\0"}, 302),
        ("switch_account", {"account": "1\0"}, 404),
        ("theme", {"theme": "dark\0", "next": "/\0"}, 302),
        ("set_language", {"language": "fr\0", "next": "/\0"}, 302),
        (
            "sender_request",
            {"kind": "alphanumeric\0", "value": "A\0", "description": "\0", "justification": "\0"},
            422,
        ),
    ],
)
def test_a_nul_byte_in_another_form_is_no_error_of_ours(
    account: Account, name: str, fields: dict[str, str], status: int
) -> None:
    browser = browser_of(None if name in ("login", "password_reset") else factories.owner(account))
    assert browser.post(reverse(name), fields).status_code == status


def test_bytes_that_are_no_text_are_no_error_of_ours(browser: Client) -> None:
    body = b"text=%FF%FE%ED%A0%80&recipients=%FF&sender=%FF&request_key=%FF&date=%FF&when=later"
    answer = browser.post(HOME, body, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 422
    assert browser.get("/sent/", {"q": "\ud800".encode("utf-8", "surrogatepass")}).status_code == 200


@pytest.mark.parametrize("name", ["smsmanager_session", "csrftoken", "messages", "django_language", "theme"])
# As it stands in the header: \000 is how a cookie spells a NUL byte.
@pytest.mark.parametrize("value", ['"aaaaaaaa\\000bbbbbbbb"', "x" * 3000, '"\' or 1=1 --"', "é" * 20])
def test_a_cookie_of_garbage_is_a_cookie_of_nobody(name: str, value: str) -> None:
    browser = Client(headers={"cookie": f"{name}={value}"})
    assert browser.get(reverse("login")).status_code == 200
    assert browser.get(HOME).status_code == 302


@pytest.mark.parametrize("charset", ["utf-16", "utf-7", "latin-1"])
def test_a_form_in_another_encoding_is_refused_with_a_sentence(browser: Client, charset: str) -> None:
    form_type = f"application/x-www-form-urlencoded; charset={charset}"
    answer = browser.post("/", "text=Bonjour", content_type=form_type)
    assert answer.status_code == 400
    assert is_a_sentence(read(answer).one("main").one("p").text)


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_a_file_that_nobody_asked_for_is_written_nowhere(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(TemporaryUploadedFile, "__init__", lambda *_all: written.append("a file"))
    form = read(browser_of().get(reverse("login"))).form(reverse("login"))
    file = SimpleUploadedFile("x.bin", b"x" * size)
    answer = browser_of().post(reverse("login"), form.typed(username="a", password="b") | {"file": file})
    assert answer.status_code == 200
    assert written == []


def test_a_body_above_the_limit_is_refused_with_a_sentence(browser: Client) -> None:
    assert settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    body = b"text=" + b"a" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    answer = browser.post(HOME, body, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 400
    assert "Nothing was sent or changed." in sentence(read(answer))


def test_more_fields_than_any_form_has_are_refused_with_a_sentence(browser: Client) -> None:
    body = b"&".join([b"a=1"] * 2000)
    answer = browser.post(HOME, body, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 400
    assert "Nothing was sent or changed." in sentence(read(answer))


@pytest.mark.parametrize(
    "cursor",
    [
        "garbage",
        "-",
        "\0",
        "20261124T110000.000000-",
        "20261124T110000.000000-abc",
        f"20261124T110000.000000-{2**63}",
        "20261124T110000.000000--1",
        "99991231T235959.999999-1",
        "00010101T000000.000000-1",
        "20261399T110000.000000-1",
        "9" * 5000,
        "²",
        "-1",
    ],
)
def test_a_broken_cursor_shows_a_page_and_no_error(account: Account, browser: Client, cursor: str) -> None:
    factories.message(account)
    factories.received(account)
    for name in ("sent", "scheduled", "received", "credits"):
        for key in ("before", "after"):
            assert browser.get(reverse(name), {key: cursor}).status_code == 200, name


@pytest.mark.parametrize("query", ["\0", "%", "_", "'; DROP TABLE compose_message; --", "é" * 5000, "\\", "0"])
def test_any_search_is_answered(account: Account, browser: Client, query: str) -> None:
    factories.message(account)
    for state in ("", "delivered", "nonsense", "\0"):
        assert browser.get(reverse("sent"), {"q": query, "state": state}).status_code == 200


@pytest.mark.parametrize("pk", [2**31, 2**63 - 1, 2**63, 10**30, int("9" * 4000)])
def test_a_huge_id_is_not_found(browser: Client, pk: int) -> None:
    for address in (f"/sent/{pk}/", f"/sent/submission/{pk}/", f"/received/{pk}/"):
        assert browser.get(address).status_code == 404
    for address in (f"/sent/submission/{pk}/cancel/", f"/scheduled/{pk}/cancel/", f"/senders/{pk}/delete/"):
        assert browser.post(address).status_code == 404


def test_an_id_of_more_digits_than_python_reads_is_not_found(browser: Client) -> None:
    assert browser.get(f"/sent/{'9' * 5000}/").status_code == 404


@pytest.mark.parametrize("chosen", ["", "0", "-1", "abc", "1.5", str(2**63), "9" * 5000, "²", None])
def test_a_switch_to_no_account_of_ours_is_not_found_and_changes_nothing(
    account: Account, browser: Client, chosen: str | None
) -> None:
    answer = browser.post(reverse("switch_account"), {} if chosen is None else {"account": chosen})
    assert answer.status_code == 404
    assert account.name in read(browser.get(HOME)).text


@pytest.mark.parametrize("foreign", FOREIGN)
@pytest.mark.parametrize(("name", "fields"), [("theme", {"theme": "dark"}), ("set_language", {"language": "en"})])
def test_a_switch_leads_to_no_other_site(browser: Client, name: str, fields: dict[str, str], foreign: str) -> None:
    answer = browser.post(reverse(name), fields | {"next": foreign})
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/"


@pytest.mark.parametrize("foreign", FOREIGN)
def test_signing_in_leads_to_no_other_site(account: Account, foreign: str) -> None:
    person = factories.owner(account)
    fields = {"username": person.username, "password": factories.PASSWORD, "next": foreign}
    answer = browser_of().post(reverse("login"), fields)
    assert answer.headers["Location"] == HOME


def test_a_host_that_is_not_ours_is_refused_with_a_sentence(browser: Client) -> None:
    answer = browser.get(HOME, headers={"host": "evil.example.org"})
    assert answer.status_code == 400
    assert is_a_sentence(read(answer).one("main").all("p")[0].text)


def test_an_unknown_address_is_not_found_with_a_sentence_for_everybody(browser: Client) -> None:
    for reader in (browser, browser_of()):
        answer = reader.get("/no/such/page/")
        assert answer.status_code == 404
        assert is_a_sentence(read(answer).one("main").all("p")[0].text)
