"""Rates as a file: every line is looked at before anything is applied, and what is exported is imported again."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from credits import rate_files
from credits.models import Account, Rate
from tests import factories
from tests.pages import Element, browser_of, is_a_sentence, read, sentence

IMPORT = "/administration/credits/rate/import/"
EXPORT = "/administration/credits/rate/export/"
LIST = "/administration/credits/rate/"


@pytest.fixture(autouse=True)
def noon(db: None) -> Iterator[None]:
    with time_machine.travel(factories.NOON, tick=False):
        yield


@pytest.fixture
def account() -> Account:
    return factories.account()


@pytest.fixture
def admin() -> Client:
    return browser_of(factories.user("root", superuser=True))


def stored() -> list[tuple[str, int, str]]:
    """The rates as they are: region, millis, from when."""
    rows = Rate.objects.order_by("region", "valid_from").values_list("region", "millis", "valid_from")
    return [(region, millis, f"{at:%Y-%m-%d %H:%M}") for region, millis, at in rows]


def preview(admin: Client, *lines: str) -> Any:
    return admin.post(IMPORT, {"text": "\n".join(lines)})


def apply(admin: Client, *lines: str) -> Any:
    """Look at the file and press the button of the preview."""
    form = read(preview(admin, *lines)).all("form", method="post")
    text = next(area for one in form for area in one.all("textarea", name="text"))
    return admin.post(IMPORT, {"text": "".join(text._texts()).removeprefix("\n"), "action": "apply"})


def errors(page: Element) -> list[str]:
    return [item.text for item in page.one("main").one("div", **{"class": "errornote"}).all("li")]


def changes(page: Element) -> list[list[str]]:
    """The table of the preview: line, country, from when, now, in the file."""
    return [[cell.text for cell in row.all("td")] for row in page.one("main").one("tbody").all("tr")]


def test_a_file_is_shown_before_it_is_applied(admin: Client) -> None:
    factories.rate("BE", 1_500, valid_from=datetime(2027, 1, 1, tzinfo=UTC))
    factories.rate("CH", 1_200, valid_from=datetime(2027, 1, 1, tzinfo=UTC))
    lines = (
        "region;credits;valid_from",
        "FR;0,9;2027-01-01",
        "BE;1,6;2027-01-01 01:00",
        "CH;1.2;2027-01-01T00:00:00Z",
    )
    before = stored()
    page = read(preview(admin, *lines))
    assert changes(page) == [
        ["2", "France (FR)", "1 Jan. 2027 00:00", "none at this date", "0.9"],
        ["3", "Belgium (BE)", "1 Jan. 2027 01:00", "1.5", "1.6"],
    ]
    assert "2 rates would change" in sentence(page)
    assert "One line gives the rate that is there already." in sentence(page)
    assert stored() == before
    answer = apply(admin, *lines)
    assert answer.headers["Location"] == LIST
    # Midnight of the installation, Europe/Paris.
    assert stored() == [
        ("BE", 1_600, "2027-01-01 00:00"),
        ("CH", 1_200, "2027-01-01 00:00"),
        ("FR", 900, "2026-12-31 23:00"),
    ]
    assert LogEntry.objects.count() == 2
    assert "2 rates were recorded." in read(admin.get(LIST)).text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("XX,1,2027-01-01", "is not the two capital letters of a country"),
        ("FRA,1,2027-01-01", "is not the two capital letters of a country"),
        (",1,2027-01-01", "is not the two capital letters of a country"),
        ("FR,free,2027-01-01", "“free” is no amount of credits"),
        ("FR,,2027-01-01", "is no amount of credits"),
        ("FR,0,2027-01-01", "A rate is above zero"),
        ("FR,-1,2027-01-01", "is no amount of credits"),
        ("FR,1001,2027-01-01", "A rate is above zero and at most 1000."),
        ("FR,0.0001,2027-01-01", "is no amount of credits"),
        ('FR,"1,000",2027-01-01', "“1,000” may be 1 and a fraction, or 1000. Write 1,0000 for the first, 1000 for"),
        ('FR,"12,500",2027-01-01', "Write 12,5000 for the first, 12500 for the second."),
        ('FR,"1,000.5",2027-01-01', "is no amount of credits"),
        ("FR,1 5,2027-01-01", "is no amount of credits"),
        ("FR,=1+1,2027-01-01", "“=1+1” is no amount of credits"),
        ("FR,'=1,2027-01-01", "is no amount of credits"),
        ('FR,"=""0.5""",2027-01-01', "is no amount of credits"),
        ("FR,+1,2027-01-01", "is no amount of credits"),
        ("FR,@1,2027-01-01", "is no amount of credits"),
        ("=FR,1,2027-01-01", "is not the two capital letters of a country"),
        ("FR,1,=TODAY()", "“=TODAY()” is no date"),
        ("FR,1e3,2027-01-01", "is no amount of credits"),
        ("FR,0,5,2027-01-01", "There are more cells than columns."),
        ("FR,1", "A cell is missing"),
        ("FR,1,tomorrow", "“tomorrow” is no date"),
        ("FR,1,", "is no date"),
        ("FR,1,1999-12-31", "Ensure this value is greater than"),
        ("FR,1,9999-12-31T23:59:59Z", "Ensure this value is less than"),
        ("FR,1,9999-12-31T23:59:59-12:00", "Ensure this value is less than"),
        ("FR,1,2027-03-28 02:30", "is no date"),
        ("BE,1,2027-01-01", "Line 2 has this region and date already."),
        ('FR,"1,2027-01-01', "A cell is missing"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_of_the_file_is_applied(admin: Client, line: str, said: str) -> None:
    lines = ("region,credits,valid_from", "BE,1.6,2027-01-01", line)
    answer = preview(admin, *lines)
    assert answer.status_code == 422
    page = read(answer)
    (found,) = errors(page)
    assert found.startswith("Line 3: ")
    assert said in found
    assert is_a_sentence(found)
    # What was pasted is there to be mended, and a forged "apply" applies nothing either.
    assert line in page.one("textarea", id="id_text").text
    assert admin.post(IMPORT, {"text": "\n".join(lines), "action": "apply"}).status_code == 422
    assert stored() == []


def test_the_verb_itself_applies_nothing_of_a_file_with_a_wrong_line() -> None:
    with pytest.raises(ValueError, match="XX"):
        rate_files.apply("region,credits,valid_from\nFR,1,2027-01-01\nXX,1,2027-01-01")
    assert stored() == []


def test_every_wrong_line_is_named_at_once(admin: Client) -> None:
    page = read(
        preview(admin, "region,credits,valid_from", "XX,1,2027-01-01", "FR,1,2027-01-01", "", "BE,x,2027-01-01")
    )
    assert [error.split(":")[0] for error in errors(page)] == ["Line 2", "Line 5"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Choose a file of at most one megabyte, or paste its lines."),
        ("FR,1,2027-01-01", "The first line must name the columns"),
        ("region,credits", "missing: valid_from"),
        ("region,credits,valid_from\n\n", "The file has no rate below its first line."),
        ("region,credits,valid_from\n" + "x" * 1_001, "The file is too long."),
        ("region,credits,valid_from\n" * 20_001, "The file is too long."),
        ("region,credits,valid_from\nFR,1\0,2027-01-01", "Null characters are not allowed."),
    ],
)
def test_what_is_no_file_of_rates_is_refused_with_a_sentence(admin: Client, text: str, said: str) -> None:
    answer = admin.post(IMPORT, {"text": text})
    assert answer.status_code == 422
    assert said in sentence(read(answer))
    assert stored() == []


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfregion;credits;valid_from;country\r\nFR;0,9;2027-01-01;\xc3\x89tat\r\n",
        b"region\tcredits\tvalid_from\nfr\t0.9\t2027-01-01\n",
        b'country,Valid_From,CREDITS,Region\n\xc9tat,2027-01-01,"0,9",FR\n',
    ],
)
def test_files_as_spreadsheets_save_them_are_read(admin: Client, content: bytes) -> None:
    page = read(admin.post(IMPORT, {"file": SimpleUploadedFile("rates.csv", content)}))
    assert changes(page) == [["2", "France (FR)", "1 Jan. 2027 00:00", "none at this date", "0.9"]]


