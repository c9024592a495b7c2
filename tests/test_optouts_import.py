"""Lists of numbers as people have them: every line is read or named, and no file is an error of ours."""

import csv
import io
from collections.abc import Iterator

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from compose import number_lists
from compose.number_lists import NumberList, TooManyLines, read_list
from compose.text_files import NotText, decode

A, B, C = "+33612345678", "+33698765432", "+33782345678"
TABLE = "Nom;Téléphone;Ville\nDupont;06 12 34 56 78;Nîmes\nLefèvre;0698765432;Orléans\n"


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    with translation.override("en"):
        yield


def numbers(text: str, country: str = "FR") -> tuple[str, ...]:
    """The numbers of a text in which nothing is wrong."""
    found = read_list(text, country)
    assert found.wrong == ()
    return found.numbers


def wrong(text: str, country: str = "FR") -> list[tuple[int, str, str]]:
    return [(one.line, one.raw, str(one.reason)) for one in read_list(text, country).wrong]


# Lists and tables


@pytest.mark.parametrize(
    "text",
    [
        "06 12 34 56 78\n06 98 76 54 32",
        "0612345678, 0698765432",
        "0612345678 0698765432",
        "0612345678;0698765432\n",
        "\n\n+33612345678\r\n\r\n+33698765432\r\n",
        "0612345678\r0698765432",
        "'+33612345678\n'+33698765432",
        '="0612345678"\n="0698765432"',
        '"0612345678"\n"06 98 76 54 32"\n',
        "33612345678.0\n33698765432.0",
        "33612345678\n33698765432",
        "Téléphone\n0612345678\n0698765432",
        "sep=;\n0612345678;\n0698765432;",
        "Nom,Mobile\nDupont,0612345678\nMartin,0698765432",
        '"Dupont, Jean";0612345678\n"Martin; Ève";0698765432',
        "Dupont\t0612345678\nMartin\t0698765432",
        "1;0612345678\n2;0698765432",
        "0612345678;12/03/2024;75011\n0698765432;01/02/2023;69003",
        "Nom;Mobile\nDupont;0612345678\n;;\n \t\nMartin;0698765432\n;",
        'Nom;Mobile\nDupont;="0612345678"\nMartin;="0698765432"',
        "Nom;Mobile;Fixe\nDupont;0612345678;0123456789\nMartin;0698765432;0223456789",
        "Mobile;Autre\n0612345678;0698765432\n",
        'L"un;0612345678\nL"autre";0698765432',
    ],
)
def test_a_list_is_read_as_people_have_it(text: str) -> None:
    assert numbers(text) == (A, B)


def test_a_table_says_which_columns_were_read_and_what_its_first_line_was() -> None:
    found = read_list(TABLE, "FR")
    assert (found.numbers, found.columns, found.header) == ((A, B), (2,), "Nom;Téléphone;Ville")


def test_a_table_without_header_loses_no_first_line() -> None:
    found = read_list(TABLE.partition("\n")[2], "FR")
    assert (found.numbers, found.columns, found.header) == ((A, B), (2,), "")


def test_two_columns_of_mobile_numbers_are_both_read() -> None:
    found = read_list("Nom;Mobile 1;Mobile 2\nDupont;0612345678;0698765432\nMartin;0782345678;\n", "FR")
    assert (set(found.numbers), found.columns, found.wrong) == ({A, B, C}, (2, 3), ())


def test_a_number_that_stands_twice_is_one_and_counted() -> None:
    found = read_list("0612345678\n+33 6 12 34 56 78\n0612345678, 0612345678", "FR")
    assert (found.numbers, found.duplicates) == ((A,), 3)


def test_a_national_number_is_one_of_the_account() -> None:
    assert numbers("0470 12 34 56\n+33612345678", "BE") == ("+32470123456", A)


# What is not understood


def test_each_wrong_line_is_named_with_its_number_and_the_reason() -> None:
    assert wrong("0612345678\n\n01 23 45 67 89\nabc\n0698765432\n0612") == [
        (3, "01 23 45 67 89", "This is a fixed line, which receives no SMS. Type a mobile number."),
        (
            4,
            "abc",
            "This is not a telephone number. Use digits, with a leading + for another country, as in +33612345678.",
        ),
        (6, "0612", "The number has too few digits. Add the missing ones."),
    ]


