"""Rates as a CSV file: read with what each line would change, applied all or not at all, and written.

The first line names the columns: `region` (ISO 3166-1, two letters), `credits` (for one SMS, with a decimal comma or
point) and `valid_from` (a date, or a date and a time); others are for people and are passed over. Between the cells
stand commas, semicolons or tabs, whichever the first line has. A file that a spreadsheet saved in an old code page
is read as well: these three columns are ASCII in all of them.

1,000 is one credit where the comma is the decimal sign and a thousand where it stands between thousands. Such an
amount is read only in a file whose other amounts show which sign is the decimal one, and refused in any other; what
this product writes has four decimals there (1.1250), which is one thing only.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from decimal import Decimal

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from credits import export, regions
from credits.amounts import read_credits, sign_of
from credits.export import Cell
from credits.models import MOST_FOR_A_PART, Rate

COLUMNS = ("region", "credits", "valid_from")
SEPARATORS = ",;\t"
# A rate for each of 245 regions and each month of years to come; and characters of a line.
MOST_LINES, LONGEST_LINE = 20_000, 1_000


@dataclass(frozen=True)
class Change:
    """A line of the file: the rate it gives, and what stands at this region and date now (millis, None: nothing)."""

    line: int
    region: str
    millis: int
    valid_from: datetime
    before: int | None

    @property
    def name(self) -> str:
        return regions.name_of(self.region)

    @property
    def is_same(self) -> bool:
        return self.before == self.millis


@dataclass
class Reading:
    """What a file says: its changes, and what is wrong with which line. With an error nothing can be applied."""

    changes: list[Change] = field(default_factory=list)
    errors: list[tuple[int, str]] = field(default_factory=list)

    @property
    def fresh(self) -> list[Change]:
        """The lines that give another rate than the one there is."""
        return [change for change in self.changes if not change.is_same]

    @property
    def same(self) -> int:
        return len(self.changes) - len(self.fresh)


def decoded(content: bytes) -> str:
    """The text of a file: UTF-8 with or without a mark, else the code page of western spreadsheets."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Latin-1 reads anything; only names may come out wrong, and nobody uses them.
        return content.decode("latin-1")


def read(text: str) -> Reading:
    """What the file with this text would change; one query. Moments without a zone are in the current one."""
    found = Reading()
    lines = text.lstrip("\ufeff").splitlines()
    if len(lines) > MOST_LINES or any(len(line) > LONGEST_LINE for line in lines):
        found.errors.append((1, _("The file is too long. Divide it, or check that it is a file of rates.")))
        return found
    try:
        columns, rows = _table(lines)
    except ValueError as error:
        found.errors.append((1, str(error)))
        return found
    decimal_sign = _decimal_sign(columns, rows)
    known: dict[tuple[str, datetime], int] = {
        (region, valid_from): millis
        for region, valid_from, millis in Rate.objects.values_list("region", "valid_from", "millis")
    }
    seen: dict[tuple[str, datetime], int] = {}
    for number, cells in rows:
        try:
            region, millis, valid_from = _rate(columns, cells, decimal_sign)
        except ValidationError as error:
            found.errors.append((number, " ".join(error.messages)))
            continue
        first = seen.setdefault((region, valid_from), number)
        if first != number:
            found.errors.append((number, _("Line %(line)s has this region and date already.") % {"line": first}))
            continue
        found.changes.append(Change(number, region, millis, valid_from, known.get((region, valid_from))))
    if not found.changes and not found.errors:
        found.errors.append((1, _("The file has no rate below its first line.")))
    return found


@transaction.atomic
def apply(text: str) -> tuple[list[Rate], list[Rate]]:
    """Give the rates of the file, all or none; returns the new and the changed ones. Raises ValueError on an error.

    Messages that were submitted keep the price they were submitted at.
    """
    reading = read(text)
    if reading.errors:
        raise ValueError(reading.errors)
    new, changed = [
        [
            Rate(region=change.region, millis=change.millis, valid_from=change.valid_from)
            for change in reading.fresh
            if (change.before is None) == is_new
        ]
        for is_new in (True, False)
    ]
    Rate.objects.bulk_create(
        new + changed,
        update_conflicts=True,
        unique_fields=["region", "valid_from"],
        update_fields=["millis", "example"],
        batch_size=1000,
    )
    return new, changed


