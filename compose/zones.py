"""The time zones in which the phone behind a number may be.

Pure. Zones come from the IANA database through ``zoneinfo``; which zones a number has, from
``phonenumbers``, corrected where its data is about the country code and not about the region.
"""

from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers
from phonenumbers.tzdata import TIMEZONE_DATA, TIMEZONE_LONGEST_PREFIX

UTC_ZONE: Final = ZoneInfo("UTC")

# Where phonenumbers has a neighbour's zone, or the zones of all regions that share a country code
# (+7, +44, +47, +61, +262, +599). Source: IANA zone.tab.
_ZONES_OF_REGION: Final = {
    "AU": (
        *("Australia/Perth", "Australia/Eucla", "Australia/Darwin", "Australia/Adelaide"),
        *("Australia/Brisbane", "Australia/Sydney", "Australia/Lord_Howe"),
    ),
    "BQ": ("America/Kralendijk",),
    "BY": ("Europe/Minsk",),
    "CC": ("Indian/Cocos",),
    "CW": ("America/Curacao",),
    "CX": ("Indian/Christmas",),
    "DZ": ("Africa/Algiers",),
    "EE": ("Europe/Tallinn",),
    "EH": ("Africa/El_Aaiun",),
    "GG": ("Europe/Guernsey",),
    "GW": ("Africa/Bissau",),
    "IE": ("Europe/Dublin",),
    "IM": ("Europe/Isle_of_Man",),
    "JE": ("Europe/Jersey",),
    "KP": ("Asia/Pyongyang",),
    "KZ": ("Asia/Almaty", "Asia/Aqtobe"),
    "LR": ("Africa/Monrovia",),
    "LT": ("Europe/Vilnius",),
    "LV": ("Europe/Riga",),
    "LY": ("Africa/Tripoli",),
    "MA": ("Africa/Casablanca",),
    "MO": ("Asia/Macau",),
    "NI": ("America/Managua",),
    "NO": ("Europe/Oslo",),
    "PS": ("Asia/Hebron", "Asia/Gaza"),
    "RE": ("Indian/Reunion",),
    "RU": (
        *("Europe/Kaliningrad", "Europe/Moscow", "Europe/Samara", "Asia/Yekaterinburg", "Asia/Omsk"),
        *("Asia/Novosibirsk", "Asia/Krasnoyarsk", "Asia/Irkutsk", "Asia/Yakutsk", "Asia/Vladivostok"),
        *("Asia/Magadan", "Asia/Sakhalin", "Asia/Kamchatka", "Asia/Anadyr"),
    ),
    "SJ": ("Arctic/Longyearbyen",),
    "SS": ("Africa/Juba",),
    "YT": ("Indian/Mayotte",),
}

# Country codes whose mobile numbers begin with an area code: only there a number tells more than its
# country. Elsewhere phonenumbers has the capital's zone for mobile prefixes, which says nothing of where
# the phone is. Source: phonenumbers, geographical mobile countries, and the North American plan.
_CODES_WITH_AREAS: Final = frozenset({"1", "52", "54", "55", "62", "86"})

# For an area code that is too new to be known.
_ZONES_WITHOUT_AREA: Final = {
    "US": (
        *("America/New_York", "America/Chicago", "America/Denver", "America/Phoenix"),
        *("America/Los_Angeles", "America/Anchorage", "Pacific/Honolulu"),
    ),
    "CA": (
        *("America/St_Johns", "America/Halifax", "America/Toronto", "America/Winnipeg"),
        *("America/Regina", "America/Edmonton", "America/Vancouver"),
    ),
}

# Names that phonenumbers still uses and that a system without the IANA backward links does not know.
_RENAMED: Final = {
    "Africa/Asmera": "Africa/Asmara",
    "America/Buenos_Aires": "America/Argentina/Buenos_Aires",
    "America/Godthab": "America/Nuuk",
    "Asia/Calcutta": "Asia/Kolkata",
    "Asia/Choibalsan": "Asia/Ulaanbaatar",
    "Asia/Katmandu": "Asia/Kathmandu",
    "Asia/Rangoon": "Asia/Yangon",
    "Atlantic/Faeroe": "Atlantic/Faroe",
    "Pacific/Enderbury": "Pacific/Kanton",
    "Pacific/Ponape": "Pacific/Pohnpei",
    "Pacific/Truk": "Pacific/Chuuk",
}

# The zone of the capital, for the regions with several zones (IANA zone.tab).
_CAPITAL_ZONE: Final = {
    "AU": "Australia/Sydney",
    "BR": "America/Sao_Paulo",
    "CA": "America/Toronto",
    "CD": "Africa/Kinshasa",
    "CL": "America/Santiago",
    "CN": "Asia/Shanghai",
    "EC": "America/Guayaquil",
    "ES": "Europe/Madrid",
    "FM": "Pacific/Pohnpei",
    "GB": "Europe/London",
    "GL": "America/Nuuk",
    "ID": "Asia/Jakarta",
    "KI": "Pacific/Tarawa",
    "KZ": "Asia/Almaty",
    "MN": "Asia/Ulaanbaatar",
    "MX": "America/Mexico_City",
    "NZ": "Pacific/Auckland",
    "PF": "Pacific/Tahiti",
    "PG": "Pacific/Port_Moresby",
    "PT": "Europe/Lisbon",
    "RU": "Europe/Moscow",
    "UA": "Europe/Kyiv",
    "US": "America/New_York",
}


def zones_of(region: str, e164: str, default: ZoneInfo = UTC_ZONE) -> tuple[ZoneInfo, ...]:
    """The time zones in which the phone may be, the capital's first; never empty.

    The zone of the area where numbers tell it (+1 212), else all those of the region, else ``default``.
    ``region`` is ISO 3166, as in RE; it decides where two regions share a country code.
    """
    return _zones(region, _zone_names(region, e164)) or (default,)


def numbers_tell_zones(region: str) -> bool:
    """Whether numbers of this region may have other zones than its other numbers, as an area code tells."""
    code = _country_code(region)
    return region not in _ZONES_OF_REGION and (not code or code in _CODES_WITH_AREAS)


def _zone_names(region: str, e164: str) -> tuple[str, ...]:
    if region in _ZONES_OF_REGION:
        return _ZONES_OF_REGION[region]
    code = _country_code(region)
    if code and code not in _CODES_WITH_AREAS:
        return TIMEZONE_DATA.get(code, ())
    # The longest known prefix, as phonenumbers.timezone looks it up, without reading the number again.
    digits = e164.removeprefix("+")
    for length in range(min(len(digits), TIMEZONE_LONGEST_PREFIX), len(code), -1):
        names = TIMEZONE_DATA.get(digits[:length])
        if names:
            return names
    return _ZONES_WITHOUT_AREA.get(region) or TIMEZONE_DATA.get(code, ())


@lru_cache(maxsize=512)
def _country_code(region: str) -> str:
    """The country code without its plus, or nothing for a region that has none."""
    return str(phonenumbers.country_code_for_region(region) or "")


@lru_cache(maxsize=4096)
def _zones(region: str, names: tuple[str, ...]) -> tuple[ZoneInfo, ...]:
    zones = {}
    for name in names:
        name = _RENAMED.get(name, name)
        try:
            zones[name] = ZoneInfo(name)
        except ZoneInfoNotFoundError:
            continue  # An older IANA database on this machine; the region's other zones still count.
    capital = _CAPITAL_ZONE.get(region, "")
    return tuple(sorted(zones.values(), key=lambda zone: zone.key != capital))