def test_a_line_of_a_table_without_number_is_named() -> None:
    found = wrong(TABLE + "Durand;;Nice\nMoreau;inconnu;Lyon\n")
    assert [(line, raw) for line, raw, _reason in found] == [(4, "Durand;;Nice"), (5, "inconnu")]
    assert found[0][2] == "No number stands in this line."


@pytest.mark.parametrize("rounded", ["3.36E+10", "3,36E+10", "3.36123E+10", "3E+10", "3,36e+10"])
@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{}", 1),
        ("0612345678\n{}\n0698765432", 2),
        ("Nom;Mobile\nDupont;{}\nMartin;0612345678", 2),
        ("Nom;Mobile\nDupont;{}\nMartin;{}", 2),
    ],
)
def test_a_number_that_a_spreadsheet_rounded_is_named_as_such(text: str, line: int, rounded: str) -> None:
    found = wrong(text.replace("{}", rounded))
    assert found[0][:2] == (line, rounded)
    assert found[0][2].startswith("A spreadsheet rounded this number and its last digits are lost.")


def test_a_number_without_its_first_zero_is_read_and_told_of() -> None:
    found = read_list("Nom;Mobile\nDupont;612345678\nMartin;0698765432\nLeroy;782345678", "FR")
    assert (found.numbers, found.restored, found.wrong) == ((A, B, C), (2, 4), ())


@pytest.mark.parametrize(("text", "country"), [("612345678", "ES"), ("33612345678", "FR"), ("+33612345678", "FR")])
def test_a_number_that_never_had_a_first_zero_lost_none(text: str, country: str) -> None:
    found = read_list(text, country)
    assert len(found.numbers) == 1
    assert found.restored == ()


def test_a_column_of_nothing_but_wrong_numbers_is_named_line_by_line() -> None:
    found = read_list("Nom;Fixe\nDupont;0123456789\nMartin;0223456789", "FR")
    assert (found.numbers, found.columns) == ((), (2,))
    assert [one.line for one in found.wrong] == [2, 3]


def test_a_list_with_a_wrong_number_is_not_taken_for_a_table() -> None:
    found = read_list("0612345678, abc, 0698765432", "FR")
    assert (found.numbers, [one.raw for one in found.wrong]) == ((A, B), ["abc"])


# How much


def test_more_lines_than_the_most_are_refused_and_so_are_more_numbers_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(number_lists, "MAX_LINES", 3)
    assert numbers("0612345678\n\n0612345678\n0612345678\n") == (A,)
    for text in ("0612345678\n" * 4, "0612345678 " * 4, "0612345678\n" * 2 + "0612345678;0612345678"):
        with pytest.raises(TooManyLines) as refused:
            read_list(text, "FR")
        assert "Nothing was added." in str(refused.value.message)


def test_a_hundred_thousand_lines_are_read() -> None:
    text = "\n".join(f"Client {n};06{n:08d}" for n in range(12_000_000, 12_100_000))
    assert len(numbers(text)) == 100_000


# Bytes

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_a_file_is_read_in_every_encoding_that_spreadsheets_write(encoding: str, line_end: str) -> None:
    text = decode(TABLE.replace("\n", line_end).encode(encoding))
    assert text == TABLE.replace("\n", line_end)
    assert numbers(text) == (A, B)


def test_a_byte_order_mark_of_the_other_order_is_understood() -> None:
    assert decode(b"\xfe\xff" + TABLE.encode("utf-16-be")) == TABLE


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_a_short_file_without_mark_is_understood(encoding: str) -> None:
    assert decode("0612345678".encode(encoding)) == "0612345678"


