"""CSV files: amounts come back as they went, in the language's own form, and no cell is run as a formula."""

import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.utils import translation
from hypothesis import example, given
from hypothesis import strategies as st

from credits import export

PARIS = ZoneInfo("Europe/Paris")
# What begins a formula in a spreadsheet (OWASP, "CSV Injection"), the wide forms too.
DANGEROUS = ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"]


def read_back(text: str, language: str) -> list[list[str]]:
    """The cells as a spreadsheet of this language reads them."""
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=";" if language == "fr" else ","))


@pytest.mark.parametrize("language", ["fr", "en"])
@given(
    millis=st.lists(st.integers(-(10**15), 10**15), min_size=1, max_size=5),
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40), max_size=3),
)
@example(millis=[-1, 0, 1, 10**12], texts=["-2+3", "=1;2", '"', "a\r\nb", ", ;", "a;=1"])
def test_what_is_read_back_is_what_was_written(language: str, millis: list[int], texts: list[str]) -> None:
    with translation.override(language):
        written = export.written([[*(Decimal(amount).scaleb(-3) for amount in millis), *texts]], PARIS)
    (row,) = read_back(written, language)
    amounts, words = row[: len(millis)], row[len(millis) :]
    assert [round(Decimal(cell.replace(",", ".")) * 1000) for cell in amounts] == millis
    for cell in amounts:
        # A number and nothing else: no sign between thousands, no exponent, no plus.
        assert cell.lstrip("-").replace("," if language == "fr" else ".", "", 1).isdecimal()
    assert words == [export.safe(text) for text in texts]


@given(st.sampled_from(DANGEROUS), st.text(max_size=20), st.sampled_from(["", " ", "\u00a0  "]))
def test_a_text_that_begins_like_a_formula_is_marked_as_a_text(sign: str, rest: str, space: str) -> None:
    # A blank sign behind blanks begins nothing.
    if not (space and sign.isspace()):
        marked = export.safe(space + sign + rest)
        assert marked.startswith("'" + space + sign)
        # What else is marked begins a formula further on; nothing is taken away.
        assert marked.replace("'", "") == (space + sign + rest).replace("'", "")


@given(st.text(max_size=20))
def test_no_text_leaves_with_the_beginning_of_a_formula(text: str) -> None:
    assert not export.safe(text).lstrip().startswith(tuple(DANGEROUS[:4]))
    assert not export.safe(text).startswith(tuple(DANGEROUS))


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("separator", [";", ",", "\t"])
@pytest.mark.parametrize(
    "formula", ['=HYPERLINK("http://x";A1)', "+cmd|' /C calc'!A0", "-1+WEBSERVICE(A1)", "@SUM(A1)"]
)
@pytest.mark.parametrize("space", ["", " ", '"'])
def test_no_formula_begins_in_a_cell_that_another_language_divides(
    language: str, separator: str, formula: str, space: str
) -> None:
    with translation.override(language):
        written = export.written([["Pack", f"Merci{separator}{space}{formula}", 12]], PARIS)
    for other in ";,\t":
        # As a spreadsheet that expects this separator divides the line, whether or not it minds the quotes.
        for cells in (*csv.reader(io.StringIO(written), delimiter=other), written.strip().split(other)):
            assert not any(cell.lstrip(" \"'\t").startswith(tuple("=+-@")) and "'" not in cell[:4] for cell in cells)


def test_an_ordinary_text_is_left_as_it_is() -> None:
    for text in (
        *("Pack de novembre", "", "l'été", "12 €", "a=b", "'quoted'"),
        *("Soldes, -20 %", "06 12, +33612345678", "Merci ; -) à bientôt", "a, b (c)"),
    ):
        assert export.safe(text) == text


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("fr", "-1234,5;12;2026-11-24 12:00:00;2026-11-24;7;;Été"),
        ("en", "-1234.5,12,2026-11-24 12:00:00,2026-11-24,7,,Été"),
    ],
)
def test_each_kind_of_cell_has_the_form_that_spreadsheets_of_the_language_read(language: str, line: str) -> None:
    noon = datetime(2026, 11, 24, 11, tzinfo=UTC)
    with translation.override(language):
        assert (
            export.written([[Decimal("-1234.5"), Decimal("12.000"), noon, date(2026, 11, 24), 7, None, "Été"]], PARIS)
            == line + "\r\n"
        )


def test_the_file_begins_with_the_mark_of_utf8_and_keeps_the_language_it_was_asked_in() -> None:
    def batches() -> list[list[list[export.Cell]]]:
        return [[[Decimal("0.5")]], [[Decimal("1.5")]]]

    with translation.override("fr"):
        answer = export.attachment("a.csv", ["Crédits", "x"], batches(), zone=PARIS)
    with translation.override("en"):
        content = b"".join(answer.streaming_content)  # type: ignore[arg-type]
    assert content == b"\xef\xbb\xbf" + "Crédits;x\r\n0,5\r\n1,5\r\n".encode()
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="a.csv"'


def test_reading_a_file_does_not_change_the_language_of_who_reads() -> None:
    with translation.override("fr"):
        answer = export.attachment("a.csv", ["x"], iter([[["a"]], [["b"]]]), zone=PARIS)
    with translation.override("en"):
        chunks = iter(answer)
        for _chunk in chunks:
            assert translation.get_language() == "en"
