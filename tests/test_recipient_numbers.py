"""What the server answers about numbers while a person types or pastes them, and what the page says of them."""

import json
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.template.loader import render_to_string
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from compose.recipient_views import MOST_IN_FULL
from compose.recipients import MAX_RECIPIENTS, parse_recipients, read_entries
from credits.models import Account, Member
from senders.models import DestinationRule, Sender
from tests import factories
from tests.pages import browser_of, is_a_sentence, read

FRENCH = {"e164": "+33612345678", "shown": "+33 6 12 34 56 78", "region": "FR", "country": "France"}


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


def asked(browser: Client, recipients: str, *, status: int = 200) -> dict[str, Any]:
    """What the server answers about the text of a field."""
    answer = browser.post(reverse("numbers"), {"recipients": recipients})
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/json"
    found: dict[str, Any] = answer.json()
    return found


def test_the_entries_come_in_the_order_typed_with_their_number_or_the_reason(browser: Client) -> None:
    found = asked(browser, "01 42 68 53 00, 06 12 34 56 78\n+32 470 12 34 56")
    wrong, french, belgian = found["entries"]
    assert wrong.keys() == {"raw", "reason"}
    assert wrong["raw"] == "01 42 68 53 00"
    assert wrong["reason"] == "This is a fixed line, which receives no SMS. Type a mobile number."
    assert french == {"raw": "06 12 34 56 78", **FRENCH}
    assert (belgian["shown"], belgian["country"]) == ("+32 470 12 34 56", "Belgium")
    assert (found["list"], found["duplicates"]) == ("", 0)


def test_a_number_is_one_of_the_country_of_the_account() -> None:
    belgian = factories.account(country="BE")
    (entry,) = asked(browser_of(factories.owner(belgian)), "0470 12 34 56")["entries"]
    assert entry["e164"] == "+32470123456"


def test_the_answer_is_in_the_language_of_the_reader(account: Account) -> None:
    browser = browser_of(factories.owner(account), language="fr")
    wrong, belgian = asked(browser, "01 42 68 53 00, +32470123456")["entries"]
    assert "ligne fixe" in wrong["reason"]
    assert belgian["country"] == "Belgique"


@pytest.mark.parametrize(
    ("typed", "numbers"),
    [
        ("0612345678 0698765432", ["+33612345678", "+33698765432"]),
        ("06 12 34 56 78 06 98 76 54 32", ["+33612345678", "+33698765432"]),
        ("06 12 34 56 78", ["+33612345678"]),
    ],
)
def test_spaces_stand_inside_a_number_or_between_two(browser: Client, typed: str, numbers: list[str]) -> None:
    assert [entry["e164"] for entry in asked(browser, typed)["entries"]] == numbers


def test_a_number_that_is_there_several_times_is_answered_once_and_counted(browser: Client) -> None:
    found = asked(browser, "06 12 34 56 78, +33612345678; 0033 6 12 34 56 78")
    assert [entry["e164"] for entry in found["entries"]] == ["+33612345678"]
    assert found["duplicates"] == 2


@pytest.mark.parametrize("nothing", ["", " ", ",;\n\t"])
def test_a_field_with_nothing_in_it_has_no_entries(browser: Client, nothing: str) -> None:
    assert asked(browser, nothing)["entries"] == []


def test_of_a_long_list_the_rest_comes_a_line_each(browser: Client) -> None:
    typed = [factories.mobile(number) for number in range(MOST_IN_FULL)]
    found = asked(browser, "\n".join([*typed, "0470", "+32 470 12 34 56", "06 12 00 00 00", "a\u00a0b"]))
    assert [entry["e164"] for entry in found["entries"]] == typed
    assert found["list"].split("\n") == ["0470\tshort", "+32470123456\tBE", "a\u00a0b\tcharacters"]
    assert found["countries"] == {"FR": "France", "BE": "Belgium"}
    assert found["reasons"].keys() == {"short", "characters"}
    assert all(map(is_a_sentence, found["reasons"].values()))
    assert found["duplicates"] == 1


def test_ten_thousand_numbers_are_answered_in_few_octets_and_as_many_queries_as_one(browser: Client) -> None:
    asked(browser, "0612345678")
    with CaptureQueriesContext(connection) as one:
        asked(browser, "0612345678")
    numbers = "\n".join(factories.mobile(number) for number in range(10_000))
    with CaptureQueriesContext(connection) as many:
        found = asked(browser, numbers)
    assert len(found["list"].split("\n")) == 10_000 - MOST_IN_FULL
    assert len(json.dumps(found)) < 2 * len(numbers)
    assert len(many) == len(one) <= 5


def test_more_than_a_hundred_thousand_are_refused_with_the_sentence(browser: Client) -> None:
    found = asked(browser, "0612345678\n" * (MAX_RECIPIENTS + 1), status=422)
    assert "More than 100,000 numbers were given" in found["error"]


def test_the_senders_that_do_not_reach_a_country_are_named_with_the_reason(account: Account, browser: Client) -> None:
    DestinationRule.objects.all().delete()
    name = factories.sender(account)
    virtual = factories.sender(account, "+33698765432", kind=Sender.Kind.VIRTUAL)
    disabled = factories.sender(account, "Autre", status=Sender.Status.DISABLED)
    DestinationRule.objects.create(region="US", kind=Sender.Kind.ALPHANUMERIC, allowed=False, source="test")
    reach = asked(browser, "06 12 34 56 78, +1 202 555 0123")["reach"]
    assert reach["FR"] == {}
    assert reach["US"].keys() == {str(name.pk)}
    assert "United States" in reach["US"][str(name.pk)]
    assert str(virtual.pk) not in reach["US"]
    assert str(disabled.pk) not in reach["US"]


