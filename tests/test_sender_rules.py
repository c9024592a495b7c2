"""Which kinds of sender reach which countries: what is known from the beginning, and what an administrator says."""

import importlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.translation import override

from credits.models import Account
from senders.models import DestinationRule, Lease, Sender, ShortNumber
from senders.rules import refusals
from tests import factories
from tests.factories import NOON, take_numbers
from tests.pages import browser_of, is_a_sentence, read, sentence

RULES = "/administration/senders/destinationrule/"
LIST = "/senders/"
EVERYWHERE = ["FR", "US", "CA", "PR", "BE", "SG", "IE", "RE"]


@pytest.fixture(autouse=True)
def noon(db: None) -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        factories.pool()
        yield


@pytest.fixture
def account() -> Account:
    return factories.account()


@pytest.fixture
def browser(account: Account) -> Client:
    return browser_of(factories.owner(account))


@pytest.fixture
def admin() -> Client:
    return browser_of(factories.user("root", superuser=True))


def rule(region: str = "BE", kind: str = "alphanumeric", **changes: Any) -> dict[str, str]:
    """The form of a rule, filled in."""
    return {"region": region, "kind": kind, "note": "", "source": ""} | changes


def row(browser: Client, name: str) -> str:
    """What the list says of a sender."""
    rows = read(browser.get(LIST)).one("tbody").all("tr")
    (found,) = (row.text for row in rows if row.all("th")[0].text.startswith(name))
    return found


def test_names_and_short_numbers_do_not_reach_north_america_from_the_beginning() -> None:
    with override("en"):
        found = refusals(Sender.Kind.values, EVERYWHERE)
    assert set(found) == {(kind, region) for kind in ("alphanumeric", "short") for region in ("US", "CA", "PR")}
    assert all(is_a_sentence(said) for said in found.values())
    assert found["alphanumeric", "US"] == (
        "A message from a name is not delivered in this country: United States. Operators there take numbers only."
    )


def test_a_refusal_is_asked_for_by_kind_and_country() -> None:
    assert set(refusals(["short"], EVERYWHERE)) == {("short", region) for region in ("US", "CA", "PR")}
    assert set(refusals({"alphanumeric", "virtual"}, {"US", "FR"})) == {("alphanumeric", "US")}
    assert refusals(["numeric", "virtual"], EVERYWHERE) == {}
    assert refusals(["alphanumeric"], ["FR", "", "ZZ"]) == {}


def test_a_refusal_is_in_the_readers_language() -> None:
    with override("fr"):
        assert "États-Unis" in refusals(["short"], ["US"])["short", "US"]


def test_every_rule_that_is_there_from_the_beginning_says_where_it_is_known_from() -> None:
    assert DestinationRule.objects.count() == 8
    for known in DestinationRule.objects.all():
        assert is_a_sentence(known.note), known
        assert "https://" in known.source, known


def test_however_many_countries_there_are_it_is_one_query_and_none_without_any() -> None:
    with CaptureQueriesContext(connection) as queries:
        refusals(Sender.Kind.values, EVERYWHERE)
    assert len(queries) == 1
    with CaptureQueriesContext(connection) as queries:
        assert refusals(Sender.Kind.values, []) == refusals([], EVERYWHERE) == {}
    assert len(queries) == 0


def test_what_an_administrator_wrote_is_not_overwritten_by_what_is_known() -> None:
    DestinationRule.objects.filter(region="US", kind="short").update(allowed=True, note="We have one.", source="")
    DestinationRule.objects.filter(region="CA", kind="short").delete()
    migration = importlib.import_module("senders.migrations.0003_destinationrule")
    migration.write_what_is_known(apps, SimpleNamespace(connection=connection))
    kept = DestinationRule.objects.get(region="US", kind="short")
    assert (kept.allowed, kept.note, kept.source) == (True, "We have one.", "")
    assert DestinationRule.objects.filter(region="CA", kind="short").exists()


