"""How amounts, numbers and countries are written on the pages."""

from functools import lru_cache

import phonenumbers
from babel import Locale
from django import template
from django.utils.translation import get_language

from credits.amounts import format_credits

register = template.Library()


@register.filter("credits")
def plain_credits(millis: int | None) -> str:
    """`{{ millis|credits }}`: 12000 is "12"."""
    return format_credits(millis or 0)


@register.filter
def signed_credits(millis: int) -> str:
    """`{{ millis|signed_credits }}`: 12000 is "+12"."""
    return format_credits(millis, signed=True)


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
    return _country(region, (get_language() or "en").split("-")[0])


@lru_cache(maxsize=1024)
def _country(region: str, language: str) -> str:
    # Babel's names (Unicode CLDR); phonenumbers has its own, at the price of 100 MB in each process.
    name: str = Locale(language).territories.get(region, region)
    return name
