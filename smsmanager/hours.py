"""The hours of commercial messages, as the environment writes them.

    mon-sat 08:00-20:00              from Monday to Saturday, never on a public holiday
    mon,wed,fri 09:00-18:30          on three days of the week
    mon-sat 08:00-22:00 holidays     on public holidays too
    yes, no                          the rule of France; no window

Plain Python: what it gives is the arguments of `compose.schedule.CommercialWindow` ({}: the rule of France),
or None where there is no window.
"""

import re
from datetime import time
from typing import TypeAlias, TypedDict

from smsmanager import environment
from smsmanager.environment import BadEnvironment


class Hours(TypedDict, total=False):
    """The arguments of a window: Monday is 0; `closes` is no longer open."""

    weekdays: frozenset[int]
    opens: time
    closes: time
    holidays_too: bool


# By region (ISO 3166-1, as in FR), and "default" for everywhere else.
Windows: TypeAlias = dict[str, Hours | None]

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
FORM = re.compile(
    r"(?P<days>[a-z,-]+)\s+(?P<opens>[0-9]{1,2}:[0-9]{2})\s*-\s*(?P<closes>[0-9]{1,2}:[0-9]{2})(?P<holidays>\s+holidays)?"
)


def windows(everywhere: str, exceptions: str) -> Windows:
    """What the variables with these names say, for everywhere and for single countries.

    Raises BadEnvironment, which names the variable, for what makes no sense.
    """
    value = environment.text(everywhere, "yes")
    try:
        found: Windows = {"default": _hours(value)}
    except ValueError as error:
        raise BadEnvironment(
            f"{everywhere} must be yes, no, or days and hours like 'mon-sat 08:00-20:00', not {value!r}: {error}."
        ) from None
    value = environment.text(exceptions)
    try:
        found.update(_exceptions(value))
    except ValueError as error:
        raise BadEnvironment(
            f"{exceptions} must be exceptions like 'BE=mon-sat 08:00-22:00 holidays; US=no', not {value!r}: {error}."
        ) from None
    return found


def _exceptions(value: str) -> Windows:
    found: Windows = {}
    for exception in filter(str.strip, value.split(";")):
        region, equals, hours = (part.strip() for part in exception.partition("="))
        if not equals:
            raise ValueError(f"there is no = in {exception.strip()!r}")
        if region not in _regions():
            raise ValueError(f"{region!r} is not the two capital letters of a country")
        if region in found:
            raise ValueError(f"{region} is there twice")
        found[region] = _hours(hours)
    return found


def _regions() -> frozenset[str]:
    # Imported here: without exceptions the settings need not wait for the tables of all numbering plans.
    from phonenumbers import SUPPORTED_REGIONS

    return frozenset(SUPPORTED_REGIONS)


def _hours(value: str) -> Hours | None:
    value = value.strip().lower()
    if value in environment.YES:
        return {}
    if value in environment.NO:
        return None
    form = FORM.fullmatch(value)
    if form is None:
        raise ValueError("the days are missing or the hours are not written like that")
    opens, closes = _time(form["opens"]), _time(form["closes"])
    if opens >= closes:
        raise ValueError("the window opens before it closes, on the same day")
    return {
        "weekdays": _weekdays(form["days"]),
        "opens": opens,
        "closes": closes,
        "holidays_too": form["holidays"] is not None,
    }


def _time(value: str) -> time:
    hour, minute = map(int, value.split(":"))
    try:
        return time(hour, minute)
    except ValueError:
        raise ValueError(f"there is no time {value}") from None


def _weekdays(value: str) -> frozenset[int]:
    found: set[int] = set()
    for run in value.split(","):
        first, dash, last = run.partition("-")
        for day in (first, last) if dash else (first,):
            if day not in DAYS:
                raise ValueError(f"a day is one of {', '.join(DAYS)}, and not {day!r}")
        start = DAYS.index(first)
        # sat-mon goes around the end of the week.
        length = (DAYS.index(last) - start) % 7 + 1 if dash else 1
        found.update((start + ahead) % 7 for ahead in range(length))
    return frozenset(found)
