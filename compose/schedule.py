"""When a message may leave: local times made absolute, and the window of commercial messages.

Pure: no database, no request, no clock of its own. Time zones come from the IANA database through
``zoneinfo``, the zones of a number from ``compose.zones``, public holidays from ``holidays``.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import holidays
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from compose.zones import UTC_ZONE, zones_of

if TYPE_CHECKING:
    # What gettext_lazy returns, for the type checker only.
    from django.utils.functional import _StrPromise

_YEARS: Final = range(1970, 9990)

# Far zones open together only on some days: beyond this the capital's window decides.
_COMMON_OPENING_WITHIN: Final = timedelta(days=15)
# No calendar closes a weekly window for a year.
_OPENING_WITHIN_DAYS: Final = 370


class UnusableLocalTime(ValueError):
    """A local time that names no moment; ``message`` is the sentence for the person."""

    message = _("This date and time cannot be used. Choose another one.")


class LocalTimeDoesNotExist(UnusableLocalTime):
    """The clocks jump over this time, as in spring."""

    message = _(
        "This time does not exist on that day, because the clocks go forward. Choose an earlier or a later time."
    )


class DateOutOfReach(UnusableLocalTime):
    """A year so far away that counting on from it would leave the calendar."""

    message = _("This date is too far away. Choose another one.")


@dataclass(frozen=True, slots=True)
class Resolved:
    """``instant`` in UTC; ``ambiguous`` when the local time comes twice that day and the first was taken."""

    instant: datetime
    ambiguous: bool


def resolve_local(day: date, at: time, tz: ZoneInfo) -> Resolved:
    """The moment of a local date and time.

    Raises LocalTimeDoesNotExist for a time that the clocks skip, DateOutOfReach outside 1970 to 9989.
    """
    local = datetime.combine(day, at.replace(tzinfo=None, fold=0))
    if day.year not in _YEARS:
        raise DateOutOfReach(f"{local} in {tz.key}")
    first = local.replace(tzinfo=tz).astimezone(UTC)
    second = local.replace(tzinfo=tz, fold=1).astimezone(UTC)
    if first.astimezone(tz).replace(tzinfo=None, fold=0) != local:
        raise LocalTimeDoesNotExist(f"{local} in {tz.key}")
    return Resolved(first, first != second)


@dataclass(frozen=True, slots=True)
class CommercialWindow:
    """When commercial messages may leave, in the recipient's time.

    From ``opens`` (included) to ``closes`` (excluded) on ``weekdays`` (Monday is 0), never on a public
    holiday unless ``holidays_too``. The default is the rule of France. Raises ValueError when it never opens.
    """

    opens: time = time(8)
    closes: time = time(20)
    weekdays: frozenset[int] = frozenset(range(6))
    holidays_too: bool = False

    def __post_init__(self) -> None:
        if self.opens >= self.closes:
            raise ValueError("A commercial window opens before it closes, on the same day.")
        if not self.weekdays or not self.weekdays <= frozenset(range(7)):
            raise ValueError("A commercial window has at least one day, Monday (0) to Sunday (6).")


DEFAULT_WINDOW: Final = CommercialWindow()

REASONS: Final = {
    "early": _("It is too early for a commercial message where the recipient is."),
    "late": _("It is too late for a commercial message where the recipient is."),
    "sunday": _("Commercial messages do not leave on a Sunday."),
    "weekday": _("Commercial messages do not leave on this day of the week."),
    "holiday": _("It is a public holiday where the recipient is, and commercial messages do not leave."),
}
# Why it is not the next day either.
NEXT_REASONS: Final = {
    "sunday": _("Then comes a Sunday, when commercial messages do not leave."),
    "weekday": _("Then comes a day of the week on which commercial messages do not leave."),
    "holiday": _("Then comes a public holiday, when commercial messages do not leave."),
}


@dataclass(frozen=True, slots=True)
class Departure:
    """When a commercial message may leave.

    ``at`` in UTC; ``postponed`` when that is later than was asked; then ``code`` (a key of REASONS, and behind a
    space keys of NEXT_REASONS for the closed days before ``at``) and ``reason`` (their lazy sentences) say why,
    else they are empty and None. ``zone`` is the recipient's, or the capital's where there are several.
    """

    at: datetime
    postponed: bool
    reason: "_StrPromise | None"
    code: str
    zone: ZoneInfo


def next_opening(
    at: datetime,
    *,
    e164: str,
    region: str,
    window: CommercialWindow = DEFAULT_WINDOW,
    default_zone: ZoneInfo = UTC_ZONE,
) -> Departure:
    """The first moment from ``at`` (aware) on at which a commercial message may leave to this number.

    In a region with several zones that is when the window is open in all of them, or in the capital's when
    they are never open together. Raises ValueError for a naive ``at``. The same moment for many numbers of
    the same zones is worked out once.
    """
    if at.tzinfo is None:
        raise ValueError("The moment of departure needs a time zone.")
    return _next_opening(at.astimezone(UTC), zones_of(region, e164, default_zone), region, window)


@lru_cache(maxsize=4096)
def _next_opening(at: datetime, zones: tuple[ZoneInfo, ...], region: str, window: CommercialWindow) -> Departure:
    opening = _common_opening(at, zones, region, window)
    if opening is None:
        zones = zones[:1]
        opening = _opening(at, zones[0], region, window)
    if opening == at:
        return Departure(at, False, None, "", zones[0])
    closed = (_why_closed(at.astimezone(zone), region, window) for zone in zones)
    code = next(code for code in closed if code)
    later = [one for one in _closed_days(at, opening, zones[0], region, window) if one != code]
    reason = format_lazy(" ".join(["{}"] * (1 + len(later))), REASONS[code], *(NEXT_REASONS[one] for one in later))
    return Departure(opening, True, reason if later else REASONS[code], " ".join([code, *later]), zones[0])


def _closed_days(at: datetime, opening: datetime, zone: ZoneInfo, region: str, window: CommercialWindow) -> list[str]:
    """Why the window stays closed on the days between that of ``at`` and that of ``opening``, each reason once."""
    first, last = at.astimezone(zone).date(), opening.astimezone(zone).date()
    days = (first + timedelta(days=ahead) for ahead in range(1, (last - first).days))
    found = (_why_closed(datetime.combine(day, window.opens, zone), region, window) for day in days)
    return [code for code in dict.fromkeys(found) if code in NEXT_REASONS]


def _common_opening(
    at: datetime, zones: tuple[ZoneInfo, ...], region: str, window: CommercialWindow
) -> datetime | None:
    """The first moment at which all ``zones`` are open, or None when there is none soon."""
    moment = at
    while moment - at <= _COMMON_OPENING_WITHIN or len(zones) == 1:
        # No zone is open before its own next opening, so the latest of them is the earliest candidate.
        latest = max(_opening(moment, zone, region, window) for zone in zones)
        if latest == moment:
            return moment
        moment = latest
    return None


def _opening(at: datetime, zone: ZoneInfo, region: str, window: CommercialWindow) -> datetime:
    """The first moment from ``at`` (UTC) on at which the window is open in ``zone``."""
    local = at.astimezone(zone)
    if not _why_closed(local, region, window):
        return at
    day = local.date()
    for ahead in range(_OPENING_WITHIN_DAYS):
        opens = datetime.combine(day + timedelta(days=ahead), window.opens, zone).astimezone(UTC)
        # Read back: a window that opens in a skipped hour opens after it.
        if opens >= at and not _why_closed(opens.astimezone(zone), region, window):
            return opens
    raise ValueError(f"The commercial window {window} has no opening in the year after {at}.")


def _why_closed(local: datetime, region: str, window: CommercialWindow) -> str:
    """A key of REASONS, or nothing when the window is open."""
    if local.weekday() not in window.weekdays:
        return "sunday" if local.weekday() == 6 else "weekday"
    if not window.holidays_too and local.date() in _holidays(region, local.year):
        return "holiday"
    moment = local.time()
    if moment < window.opens:
        return "early"
    return "late" if moment >= window.closes else ""


@lru_cache(maxsize=2048)
def _holidays(region: str, year: int) -> frozenset[date]:
    """The public holidays of the whole region; none where ``holidays`` does not know it.

    The overseas departments of France are regions of their own. Alsace-Moselle's two extra days are not
    among them: a mobile number does not tell them apart.
    """
    if region not in holidays.list_supported_countries():
        return frozenset()
    return frozenset(holidays.country_holidays(region, years=year, expand=False))