def test_the_senders_of_another_account_are_not_named(browser: Client) -> None:
    DestinationRule.objects.all().delete()
    theirs = factories.sender(factories.account(name="Clinique du Parc"))
    for kind in Sender.Kind.values:
        DestinationRule.objects.create(region="FR", kind=kind, allowed=False, source="test")
    assert str(theirs.pk) not in asked(browser, "06 12 34 56 78")["reach"]["FR"]


@pytest.mark.parametrize("role", [Member.Role.OWNER, Member.Role.SENDER])
def test_who_may_send_may_ask(account: Account, role: str) -> None:
    assert asked(browser_of(factories.member(account, role).user), "06 12 34 56 78")["entries"][0]["e164"]


def test_a_reader_may_not_ask_and_nobody_gets_a_number_without_signing_in(account: Account) -> None:
    address, typed = reverse("numbers"), {"recipients": "06 12 34 56 78"}
    reader = browser_of(factories.member(account, Member.Role.READER).user)
    assert reader.post(address, typed).status_code == 403
    assert browser_of().post(address, typed).headers["Location"].startswith(reverse("login"))
    answer = browser_of(factories.owner(account)).get(address, typed)
    assert (answer.status_code, answer.headers["Location"]) == (302, reverse("compose"))
    assert browser_of(factories.owner(account), csrf=True).post(address, typed).status_code == 403


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("<script>alert(1)</script>", "This is not a telephone number."),
        ("06\u000012345678", "This is not a telephone number."),
        ("1" * 1_000_000, "too many digits"),
        ("x" * 1_000_000, "This is not a telephone number."),
        ("😀" * 250_000, "This is not a telephone number."),
        ("\ud83d".encode("utf-8", "surrogatepass").decode("utf-8", "replace"), "This is not a telephone number."),
    ],
)
def test_nonsense_comes_back_as_it_was_with_a_reason(browser: Client, typed: str, reason: str) -> None:
    (entry,) = asked(browser, typed)["entries"]
    assert entry["raw"] == typed
    assert reason in entry["reason"]


def test_megabytes_of_digits_between_spaces_are_answered(browser: Client) -> None:
    assert "error" in asked(browser, "11 " * 1_000_000, status=422)


def test_a_request_without_the_field_has_no_entries(browser: Client) -> None:
    assert browser.post(reverse("numbers"), {}).json()["entries"] == []


def test_no_cache_keeps_the_numbers(browser: Client) -> None:
    answer = browser.post(reverse("numbers"), {"recipients": "06 12 34 56 78"})
    assert "no-store" in answer.headers["Cache-Control"]


def test_the_entries_are_those_that_a_message_is_sent_to() -> None:
    typed = "06 12 34 56 78, 01 42 68 53 00 +33698765432 0698765432\n06 12 34"
    whole = parse_recipients(typed, "FR")
    entries = list(read_entries(typed, "FR"))
    assert len(entries) == len(whole.valid) + len(whole.wrong) + whole.duplicates
    assert set(whole.valid) | set(whole.wrong) <= set(entries)


# The page


def test_the_field_is_a_text_area_that_works_alone_with_what_the_chips_are_made_of(browser: Client) -> None:
    page = read(browser.get("/"))
    field = page.one("textarea", name="recipients")
    assert field.attributes["id"] == "id_recipients"
    assert page.one("label", **{"for": "id_recipients"}).text.lstrip("0123456789 ") == "Recipient"
    assert "hidden" not in field.attributes
    root = page.one(**{"data-recipients": ""})
    assert root.attributes["data-url"] == reverse("numbers")
    chips = page.one(**{"data-chips": ""})
    assert "hidden" in chips.attributes
    # Without a name it is not posted.
    assert "name" not in chips.one("input").attributes


def test_wrong_numbers_of_a_posted_form_stand_beside_the_field_and_are_kept(browser: Client) -> None:
    fields = read(browser.get("/")).form("/").typed(recipients="06 12\n<b>x</b>", text="Bonjour", action="send")
    answer = browser.post("/", fields)
    page = read(answer)
    assert "too few digits" in page.error("recipients")
    assert page.form("/").typed()["recipients"] == "06 12\n<b>x</b>"
    assert "<b>x</b>" not in answer.content.decode()


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (1, "1 number is on the STOP list and gets no commercial message: +33 6 12 10 00 00"),
        (2, "2 numbers are on the STOP list and get no commercial message: +33 6 12 10 00 00, +33 6 12 10 00 01"),
        (7, "7 numbers are on the STOP list and get no commercial message: +33 6 12 10 00 00"),
    ],
)
def test_the_numbers_on_the_stop_list_are_counted_and_named(count: int, said: str) -> None:
    excluded = factories.recipients(count)
    quote = SimpleNamespace(duplicates=0, excluded=excluded, excluded_count=count)
    notes = " ".join(re.sub("<[^>]*>", "", render_to_string("compose/_recipients.html", {"quote": quote})).split())
    assert said in notes
    # Of many a few: the page of the list has them all.
    assert notes.count("+33") == min(count, 5)
    assert ("…" in notes) == (count > 5)