def written(rows: Sequence[Rate]) -> Iterator[list[list[Cell]]]:
    """The rates as batches of cells, in the order of COLUMNS with the name of the country for people."""
    yield [[rate.region, _amount(rate.millis), _typed(rate.valid_from), regions.name_of(rate.region)] for rate in rows]


def _amount(millis: int) -> Decimal:
    """The amount so that nobody reads its decimals as thousands: 1.1250 where 1.125 could be a thousand."""
    amount = Decimal(millis).scaleb(-3)
    return export.Exact(f"{amount}0") if millis > 1000 and millis % 10 else amount


def _table(lines: list[str]) -> tuple[dict[str, int], list[tuple[int, list[str]]]]:
    """Where each column stands, and the rows below with the numbers of their lines. Raises ValueError."""
    head = lines[0] if lines else ""
    separator = max(SEPARATORS, key=head.count)
    names = [name.strip().strip('"').casefold() for name in head.split(separator)]
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise ValueError(
            _("The first line must name the columns region, credits and valid_from; missing: %(missing)s.")
            % {"missing": ", ".join(missing)}
        )
    columns = {name: names.index(name) for name in COLUMNS}
    # A line at a time: a rate has no line end in it, and the numbers of the lines stay those of the file.
    rows = (
        (number, next(csv.reader(io.StringIO(line), delimiter=separator)))
        for number, line in enumerate(lines[1:], start=2)
        if line.strip(separator + ' "')
    )
    return columns, [(number, _whole(cells, len(names))) for number, cells in rows]


def _whole(cells: list[str], width: int) -> list[str]:
    # Too many cells, as in FR,0,5: nobody knows which is which.
    return cells if len(cells) <= width else []


def _decimal_sign(columns: dict[str, int], rows: Iterable[tuple[int, list[str]]]) -> str:
    """The sign that can only be the decimal one in this file, "" when no amount shows it, or they show both."""
    place = columns["credits"]
    signs = {sign for sign, sure in (sign_of(cells[place]) for _number, cells in rows if len(cells) > place) if sure}
    signs.discard("")
    return signs.pop() if len(signs) == 1 else ""


def _rate(columns: dict[str, int], cells: list[str], decimal_sign: str) -> tuple[str, int, datetime]:
    """The region, millis and moment of a row. Raises ValidationError."""
    if not cells:
        raise ValidationError(
            _("There are more cells than columns. An amount with a decimal comma needs quotes or other separators.")
        )
    if len(cells) <= max(columns.values()):
        raise ValidationError(_("A cell is missing: each line needs region, credits and valid_from."))
    region, amount, moment = (cells[columns[name]].strip() for name in COLUMNS)
    region = region.upper()
    regions.validate_region(region)
    try:
        millis = read_credits(amount)
    except ValueError:
        raise ValidationError(
            _("“%(credits)s” is no amount of credits, such as 0.5 or 1,25."), params={"credits": amount}
        ) from None
    sign, sure = sign_of(amount)
    if not sure and sign != decimal_sign:
        whole, decimals = amount.split(sign)
        raise ValidationError(
            _(
                "“%(credits)s” may be %(whole)s and a fraction, or %(thousands)s. Write %(fraction)s for the first, "
                "%(thousands)s for the second."
            ),
            params={
                "credits": amount,
                "whole": whole,
                "thousands": whole + decimals,
                # A fourth decimal is one thing only.
                "fraction": f"{whole}{sign}{decimals}0",
            },
        )
    if not 0 < millis <= MOST_FOR_A_PART:
        raise ValidationError(_("A rate is above zero and at most %(most)s."), params={"most": MOST_FOR_A_PART // 1000})
    return region, millis, _moment(moment)


def _moment(typed: str) -> datetime:
    """The moment in the forms of the reader's language, or as ISO 8601. Raises ValidationError."""
    try:
        moment: datetime = forms.DateTimeField().clean(typed)
    except ValidationError:
        raise ValidationError(
            _("“%(moment)s” is no date, such as 2027-01-31 or 2027-01-31 08:00."), params={"moment": typed}
        ) from None
    Rate._meta.get_field("valid_from").run_validators(moment)
    return moment


def _typed(moment: datetime) -> str:
    """`moment` so that `_moment` reads it back, also after a spreadsheet: the day alone where it begins with it."""
    local = timezone.localtime(moment)
    once = local.replace(fold=0).utcoffset() == local.replace(fold=1).utcoffset()
    return local.date().isoformat() if once and local.time() == time.min else local.isoformat()
