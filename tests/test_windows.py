"""The window of commercial messages as an installation sets it: how it is written, where it holds, how it is said."""

from collections.abc import Callable
from datetime import time
from typing import Any

import pytest
from django.utils import translation

from compose.reasons import SENTENCES
from compose.schedule import CommercialWindow
from compose.windows import OVERSEAS, window_for, window_sentence
from smsmanager import hours
from smsmanager.environment import BadEnvironment

MONDAY_TO_SATURDAY = frozenset(range(6))
LATE = CommercialWindow(closes=time(22), holidays_too=True)

Environment = Callable[..., hours.Windows]


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Environment:
    """The installation has the windows that these two variables say."""

    def say(everywhere: str = "", exceptions: str = "") -> hours.Windows:
        monkeypatch.setenv("EVERYWHERE", everywhere)
        monkeypatch.setenv("EXCEPTIONS", exceptions)
        settings.SMS_COMMERCIAL_WINDOWS = hours.windows("EVERYWHERE", "EXCEPTIONS")
        return hours.windows("EVERYWHERE", "EXCEPTIONS")

    return say


# How it is written


@pytest.mark.parametrize("said", ["", "yes", "YES", "on", "1", "mon-sat 08:00-20:00", " Mon-Sat  8:00 - 20:00 "])
def test_the_rule_of_france_is_the_window_until_another_one_is_said(windows: Environment, said: str) -> None:
    windows(said)
    assert window_for("FR") == window_for("") == window_for("JP") == CommercialWindow()


@pytest.mark.parametrize("said", ["no", "No", "off", "0", "false"])
def test_an_installation_may_have_no_window(windows: Environment, said: str) -> None:
    windows(said)
    assert window_for("FR") is None


@pytest.mark.parametrize(
    ("said", "window"),
    [
        ("mon-sat 08:00-22:00 holidays", LATE),
        ("mon,wed,fri 09:30-18:15", CommercialWindow(time(9, 30), time(18, 15), frozenset({0, 2, 4}))),
        ("mon-wed,fri 08:00-20:00", CommercialWindow(weekdays=frozenset({0, 1, 2, 4}))),
        ("sat-mon 00:00-23:59", CommercialWindow(time(0), time(23, 59), frozenset({5, 6, 0}))),
        ("sun 10:00-11:00", CommercialWindow(time(10), time(11), frozenset({6}))),
        ("mon-sun 08:00-20:00", CommercialWindow(weekdays=frozenset(range(7)))),
    ],
)
def test_days_and_hours_are_read_as_they_are_written(windows: Environment, said: str, window: CommercialWindow) -> None:
    windows(said)
    assert window_for("FR") == window


@pytest.mark.parametrize(
    "said",
    [
        "two days",
        "08:00-20:00",
        "mon-sat",
        "mon-sat 8-20",
        "mon-sat 20:00-08:00",
        "mon-sat 08:00-08:00",
        "mon-sat 08:00-24:00",
        "mon-sat 08:60-20:00",
        "lun-sam 08:00-20:00",
        "mon- 08:00-20:00",
        "-sat 08:00-20:00",
        "mon,,sat 08:00-20:00",
        "mon-wed-fri 08:00-20:00",
        "mon-sat 08:00-20:00 holiday",
    ],
)
def test_a_window_that_makes_no_sense_is_refused_by_the_name_of_its_variable(windows: Environment, said: str) -> None:
    with pytest.raises(BadEnvironment) as refused:
        windows(said)
    assert str(refused.value).startswith("EVERYWHERE must be ")
    assert f"not {said!r}: " in str(refused.value)
    with pytest.raises(BadEnvironment, match="EXCEPTIONS must be "):
        windows("yes", f"BE={said}")


@pytest.mark.parametrize(
    "said", ["BE", "no", "=no", "UK=no", "be=no", "FRA=no", "BE=no; BE=yes", "BE=no US=no", "BE=", "XX=yes"]
)
def test_an_exception_that_makes_no_sense_is_refused_by_the_name_of_its_variable(
    windows: Environment, said: str
) -> None:
    with pytest.raises(BadEnvironment, match="EXCEPTIONS must be exceptions like"):
        windows("", said)


# Where it holds


def test_a_country_may_have_its_own_window_or_none(windows: Environment) -> None:
    windows("mon-fri 09:00-18:00", "BE=mon-sat 08:00-22:00 holidays; US=no ;FR=yes;")
    assert window_for("BE") == LATE
    assert window_for("US") is None
    assert window_for("FR") == CommercialWindow()
    assert window_for("DE") == CommercialWindow(time(9), time(18), frozenset(range(5)))


@pytest.mark.parametrize("department", sorted(OVERSEAS))
def test_an_overseas_department_follows_france_unless_it_has_its_own(windows: Environment, department: str) -> None:
    windows("", "FR=mon-sat 08:00-22:00 holidays")
    assert window_for(department) == LATE
    windows("", f"FR=mon-sat 08:00-22:00 holidays; {department}=no")
    assert window_for(department) is None
    windows("mon-fri 09:00-18:00", "BE=no")
    assert window_for(department) == CommercialWindow(time(9), time(18), frozenset(range(5)))


def test_new_caledonia_does_not_follow_france(windows: Environment) -> None:
    windows("", "FR=no")
    assert window_for("NC") == CommercialWindow()


# How it is said


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("", "between 8:00 and 20:00, Monday to Saturday, never on a public holiday."),
        ("mon-sun 09:30-21:15 holidays", "between 9:30 and 21:15, every day, also on public holidays."),
        ("mon,tue 08:00-20:00", "between 8:00 and 20:00, Monday and Tuesday, never on a public holiday."),
        (
            "mon-wed,fri 8:00-20:00",
            "between 8:00 and 20:00, Monday to Wednesday and Friday, never on a public holiday.",
        ),
        ("sat-mon 8:00-20:00", "between 8:00 and 20:00, Monday, Saturday and Sunday, never on a public holiday."),
        ("sun 0:00-0:05", "between 0:00 and 0:05, Sunday, never on a public holiday."),
    ],
)
def test_the_sentence_of_the_pages_says_what_is_set(windows: Environment, said: str, sentence: str) -> None:
    windows(said)
    with translation.override("en"):
        assert window_sentence() == window_sentence(["FR", "BE"]) == f"Commercial messages leave {sentence}"


def test_where_there_is_no_window_nothing_is_said_of_one(windows: Environment) -> None:
    windows("no")
    assert window_sentence() == window_sentence(["FR", "BE"]) == ""


def test_countries_that_differ_are_named_behind_the_general_rule(windows: Environment) -> None:
    windows("", "BE=mon-sat 08:00-22:00 holidays; CH=mon-sat 08:00-22:00 holidays; US=no")
    general = "Commercial messages leave between 8:00 and 20:00, Monday to Saturday, never on a public holiday."
    late = "commercial messages leave between 8:00 and 22:00, Monday to Saturday, also on public holidays."
    with translation.override("en"):
        assert window_sentence(["CH", "BE", "FR"]) == f"{general} Belgium, Switzerland: {late}"
        assert window_sentence(["US", "FR"]) == f"{general} United States: commercial messages leave at any time."
        assert window_sentence(["FR", "RE"]) == general
        assert window_sentence(["BE"]) == f"C{late[1:]}"
        assert window_sentence(["US"]) == ""


def test_the_reason_of_a_message_that_waits_holds_for_every_window() -> None:
    with translation.override("en"):
        assert not any(character.isdigit() for character in str(SENTENCES["window"]))
