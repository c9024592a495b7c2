"""One number as a person typed it, read into a recipient or a reason.

Pure: no database, no request. Numbers are read by ``phonenumbers`` (ITU-T E.164 and the national plans);
``compose.mobiles`` answers in its place for mobile numbers in plain spelling.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import phonenumbers
from django.utils.translation import gettext_lazy as _
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberType, ValidationResult

from compose.mobiles import mobile

if TYPE_CHECKING:
    # What gettext_lazy returns, for the type checker only.
    from django.utils.functional import _StrPromise

_MAX_CHARACTERS: Final = 60
CHARACTERS: Final = re.compile(r"[\d\s+＋().\-‐‑‒–—―−/·•]+")
# Soft hyphen, zero-width characters, direction marks: address books paste them around a number.
INVISIBLE: Final = dict.fromkeys([0xAD, 0xFEFF, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070)])
_QUOTES: Final = "\"'"

_MOBILE: Final = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}

# Metropolitan France and its overseas departments dial each other in ten digits (0692… reaches Réunion),
# though each has its own country code. Source: Arcep, national numbering plan.
_FRENCH_PLAN: Final = ("FR", "GP", "MQ", "GF", "RE", "YT")
_FRENCH_PLAN_AND_GUESTS: Final = frozenset((*_FRENCH_PLAN, "BL", "MF"))

REASONS: Final = {
    "empty": _("Type at least one number."),
    "characters": _(
        "This is not a telephone number. Use digits, with a leading + for another country, as in +33612345678."
    ),
    "incomplete": _("The country code is there but the number is missing. Type the rest of the number."),
    "country_code": _("No country has this country code. Check the digits after the +."),
    "no_country": _("The country of this number is not known. Begin it with + and the country code."),
    "short": _("The number has too few digits. Add the missing ones."),
    "long": _("The number has too many digits. Check it, and put a comma between two numbers."),
    "ambiguous": _("It is not clear where one number ends and the next one begins. Put a comma between the numbers."),
    "unassigned": _("No telephone number of this country looks like this. Check the digits."),
    "extension": _("An SMS cannot reach an extension. Type the number without it."),
    "short_number": _("A short number cannot receive your SMS. Type a mobile number."),
    "fixed_line": _("This is a fixed line, which receives no SMS. Type a mobile number."),
    "premium_rate": _("This is a premium-rate number, which receives no SMS. Type a mobile number."),
    "shared_cost": _("This is a shared-cost number, which receives no SMS. Type a mobile number."),
    "toll_free": _("This is a toll-free number, which receives no SMS. Type a mobile number."),
    "voip": _("This is an internet telephony number, which receives no SMS. Type a mobile number."),
    "personal": _("This is a personal forwarding number, which receives no SMS. Type a mobile number."),
    "pager": _("This is a pager, which receives no SMS. Type a mobile number."),
    "company": _("This is a company access number, which receives no SMS. Type a mobile number."),
    "voicemail": _("This is a voicemail number, which receives no SMS. Type a mobile number."),
    "international": _("This is a satellite or international service, not a country's mobile number."),
}

_CODE_OF_TYPE: Final = {
    PhoneNumberType.FIXED_LINE: "fixed_line",
    PhoneNumberType.PREMIUM_RATE: "premium_rate",
    PhoneNumberType.SHARED_COST: "shared_cost",
    PhoneNumberType.TOLL_FREE: "toll_free",
    PhoneNumberType.VOIP: "voip",
    PhoneNumberType.PERSONAL_NUMBER: "personal",
    PhoneNumberType.PAGER: "pager",
    PhoneNumberType.UAN: "company",
    PhoneNumberType.VOICEMAIL: "voicemail",
}
_CODE_OF_EXCEPTION: Final = {
    NumberParseException.INVALID_COUNTRY_CODE: "country_code",
    NumberParseException.NOT_A_NUMBER: "short",
    NumberParseException.TOO_SHORT_AFTER_IDD: "incomplete",
    NumberParseException.TOO_SHORT_NSN: "short",
    NumberParseException.TOO_LONG: "long",
}
_CODE_OF_LENGTH: Final = {
    ValidationResult.TOO_SHORT: "short",
    ValidationResult.TOO_LONG: "long",
}


@dataclass(frozen=True, slots=True)
class Recipient:
    """A mobile number: ``e164`` like +33612345678, ``region`` like FR or RE (ISO 3166), ``raw`` as typed."""

    e164: str
    region: str
    raw: str


@dataclass(frozen=True, slots=True)
class WrongNumber:
    """An entry that cannot receive an SMS: ``raw`` as typed, why (a lazy sentence), and a key of REASONS."""

    raw: str
    reason: "_StrPromise"
    code: str


def parse_recipient(raw: str, country: str) -> Recipient | WrongNumber:
    """Read one number; one without country code is a number of ``country``."""
    plain = mobile(raw, country)
    if plain is not None:
        return Recipient(*plain, raw)
    text = raw.translate(INVISIBLE).strip().strip(_QUOTES).strip()
    if not text:
        return wrong(raw, "empty")
    plain = mobile(text, country) if text != raw else None
    if plain is not None:
        return Recipient(*plain, raw)
    if len(text) > _MAX_CHARACTERS:
        return wrong(raw, "long" if CHARACTERS.fullmatch(text) else "characters")
    if not CHARACTERS.fullmatch(text) or not any(map(str.isdigit, text)):
        return wrong(raw, "characters")
    number = _parse(text, country)
    if isinstance(number, str):
        return wrong(raw, number)
    kind = phonenumbers.number_type(number)
    if kind == PhoneNumberType.UNKNOWN:
        return wrong(raw, _why_invalid(number, text, country))
    region = phonenumbers.region_code_for_number(number)
    if region is None or region == phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY:
        return wrong(raw, "international")
    if number.extension:
        return wrong(raw, "extension")
    if kind not in _MOBILE:
        return wrong(raw, _CODE_OF_TYPE[kind])
    return Recipient(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), region, raw)


def wrong(raw: str, code: str) -> WrongNumber:
    """The entry ``raw`` with the sentence of ``code``, a key of REASONS."""
    return WrongNumber(raw, REASONS[code], code)


# A number is often looked at twice: to see where it ends, then to judge it.
@lru_cache(maxsize=1024)
def _parse(text: str, country: str) -> PhoneNumber | str:
    """The number, valid or not, or the code of the reason why there is none."""
    try:
        number = phonenumbers.parse(text, country or None)
    except NumberParseException as error:
        if error.error_type == NumberParseException.INVALID_COUNTRY_CODE and not is_international(text):
            return "no_country"
        if error.error_type == NumberParseException.NOT_A_NUMBER and is_international(text):
            return "incomplete" if sum(map(str.isdigit, text)) <= 3 else "characters"
        return _CODE_OF_EXCEPTION[error.error_type]
    if country in _FRENCH_PLAN_AND_GUESTS and not is_international(text):
        return _in_the_french_plan(number, text, country)
    return number


def _in_the_french_plan(number: PhoneNumber, text: str, country: str) -> PhoneNumber:
    """``number`` when it is valid where it was typed, else the one of another French region, if valid."""
    if phonenumbers.is_valid_number(number):
        return number
    for region in _FRENCH_PLAN:
        if region != country:
            try:
                other = phonenumbers.parse(text, region)
            except NumberParseException:
                continue  # The length does not suit that region: it is not a number of it.
            if phonenumbers.is_valid_number(other):
                return other
    return number


def is_international(text: str) -> bool:
    """Whether the number begins with + or with the 00 that most countries dial for it."""
    return text.lstrip(" (").startswith(("+", "＋", "00", "0 0"))


def _why_invalid(number: PhoneNumber, text: str, country: str) -> str:
    # A short number is dialled as it stands: a leading 0 is the beginning of a longer one.
    as_it_stands = not text.lstrip(" (").startswith(("0", "+", "＋"))
    if as_it_stands and phonenumbers.is_possible_short_number_for_region(number, country):
        return "short_number"
    return _CODE_OF_LENGTH.get(phonenumbers.is_possible_number_with_reason(number), "unassigned")


def is_valid(text: str, country: str) -> bool:
    """Whether the text is a valid number, of any type."""
    if mobile(text, country) is not None:
        return True
    number = _parse(text, country)
    return not isinstance(number, str) and phonenumbers.is_valid_number(number)


def lengths_beginning(text: str, country: str) -> frozenset[int]:
    """How many digits a number that begins like ``text`` can have in all; spares reading the others."""
    if not is_international(text):
        return _lengths(country, 0)
    digits = "".join(filter(str.isdigit, text))
    prefix = 0 if "+" in text or "＋" in text else 2
    for size in (1, 2, 3):
        code = digits[prefix : prefix + size]
        regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code or 0))
        if regions:
            return _lengths(regions[0], prefix + size)
    return frozenset()


@lru_cache(maxsize=1024)
def _lengths(region: str, before: int) -> frozenset[int]:
    """Digits of a number of ``region`` after ``before`` others, with or without trunk or country prefix."""
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region, None) if region else None
    if metadata is None or metadata.general_desc is None:
        return frozenset()
    prefixes = {0, len(metadata.national_prefix or ""), len(str(metadata.country_code))}
    return frozenset(
        before + prefix + length
        for length in metadata.general_desc.possible_length
        if length > 0
        for prefix in prefixes
    )


@lru_cache(maxsize=4096)
def spaced(number: str) -> str:
    """The E.164 number as people read it: "+33 6 12 34 56 78"; what is no international number stays as it is."""
    if not number.startswith("+"):
        return number
    try:
        parsed = phonenumbers.parse(number)
    except NumberParseException:
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