@pytest.mark.parametrize(
    ("amounts", "wrong"),
    [
        # Alone each may be a thousand, whatever stands between the cells.
        (["1,000"], ["Line 2"]),
        (["1.000"], ["Line 2"]),
        (["1.125", "2.250"], ["Line 2", "Line 3"]),
        # A sign that is the decimal one somewhere is so everywhere in the file, before and after.
        (["1,000", "0,5"], []),
        (["0,065", "1,125"], []),
        (["1.125", "2.2500"], []),
        # The other one is not, and both show nothing.
        (["1.000", "0,5"], ["Line 2"]),
        (["1,000", "0,5", "0.5"], ["Line 2"]),
        # Without a sign, or with a zero before it, there is nothing to ask.
        (["1000", "0,125", "0.125"], []),
        (["1 000"], []),
    ],
)
@pytest.mark.parametrize("separator", [";", ",", "\t"])
def test_an_amount_that_may_be_a_thousand_or_one_is_never_guessed(
    admin: Client, amounts: list[str], wrong: list[str], separator: str
) -> None:
    regions = ["FR", "BE", "CH"]
    rows = [
        ["region", "credits", "valid_from"],
        *([*pair, "2027-01-01"] for pair in zip(regions, amounts, strict=False)),
    ]
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerows(rows)
    page = read(preview(admin, text.getvalue()))
    assert [error.split(":")[0] for error in (errors(page) if wrong else [])] == wrong
    if not wrong:
        said = [Decimal(amount.replace(",", ".").replace(" ", "")) for amount in amounts]
        assert [Decimal(row[4].replace(",", "")) for row in changes(page)] == said


