"""Local times around changes of clocks, in zones that change them in ways of their own; deferred messages there."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st

from compose.schedule import CommercialWindow, LocalTimeDoesNotExist, Resolved, next_opening, resolve_local
from compose.zones import zones_of
from tests import factories
from tests.pages import browser_of, read

# Changes of clocks of 2026 and 2027, in UTC. Source: IANA time zone database.
CHANGES = {
    "Europe/Paris": ["2026-10-25T01:00", "2027-03-28T01:00", "2027-10-31T01:00"],
    "Europe/Dublin": ["2026-10-25T01:00", "2027-03-28T01:00"],
    "Europe/Oslo": ["2026-10-25T01:00", "2027-03-28T01:00"],
    "Europe/Tallinn": ["2026-10-25T01:00", "2027-03-28T01:00"],
    "Africa/Casablanca": ["2027-02-07T02:00", "2027-03-14T02:00"],
    "America/New_York": ["2026-11-01T06:00", "2027-03-14T07:00"],
    "America/St_Johns": ["2026-11-01T04:30", "2027-03-14T05:30"],
    "America/Miquelon": ["2026-11-01T04:00", "2027-03-14T05:00"],
    # Half an hour only.
    "Australia/Lord_Howe": ["2026-10-03T15:30", "2027-04-03T15:00"],
    "Pacific/Auckland": ["2026-09-26T14:00", "2027-04-03T14:00"],
}
# They never change them.
STEADY = ["Indian/Reunion", "Indian/Mayotte", "America/Guadeloupe", "America/Cayenne", "America/Martinique"]
NUMBERS = {
    "Europe/Paris": ("FR", "+33612345678"),
    "Europe/Dublin": ("IE", "+353850123456"),
    "Europe/Oslo": ("NO", "+4740612345"),
    "Europe/Tallinn": ("EE", "+37251234567"),
    "Africa/Casablanca": ("MA", "+212612345678"),
    "America/New_York": ("US", "+12125551234"),
    "America/Miquelon": ("PM", "+508551234"),
    "Pacific/Auckland": ("NZ", "+64211234567"),
    "Indian/Reunion": ("RE", "+262692123456"),
    "Indian/Mayotte": ("YT", "+262639012345"),
    "America/Guadeloupe": ("GP", "+590690001234"),
    "America/Cayenne": ("GF", "+594694201234"),
    "America/Martinique": ("MQ", "+596696201234"),
}


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


changes = st.sampled_from([(zone, moment(at)) for zone, known in CHANGES.items() for at in known])
# Enough to be on both sides of any change.
around = st.timedeltas(timedelta(hours=-30), timedelta(hours=30))
# A busy machine must not turn a slow example into a failure.
untimed = settings(deadline=None)


@pytest.mark.parametrize("zone", CHANGES)
def test_the_table_of_this_test_names_changes_of_clocks(zone: str) -> None:
    for change in map(moment, CHANGES[zone]):
        before, after = (
            (change + step).astimezone(ZoneInfo(zone)).utcoffset() for step in (-timedelta.resolution, timedelta())
        )
        assert before != after


@untimed
@given(changes, around)
def test_a_moment_that_a_clock_shows_is_found_again_from_what_it_shows(
    change: tuple[str, datetime], step: timedelta
) -> None:
    zone, at = ZoneInfo(change[0]), (change[1] + step).replace(second=0, microsecond=0)
    local = at.astimezone(zone)
    resolved = resolve_local(local.date(), local.time(), zone)
    # The second of two readings cannot be asked for: the first is taken, and it is said.
    assert (resolved.instant == at) == (not local.fold)
    assert resolved.instant <= at
    assert not local.fold or resolved.ambiguous
    shown = resolved.instant.astimezone(zone)
    assert (shown.date(), shown.time(), shown.fold) == (local.date(), local.time(), 0)


@untimed
@given(changes, around)
def test_a_local_time_is_one_moment_or_two_or_none(change: tuple[str, datetime], step: timedelta) -> None:
    zone = ZoneInfo(change[0])
    wall = (change[1].astimezone(zone).replace(tzinfo=None) + step).replace(second=0, microsecond=0)
    # Every minute of three days that shows this on the wall, found without looking anything up.
    begin = change[1] - timedelta(hours=36)
    shown = [
        instant
        for instant in (
            begin + timedelta(minutes=30 * half) + timedelta(minutes=wall.minute % 30) for half in range(146)
        )
        if instant.astimezone(zone).replace(tzinfo=None, fold=0) == wall
    ]
    try:
        resolved = resolve_local(wall.date(), wall.time(), zone)
    except LocalTimeDoesNotExist:
        assert shown == []
    else:
        assert shown
        assert resolved == Resolved(shown[0], len(shown) == 2)


@untimed
@given(st.sampled_from(STEADY), st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1)))  # noqa: DTZ001
def test_in_the_overseas_departments_every_time_is_one_moment(zone: str, wall: datetime) -> None:
    resolved = resolve_local(wall.date(), wall.time(), ZoneInfo(zone))
    assert not resolved.ambiguous
    assert resolved.instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == wall


@untimed
@given(
    st.one_of(
        changes.filter(lambda change: change[0] in NUMBERS),
        st.tuples(st.sampled_from(STEADY), st.just(moment("2026-10-25T01:00"))),
    ),
    around,
)
def test_around_a_change_of_clocks_the_window_follows_the_wall(change: tuple[str, datetime], step: timedelta) -> None:
    name, changes_at = change
    region, e164 = NUMBERS[name]
    window, asked = CommercialWindow(), changes_at + step
    departure = next_opening(asked, e164=e164, region=region, window=window)
    assert departure.zone.key == name
    local = departure.at.astimezone(departure.zone)
    assert window.opens <= local.time() < window.closes
    assert local.weekday() in window.weekdays
    if departure.postponed:
        assert local.time() == window.opens
    else:
        assert departure.at == asked


def test_in_lord_howe_the_clocks_skip_and_repeat_half_an_hour() -> None:
    zone = ZoneInfo("Australia/Lord_Howe")
    spring, autumn = moment("2026-10-03T15:30").astimezone(zone), moment("2027-04-03T15:00").astimezone(zone)
    for minute in (0, 15, 29):
        with pytest.raises(LocalTimeDoesNotExist):
            resolve_local(spring.date(), spring.replace(hour=2, minute=minute).time(), zone)
    assert not resolve_local(spring.date(), spring.replace(hour=2, minute=30).time(), zone).ambiguous
    found = {
        minute: resolve_local(autumn.date(), autumn.replace(hour=1, minute=minute).time(), zone).ambiguous
        for minute in (0, 29, 30, 59)
    }
    assert found == {0: False, 29: False, 30: True, 59: True}


@pytest.mark.django_db
@time_machine.travel(moment("2026-10-01T00:00"), tick=False)
@pytest.mark.parametrize(
    ("date", "time", "said"),
    [
        ("2026-10-04", "02:15", "does not exist"),
        ("2026-10-04", "01:59", ""),
        ("2027-04-04", "01:45", "comes twice"),
        ("2027-04-04", "01:15", ""),
        ("2026-10-01", "10:30", "is past"),
        ("2026-10-01", "10:29", "is past"),
        ("2026-10-01", "10:31", ""),
    ],
)
def test_the_page_of_an_account_there_says_so(date: str, time: str, said: str) -> None:
    factories.pool()
    account = factories.account(time_zone="Australia/Lord_Howe")
    browser = browser_of(factories.owner(account))
    fields = read(browser.get("/")).form("/").typed(
        recipients="06 12 34 56 78", text="Bonjour", not_commercial="on", when="later", date=date, time=time,
        action="check",
    )  # fmt: skip
    answer = browser.post("/", fields)
    page = read(answer)
    shown = page.error("time") + page.one(id="quote").text
    assert [words for words in ("does not exist", "comes twice", "is past") if words in shown] == [said] * bool(said)
    assert answer.status_code == (422 if said in ("does not exist", "is past") else 200)
    assert (page.one("input", name="date").attributes["value"], page.one("input", name="time").attributes["value"]) == (
        date,
        time,
    )


@pytest.mark.parametrize("zone", NUMBERS)
def test_the_zone_of_a_number_is_its_own_country_s_and_no_neighbour_s(zone: str) -> None:
    region, e164 = NUMBERS[zone]
    assert zones_of(region, e164)[0].key == zone
