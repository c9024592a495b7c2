"""The window of commercial messages in each country, as the installation set it, and the words for it.

`settings.SMS_COMMERCIAL_WINDOWS` holds it by region (ISO 3166-1), and for everywhere else under "default".
"""

from collections.abc import Collection
from datetime import time

from django.conf import settings
from django.utils.dates import WEEKDAYS
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from compose.schedule import CommercialWindow
from credits.regions import name_of

# The overseas departments live by the law of France, each in its own time and with its own holidays.
OVERSEAS = frozenset({"GF", "GP", "MQ", "RE", "YT"})


def window_for(region: str) -> CommercialWindow | None:
    """The window of commercial messages to this region; None where they leave at any time.

    An overseas department of France has that of France unless it has its own.
    """
    windows = settings.SMS_COMMERCIAL_WINDOWS
    where = region
    if where not in windows and where in OVERSEAS:
        where = "FR"
    hours = windows[where if where in windows else "default"]
    return None if hours is None else CommercialWindow(**hours)


def window_sentence(regions: Collection[str] = ()) -> str:
    """When commercial messages to these regions leave, in the reader's language; "" when at any time.

    Without regions: when they leave in general. Where regions differ, the general rule comes first and the
    exceptions follow with the names of their countries.
    """
    general = window_for("")
    groups: dict[CommercialWindow | None, list[str]] = {}
    for region in regions:
        groups.setdefault(window_for(region), []).append(region)
    if not groups:
        groups = {general: []}
    if set(groups) == {None}:
        return ""
    if len(groups) == 1:
        return _("Commercial messages leave %(hours)s.") % {"hours": _hours(*groups)}
    said = []
    for window, members in sorted(groups.items(), key=lambda group: group[0] != general):
        sentence = (
            _("Commercial messages leave %(hours)s.")
            if window == general
            else _("%(countries)s: commercial messages leave %(hours)s.")
        )
        countries = ", ".join(sorted(name_of(region) for region in members))
        said.append(sentence % {"hours": _hours(window), "countries": countries})
    return " ".join(said)


def _hours(window: CommercialWindow | None) -> str:
    if window is None:
        return _("at any time")
    phrase = (
        _("between %(opens)s and %(closes)s, %(days)s, also on public holidays")
        if window.holidays_too
        else _("between %(opens)s and %(closes)s, %(days)s, never on a public holiday")
    )
    return phrase % {"opens": _time(window.opens), "closes": _time(window.closes), "days": _days(window.weekdays)}


def _time(at: time) -> str:
    words = pgettext("time of day", "%(hour)d:%(minute)02d") if at.minute else pgettext("time of day", "%(hour)d:00")
    return words % {"hour": at.hour, "minute": at.minute}


def _days(weekdays: frozenset[int]) -> str:
    if len(weekdays) == 7:
        return _("every day")
    runs: list[list[int]] = []
    for day in sorted(weekdays):
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    said = []
    for run in runs:
        names = [str(WEEKDAYS[day]) for day in run]
        # Two days in a row are named, three make a stretch.
        said += [_("%(first)s to %(last)s") % {"first": names[0], "last": names[-1]}] if len(run) > 2 else names
    return get_text_list(said, pgettext("the last of several days", "and"))
