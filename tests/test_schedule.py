"""Local times made absolute, time zones of numbers, and the window of commercial messages."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import translation
from hypothesis import given, settings
from hypothesis import strategies as st

from compose.schedule import (
    DEFAULT_WINDOW,
    NEXT_REASONS,
    REASONS,
    CommercialWindow,
    DateOutOfReach,
    Departure,
    LocalTimeDoesNotExist,
    UnusableLocalTime,
    next_opening,
    resolve_local,
)
from compose.zones import UTC_ZONE, zones_of

# A busy machine must not turn a slow example into a failure.
untimed = settings(deadline=None)

PARIS = ZoneInfo("Europe/Paris")
NUMBERS = {
    "FR": "+33612345678",
    "RE": "+262692123456",
    "YT": "+262639012345",
    "GP": "+590690001234",
    "US": "+12125551234",
    "AU": "+61412345678",
    "RU": "+79161234567",
    "ES": "+34612345678",
    "IN": "+919876543210",
    "": "",
}
# South Dakota: a number of this area may be in Central or in Mountain time.
SOUTH_DAKOTA = "+16059999999"


def leave(at: datetime, region: str = "FR", e164: str = "", window: CommercialWindow = DEFAULT_WINDOW) -> Departure:
    return next_opening(at, e164=e164 or NUMBERS[region], region=region, window=window)


def paris(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# Local times


def test_a_local_time_becomes_an_instant_in_utc() -> None:
    winter = resolve_local(date(2026, 11, 24), time(8), PARIS)
    assert (winter.instant, winter.ambiguous) == (utc("2026-11-24T07:00"), False)
    assert winter.instant.tzinfo is UTC
    assert resolve_local(date(2026, 7, 1), time(8), PARIS).instant == utc("2026-07-01T06:00")


@pytest.mark.parametrize("day", [date(2026, 3, 29), date(2027, 3, 28)])
def test_a_time_that_the_clocks_skip_in_spring_is_refused(day: date) -> None:
    for skipped in (time(2), time(2, 30), time(2, 59, 59)):
        with pytest.raises(LocalTimeDoesNotExist) as caught, translation.override("en"):
            resolve_local(day, skipped, PARIS)
        assert str(caught.value.message).endswith(".")
    before = resolve_local(day, time(1, 59), PARIS)
    after = resolve_local(day, time(3), PARIS)
    assert after.instant - before.instant == timedelta(minutes=1)
    assert not before.ambiguous
    assert not after.ambiguous


@pytest.mark.parametrize("day", [date(2026, 10, 25), date(2027, 10, 31)])
def test_a_time_that_comes_twice_in_autumn_takes_the_first_and_says_so(day: date) -> None:
    midnight = resolve_local(day, time(0), PARIS).instant
    for twice in (time(2), time(2, 30), time(2, 59, 59)):
        resolved = resolve_local(day, twice, PARIS)
        assert resolved.ambiguous
        assert resolved.instant - midnight == timedelta(hours=twice.hour, minutes=twice.minute, seconds=twice.second)
    assert not resolve_local(day, time(1, 59), PARIS).ambiguous
    assert not resolve_local(day, time(3), PARIS).ambiguous
    assert resolve_local(day, time(3), PARIS).instant - midnight == timedelta(hours=4)


def test_a_second_reading_asked_for_by_the_caller_is_not_taken() -> None:
    first = resolve_local(date(2026, 10, 25), time(2, 30), PARIS)
    assert resolve_local(date(2026, 10, 25), time(2, 30, fold=1), PARIS) == first


@pytest.mark.parametrize("day", [date.min, date.max, date(1969, 12, 31), date(9990, 1, 1)])
def test_a_date_at_the_end_of_the_calendar_is_refused(day: date) -> None:
    with pytest.raises(DateOutOfReach):
        resolve_local(day, time(12), PARIS)
    assert issubclass(DateOutOfReach, UnusableLocalTime)


# Zones of numbers


@pytest.mark.parametrize(
    ("region", "e164", "zones"),
    [
        ("FR", "+33612345678", ["Europe/Paris"]),
        ("RE", "+262692123456", ["Indian/Reunion"]),
        ("YT", "+262639012345", ["Indian/Mayotte"]),
        ("GP", "+590690001234", ["America/Guadeloupe"]),
        ("MQ", "+596696201234", ["America/Martinique"]),
        ("GF", "+594694201234", ["America/Cayenne"]),
        ("PM", "+508551234", ["America/Miquelon"]),
        ("PF", "+68987123456", ["Pacific/Tahiti", "Pacific/Gambier", "Pacific/Marquesas"]),
        ("US", "+12125551234", ["America/New_York"]),
        ("US", SOUTH_DAKOTA, ["America/Denver", "America/North_Dakota/Center"]),
        ("AG", "+12684641234", ["America/Antigua"]),
        ("ES", "+34612345678", ["Europe/Madrid", "Atlantic/Canary"]),
        ("PT", "+351912345678", ["Europe/Lisbon", "Atlantic/Azores"]),
        ("MA", "+212612345678", ["Africa/Casablanca"]),
        ("IN", "+919876543210", ["Asia/Kolkata"]),
        ("KZ", "+77710009998", ["Asia/Almaty", "Asia/Aqtobe"]),
        ("FR", "", ["Europe/Paris"]),
        ("", "+33612345678", ["Europe/Paris"]),
        ("", "", ["UTC"]),
        ("001", "+870773111632", ["UTC"]),
    ],
)
def test_the_zones_of_a_number_are_those_of_its_region_or_area(region: str, e164: str, zones: list[str]) -> None:
    assert [zone.key for zone in zones_of(region, e164)] == zones


def test_the_capital_stands_first_among_several_zones() -> None:
    assert zones_of("AU", NUMBERS["AU"])[0].key == "Australia/Sydney"
    assert zones_of("RU", NUMBERS["RU"])[0].key == "Europe/Moscow"
    unknown_area = zones_of("US", "+19999999999")
    assert unknown_area[0].key == "America/New_York"
    assert len(unknown_area) > 1


def test_an_unknown_region_takes_the_zone_that_the_caller_names() -> None:
    assert zones_of("ZZ", "", PARIS) == (PARIS,)
    assert zones_of("ZZ", "") == (UTC_ZONE,)


# The window


def test_a_message_within_the_window_leaves_at_once() -> None:
    at = paris("2026-11-24T14:30")
    assert leave(at) == Departure(at.astimezone(UTC), False, None, "", PARIS)


def test_the_window_opens_at_eight_and_is_closed_from_twenty_on() -> None:
    assert not leave(paris("2026-11-24T08:00")).postponed
    assert not leave(paris("2026-11-24T19:59:59")).postponed
    early = leave(paris("2026-11-24T07:59:59"))
    assert (early.at, early.code) == (paris("2026-11-24T08:00"), "early")
    late = leave(paris("2026-11-24T20:00"))
    assert (late.at, late.code, late.postponed) == (paris("2026-11-25T08:00"), "late", True)
    assert late.at.tzinfo is UTC


def test_a_message_of_saturday_evening_or_sunday_leaves_on_monday() -> None:
    assert leave(paris("2026-11-21T19:00")).at == paris("2026-11-21T19:00")
    assert leave(paris("2026-11-21T20:30")).at == paris("2026-11-23T08:00")
    sunday = leave(paris("2026-11-22T12:00"))
    assert (sunday.at, sunday.code) == (paris("2026-11-23T08:00"), "sunday")


@pytest.mark.parametrize(
    ("at", "leaves"),
    [
        ("2026-07-14T10:00", "2026-07-15T08:00"),
        ("2026-01-01T10:00", "2026-01-02T08:00"),
        ("2026-05-01T10:00", "2026-05-02T08:00"),
        ("2026-05-14T10:00", "2026-05-15T08:00"),
        ("2026-05-24T10:00", "2026-05-26T08:00"),
        ("2026-12-24T21:00", "2026-12-26T08:00"),
        ("2027-12-31T21:00", "2028-01-03T08:00"),
    ],
)
def test_a_public_holiday_of_france_is_skipped(at: str, leaves: str) -> None:
    assert leave(paris(at)).at == paris(leaves)


def test_the_national_day_is_given_as_the_reason() -> None:
    departure = leave(paris("2026-07-14T10:00"))
    assert departure.code == "holiday"
    assert departure.reason == REASONS["holiday"]


@pytest.mark.parametrize(
    ("at", "codes"),
    [
        ("2026-11-28T21:00", "late sunday"),
        ("2026-12-24T21:00", "late holiday"),
        ("2027-12-31T21:00", "late holiday sunday"),
        ("2026-05-24T10:00", "sunday holiday"),
        ("2026-11-22T10:00", "sunday"),
        ("2026-11-24T21:00", "late"),
    ],
)
def test_the_reason_says_why_it_is_not_the_next_day_either(at: str, codes: str) -> None:
    departure = leave(paris(at))
    first, *later = codes.split()
    assert departure.code == codes
    assert str(departure.reason) == " ".join([str(REASONS[first]), *(str(NEXT_REASONS[code]) for code in later)])


def test_the_extra_holidays_of_alsace_moselle_do_not_close_the_window() -> None:
    assert not leave(paris("2026-12-26T10:00")).postponed


@pytest.mark.parametrize(
    ("before", "leaves"),
    [
        ("2026-03-28T21:00", "2026-03-30T06:00"),
        ("2027-03-27T21:00", "2027-03-30T06:00"),  # The Monday is Easter's.
        ("2026-10-24T21:00", "2026-10-26T07:00"),
        ("2027-10-30T21:00", "2027-11-02T07:00"),  # The Monday is All Saints' Day.
    ],
)
def test_after_a_change_of_clocks_the_window_still_opens_at_eight(before: str, leaves: str) -> None:
    departure = leave(paris(before))
    assert departure.at == utc(leaves)
    assert departure.at.astimezone(PARIS).time() == time(8)


def test_a_window_that_is_open_during_a_change_of_clocks_follows_the_wall() -> None:
    always = CommercialWindow(time(2, 30), time(4), frozenset(range(7)), holidays_too=True)
    assert leave(paris("2026-03-29T01:00"), window=always).at == utc("2026-03-29T01:30")
    assert leave(paris("2026-10-25T01:00"), window=always).at == utc("2026-10-25T00:30")


def test_reunion_has_its_own_hours_and_its_own_holiday() -> None:
    # 05:00 in Paris in winter is 08:00 in Réunion.
    assert leave(utc("2026-11-24T04:00"), "RE").postponed is False
    assert leave(utc("2026-11-24T03:59"), "RE").at == utc("2026-11-24T04:00")
    assert leave(utc("2026-11-24T16:00"), "RE").at == utc("2026-11-25T04:00")
    # The abolition of slavery: 20 December in Réunion, 27 April in Mayotte.
    assert leave(utc("2027-12-20T10:00"), "RE").code == "holiday"
    assert leave(utc("2027-12-20T10:00"), "FR").postponed is False
    assert leave(utc("2027-04-27T10:00"), "YT").code == "holiday"


def test_a_number_of_one_zone_of_the_united_states_follows_that_zone() -> None:
    departure = leave(utc("2026-11-24T12:00"), "US")
    assert departure.at == utc("2026-11-24T13:00")
    assert departure.zone.key == "America/New_York"
    assert leave(utc("2026-11-26T18:00"), "US").code == "holiday"  # Thanksgiving


def test_a_number_of_several_zones_waits_until_all_of_them_are_open() -> None:
    # 14:00 UTC is 08:00 in Central and 07:00 in Mountain time.
    morning = leave(utc("2026-11-24T14:00"), "US", SOUTH_DAKOTA)
    assert (morning.at, morning.code) == (utc("2026-11-24T15:00"), "early")
    # 02:30 UTC is 20:30 in Central and 19:30 in Mountain time.
    evening = leave(utc("2026-11-25T02:30"), "US", SOUTH_DAKOTA)
    assert (evening.at, evening.code) == (utc("2026-11-25T15:00"), "late")
    assert not leave(utc("2026-11-25T01:59"), "US", SOUTH_DAKOTA).postponed


def test_zones_that_are_never_open_together_follow_the_capital() -> None:
    short = CommercialWindow(opens=time(10), closes=time(12))
    departure = leave(utc("2026-11-24T05:00"), "RU", window=short)
    assert (departure.at, departure.zone.key) == (utc("2026-11-24T07:00"), "Europe/Moscow")
    assert not leave(utc("2026-11-24T08:00"), "RU", window=short).postponed


def test_a_region_without_a_calendar_has_no_holidays() -> None:
    assert not leave(utc("2027-12-25T12:00"), "").postponed


def test_the_window_is_data() -> None:
    other = CommercialWindow(opens=time(8), closes=time(22), weekdays=frozenset({4}))
    assert leave(paris("2026-11-27T21:30"), window=other).postponed is False
    thursday = leave(paris("2026-11-26T12:00"), window=other)
    assert (thursday.at, thursday.code) == (paris("2026-11-27T08:00"), "weekday")
    every_day = CommercialWindow(weekdays=frozenset(range(7)), holidays_too=True)
    assert leave(paris("2026-07-14T10:00"), window=every_day).postponed is False


@pytest.mark.parametrize(
    "arguments",
    [
        {"opens": time(20), "closes": time(8)},
        {"opens": time(8), "closes": time(8)},
        {"weekdays": frozenset()},
        {"weekdays": frozenset({7})},
    ],
)
def test_a_window_that_never_opens_is_refused(arguments: dict[str, time | frozenset[int]]) -> None:
    with pytest.raises(ValueError, match="A commercial window"):
        CommercialWindow(**arguments)  # type: ignore[arg-type]


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        leave(datetime(2026, 11, 24, 12))  # noqa: DTZ001


def test_every_reason_is_a_sentence() -> None:
    with translation.override("en"):
        assert all(str(reason).endswith(".") for reason in [*REASONS.values(), *NEXT_REASONS.values()])


@untimed
@given(
    st.datetimes(datetime(2025, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.sampled_from(sorted(NUMBERS)),
    st.sampled_from(
        [
            DEFAULT_WINDOW,
            CommercialWindow(closes=time(22), weekdays=frozenset(range(7))),
            CommercialWindow(opens=time(1, 30), closes=time(2, 45)),
            CommercialWindow(weekdays=frozenset({2}), holidays_too=True),
        ]
    ),
)
def test_a_departure_is_never_early_always_in_the_window_and_final(
    at: datetime, region: str, window: CommercialWindow
) -> None:
    departure = leave(at, region, window=window)
    assert departure.at >= at
    assert departure.postponed == (departure.at > at) == bool(departure.reason)
    local = departure.at.astimezone(departure.zone)
    assert window.opens <= local.time() < window.closes
    assert local.weekday() in window.weekdays
    again = leave(departure.at, region, window=window)
    assert (again.at, again.postponed) == (departure.at, False)