def test_the_database_holds_one_rule_for_a_country_and_a_kind_that_there_is() -> None:
    for wrong in ({"region": "US", "kind": "short"}, {"region": "BE", "kind": "pigeon"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            DestinationRule.objects.create(**wrong)


def test_an_administrators_rule_holds_at_once_and_until_it_is_changed(admin: Client) -> None:
    assert refusals(["alphanumeric"], ["BE"]) == {}
    assert admin.post(f"{RULES}add/", rule(note="Ask the operator.")).status_code == 302
    assert refusals(["alphanumeric"], ["BE"])["alphanumeric", "BE"].endswith(". Ask the operator.")
    made = DestinationRule.objects.get(region="BE")
    assert admin.post(f"{RULES}{made.pk}/change/", rule(allowed="on")).status_code == 302
    assert refusals(["alphanumeric"], ["BE"]) == {}
    assert admin.post(f"{RULES}{made.pk}/change/", rule()).status_code == 302
    assert "operator" not in refusals(["alphanumeric"], ["BE"])["alphanumeric", "BE"]
    assert admin.post(f"{RULES}{made.pk}/delete/", {"post": "yes"}).status_code == 302
    assert refusals(["alphanumeric"], ["BE"]) == {}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"region": "US", "kind": "short"}, "There is a rule for this destination and kind of sender."),
        ({"region": "XX"}, "is not the two capital letters of a country"),
        ({"region": "us"}, "is not the two capital letters of a country"),
        ({"region": ""}, "This field is required."),
        ({"kind": "pigeon"}, "Select a valid choice."),
        ({"note": "a" * 251}, "at most 250 characters"),
        ({"note": "a\x00"}, "Null characters are not allowed."),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_beside_its_field(
    admin: Client, changes: dict[str, str], said: str
) -> None:
    answer = admin.post(f"{RULES}add/", rule(**changes))
    assert answer.status_code == 200
    assert said in sentence(read(answer))
    assert DestinationRule.objects.count() == 8


def test_the_administration_finds_rules_by_country_kind_and_word(admin: Client) -> None:
    def found(**asked: str) -> int:
        page = read(admin.get(RULES, asked))
        return len([row for row in page.all("tr") if row.all("th", **{"class": "field-destination"})])

    assert found() == 8
    assert found(q="united st") == found(q="puerto") == 2
    assert found(q="imda.gov.sg") == found(q="Singapore") == 1
    assert found(region="CA") == 2
    assert found(region="\x00") == found(region="a" * 300) == 0
    assert found(kind__exact="short") == 3
    assert found(allowed__exact="1") == 2


def test_the_list_of_senders_says_where_each_does_not_reach_and_what_is_asked_for(
    account: Account, browser: Client
) -> None:
    factories.sender(account)
    factories.sender(account, "+33612345678", kind=Sender.Kind.VIRTUAL)
    assert "Does not reach: Canada, Puerto Rico, United States" in row(browser, "BoulMartin")
    assert "Does not reach: Canada, Puerto Rico, United States" in row(browser, "Short number")
    assert "Does not reach" not in row(browser, "+33612345678")
    script = "<script>alert(1)</script>"
    DestinationRule.objects.create(region="DE", kind="virtual", allowed=True, note=script)
    said = sentence(read(browser.get(LIST)))
    assert "Ireland (Name): Names must be registered in Ireland first" in said
    assert f"Germany (Virtual number): {script}" in said


def test_what_countries_ask_for_is_said_only_of_kinds_of_sender_that_are_there(browser: Client) -> None:
    assert "Ireland" not in sentence(read(browser.get(LIST)))


def test_the_list_of_senders_takes_as_many_queries_for_many_senders_as_for_one(
    account: Account, browser: Client
) -> None:
    counts = []
    for size in (1, 12):
        for number in range(size):
            factories.sender(account, f"Name {size} {number}")
            factories.sender(account, factories.mobile(size * 100 + number), kind=Sender.Kind.VIRTUAL)
        with CaptureQueriesContext(connection) as queries:
            browser.get(LIST)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_recipient_gets_a_short_number_of_its_own_country_where_there_is_one(account: Account) -> None:
    ShortNumber.objects.create(number="8850", country="BE", use="other")
    recipients = ["+33612345678", "+32470123456", "+262692123456", "+447400123456"]
    assert take_numbers(account, *recipients) == {
        "+33612345678": "38111",
        "+32470123456": "8850",
        "+262692123456": "38111",
        "+447400123456": "38111",
    }


def test_a_short_number_of_another_country_is_better_than_none(account: Account) -> None:
    ShortNumber.objects.create(number="8850", country="BE", use="other")
    other = factories.account()
    assert take_numbers(account, "+32470123456") == {"+32470123456": "8850"}
    assert take_numbers(other, "+32470123456") == {"+32470123456": "38111"}
    ShortNumber.objects.filter(country="FR").update(enabled=False)
    assert take_numbers(account, "+33612345678") == {"+33612345678": "8850"}


def test_an_account_keeps_its_number_with_a_recipient_when_one_of_the_recipients_country_comes(
    account: Account,
) -> None:
    assert take_numbers(account, "+32470123456") == {"+32470123456": "38111"}
    ShortNumber.objects.create(number="8850", country="BE", use="other")
    assert take_numbers(account, "+32470123456") == {"+32470123456": "38111"}
    assert Lease.objects.count() == 1
