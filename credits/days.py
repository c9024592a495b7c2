"""How days are written where Django's formats do not know it: in French the first of a month is "1er"."""

import re
from datetime import date

from django.utils import formats
from django.utils.translation import get_language

# The day of the month before the month's name, in Django's letters (docs.djangoproject.com, template filter `date`).
_DAY_AND_MONTH = re.compile(r"(?<!\\)j(?= [bEFMN])")


def format_of(day: date, asked: str | None) -> str:
    """The format in which this day (or moment) is written when `asked` is wanted, the usual one for None.

    A name of a format of the language, "DATE_FORMAT" for instance, or the letters themselves. In French "1er décembre",
    and "2 décembre".
    """
    wanted = str(formats.get_format(asked or "DATE_FORMAT"))
    if day.day == 1 and (get_language() or "").partition("-")[0] == "fr":
        return _DAY_AND_MONTH.sub(r"j\\e\\r", wanted)
    return wanted


def written(day: date, asked: str | None = None) -> str:
    """The day (or moment, in the zone that it is in) in this format and the reader's language."""
    return formats.date_format(day, format_of(day, asked))
