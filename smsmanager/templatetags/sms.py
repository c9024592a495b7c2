"""How amounts, numbers and countries are written on the pages."""

from decimal import Decimal
from functools import lru_cache

import phonenumbers
from babel.dates import get_timezone_location
from babel.numbers import format_currency
from django import template
from django.conf import settings
from django.forms import BaseForm
from django.utils.formats import number_format
from django.utils.translation import get_language

from credits import regions
from credits.amounts import agreeing, format_credits

register = template.Library()


@register.filter("credits")
def plain_credits(millis: int | None) -> str:
    """`{{ millis|credits }}`: 12000 is "12"."""
    return format_credits(millis or 0)


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
    return format_currency(price, settings.SMS_CURRENCY, locale=(get_language() or "en").split("-")[0])


@register.filter
def credits_number(millis: int) -> int:
    """The whole number that has the grammatical number of an amount, for `{% blocktranslate count %}`."""
    return agreeing(millis)


@register.filter
@lru_cache(maxsize=4096)
def phone(number: str) -> str:
    """`{{ e164|phone }}`: "+33612345678" is "+33 6 12 34 56 78"; what is no international number stays as it is."""
    if not number.startswith("+"):
        return number
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


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
    return _city(zone, (get_language() or "en").split("-")[0])


@lru_cache(maxsize=1024)
def _city(zone: str, language: str) -> str:
    return get_timezone_location(zone, locale=language, return_city=True)