@pytest.mark.parametrize(("language", "words"), [("en", "No rate would change"), ("fr", "Un tarif changerait")])
def test_a_file_that_changes_nothing_says_so(language: str, words: str) -> None:
    """In French none is said like one, so it has a sentence of its own."""
    factories.rate("FR", 900, valid_from=datetime(2027, 1, 1, tzinfo=UTC))
    browser = browser_of(factories.user("chef", superuser=True), language=language)
    page = sentence(read(preview(browser, "region,credits,valid_from", "FR,0.9,2027-01-01T00:00Z")))
    assert (words in page) is (language == "en")


def test_cells_for_people_may_begin_with_anything_and_are_shown_as_text_only(admin: Client) -> None:
    page = read(preview(admin, "note;region;credits;valid_from", "=1+1;FR;0,9;2027-01-01", "@x;BE;1,25;2027-01-01"))
    assert [row[4] for row in changes(page)] == ["0.9", "1.25"]
    page = read(preview(admin, "region;credits;valid_from", "<b>=1</b>;0,9;2027-01-01"))
    assert page.one("main").all("b") == []


@pytest.mark.parametrize("language", ["fr", "en"])
def test_an_exported_rate_is_one_thing_only_and_imported_again_in_both_languages(language: str) -> None:
    for region, millis in (("FR", 1_125), ("BE", 12_500), ("CH", 1_000_000), ("LU", 900), ("MC", 1)):
        factories.rate(region, millis)
    browser = browser_of(factories.user("chef", superuser=True), language=language)
    content = browser.get(EXPORT).getvalue()
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig")), delimiter=";" if language == "fr" else ","))
    written = {row["region"]: row["credits"].replace(",", "." if language == "fr" else ",") for row in rows}
    assert written == {"FR": "1.1250", "BE": "12.5", "CH": "1000", "LU": "0.9", "MC": "0.001"}
    for other in ("fr", "en"):
        page = read(
            browser_of(factories.user(superuser=True), language=other).post(
                IMPORT, {"file": SimpleUploadedFile("rates.csv", content)}
            )
        )
        assert page.all("div", **{"class": "errornote"}) == []
    rate_files.apply(content.decode("utf-8-sig"))
    assert dict(Rate.objects.values_list("region", "millis")) == {
        "FR": 1_125,
        "BE": 12_500,
        "CH": 1_000_000,
        "LU": 900,
        "MC": 1,
    }


def test_a_date_as_a_french_spreadsheet_writes_it_is_read_in_french(admin: Client) -> None:
    french = browser_of(factories.user("chef", superuser=True), language="fr")
    assert apply(french, "region;credits;valid_from", "FR;0,9;31/01/2027").status_code == 302
    assert stored() == [("FR", 900, "2027-01-30 23:00")]


