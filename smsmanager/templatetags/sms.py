"""How amounts, numbers and countries are written on the pages."""

from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from babel.dates import format_timedelta, get_timezone_location
from babel.numbers import format_currency
from babel.units import format_unit
from django import template
from django.conf import settings
from django.forms import BaseForm
from django.template import defaultfilters
from django.utils.formats import number_format
from django.utils.translation import get_language

from compose import tries
from compose.models import Message
from compose.numbers import spaced
from credits import days, regions
from credits.amounts import agreeing, format_credits

register = template.Library()


@register.filter("credits")
def plain_credits(millis: int | None) -> str:
    """`{{ millis|credits }}`: 12000 is "12"."""
    return format_credits(millis or 0)


@register.filter
def why(message: Message) -> str:
    """`{{ message|why }}`: why the message is where it is, in a sentence; "" when there is nothing to explain."""
    return tries.why(message)


@register.filter
def signed_credits(millis: int) -> str:
    """`{{ millis|signed_credits }}`: 12000 is "+12"."""
    return format_credits(millis, signed=True)


class _Whole(int):
    """A number that sentences can agree with, and that stands in them with its digits in groups."""

    def __str__(self) -> str:
        return str(number_format(int(self), use_l10n=True, force_grouping=True))


@register.filter
def whole(number: int) -> int:
    """`{{ count|whole }}`, also of a `{% blocktranslate count %}`: 10000 is "10 000" or "10,000"."""
    return _Whole(number)


@register.filter
def money(price: Decimal) -> str:
    """`{{ price|money }}`: a price in the currency of the installation: "12,00 €"."""
    return format_currency(price, settings.SMS_CURRENCY, locale=_language())


@register.filter
def credits_number(millis: int) -> int:
    """The whole number that has the grammatical number of an amount, for `{% blocktranslate count %}`."""
    return agreeing(millis)


@register.filter
def phone(number: str) -> str:
    """`{{ e164|phone }}`: "+33612345678" is "+33 6 12 34 56 78"; what is no international number stays as it is."""
    return spaced(number)


@register.filter("date", expects_localtime=True, is_safe=False)
def day_or_moment(value: Any, asked: str | None = None) -> str:
    """`{{ moment|date:"j F" }}`, in the place of Django's own: in French the first of a month is "1er décembre"."""
    if isinstance(value, date):
        return defaultfilters.date(value, days.format_of(value, asked))
    return defaultfilters.date(value, asked)


@register.filter
def roughly(time: timedelta) -> str:
    """`{{ time_left|roughly }}`: "40 seconds", "3 minutes": a time that nobody knows exactly, in one unit."""
    seconds = time.total_seconds()
    # Steps of five, so that a figure that is asked for again and again does not pretend to count.
    calm = timedelta(seconds=round(seconds / 5) * 5) if seconds >= 10 else time
    return format_timedelta(calm, threshold=1.5, locale=_language())


@register.filter
def exactly(time: timedelta) -> str:
    """`{{ took|exactly }}`: "1 minute 12 seconds", "3 hours 5 minutes": the two largest units."""
    left, said = round(time.total_seconds()), []
    for unit, seconds in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        count, left = divmod(left, seconds)
        if count:
            said.append(format_unit(count, f"duration-{unit}", locale=_language()))
    return " ".join(said[:2] or [format_unit(0, "duration-second", locale=_language())])


def _language() -> str:
    """The language of the reader, as Babel calls it."""
    return (get_language() or "en").split("-")[0]


@register.filter
def country(region: str) -> str:
    """`{{ region|country }}`: the name of a country in the reader's language, its letters where it has none."""
    return regions.name_of(region)


@register.filter
def error_count(form: BaseForm) -> int:
    """`{{ form|error_count }}`: how many things are wrong with a form, all fields together."""
    return sum(len(errors) for errors in form.errors.values())


@register.filter
def city(zone: str) -> str:
    """`{{ "Europe/London"|city }}`: the city that names a time zone, in the reader's language: "Londres"."""
    return _city(zone, _language())


@lru_cache(maxsize=1024)
def _city(zone: str, language: str) -> str:
    return get_timezone_location(zone, locale=language, return_city=True)
