"""A list of numbers as people have it, pasted or in a file, read line by line: nothing of it is lost silently.

Pure: no database, no request. ``compose.recipients`` reads a field in which a person typed to whom a message
goes; here the text may be the table of another program, whose lines are named when they are not understood.

A text is a list when all of it is numbers, and a table when it has columns that are not; the columns of
numbers are found by what they hold, never by their names.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext_lazy as _
from phonenumbers import PhoneMetadata

from compose.numbers import INVISIBLE, REASONS, Recipient, WrongNumber, parse_recipient
from compose.recipients import TooManyRecipients, parse_recipients

if TYPE_CHECKING:
    # What gettext_lazy returns, for the type checker only.
    from django.utils.functional import _StrPromise

MAX_LINES: Final = 100_000

# The columns are found by this many lines and cells; a table has the same columns all the way down.
_SAMPLE: Final = 1_000
_SAMPLE_CELLS: Final = 10_000
_DELIMITERS: Final = "\t;,"
_LINE_ENDS: Final = re.compile(r"\r\n|\r|\n")
# What stands in a line that holds nothing: empty cells of a table.
_NOTHING: Final = " \t,;\"'\u00a0\u202f"
# A first line by which a file says its delimiter to Excel.
_SAYS_DELIMITER: Final = re.compile(r"sep=(.)", re.IGNORECASE)
# 33612345678 as Excel shows it in a narrow column, and then writes it: 3.36E+10, in French 3,36E+10.
_SCIENTIFIC: Final = re.compile(r"(?<![\w.,])\d(?:[.,]\d+)?E\+\d{1,2}(?!\w)", re.IGNORECASE)
# ="0612345678": how some programs tell Excel that a number is text.
_AS_FORMULA: Final = re.compile(r'="?"([^"]*)"?"')
# 33612345678.0: a number that was taken for an amount.
_AS_AMOUNT: Final = re.compile(r"(?<!\d)(\d{8,15})\.0+(?!\d)")
# So many digits without letters look like a number, right or wrong.
_DIGITS_OF_A_NUMBER: Final = 7

SPREADSHEET: Final = _(
    "A spreadsheet rounded this number and its last digits are lost. Write the whole number, or make the column text "
    "in the spreadsheet before you save the file."
)
NO_NUMBER: Final = _("No number stands in this line.")


class TooManyLines(ValueError):
    """More lines or numbers than MAX_LINES. ``message`` is the sentence for the person."""

    message = _("More than 100,000 lines were given, the most at one time. Nothing was added. Split the list.")


@dataclass(frozen=True, slots=True)
class WrongLine:
    """An entry that is no mobile number: the ``line`` it stands in (from 1), ``raw`` as written, and why."""

    line: int
    raw: str
    reason: "_StrPromise"


@dataclass(frozen=True, slots=True)
class NumberList:
    """What a text holds. Each entry is one of ``numbers`` (E.164, each once), a duplicate, or ``wrong``.

    ``restored``: the lines whose number had lost its first 0. ``header``: the first line, where that names the
    columns. ``columns``: which columns were read (from 1), none for a list that is no table.
    """

    numbers: tuple[str, ...]
    duplicates: int
    wrong: tuple[WrongLine, ...]
    restored: tuple[int, ...]
    header: str
    columns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    text: str
    delimiter: str

    @property
    def cells(self) -> Sequence[str]:
        # Not kept: a text of nothing but delimiters has millions of them.
        return _cells(self.text, self.delimiter)


def read_list(text: str, country: str) -> NumberList:
    """Read a text of numbers; one without country code is a number of ``country`` (ISO 3166, as in FR).

    Lines that hold nothing are passed over. Time grows with the length of the text.
    Raises TooManyLines above MAX_LINES lines, or numbers, duplicates included.
    """
    lines = _lines(text)
    columns = _number_columns(lines, country)
    header = _header(lines, columns or (0,), country)
    valid: dict[str, None] = {}
    wrong: list[WrongLine] = []
    restored: list[int] = []
    entries = 0
    for line in islice(lines, 1 if header else 0, None):
        for entry in _entries_of_cells(line, columns, country) if columns else _entries_of_text(line.text, country):
            entries += 1
            if entries > MAX_LINES:
                raise TooManyLines
            if isinstance(entry, WrongNumber):
                wrong.append(WrongLine(line.number, entry.raw, entry.reason))
                continue
            valid[entry.e164] = None
            if _lost_its_zero(entry, country):
                restored.append(line.number)
    return NumberList(
        numbers=tuple(valid),
        duplicates=entries - len(valid) - len(wrong),
        wrong=tuple(wrong),
        restored=tuple(dict.fromkeys(restored)),
        header=header,
        columns=tuple(column + 1 for column in columns),
    )


def _lines(text: str) -> list[_Line]:
    """The lines that hold something, with their cells."""
    numbered = [
        (number, line)
        for number, line in enumerate(_LINE_ENDS.split(text), start=1)
        if line.translate(INVISIBLE).strip(_NOTHING)
    ]
    delimiter = ""
    said = _SAYS_DELIMITER.fullmatch(numbered[0][1].strip()) if numbered else None
    if said:
        delimiter = said[1]
        del numbered[0]
    if len(numbered) > MAX_LINES:
        raise TooManyLines
    delimiter = delimiter or _delimiter([line for _number, line in numbered[:_SAMPLE]])
    return [_Line(number, line, delimiter) for number, line in numbered]


def _delimiter(lines: list[str]) -> str:
    """What stands between the cells of most lines; "" when there is one column."""
    counts = {
        delimiter: sum(delimiter in line for line in lines if not _SCIENTIFIC.fullmatch(line.strip()))
        for delimiter in _DELIMITERS
    }
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] else ""


def _cells(line: str, delimiter: str) -> Sequence[str]:
    if not delimiter:
        return [line]
    try:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=delimiter != " "), [line])
    except (csv.Error, ValueError, TypeError):
        # A cell of more than csv takes, or a delimiter that it does not: the plain way finds the cells as well.
        return line.split(delimiter)


# Columns


def _number_columns(lines: list[_Line], country: str) -> tuple[int, ...]:
    """Which columns (from 0) hold the numbers of a table; none when the text is no table but a list."""
    sample: list[Sequence[str]] = []
    looked_at = 0
    for line in lines[:_SAMPLE]:
        sample.append(line.cells[:_SAMPLE_CELLS])
        looked_at += len(sample[-1])
        if looked_at > _SAMPLE_CELLS:
            break
    width = max(map(len, sample), default=0)
    if len(sample) < 2 or width < 2:
        return ()
    headed = len(sample) > 2 and not any(_is_number(_plain(text), country) for text in sample[0])
    # Most likely the names of the columns: they say nothing of what the columns hold.
    del sample[: 1 if headed else 0]
    filled, good, alike = [0] * width, [0] * width, [0] * width
    for cells in sample:
        for column, text in enumerate(cells):
            if not text.strip():
                continue
            cell = _plain(text)
            filled[column] += 1
            good[column] += _is_number(cell, country)
            alike[column] += _looks_like_a_number(cell)
    numbers = tuple(column for column in range(width) if good[column] and good[column] * 2 >= filled[column])
    others = [column for column in range(width) if filled[column] > (not headed) and good[column] * 2 < filled[column]]
    if numbers:
        return numbers if others else ()
    # No column is mostly right: the one that has most of what could be meant as a number.
    best = max(range(width), key=lambda column: (good[column], alike[column], -column))
    return (best,) if alike[best] or good[best] else ()


def _header(lines: list[_Line], columns: tuple[int, ...], country: str) -> str:
    """The first line when it names the columns rather than being one of the list; else ""."""
    if len(lines) < 2:
        return ""
    cells = lines[0].cells
    names = [_plain(cells[column]) for column in columns if column < len(cells)]
    named = any(any(map(str.isalpha, name)) for name in names)
    if not named or any(sum(map(str.isdigit, name)) > 3 for name in names):
        return ""
    # In a list without columns the rest of the line would be lost with it.
    looked_at = cells[:_SAMPLE_CELLS]
    if len(columns) < len(cells) and any(_is_number(_plain(cell), country) for cell in looked_at):
        return ""
    return lines[0].text.strip()


# Entries


def _entries_of_cells(line: _Line, columns: tuple[int, ...], country: str) -> Iterator[Recipient | WrongNumber]:
    """What a line of a table holds in the columns of numbers: an entry at least."""
    found, cells = False, line.cells
    for column in columns:
        text = cells[column].strip() if column < len(cells) else ""
        if text.translate(INVISIBLE).strip(_NOTHING):
            found = True
            yield from _entries_of_text(text, country)
    if not found:
        yield WrongNumber(line.text.strip(), NO_NUMBER, "no_number")


def _entries_of_text(text: str, country: str) -> Iterator[Recipient | WrongNumber]:
    """What a text of numbers holds: an entry at least."""
    for rounded in _SCIENTIFIC.findall(text):
        yield WrongNumber(rounded, SPREADSHEET, "spreadsheet")
    rest = _plain(_SCIENTIFIC.sub(",", text))
    if not rest.translate(INVISIBLE).strip(_NOTHING):
        if not _SCIENTIFIC.search(text):
            yield WrongNumber(text.strip(), NO_NUMBER, "no_number")
        return
    try:
        found = parse_recipients(rest, country)
    except TooManyRecipients as error:
        raise TooManyLines from error
    yield from found.valid
    for one in found.wrong:
        yield WrongNumber(text.strip(), REASONS["characters"], "characters") if one.code == "empty" else one
    # Merged there, counted here.
    yield from found.valid[:1] * found.duplicates


def _plain(text: str) -> str:
    """The text without what spreadsheets put around a number."""
    return _AS_AMOUNT.sub(r"\1", _AS_FORMULA.sub(r"\1", text)).strip()


def _is_number(cell: str, country: str) -> bool:
    """Whether a cell is a mobile number, or was one before a spreadsheet rounded it."""
    return bool(_SCIENTIFIC.fullmatch(cell)) or isinstance(parse_recipient(cell, country), Recipient)


def _looks_like_a_number(cell: str) -> bool:
    return not any(map(str.isalpha, cell)) and sum(map(str.isdigit, cell)) >= _DIGITS_OF_A_NUMBER


def _lost_its_zero(recipient: Recipient, country: str) -> bool:
    """Whether a spreadsheet took the 0 away with which national numbers begin in this country: 612345678."""
    digits = recipient.raw.strip().strip("\"'")
    return (
        digits.isdigit()
        and not digits.startswith("0")
        and digits != recipient.e164[1:]
        and recipient.e164.endswith(digits)
        and _trunk_prefix(country) == "0"
    )


def _trunk_prefix(country: str) -> str:
    """What stands before a national number that is dialled inside the country: 0 in most, nothing in some."""
    metadata = PhoneMetadata.metadata_for_region(country, None) if country else None
    return (metadata.national_prefix or "") if metadata else ""
