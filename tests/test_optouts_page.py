"""The pages of the STOP list: to see, to search, to add by hand and from a file, to take off, to download."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from compose import optouts
from compose.models import OptOut
from compose.optout_forms import MOST_BYTES
from compose.paging import SIZE
from compose.text_files import decode
from credits.models import Account, Member
from tests import factories
from tests.factories import NOON, mobile
from tests.pages import Element, browser_of, is_a_sentence, read, sentence

LIST, ADD, DOWNLOAD = "/stop-list/", "/stop-list/add/", "/stop-list/download/"
ONE, OTHER = "+33612345678", "+33698765432"


@pytest.fixture
def account(db: None) -> Account:
    return factories.account()


@pytest.fixture
def browser(account: Account) -> Client:
    return browser_of(factories.owner(account))


def shown(page: Element) -> list[str]:
    """The numbers of the list, as they stand there."""
    return [row.one("th", scope="row").text for row in page.all("tr") if row.all("th", scope="row")]


def listed(account: Account) -> set[str]:
    return set(optouts.listed(account).values_list("number", flat=True))


def file(content: str | bytes, name: str = "stop.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content.encode() if isinstance(content, str) else content)


# To see


def test_an_empty_list_says_what_will_appear_and_offers_the_first_action(account: Account, browser: Client) -> None:
    page = read(browser.get(LIST))
    assert "Nobody is on the list yet" in sentence(page)
    assert [link.attributes["href"] for link in page.one("main").all("a")].count(ADD) == 2
    assert page.all("a", href=DOWNLOAD) == []


def test_the_list_shows_each_number_with_its_country_date_source_person_and_note(
    account: Account, browser: Client
) -> None:
    person = factories.owner(account)
    person.first_name, person.last_name = "Claire", "Martin"
    person.save()
    with time_machine.travel(NOON, tick=False):
        factories.opt_out(account, "+262692123456", note="Said so at the market")
        optouts.opt_out(account, [ONE], source=OptOut.Source.ANSWER)
    first, second = read(browser.get(LIST)).one("tbody").all("tr")
    assert first.text.split("Take off")[0] == "24 Nov. 2026 12:00 +33 6 12 34 56 78 France Answered STOP "
    for words in ("+262 692 12 34 56 Réunion", "Said so at the market", "Added by hand by Claire Martin"):
        assert words in second.text


def test_the_newest_comes_first_and_each_page_follows_the_one_before(account: Account, browser: Client) -> None:
    for number in range(SIZE + 5):
        with time_machine.travel(NOON + timedelta(minutes=number // 3), tick=False):
            optouts.opt_out(account, [mobile(number)], source=OptOut.Source.MANUAL)
    page = read(browser.get(LIST))
    older = read(browser.get(LIST + page.one("a", rel="next").attributes["href"]))
    found = [words.split(" France")[0].replace(" ", "") for words in shown(page) + shown(older)]
    assert found == [mobile(number) for number in reversed(range(SIZE + 5))]
    assert older.all("a", rel="next") == []
    assert shown(read(browser.get(LIST, {"before": "garbage"}))) == shown(page)


def test_a_number_is_looked_for_as_it_is_dialled(account: Account, browser: Client) -> None:
    for number in (ONE, OTHER):
        factories.opt_out(account, number)
    assert shown(read(browser.get(LIST, {"q": "06 12"}))) == ["+33 6 12 34 56 78 France"]
    nothing = read(browser.get(LIST, {"q": "07 77"}))
    assert "No number matches" in sentence(nothing)
    assert nothing.one("input", name="q").attributes["value"] == "07 77"


def test_what_is_looked_for_stays_from_page_to_page(account: Account, browser: Client) -> None:
    optouts.opt_out(account, [mobile(n) for n in range(SIZE + 1)], source=OptOut.Source.MANUAL, note="market")
    factories.opt_out(account, OTHER)
    page = read(browser.get(LIST, {"q": "market"}))
    assert len(shown(read(browser.get(LIST + page.one("a", rel="next").attributes["href"])))) == 1


@pytest.mark.parametrize("typed", ["\0", "x" * 5000, "\ud800", "<script>", "%"])
def test_whatever_is_looked_for_the_page_answers(account: Account, browser: Client, typed: str) -> None:
    factories.opt_out(account)
    answer = browser.get(LIST, {"q": typed.encode("utf-8", "surrogatepass")})
    assert answer.status_code == 200


def test_a_long_list_costs_as_many_queries_as_a_short_one(account: Account, browser: Client) -> None:
    people = [factories.member(account).user for _person in range(3)]
    counts = []
    for rows in (1, SIZE):
        for number in range(rows):
            by = people[number % 3]
            optouts.opt_out(account, [mobile(rows * 100 + number)], source=OptOut.Source.MANUAL, by=by)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert browser.get(LIST).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 8


# To add


def test_pasted_numbers_are_added_with_their_note_and_the_list_says_so(account: Account, browser: Client) -> None:
    form = read(browser.get(ADD)).form(ADD)
    assert form.names == ["numbers", "file", "note"]
    answer = browser.post(
        ADD, form.typed(numbers="06 12 34 56 78, 0698765432\n", note="Market", file=None), follow=True
    )
    assert answer.redirect_chain == [(LIST, 302)]
    assert "2 numbers were added to the list." in sentence(read(answer))
    assert listed(account) == {ONE, OTHER}
    assert set(OptOut.objects.values_list("source", "note", "created_by")) == {
        ("manual", "Market", factories.owner(account).pk)
    }


def test_what_is_on_the_list_already_is_said_and_stays_as_it_was(account: Account, browser: Client) -> None:
    factories.opt_out(account, ONE, note="First")
    answer = browser.post(ADD, {"numbers": f"{ONE} {OTHER} {OTHER}", "note": "Second"}, follow=True)
    said = sentence(read(answer))
    assert "1 number was added to the list. 2 were on it already, or given twice, and stay as they were." in said
    assert OptOut.objects.get(number=ONE).note == "First"


def test_right_numbers_are_added_and_wrong_ones_stay_in_the_field_each_with_its_reason(
    account: Account, browser: Client
) -> None:
    answer = browser.post(ADD, {"numbers": f"{ONE}\n0123456789\n{OTHER}\npersonne", "note": "Market"})
    page = read(answer)
    report = page.one(id="report").text
    assert listed(account) == {ONE, OTHER}
    assert "2 numbers were added to the list. 2 entries were not understood and not added:" in report
    assert "Line 2: 0123456789This is a fixed line" in report
    assert "Line 4: personneThis is not a telephone number." in report
    form = page.form(ADD)
    assert (form.typed()["numbers"], form.typed()["note"]) == ("0123456789\npersonne", "Market")
    assert "still in the field below" in report


def test_nothing_at_all_is_answered_with_what_to_do(account: Account, browser: Client) -> None:
    answer = browser.post(ADD, {"numbers": " \n ", "note": "Market"})
    page = read(answer)
    assert answer.status_code == 422
    assert "Type at least one number, or choose a file." in sentence(page)
    assert page.form(ADD).typed()["note"] == "Market"


def test_a_note_that_is_too_long_adds_nothing_and_loses_nothing(account: Account, browser: Client) -> None:
    answer = browser.post(ADD, {"numbers": ONE, "note": "x" * 251})
    assert answer.status_code == 422
    assert read(answer).form(ADD).typed()["numbers"] == ONE
    assert listed(account) == set()


@pytest.mark.parametrize("field", ["numbers", "note"])
@pytest.mark.parametrize("typed", ["\0", "x" * 1_000_000, "<script>alert(1)</script>", "\u202e06"])
def test_whatever_is_typed_is_answered_with_a_sentence(
    account: Account, browser: Client, field: str, typed: str
) -> None:
    answer = browser.post(ADD, {field: typed})
    assert answer.status_code in (200, 422)
    assert "<script>alert" not in answer.content.decode()
    assert listed(account) == set()


# A file


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_file_from_a_spreadsheet_is_added(account: Account, browser: Client, encoding: str) -> None:
    content = "Nom;Téléphone\r\nLefèvre;06 12 34 56 78\r\nDupré;0698765432\r\n".encode(encoding)
    answer = browser.post(ADD, {"file": file(content), "note": "Old program"})
    report = read(answer).one(id="report").text
    assert listed(account) == {ONE, OTHER}
    assert set(OptOut.objects.values_list("source", "note")) == {("import", "Old program")}
    assert "2 numbers were added to the list." in report
    assert "The first line, “Nom;Téléphone”, was taken for the names of the columns." in report
    assert "The numbers were read from column 2; the others were left out." in report


def test_a_file_of_nothing_but_numbers_needs_no_more_words(account: Account, browser: Client) -> None:
    answer = browser.post(ADD, {"file": file(f"{ONE}\n{OTHER}\n")}, follow=True)
    assert answer.redirect_chain == [(LIST, 302)]


def test_the_first_twenty_wrong_lines_of_a_file_are_named_and_the_others_counted(
    account: Account, browser: Client
) -> None:
    lines = [ONE, *(f"01234567{n}" for n in range(10, 35)), OTHER]
    report = read(browser.post(ADD, {"file": file("\n".join(lines))})).one(id="report")
    assert listed(account) == {ONE, OTHER}
    items = [item.text for item in report.all("li")]
    assert "25 entries were not understood and not added:" in report.text
    assert items[0].startswith("Line 2 of the file: 0123456710")
    assert (len(items), items[-1]) == (21, "and 5 more.")
    assert "Correct these lines in your file" in report.text


def test_numbers_that_a_spreadsheet_damaged_are_named(account: Account, browser: Client) -> None:
    content = "Nom;Mobile\nA;3,36E+10\nB;612345678\nC;0698765432"
    report = read(browser.post(ADD, {"file": file(content)})).one(id="report").text
    assert listed(account) == {ONE, OTHER}
    assert "Line 2 of the file: 3,36E+10A spreadsheet rounded this number" in report
    assert "1 number had lost its first 0, as happens in a spreadsheet, and was read with it: line 3." in report


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "This file is empty."),
        (b" \r\n", "This file is empty."),
        (b"PK\x03\x04rest", "This is a workbook, not a text file."),
        (b"\x89PNG\r\n\x1a\n\0\0", "This file holds no text."),
        (b"0612345678\n" * 100_001, "More than 100,000 lines were given"),
        (b"0" * (MOST_BYTES + 1), "This file is larger than 8 MB."),
    ],
    ids=["empty", "blank", "workbook", "image", "lines", "bytes"],
)
def test_a_file_that_cannot_be_read_is_answered_beside_its_field_and_what_was_typed_is_kept(
    account: Account, browser: Client, content: bytes, words: str
) -> None:
    answer = browser.post(ADD, {"file": file(content), "numbers": ONE, "note": "Market"})
    page = read(answer)
    assert answer.status_code == 422
    assert words in page.error("file")
    assert is_a_sentence(page.error("file"))
    assert (page.form(ADD).typed()["numbers"], page.form(ADD).typed()["note"]) == (ONE, "Market")
    assert listed(account) == set()


def test_a_file_beside_other_files_is_not_read_by_halves(account: Account, browser: Client) -> None:
    files = {"another": file(b"0" * MOST_BYTES), "file": file(f"{ONE}\n{OTHER}\n")}
    answer = browser.post(ADD, files)
    assert answer.status_code == 422
    assert listed(account) == set()


def test_a_body_far_above_the_limit_is_refused_before_it_is_read(account: Account, browser: Client) -> None:
    body = io.BytesIO(b"never read")
    size = str(MOST_BYTES * 100)
    answer = browser.generic(
        "POST", ADD, body.getvalue(), content_type="multipart/form-data; boundary=x", CONTENT_LENGTH=size
    )
    assert answer.status_code == 400
    assert "Nothing was sent or changed." in sentence(read(answer))


def test_a_file_is_never_written_to_the_disk(
    account: Account, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    monkeypatch.setattr(TemporaryUploadedFile, "__init__", lambda *_all: written.append("a file"))
    content = f"{ONE}\n".ljust(5_000_000)
    browser.post(ADD, {"file": file(content)})
    assert (listed(account), written) == ({ONE}, [])


def test_without_the_token_of_the_form_nothing_is_added(account: Account) -> None:
    strict = browser_of(factories.owner(account), csrf=True)
    form = read(strict.get(ADD)).form(ADD)
    assert strict.post(ADD, {"numbers": ONE, "file": file(OTHER)}).status_code == 403
    assert listed(account) == set()
    assert strict.post(ADD, form.typed(numbers=ONE, file=None) | {"file": file(OTHER)}).status_code == 302
    assert listed(account) == {ONE, OTHER}


def test_a_reader_and_a_stranger_have_no_file_read(account: Account) -> None:
    reader = browser_of(factories.member(account, Member.Role.READER).user)
    assert reader.post(ADD, {"numbers": ONE, "file": file(OTHER)}).status_code == 403
    assert browser_of().post(ADD, {"file": file(OTHER)}).status_code == 302
    assert not OptOut.objects.exists()


# To take off


def test_an_owner_takes_a_number_off_with_a_reason_that_is_kept(account: Account, browser: Client) -> None:
    row = factories.opt_out(account, ONE)
    page = read(browser.get(LIST))
    address = reverse("optout_take_off", kwargs={"pk": row.pk})
    assert len(page.all("a", href=address)) == 1
    asked = read(browser.get(address))
    assert "Commercial messages of Boulangerie Martin will reach this number again." in sentence(asked)
    answer = browser.post(address, asked.form(address).typed(reason="Asked by telephone."), follow=True)
    assert "+33612345678 is off the list" in sentence(read(answer))
    row.refresh_from_db()
    assert (row.removal_reason, row.removed_by) == ("Asked by telephone.", factories.owner(account))
    assert listed(account) == set()


@pytest.mark.parametrize("reason", ["", "  ", "x" * 251, "\0"])
def test_without_a_good_reason_the_number_stays(account: Account, browser: Client, reason: str) -> None:
    row = factories.opt_out(account, ONE)
    answer = browser.post(reverse("optout_take_off", kwargs={"pk": row.pk}), {"reason": reason})
    assert answer.status_code == 422
    assert read(answer).error("reason")
    assert listed(account) == {ONE}


def test_the_second_of_two_who_take_it_off_is_told_so(account: Account, browser: Client) -> None:
    row = factories.opt_out(account, ONE)
    address = reverse("optout_take_off", kwargs={"pk": row.pk})
    browser.post(address, {"reason": "First."})
    for answer in (browser.post(address, {"reason": "Second."}, follow=True), browser.get(address, follow=True)):
        assert "was taken off the list before. Nothing was changed." in sentence(read(answer))
    row.refresh_from_db()
    assert row.removal_reason == "First."


def test_a_sender_adds_but_is_offered_no_way_to_take_off(account: Account) -> None:
    row = factories.opt_out(account, ONE)
    page = read(browser_of(factories.member(account).user).get(LIST))
    assert page.all("a", href=reverse("optout_take_off", kwargs={"pk": row.pk})) == []
    assert len(page.all("a", href=ADD)) == 1
    reader = read(browser_of(factories.member(account, Member.Role.READER).user).get(LIST))
    assert reader.all("a", href=ADD) == []
    assert len(reader.all("a", href=DOWNLOAD)) == 1


# To download


def exported(browser: Client, delimiter: str) -> list[list[str]]:
    answer: Any = browser.get(DOWNLOAD)
    content = b"".join(answer.streaming_content)
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(decode(content), newline=""), delimiter=delimiter))


def test_the_list_is_downloaded_as_a_file_that_a_spreadsheet_takes_for_text(account: Account, browser: Client) -> None:
    with time_machine.travel(NOON, tick=False):
        factories.opt_out(account, ONE, note='=HYPERLINK("http://example.org";"x")')
    heads, row = exported(browser, ",")
    person = factories.owner(account).get_username()
    assert heads == ["Number", "Country", "On the list since", "Source", "Added by", "Note"]
    assert row == [
        "'+33612345678",
        "France",
        "2026-11-24 12:00:00",
        "Added by hand",
        person,
        '\'=HYPERLINK("http://example.org";"x")',
    ]


def test_a_french_spreadsheet_finds_semicolons_and_its_own_words(account: Account) -> None:
    factories.opt_out(account, ONE)
    french = browser_of(factories.owner(account), language="fr")
    assert exported(french, ";")[1][:2] == ["'+33612345678", "France"]


def test_the_download_has_a_name_with_its_date_and_is_kept_by_no_cache(account: Account, browser: Client) -> None:
    with time_machine.travel(NOON, tick=False):
        answer = browser.get(DOWNLOAD)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="stop-list-2026-11-24.csv"'
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"


def test_what_is_downloaded_is_what_is_on_the_list_and_can_be_added_again(
    account: Account, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compose.optout_views.EXPORTED_AT_ONCE", 40)
    optouts.opt_out(account, [mobile(n) for n in range(100)], source=OptOut.Source.MANUAL, note="+1")
    removed = factories.opt_out(account, ONE)
    optouts.take_off(account, removed.pk, by=factories.owner(account), reason="Asked.")
    stranger = factories.account(name="Clinique du Parc")
    factories.opt_out(stranger, OTHER)
    answer: Any = browser.get(DOWNLOAD)
    content = b"".join(answer.streaming_content)
    rows = list(csv.reader(io.StringIO(decode(content), newline="")))
    assert [row[0] for row in rows[1:]] == [f"'{mobile(n)}" for n in reversed(range(100))]
    browser_of(factories.owner(stranger)).post(ADD, {"file": file(content)})
    assert listed(stranger) == {OTHER, *(mobile(n) for n in range(100))}


# The way there


def test_the_menu_and_the_received_page_lead_to_the_list(account: Account, browser: Client) -> None:
    page = read(browser.get(reverse("received")))
    assert len(page.one("main").all("a", href=LIST)) == 1
    assert len(page.one("header").all("a", href=LIST)) == 1


def test_the_administration_finds_a_number_of_an_account_and_changes_nothing(account: Account) -> None:
    factories.opt_out(account, ONE)
    factories.opt_out(factories.account(name="Clinique du Parc"), OTHER)
    admin = browser_of(factories.user(superuser=True))
    address = reverse("admin:compose_optout_changelist")
    for looked_for, number in ((ONE, ONE), ("Clinique", OTHER)):
        page = read(admin.get(address, {"q": looked_for}))
        assert [number in row.text for row in page.one("table", id="result_list").one("tbody").all("tr")] == [True]
    row = OptOut.objects.get(number=ONE)
    assert admin.post(reverse("admin:compose_optout_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
    assert admin.post(reverse("admin:compose_optout_change", args=[row.pk]), {"number": OTHER}).status_code == 403
