"""Rates: the examples that an installation may begin with, and the page that says what an SMS costs where."""

import csv
from collections.abc import Iterator
from datetime import datetime, timedelta

import phonenumbers
import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from credits import example_rates, rates
from credits.models import MOST_FOR_A_PART, Account, Rate
from tests import factories
from tests.pages import browser_of, read, sentence

NOW = factories.NOON


@pytest.fixture(autouse=True)
def noon(db: None) -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def account() -> Account:
    return factories.account()


@pytest.fixture
def browser(account: Account) -> Client:
    return browser_of(factories.owner(account))


def rows(browser: Client, query: str = "", language: str = "") -> list[list[str]]:
    """The rates on the page: destination, rate, since when."""
    page = read(browser.get(f"{reverse('rates')}{query}"))
    return [
        [cell.text for cell in row.all() if cell.tag in ("td", "th")]
        for row in page.one("main").one("table").one("tbody").all("tr")
    ]


def test_every_region_with_telephone_numbers_has_a_plausible_example() -> None:
    found = example_rates.read()
    assert set(found) == set(phonenumbers.SUPPORTED_REGIONS)
    assert all(100 <= millis <= 5_000 <= MOST_FOR_A_PART for millis in found.values())
    # What sms-rules says of them: a credit is a part to metropolitan France, and India is cheaper.
    assert (found["FR"], found["IN"]) == (1_000, 400)
    with example_rates.FILE.open(encoding="utf-8") as lines:
        assert {row["note"] for row in csv.DictReader(lines)} == {"example to replace"}


def test_examples_are_loaded_for_the_regions_that_have_no_rate_and_marked() -> None:
    mine = factories.rate("BE", 1_234)
    # Valid later only, but somebody has thought of it.
    later = factories.rate("CH", 2_000, valid_from=NOW + timedelta(days=9))
    call_command("load_rates")
    assert Rate.objects.count() == len(phonenumbers.SUPPORTED_REGIONS)
    assert list(Rate.objects.filter(region__in=["BE", "CH"]).order_by("region")) == [mine, later]
    assert not Rate.objects.filter(region__in=["BE", "CH"], example=True).exists()
    assert Rate.objects.get(region="IN").example
    assert rates.rates_for(["IN", "BE", "CH"], NOW) == {"IN": 400, "BE": 1_234, "CH": 1_000}


def test_loading_the_examples_again_changes_nothing_that_was_edited(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("load_rates")
    edited = Rate.objects.get(region="IN")
    edited.millis, edited.example = 555, False
    edited.save()
    before = list(Rate.objects.order_by("pk").values())
    call_command("load_rates")
    assert list(Rate.objects.order_by("pk").values()) == before
    assert "0 example rates were added" in capsys.readouterr().out


def test_examples_cost_from_now_on_and_not_what_was_submitted_before(account: Account) -> None:
    before = factories.message(account, to="+32 470 12 34 56")
    call_command("load_rates")
    with time_machine.travel(NOW + timedelta(minutes=1), tick=False):
        after = factories.message(account, to="+32 470 12 34 57", now=NOW + timedelta(minutes=1))
    before.refresh_from_db()
    assert (before.price, after.price) == (1_000, 1_600)
    factories.assert_ledger_adds_up()


def test_the_page_has_each_country_with_its_rate_its_date_and_the_next_one(browser: Client) -> None:
    factories.rate("BE", 1_500, valid_from=datetime(2026, 1, 1, 12, tzinfo=NOW.tzinfo))
    factories.rate("BE", 900, valid_from=datetime(2020, 1, 1, 12, tzinfo=NOW.tzinfo))
    factories.rate("BE", 1_750, valid_from=datetime(2027, 1, 1, 12, tzinfo=NOW.tzinfo))
    found = rows(browser)
    assert len(found) == len(phonenumbers.SUPPORTED_REGIONS)
    assert [row for row in found if row[0].startswith("Belgium")] == [
        ["Belgium +32", "1.5 1.75 from 1 Jan. 2027", "1 Jan. 2026"]
    ]
    assert [row for row in found if row[0].startswith("Spain")] == [["Spain +34", "1", "always"]]
    assert "on 24 November 2026" in sentence(read(browser.get(reverse("rates"))))


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("reun", ["Réunion +262"]),
        ("RÉUNION", ["Réunion +262"]),
        ("+41", ["Switzerland +41"]),
        ("0041", ["Switzerland +41"]),
        (
            "ch",
            [
                "Chad +235",
                "Chile +56",
                "China +86",
                "Christmas Island +61",
                "Hong Kong SAR China +852",
                "Macao SAR China +853",
                "Switzerland +41",
            ],
        ),
        ("ind", ["British Indian Ocean Territory +246", "India +91", "Indonesia +62"]),
    ],
)
def test_a_country_is_found_by_its_name_its_letters_or_its_calling_code(
    browser: Client, typed: str, names: list[str]
) -> None:
    assert [row[0] for row in rows(browser, f"?q={typed.replace('+', '%2B')}")] == names


def test_the_countries_stand_in_the_order_of_the_language_accents_aside(account: Account) -> None:
    found = [row[0] for row in rows(browser_of(factories.owner(account), language="fr"))]
    assert found[:3] == ["Afghanistan +93", "Afrique du Sud +27", "Albanie +355"]
    # É among the E, not after the Z.
    assert found.index("Égypte +20") < found.index("Espagne +34") < found.index("Finlande +358")


def test_a_country_that_is_none_is_said_and_all_are_one_click_away(browser: Client) -> None:
    page = read(browser.get(reverse("rates") + "?q=Atlantis%00<b>"))
    assert "No country matches" in sentence(page)
    assert page.one("main").all("a", href=reverse("rates"))
    assert page.one("input", name="q").attributes["value"].startswith("Atlantis")


def test_all_rates_are_one_question(browser: Client) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as caught:
            assert browser.get(reverse("rates")).status_code == 200
        return len(caught)

    asked()
    few = asked()
    call_command("load_rates")
    assert asked() == few <= 6
