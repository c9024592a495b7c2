"""Mobile numbers in plain spelling, recognised without a walk through the ``phonenumbers`` library.

The library reads and judges about twenty thousand numbers per second; a pasted list holds as many. Nearly all
of them are ordinary mobile numbers, for which its answer follows from a few of its own patterns. ``mobile``
compiles these once for each country and answers only where they leave nothing to decide: everything else,
valid or not, is for the library. ``tests/test_mobiles.py`` holds the two together.
"""

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata, PhoneNumberDesc

# The library has its own ways with brackets, letters and other digits before the number.
_FIRST_CHARACTERS: Final = frozenset("+0123456789")
# A longer text is no plain spelling; how long one may be is not decided here.
_MOST_CHARACTERS: Final = 40
_REGIONS: Final = {str(code): regions for code, regions in COUNTRY_CODE_TO_REGION_CODE.items()}
_NEVER: Final = "(?!)"


@dataclass(frozen=True, slots=True)
class _Region:
    """A region of a numbering plan: ``mobile`` matches only numbers of type MOBILE or FIXED_LINE_OR_MOBILE.

    ``own`` matches at least what the library takes for a number of this region.
    """

    name: str
    mobile: re.Pattern[str]
    own: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is behind a country code: ``trunk`` begins a national number, ``regions`` in the order of trial."""

    trunk: re.Pattern[str]
    regions: tuple[_Region, ...]


@dataclass(frozen=True, slots=True)
class _Home:
    """How numbers are dialled inside a region; ``elsewhere`` begins what may not be a national number."""

    code: str
    elsewhere: re.Pattern[str]
    trunk: re.Pattern[str]
    transforms: bool


def mobile(text: str, country: str) -> tuple[str, str] | None:
    """The E.164 form and the region (ISO 3166) of a mobile number, or None when the library must say.

    ``country`` (ISO 3166) is the one of numbers without country code. An answer is what ``parse`` with
    ``is_valid_number``, ``number_type``, ``region_code_for_number`` and ``format_number`` would give.
    """
    if text[:1] not in _FIRST_CHARACTERS or len(text) > _MOST_CHARACTERS:
        return None
    # What people put between groups of digits, and the library skips wherever it stands.
    digits = text.replace(" ", "").replace(".", "").replace("-", "").replace("\u00a0", "")
    if digits.startswith("+"):
        return _international(digits)
    return _national(digits, country)


def _international(digits: str) -> tuple[str, str] | None:
    # No country code begins another one, so the first that is found is the right one.
    for end in (2, 3, 4):
        code = digits[1:end]
        if code in _REGIONS:
            plan, number = _plan(code), digits[end:]
            # A trunk prefix behind a country code is stripped by rules of its own.
            trunk = plan.trunk.match(number)
            if trunk is not None and (trunk.end() or trunk.lastindex):
                return None
            region = _region(plan, number)
            return None if region is None else (digits, region)
    return None


def _national(digits: str, country: str) -> tuple[str, str] | None:
    home = _home(country)
    if home is None or home.elsewhere.match(digits):
        return None
    number = digits
    trunk = home.trunk.match(digits)
    if trunk is not None:
        if home.transforms:
            return None
        number = digits[trunk.end() :]
    # What is mobile in its own country proves that the library would strip the trunk prefix as well.
    return (f"+{home.code}{number}", country) if _region(_plan(home.code), number) == country else None


def _region(plan: _Plan, number: str) -> str | None:
    """The region whose mobile number this is; None where the first region that knows it says something else."""
    for region in plan.regions:
        if region.mobile.match(number):
            return region.name
        if region.own.match(number):
            return None
    return None


# The library's patterns, compiled once. ASCII: digits of other scripts are for the library.


@cache
def _plan(code: str) -> _Plan:
    """``code`` is one of ``_REGIONS``."""
    found = [PhoneMetadata.metadata_for_region(name, None) for name in _REGIONS[code]]
    known = [metadata for metadata in found if metadata is not None]
    trunk = known[0].national_prefix_for_parsing if known else None
    return _Plan(_compiled(trunk or _NEVER), tuple(map(_compiled_region, known)))


@lru_cache(maxsize=512)
def _home(country: str) -> _Home | None:
    metadata = PhoneMetadata.metadata_for_region(country, None)
    if metadata is None:
        return None
    code = str(metadata.country_code)
    return _Home(
        code,
        _compiled(f"{metadata.international_prefix or _NEVER}|{code}"),
        _compiled(metadata.national_prefix_for_parsing or _NEVER),
        bool(metadata.national_prefix_transform_rule),
    )


def _compiled_region(metadata: PhoneMetadata) -> _Region:
    # In the order of phonenumbers.number_type: each of these goes before fixed line and mobile.
    others = (
        metadata.premium_rate,
        metadata.toll_free,
        metadata.shared_cost,
        metadata.voip,
        metadata.personal_number,
        metadata.pager,
        metadata.uan,
        metadata.voicemail,
    )
    first = metadata.fixed_line if metadata.same_mobile_and_fixed_line_pattern else metadata.mobile
    # Each length once: the lengths of mobile numbers are often those of all.
    lengths = "".join({_lengths(metadata.general_desc), _lengths(first)})
    pattern = f"{lengths}(?={_whole(metadata.general_desc)})(?!{_whole(*others)}){_whole(first)}"
    if metadata.leading_digits is None:
        own = _whole(*others, metadata.fixed_line, metadata.mobile)
    else:
        own = metadata.leading_digits
        pattern = f"(?={own}){pattern}"
    return _Region(str(metadata.id), _compiled(pattern), _compiled(own))


def _whole(*kinds: PhoneNumberDesc | None) -> str:
    """A pattern of whole numbers of these kinds, of any length."""
    patterns = [kind.national_number_pattern for kind in kinds if kind is not None and kind.national_number_pattern]
    return rf"(?:{'|'.join(patterns)})\Z" if patterns else _NEVER


def _lengths(kind: PhoneNumberDesc | None) -> str:
    """A look ahead that finds one of the lengths of this kind; -1 is the library's word for none."""
    if kind is None or not kind.possible_length:
        return ""
    lengths = "|".join(rf"\d{{{length}}}" for length in kind.possible_length if length > 0)
    return rf"(?=(?:{lengths or _NEVER})\Z)"


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)
