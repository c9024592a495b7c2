"""What holds for every page: its headers, no inline code, language, theme, and a number of queries that stays."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from compose.models import Message
from credits.models import Account
from inbox.models import Received
from tests import factories
from tests.pages import Element, browser_of, read, sentence

LATER = factories.NOON + timedelta(days=7)
PLAIN = ("login", "password_reset", "password_reset_done", "password_reset_complete")
# Of an account, with the id that each needs.
LISTS = ("compose", "sent", "scheduled", "received", "senders", "credits")
FORMS = ("top_up", "rates", "sender_request", "profile", "password_change", "password_change_done")


@pytest.fixture(autouse=True)
def noon(db: None) -> Iterator[None]:
    with time_machine.travel(factories.NOON, tick=False):
        factories.pool()
        yield


@pytest.fixture
def account() -> Account:
    return factories.account(millis=1_000_000)


@pytest.fixture
def browser(account: Account) -> Client:
    return browser_of(factories.owner(account))


@pytest.fixture
def addresses(account: Account) -> list[str]:
    """Every page of an account that has one of everything, and the pages of errors."""
    sent = factories.message(account)
    factories.message(account, deferred_to=LATER)
    came = factories.received(account)
    for status in ("waiting", "disabled", "refused"):
        factories.sender(account, f"Is {status}"[:11], status=status)
    return [
        *(reverse(name) for name in (*LISTS, *FORMS)),
        reverse("message", kwargs={"pk": sent.pk}),
        reverse("submission", kwargs={"pk": sent.submission_id}),
        reverse("conversation", kwargs={"pk": came.pk}),
        reverse("sent") + "?q=nothing+like+it",
        "/no/such/page/",
    ]


@pytest.fixture
def pages(browser: Client, addresses: list[str]) -> dict[str, Element]:
    """All pages, by what they are."""
    found = {address: read(browser.get(address)) for address in addresses}
    found |= {name: read(browser_of().get(reverse(name))) for name in PLAIN}
    found["invalid form"] = read(browser.post("/", {"recipients": "06"}))
    found["no account"] = read(browser_of(factories.user()).get(reverse("no_account")))
    found["forbidden"] = read(browser_of(factories.member(account_of(browser), "reader").user).get("/senders/new/"))
    found["forged"] = read(browser_of(csrf=True).post(reverse("login")))
    return found


def account_of(browser: Client) -> Account:
    return Account.objects.get(members__user=browser.session["_auth_user_id"])


def test_every_page_has_the_security_headers(browser: Client, addresses: list[str]) -> None:
    answers = [browser.get(address) for address in addresses] + [browser_of().get(reverse(name)) for name in PLAIN]
    answers += [
        browser_of(csrf=True).post(reverse("login")),
        browser.post("/", {}),
        browser.get(reverse("admin:index")),
    ]
    for answer in answers:
        policy = answer.headers["Content-Security-Policy"]
        directives = dict(part.strip().split(" ", 1) for part in policy.split(";") if part.strip())
        assert directives["default-src"] == "'none'"
        assert directives["frame-ancestors"] == "'none'"
        assert directives["base-uri"] == "'none'"
        assert directives["form-action"] == "'self'"
        assert directives["script-src"] == directives["style-src"] == "'self'"
        assert "unsafe" not in policy
        assert "*" not in policy
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"


def test_no_page_has_an_inline_script_or_style_or_anything_from_elsewhere(pages: dict[str, Element]) -> None:
    for what, page in pages.items():
        for element in page.all():
            assert "style" not in element.attributes, f"{what}: {element.tag} {element.attributes}"
            assert not [name for name in element.attributes if name.startswith("on")], f"{what}: {element.tag}"
            assert element.tag != "style", what
            for name in ("src", "href", "action", "formaction"):
                value = element.attributes.get(name, "/")
                assert value == "" or value[0] in "/#?", f"{what}: {name}={value}"
                assert not value.startswith("//"), f"{what}: {name}={value}"
        for script in page.all("script"):
            data = script.attributes.get("type") == "application/json"
            assert data or (script.attributes.get("src") and not script.text), f"{what}: {script.text[:80]}"


def test_every_page_has_a_title_a_heading_a_language_and_ids_that_are_unique(pages: dict[str, Element]) -> None:
    titles = []
    for what, page in pages.items():
        assert page.one("html").attributes["lang"] == "en", what
        assert len(page.all("main")) == 1, what
        assert page.one("main").all("h1"), what
        titles.append(page.one("head").one("title").text)
        assert titles[-1].split("·")[0].strip(), what
        ids = [element.attributes["id"] for element in page.all() if "id" in element.attributes]
        assert sorted(ids) == sorted(set(ids)), what
    assert len(set(titles)) > len(PLAIN) + len(LISTS)


def test_pages_of_an_account_are_kept_by_no_shared_cache(browser: Client, addresses: list[str]) -> None:
    for address in addresses:
        assert "Cookie" in browser.get(address).headers["Vary"], address


def test_pages_of_an_account_are_not_kept_by_the_browser_for_who_comes_next(browser: Client) -> None:
    for name in (*LISTS, "sender_request", "profile"):
        kept = browser.get(reverse(name)).headers["Cache-Control"]
        assert {"private", "no-store"} <= set(kept.split(", ")), name


@pytest.mark.parametrize("name", [*LISTS, *FORMS])
def test_every_page_answers_to_head(browser: Client, name: str) -> None:
    assert browser.head(reverse(name)).status_code == 200


def test_the_language_follows_the_browser_and_a_switch_overrides_it() -> None:
    browser = browser_of(language="fr-CA,fr;q=0.9,en;q=0.5")
    assert read(browser.get(reverse("login"))).one("html").attributes["lang"] == "fr"
    page = read(browser_of(language="en-GB").get(reverse("login")))
    assert page.one("html").attributes["lang"] == "en"
    # A language that is not spoken here gives the product's own.
    assert read(browser_of(language="de").get(reverse("login"))).one("html").attributes["lang"] == "fr"
    fields = page.form(reverse("set_language")).typed(language="en")
    assert browser.post(reverse("set_language"), fields).headers["Location"] == reverse("login")
    page = read(browser.get(reverse("login")))
    assert page.one("html").attributes["lang"] == "en"
    assert "Sign in" in sentence(page)
    browser.post(reverse("set_language"), {"language": "fr", "next": "/"})
    assert read(browser.get(reverse("login"))).one("html").attributes["lang"] == "fr"


def test_numbers_and_texts_of_django_follow_the_language(account: Account) -> None:
    factories.grant(account, 234_400)
    french = browser_of(factories.owner(account), language="fr")
    assert "1\u202f234,4" in french.get("/").content.decode().replace("\xa0", "\u202f")
    assert "1,234.4" in browser_of(factories.owner(account)).get("/").content.decode()
    answer = french.post(reverse("profile"), {"mobile": "1" * 50})
    assert "caractères" in answer.content.decode()


def test_the_theme_is_remembered_in_a_cookie_and_only_if_there_is_such_a_theme(browser: Client) -> None:
    assert read(browser.get("/")).one("html").attributes["data-theme"] == "auto"
    answer = browser.post(reverse("theme"), {"theme": "dark", "next": "/sent/?q=a"})
    assert answer.headers["Location"] == "/sent/?q=a"
    cookie = answer.cookies["theme"]
    assert (cookie.value, cookie["samesite"], cookie["httponly"]) == ("dark", "Lax", True)
    assert read(browser.get("/")).one("html").attributes["data-theme"] == "dark"
    browser.post(reverse("theme"), {"theme": '"><script>'})
    assert read(browser.get("/")).one("html").attributes["data-theme"] == "dark"
    browser.cookies["theme"] = '"><b>'
    assert read(browser.get("/")).one("html").attributes["data-theme"] == "auto"


def test_the_entry_of_the_navigation_where_one_is_is_marked(browser: Client) -> None:
    for name in LISTS:
        page = read(browser.get(reverse(name)))
        assert [a.attributes["href"] for a in page.all("a", **{"aria-current": "page"})] == [reverse(name)]


def fill(account: Account, rows: int) -> dict[str, str]:
    """So many rows on each list, and the addresses of the lists."""
    sent = factories.submission(account, to=rows)
    for number in range(rows):
        # Each with its own submission: what a row needs of it must come with the list.
        factories.message(account, to=factories.mobile(number), deferred_to=LATER)
        answered = factories.message(account, to=factories.mobile(number))
        came = factories.received(account, f"Text {number}", number=factories.mobile(number))
        Received.objects.filter(pk=came.pk).update(answers=answered)
    last = factories.received(account, number=factories.mobile(0))
    Message.objects.filter(submission=sent).update(reason="window")
    return {
        "sent": reverse("sent"),
        "scheduled": reverse("scheduled"),
        "received": reverse("received"),
        "credits": reverse("credits"),
        "senders": reverse("senders"),
        "submission": reverse("submission", kwargs={"pk": sent.pk}),
        "conversation": reverse("conversation", kwargs={"pk": last.pk}),
    }


def queries(browser: Client, address: str) -> int:
    browser.get(address)
    with CaptureQueriesContext(
        connection,
    ) as caught:
        assert browser.get(address).status_code == 200
    return len(caught)


def test_a_page_asks_the_database_as_often_for_sixty_rows_as_for_one(account: Account, browser: Client) -> None:
    one = {name: queries(browser, address) for name, address in fill(account, 1).items()}
    many = {name: queries(browser, address) for name, address in fill(account, 60).items()}
    assert many == one
    # Session, person with memberships, balance, unread: four that every page has; its rows, and what stands above them.
    assert min(one.values()) == 4 + 2, one
    # A conversation shows what was sent, what came, what each cost, and the form for an answer.
    assert one.pop("conversation") <= 15
    assert max(one.values()) <= 10, one


@pytest.mark.parametrize("name", ["sent", "scheduled", "received", "credits"])
def test_a_list_is_paged_without_a_row_lost_or_shown_twice(account: Account, browser: Client, name: str) -> None:
    # All at the same moment: only the id tells the rows apart.
    for number in range(120):
        if name == "received":
            factories.received(account, number=factories.mobile(number))
        else:
            later = LATER if name == "scheduled" else None
            factories.message(account, to=factories.mobile(number), deferred_to=later)
    seen: list[str] = []
    address, pages = reverse(name), 0
    while address:
        page = read(browser.get(address))
        rows = page.one("main").one("table", role="table").one("tbody").all("tr")
        if name == "credits":
            seen += [row.all("td")[1].all("a")[0].text for row in rows if row.all("td")[1].all("a")]
        else:
            seen += [row.one("a", **{"class": "row-link"}).text for row in rows]
        pages += 1
        older = page.one("main").all("a", rel="next")
        address = reverse(name) + older[0].attributes["href"] if older else ""
    assert len(seen) == len(set(seen)) == 120
    assert pages == 3
