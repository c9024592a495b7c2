"""Tables as CSV files that a spreadsheet opens rightly and safely.

Rightly: UTF-8 with a byte order mark, by which spreadsheets tell it from the old code pages; amounts with the
decimal sign of the language, and the separator that spreadsheets of such a language expect (a semicolon where
the comma is the decimal sign); moments as ISO 8601 without a zone, which is read as a date everywhere.
Safely: a text that a spreadsheet would take for a formula is marked as a text (OWASP, "CSV Injection").

What a file holds is made batch by batch while it is sent, so its size does not matter.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.http import StreamingHttpResponse
from django.utils import translation
from django.utils.formats import get_format

BOM = "\ufeff"
# What begins a formula, or lets one begin in the next cell; the last four are the wide forms of the first four.
FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
# Before a text: what follows is a text, whatever it looks like.
TEXT = "'"
# A formula behind a separator: one where the file has another separator than the spreadsheet's language expects, which
# then begins a cell there. What calls nothing (", -20 %" and telephone numbers) is left as it is.
HIDDEN = re.compile(r"([,;\t\r\n][\s\"']*)(?=[=\uff1d]|[+\-@\uff0b\uff0d\uff20].*[(|])", re.DOTALL)


class Exact(Decimal):
    """An amount that is written with all its decimals, zeros at the end too."""


Cell = str | int | Decimal | datetime | date | None


def safe(text: str) -> str:
    """`text` as a cell that no spreadsheet runs as a formula: marked with an apostrophe where it looks like one.

    A spreadsheet of another language may divide the cell at a comma or semicolon in it, quoted or not: what would be a
    formula behind it is marked there.
    """
    text = HIDDEN.sub(rf"\1{TEXT}", text)
    # Spreadsheets that trim a cell look at what is behind the spaces.
    return TEXT + text if text.startswith(FORMULA) or text.lstrip().startswith(FORMULA) else text


def decimal_sign() -> str:
    """The decimal sign of the current language."""
    return str(get_format("DECIMAL_SEPARATOR"))


def separator() -> str:
    """What stands between two cells in the current language."""
    return ";" if decimal_sign() == "," else ","


def written(rows: Iterable[Sequence[Cell]], zone: ZoneInfo) -> str:
    """The lines of a file, in the current language; moments as the clocks of `zone` show them."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator(), lineterminator="\r\n")
    sign = decimal_sign()
    writer.writerows([_cell(cell, sign, zone) for cell in row] for row in rows)
    return text.getvalue()


def _cell(cell: Cell, sign: str, zone: ZoneInfo) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return safe(cell)
    # A datetime is a date, too.
    if isinstance(cell, datetime):
        return cell.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(cell, date):
        return cell.isoformat()
    return _number(cell).replace(".", sign) if isinstance(cell, Decimal) else str(cell)


def _number(value: Decimal) -> str:
    if isinstance(value, Exact):
        return f"{value:f}"
    # `f`: a Decimal alone may be written 1E+3. No useless zeros: 12.000 is read as twelve thousand by some.
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def attachment(
    name: str, header: Sequence[Cell], batches: Iterable[Iterable[Sequence[Cell]]], *, zone: ZoneInfo
) -> StreamingHttpResponse:
    """The answer that downloads `name` (a file name in ASCII): the header, then one batch of rows after another."""
    # The rows are made when the view has ended and with it its language.
    language = translation.get_language() or "en"
    answer = StreamingHttpResponse(_stream(header, batches, zone, language), content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _stream(
    header: Sequence[Cell], batches: Iterable[Iterable[Sequence[Cell]]], zone: ZoneInfo, language: str
) -> Iterator[str]:
    remaining = iter(batches)
    with translation.override(language):
        text = BOM + written([header], zone)
    yield text
    while True:
        # Nothing is yielded inside: the language must not leak to who reads the stream.
        with translation.override(language):
            batch = next(remaining, None)
            if batch is None:
                return
            text = written(batch, zone)
        yield text