@pytest.mark.parametrize("start", [b"PK\x03\x04", b"\xd0\xcf\x11\xe0"])
def test_a_workbook_is_refused_with_what_to_do(start: bytes) -> None:
    with pytest.raises(NotText) as refused:
        decode(start + b"0612345678" * 10)
    assert "choose Save as, then CSV" in str(refused.value.message)


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        b"%PDF-1.7\n\x01\x02",
        b"0612345678\0",
        bytes(range(256)),
        b"\xff\xfe\0\0\x01\0\0\0",
    ],
)
def test_what_is_no_text_is_refused(data: bytes) -> None:
    with pytest.raises(NotText) as refused:
        decode(data)
    assert "Nothing was added." in str(refused.value.message)


def test_the_end_that_an_old_program_wrote_is_no_character() -> None:
    assert decode(b"0612345678\r\n\x1a") == "0612345678\r\n"


# Properties

PIECES = st.sampled_from(
    [
        "0612345678",
        "+33612345678",
        "612345678",
        "3.36E+10",
        "3,36E+10",
        "0123456789",
        "abc",
        "Nom",
        '"',
        "'",
        "=",
        '="06',
        ";",
        ",",
        "\t",
        "\n",
        "\r\n",
        "\r",
        " ",
        "+",
        "(",
        "sep=;",
        "\x00",
        "\ufeff",
        "\u200b",
        "\ud800",
        "٠",
        "，",
        ".",
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=4), max_size=40).map("".join)


def entries(found: NumberList) -> int:
    return len(found.numbers) + found.duplicates + len(found.wrong)


@given(TEXTS, st.sampled_from(["FR", "BE", "US", "IT", "GB", ""]))
def test_no_text_is_an_error_and_no_line_is_lost(text: str, country: str) -> None:
    found = read_list(text, country)
    holding = [line for line in number_lists._LINE_ENDS.split(text) if any(map(str.isalnum, line))]
    said = 1 if found.header else 0
    directive = 1 if holding and number_lists._SAYS_DELIMITER.fullmatch(holding[0].strip()) else 0
    assert entries(found) >= len(holding) - said - directive
    assert len(set(found.numbers)) == len(found.numbers)


def test_a_first_line_of_a_million_cells_is_looked_at_no_further_than_the_sample(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_at = []

    def look(cell: str, country: str) -> bool:
        looked_at.append(cell)
        return is_number(cell, country)

    is_number = number_lists._is_number
    monkeypatch.setattr(number_lists, "_is_number", look)
    found = read_list("nom;" * 1_000_000 + "\n0612345678;Claire", "FR")
    assert found.numbers == ("+33612345678",)
    assert len(looked_at) <= 3 * number_lists._SAMPLE_CELLS


LINES = st.lists(
    st.sampled_from(["0612345678", "0698765432", "+33782345678", "3.36E+10", "0123456789", "personne", "0612", "?"]),
    min_size=1,
    max_size=30,
)


@given(LINES)
def test_one_number_a_line_means_one_entry_a_line_each_wrong_one_in_its_place(lines: list[str]) -> None:
    found = read_list("\n".join(lines), "FR")
    assert entries(found) + (1 if found.header else 0) == len(lines)
    for one in found.wrong:
        assert lines[one.line - 1] == one.raw


@given(LINES, st.sampled_from(";,\t"), st.booleans())
def test_a_table_is_read_as_the_list_of_its_column(lines: list[str], delimiter: str, quoted: bool) -> None:
    good = [*lines, "0612345678"] * 2
    mostly = good + ["0612345678"] * len(good)
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL)
    writer.writerow(["Nom", "Mobile"])
    writer.writerows((f"Client {'ABCDEFGHIJ'[n % 10]}", line) for n, line in enumerate(mostly))
    found = read_list(text.getvalue(), "FR")
    assert entries(found) == len(mostly)
    assert found.numbers == read_list("Mobile\n" + "\n".join(mostly), "FR").numbers
    assert [one.line for one in found.wrong] == [
        n for n, line in enumerate(mostly, 2) if not read_list(line, "FR").numbers
    ]


@given(st.binary(max_size=300))
def test_no_bytes_are_an_error(data: bytes) -> None:
    try:
        text = decode(data)
    except NotText:
        return
    read_list(text, "FR")
