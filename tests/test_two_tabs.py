"""A page of one account, and its person works in another: nothing is done, and the page says so."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, reverse

from compose.models import OptOut, Submission
from credits.models import Account, Member, Order
from credits.templatetags.forms_of_members import FormTokens
from smsmanager.urls import urlpatterns
from tests import factories
from tests.pages import Element, browser_of, read, sentence

HOME = "/"
LATER = factories.NOON.replace(month=12)
WRITTEN = {"recipients": "06 12 34 56 78", "text": " L’été\r\n<b>est</b> là \r\n", "not_commercial": "on"}
# What anybody may post, signed in or not: no account is worked in there.
OF_NO_ACCOUNT = {
    "switch_account", "no_account", "login", "logout", "password_change", "password_change_done", "password_reset",
    "password_reset_done", "password_reset_confirm", "password_reset_complete", "set_language", "theme", "favicon",
    "healthz", "readyz", "metrics", "payments", "gateway_door", "gateway_door_of",
}  # fmt: skip


@pytest.fixture(autouse=True)
def noon(db: None) -> Iterator[None]:
    with time_machine.travel(factories.NOON, tick=False):
        factories.pool()
        yield


@pytest.fixture
def person() -> User:
    return factories.user("lea")


@pytest.fixture
def bakery(person: User) -> Account:
    """The first account of the person, in the order of their names."""
    return factories.account(owner=person)


@pytest.fixture
def clinic(person: User, bakery: Account) -> Account:
    return factories.account(name="Clinique du Parc", owner=person)


@pytest.fixture
def browser(person: User, clinic: Account) -> Client:
    """The browser of the person, who works in the clinic."""
    made = browser_of(person)
    work_in(made, clinic)
    return made


def work_in(browser: Client, account: Account) -> None:
    assert browser.post(reverse("switch_account"), {"account": account.pk}).status_code == 302


def opened(browser: Client, address: str, **typed: str | None) -> dict[str, str]:
    """The form of this page as it is filled in."""
    return read(browser.get(address)).form(address).typed(**typed)


def press(browser: Client, page: Element) -> Any:
    """Press the button of the page that offers to switch; the answer at the end of the way."""
    form = page.one("main").one("form", id="elsewhere-form")
    data: dict[str, list[str]] = {}
    for field in form.all("input"):
        data.setdefault(field.attributes["name"], []).append(field.attributes["value"])
    answer = browser.post(reverse("switch_account"), data | {"account": form.one("button").attributes["value"]})
    location = answer.headers["Location"]
    # With 307 a browser posts the same once more (RFC 9110, section 15.4.8).
    return browser.post(location, data) if answer.status_code == 307 else browser.get(location)


def works_in(browser: Client) -> str:
    return read(browser.get("/sent/")).one("header").all("summary")[0].text


# --- Nothing is done ------------------------------------------------------------------------------


def test_a_message_written_in_one_account_is_not_sent_by_another(
    browser: Client, bakery: Account, clinic: Account
) -> None:
    form = opened(browser, HOME, **WRITTEN, action="send")
    work_in(browser, bakery)
    answer = browser.post(HOME, form)
    assert answer.status_code == 409
    page = read(answer)
    said = (
        "You work in Boulangerie Martin now, and this page was made in Clinique du Parc. Nothing was sent or changed."
    )
    assert said in sentence(page)
    assert not Submission.objects.exists()
    assert factories.balances(bakery) == factories.balances(clinic) == factories.FULL
    assert "no-store" in answer.headers["Cache-Control"]
    # The button brings it back as it was written, where it was written, and sends nothing by itself.
    again = read(press(browser, page))
    assert not Submission.objects.exists()
    kept = again.form(HOME).typed()
    assert {name: kept[name].replace("\r\n", "\n") for name in WRITTEN} == {
        name: value.replace("\r\n", "\n") for name, value in WRITTEN.items()
    }
    assert kept["request_key"] == form["request_key"]
    assert browser.post(HOME, again.form(HOME).typed(action="send")).status_code == 302
    assert Submission.objects.get().account == clinic
    assert factories.balances(bakery) == factories.FULL


def test_what_waits_is_not_changed_from_another_account_and_its_text_is_kept(
    browser: Client, bakery: Account, clinic: Account
) -> None:
    waiting = factories.submission(clinic, deferred_to=LATER)
    edit = reverse("edit_submission", args=[waiting.pk])
    form = opened(browser, edit, text="Another text", action="send")
    work_in(browser, bakery)
    page = read(browser.post(edit, form))
    assert "What you wrote is kept." in sentence(page)
    again = read(press(browser, page)).form(edit).typed(action="send")
    assert again["text"] == "Another text"
    assert Submission.objects.get() == waiting
    assert browser.post(edit, again).status_code == 302
    assert Submission.objects.latest("pk").body == "Another text"


def test_an_answer_in_a_conversation_is_kept_and_not_sent_by_itself(
    browser: Client, bakery: Account, clinic: Account
) -> None:
    came = factories.received(clinic)
    address = reverse("conversation", args=[came.pk])
    form = opened(browser, address, text="Entendu", action="send")
    work_in(browser, bakery)
    again = read(press(browser, read(browser.post(address, form)))).form(address).typed(action="send")
    assert again["text"] == "Entendu"
    assert not Submission.objects.exists()
    assert browser.post(address, again).status_code == 302
    assert Submission.objects.get().account == clinic


def test_a_number_goes_on_the_stop_list_of_the_account_whose_page_it_was_typed_in(
    browser: Client, bakery: Account, clinic: Account
) -> None:
    address = reverse("optout_add")
    form = opened(browser, address, numbers="06 12 34 99 99")
    work_in(browser, bakery)
    page = read(browser.post(address, form))
    assert not OptOut.objects.exists()
    assert "Try again in Clinique du Parc" in sentence(page)
    assert press(browser, page).status_code == 302
    assert OptOut.objects.get().account == clinic
    assert works_in(browser) == "Clinique du Parc"


def test_a_chosen_file_has_to_be_chosen_again(browser: Client, bakery: Account) -> None:
    address = reverse("optout_add")
    form = opened(browser, address) | {"file": SimpleUploadedFile("stop.csv", b"0612349999")}
    work_in(browser, bakery)
    page = read(browser.post(address, form))
    assert "choose the file again" in sentence(page)
    assert read(press(browser, page)).form(address).typed()["numbers"] == ""
    assert works_in(browser) == "Clinique du Parc"
    assert not OptOut.objects.exists()


def test_credits_are_moved_and_ordered_where_the_page_was_made(
    browser: Client, bakery: Account, clinic: Account
) -> None:
    page = read(browser.get(reverse("top_up")))
    made_in = {"made_in": str(clinic.pk)}
    (key,) = (one.attributes["value"] for one in page.all("input", name="transfer-request_key"))
    moved = {"action": "transfer", "transfer-request_key": key, "transfer-to": bakery.pk, "transfer-amount": "7"}
    work_in(browser, bakery)
    answer = browser.post(reverse("top_up"), moved | made_in)
    assert answer.status_code == 409
    assert browser.post(reverse("top_up"), {"action": "order", "order-pack": "250"} | made_in).status_code == 409
    assert not Order.objects.exists()
    assert factories.balances(bakery) == factories.balances(clinic) == factories.FULL
    press(browser, read(answer))
    assert factories.balances(clinic)["available"] == 93_000


def addresses() -> list[str]:
    """Every address of this installation where a member can press something."""
    found = []
    arguments: dict[str, Any] = {"pk": 1, "verb": "disable"}
    for pattern in urlpatterns:
        if not isinstance(pattern, URLPattern) or pattern.name in OF_NO_ACCOUNT:
            continue
        needed = {name: arguments[name] for name in pattern.pattern.regex.groupindex}
        try:
            found.append(reverse(str(pattern.name), kwargs=needed))
        except NoReverseMatch as error:
            pytest.fail(f"{pattern.name}: {error}")
    return found


def test_no_address_does_anything_for_a_page_of_another_account(
    browser: Client, bakery: Account, clinic: Account
) -> None:
    for address in addresses():
        answer = browser.post(address, {"made_in": str(bakery.pk)})
        assert answer.status_code == 409, address
        assert "Nothing was sent or changed." in sentence(read(answer)), address
        assert works_in(browser) == clinic.name


def test_who_may_less_in_the_account_of_the_moment_is_told_of_the_other_one(
    browser: Client, person: User, bakery: Account
) -> None:
    Member.objects.filter(account=bakery).update(role="reader")
    form = opened(browser, reverse("account_settings"), always_replace="on")
    work_in(browser, bakery)
    page = read(browser.post(reverse("account_settings"), form))
    assert "Try again in Clinique du Parc" in sentence(page)
    # And in the one where it was asked for, the role decides as ever.
    form["made_in"] = str(bakery.pk)
    assert browser.post(reverse("account_settings"), form).status_code == 403


def test_the_name_of_an_account_is_not_told_to_who_is_no_member_of_it(
    browser: Client, person: User, bakery: Account, clinic: Account
) -> None:
    form = opened(browser, HOME, **WRITTEN, action="send")
    Member.objects.filter(account=clinic, user=person).delete()
    for made_in in (str(clinic.pk), "0", "x" * 5000, "\0", "9" * 40):
        answer = browser.post(HOME, form | {"made_in": made_in})
        assert answer.status_code == 409
        page = read(answer)
        assert "was made in an account that you are not a member of" in sentence(page)
        assert clinic.name not in page.text
        assert not page.all("form", id="elsewhere-form")
    assert not Submission.objects.exists()


def test_a_page_that_does_not_say_its_account_sends_nothing_for_who_has_several(
    browser: Client, person: User, bakery: Account, clinic: Account
) -> None:
    form = opened(browser, HOME, **WRITTEN, made_in=None, action="send")
    page = read(browser.post(HOME, form))
    assert "does not say in which of your accounts it was made. Nothing was sent or changed." in sentence(page)
    again = read(press(browser, page)).form(HOME).typed(action="send")
    assert browser.post(HOME, again).status_code == 302
    assert Submission.objects.get().account == clinic
    # Who has one means that one.
    Member.objects.filter(account=bakery, user=person).delete()
    form = opened(browser, HOME, **WRITTEN, made_in=None, action="send")
    assert browser.post(HOME, form).status_code == 302


@pytest.mark.parametrize("field", ["again", "next"])
@pytest.mark.parametrize("elsewhere", ["//elsewhere.example/", "https://elsewhere.example/", "javascript:alert(1)"])
def test_the_switch_leads_to_no_other_site(browser: Client, clinic: Account, field: str, elsewhere: str) -> None:
    answer = browser.post(reverse("switch_account"), {"account": clinic.pk, field: elsewhere})
    assert (answer.status_code, answer.headers["Location"]) == (302, HOME)


def test_nothing_is_posted_once_more_in_an_account_of_others(browser: Client) -> None:
    stranger = factories.account(name="Salon de thé")
    answer = browser.post(reverse("switch_account"), {"account": stranger.pk, "again": reverse("optout_add")})
    assert answer.status_code == 404
    assert works_in(browser) == "Clinique du Parc"


# --- What a page asks by itself -------------------------------------------------------------------


def asks(browser: Client, method: str, address: str, made_in: Account, data: Any = None) -> Any:
    headers = {"HX-Request": "true", "X-Made-In": str(made_in.pk)}
    return getattr(browser, method)(address, data or {}, headers=headers)


def test_no_price_is_worked_out_for_a_page_of_another_account(
    browser: Client, bakery: Account, clinic: Account
) -> None:
    form = opened(browser, HOME, **WRITTEN)
    assert asks(browser, "post", reverse("quote"), clinic, form).status_code == 200
    work_in(browser, bakery)
    answer = asks(browser, "post", reverse("quote"), clinic, form)
    assert answer.status_code == 409
    # In the place of the price: a sentence, and neither a page nor a form inside the form.
    page = read(answer)
    assert "this page was made in Clinique du Parc. No price is worked out." in page.text
    assert page.all("html") == page.all("form") == []
    assert browser.post(reverse("numbers"), {"recipients": "06", "made_in": str(clinic.pk)}).status_code == 409


def test_a_page_that_follows_does_not_take_over_what_is_of_another_account(
    browser: Client, bakery: Account, clinic: Account
) -> None:
    factories.message(bakery, body="From the bakery")
    assert asks(browser, "get", "/sent/?q=a", clinic).status_code == 200
    work_in(browser, bakery)
    answer = asks(browser, "get", "/sent/?q=a", clinic)
    assert answer.status_code == 409
    page = read(answer)
    assert "The page is not kept up to date any more." in page.one(id="elsewhere").text
    assert "From the bakery" not in page.text
    # It asks no more, until the button has brought it back.
    assert page.one(id="live").attributes == {"id": "live", "hidden": ""}
    form = page.one("form")
    fields = {field.attributes["name"]: field.attributes["value"] for field in form.all("input")}
    assert fields["next"] == "/sent/?q=a"
    answer = browser.post(reverse("switch_account"), fields | {"account": form.one("button").attributes["value"]})
    assert answer.headers["Location"] == "/sent/?q=a"
    assert works_in(browser) == "Clinique du Parc"


# --- No form is forgotten -------------------------------------------------------------------------


def test_every_form_of_every_page_says_its_account(browser: Client, clinic: Account) -> None:
    factories.message(clinic)
    waiting = factories.message(clinic, deferred_to=LATER)
    came = factories.received(clinic)
    factories.order(clinic)
    entry = factories.opt_out(clinic)
    factories.sender(clinic, "Disabled", status="disabled")
    pages = [
        *("/", "/sent/", "/scheduled/", "/received/", "/senders/", "/senders/new/", "/stop-list/", "/stop-list/add/"),
        *("/credits/", "/credits/add/", "/account/me/", "/account/settings/", "/account/reactions/"),
        *(reverse(name, args=[waiting.pk]) for name in ("message", "move_message", "cancel_message")),
        *(reverse(name, args=[waiting.submission_id]) for name in ("submission", "edit_submission", "move_submission")),
        reverse("conversation", args=[came.pk]),
        reverse("optout_take_off", args=[entry.pk]),
    ]
    for address in pages:
        page = read(browser.get(address))
        assert page.one("body").attributes["hx-headers"] == f'{{"X-Made-In": "{clinic.pk}"}}', address
        forms = page.all("form", method="post")
        assert forms, address
        for form in forms:
            named = [field.attributes["value"] for field in form.all("input", name="made_in")]
            assert named == [str(clinic.pk)], (address, form.attributes)


TEMPLATES = sorted(Path(settings.BASE_DIR, "templates").rglob("*.html"))
# The one whose form is of another account than its page: it says which by itself.
SAYS_IT_ITSELF = "credits/elsewhere.html"


def test_every_form_in_a_template_has_the_tag_that_says_the_account(settings: Any) -> None:
    assert settings.TEMPLATES[0]["OPTIONS"]["builtins"] == [FormTokens.__module__]
    forms = 0
    for path in TEMPLATES:
        for form in re.findall(r"(?s)<form\b[^>]*\bmethod=\"post\".*?</form>", path.read_text()):
            forms += 1
            if str(path).endswith(SAYS_IT_ITSELF):
                assert 'name="made_in"' in form
            else:
                assert "{% csrf_token %}" in form, (path.name, form[:200])
    assert forms > 40


def test_every_request_of_a_script_says_the_account() -> None:
    scripts = Path(settings.BASE_DIR, "static", "js").glob("*.js")
    asking = [
        path.read_text() for path in scripts if re.search(r"\bfetch\(|XMLHttpRequest\(|htmx\.ajax", path.read_text())
    ]
    assert len(asking) == 1
    assert '"made_in"' in asking[0]


# --- The account after a sign-in ------------------------------------------------------------------


def end_session(browser: Client) -> None:
    del browser.cookies["smsmanager_session"]


def sign_in(browser: Client, page: Element, name: str = "lea") -> Element:
    form = page.form(reverse("login")).typed(username=name, password=factories.PASSWORD)
    return read(browser.post(reverse("login"), form, follow=True))


def test_after_the_session_ended_one_works_in_the_account_of_before(
    browser: Client, clinic: Account, bakery: Account
) -> None:
    waiting = factories.submission(clinic, deferred_to=LATER)
    pause = reverse("pause_submission", args=[waiting.pk])
    end_session(browser)
    asked = browser.post(pause, {"made_in": str(clinic.pk)}).headers["Location"]
    page = sign_in(browser, read(browser.get(asked)))
    assert "Press the button again" in page.text
    assert works_in(browser) == "Clinique du Parc"
    assert browser.post(pause, {"made_in": str(clinic.pk)}).status_code == 302
    waiting.refresh_from_db()
    assert waiting.paused_at is not None


@pytest.mark.parametrize("forgets", [False, True])
def test_a_message_that_comes_through_the_sign_in_is_in_the_form_of_its_account(
    browser: Client, bakery: Account, clinic: Account, forgets: bool
) -> None:
    waiting = factories.submission(clinic, deferred_to=LATER)
    edit = reverse("edit_submission", args=[waiting.pk])
    for address, text in ((HOME, WRITTEN["text"]), (edit, "Another text")):
        form = opened(browser, address, **WRITTEN | {"text": text}, action="send")
        if forgets:
            # A browser that keeps nothing of the account: the message names it.
            browser.cookies.clear()
        else:
            end_session(browser)
        location = browser.post(address, form).headers["Location"]
        page = sign_in(browser, read(browser.post(location, form)))
        assert page.form(address).typed()["text"].replace("\r\n", "\n") == text.replace("\r\n", "\n")
        assert works_in(browser) == "Clinique du Parc"


def test_neither_a_cookie_nor_a_form_leads_into_an_account_of_others(
    browser: Client, person: User, bakery: Account, clinic: Account
) -> None:
    form = opened(browser, HOME, **WRITTEN, action="send")
    Member.objects.filter(account=clinic, user=person).delete()
    end_session(browser)
    location = browser.post(HOME, form).headers["Location"]
    sign_in(browser, read(browser.post(location, form)))
    assert works_in(browser) == "Boulangerie Martin"


def test_what_one_person_chose_is_nothing_to_the_next_one_at_the_same_browser(
    browser: Client, bakery: Account, clinic: Account
) -> None:
    nadia = factories.user("nadia")
    for account in (bakery, clinic):
        factories.member(account, person=nadia)
    end_session(browser)
    sign_in(browser, read(browser.get(reverse("login"))), "nadia")
    assert works_in(browser) == "Boulangerie Martin"


def test_a_forged_cookie_is_as_good_as_none(browser: Client, clinic: Account) -> None:
    end_session(browser)
    browser.cookies["account"] = f"{clinic.pk}:forged"
    sign_in(browser, read(browser.get(reverse("login"))))
    assert works_in(browser) == "Boulangerie Martin"
    browser.post(reverse("switch_account"), {"account": clinic.pk})
    cookie = browser.cookies["account"]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