def test_a_file_that_is_too_large_is_refused_with_a_sentence(admin: Client) -> None:
    for size in (1_000_001, 3_000_000):
        answer = admin.post(IMPORT, {"file": SimpleUploadedFile("rates.csv", b"x" * size)})
        assert answer.status_code == 422
        assert "one megabyte" in sentence(read(answer))


def test_what_is_exported_is_imported_again_without_a_change(admin: Client) -> None:
    moments = [
        datetime(2026, 12, 31, 23, tzinfo=UTC),
        datetime(2027, 6, 1, 9, 30, 15, tzinfo=UTC),
        # The hour that Paris has twice, both times.
        datetime(2027, 10, 31, 0, 30, tzinfo=UTC),
        datetime(2027, 10, 31, 1, 30, tzinfo=UTC),
    ]
    for number, moment in enumerate(moments):
        factories.rate("BE", 1_001 + number, valid_from=moment)
    for language in ("en", "fr"):
        browser = browser_of(factories.user(f"root-{language}", superuser=True), language=language)
        content = browser.get(EXPORT).getvalue()
        page = read(browser.post(IMPORT, {"file": SimpleUploadedFile("rates.csv", content)}))
        assert page.one("main").all("tbody") == []
        before = stored()
        Rate.objects.all().delete()
        apply(browser, *content.decode("utf-8-sig").splitlines())
        assert stored() == before


def test_an_example_that_is_changed_is_none_any_more(admin: Client) -> None:
    admin.post("/administration/credits/rate/examples/")
    assert "245 example rates were added" in read(admin.get(LIST)).text
    france, india = Rate.objects.get(region="FR"), Rate.objects.get(region="IN")
    assert france.example
    fields = {"region": "FR", "millis": "950", "valid_from_0": "2026-11-24", "valid_from_1": "12:00:00"}
    assert admin.post(f"{LIST}{france.pk}/change/", fields).status_code == 302
    when = india.valid_from.isoformat()
    apply(admin, "region,credits,valid_from", f"IN,0.5,{when}")
    assert list(Rate.objects.filter(example=False).order_by("region").values_list("region", "millis")) == [
        ("FR", 950),
        ("IN", 500),
    ]
    # Again: nothing is overwritten.
    admin.post("/administration/credits/rate/examples/")
    assert "Every country has a rate already." in read(admin.get(LIST)).text
    assert Rate.objects.filter(example=False).count() == 2


def test_a_message_keeps_the_rate_at_which_it_was_submitted(admin: Client, account: Account) -> None:
    factories.rate("FR", 2_000)
    sent = factories.message(account)
    apply(admin, "region,credits,valid_from", "FR,3,2020-01-01T00:00:00Z")
    assert stored() == [("FR", 3_000, "2020-01-01 00:00")]
    sent.refresh_from_db()
    assert sent.price == 2_000
    assert factories.message(account, to="06 12 34 56 79").price == 3_000


@pytest.mark.parametrize("codename", ["", "view_rate", "add_rate", "change_rate"])
def test_who_may_not_change_rates_imports_none(codename: str) -> None:
    person = factories.user()
    person.is_staff = True
    person.save()
    if codename:
        person.user_permissions.add(Permission.objects.get(codename=codename))
    browser = browser_of(person)
    lines = {"text": "region,credits,valid_from\nFR,1,2027-01-01", "action": "apply"}
    assert browser.post(IMPORT, lines).status_code == 403
    assert browser.post("/administration/credits/rate/examples/").status_code == 403
    assert browser.get(EXPORT).status_code == (403 if codename in ("", "add_rate") else 200)
    assert stored() == []


def test_nobody_and_an_owner_of_an_account_come_not_near_the_rates(account: Account) -> None:
    for browser in (browser_of(), browser_of(factories.owner(account))):
        for address in (IMPORT, EXPORT, "/administration/credits/rate/examples/"):
            assert browser.get(address).status_code in (302, 403)
    assert reverse("rates") not in (IMPORT, EXPORT)


def test_the_examples_are_loaded_by_a_press_of_a_button_only(admin: Client) -> None:
    assert admin.get("/administration/credits/rate/examples/").status_code == 302
    assert stored() == []
