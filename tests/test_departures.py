"""One submission to several countries: each message leaves at its own allowed time, at its own price."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from compose.numbers import Recipient
from compose.planning import plan
from compose.schedule import next_opening
from compose.services import submit
from compose.terms import terms_for
from compose.windows import window_for
from compose.zones import UTC_ZONE
from credits.models import Account
from senders.models import Sender
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import NOON, assert_ledger_adds_up, at
from tests.gateways_for_tests import scripted_gateway

NUMBERS = {
    "FR": "+33612345678",
    "RE": "+262692123456",
    "GP": "+590690001234",
    "BE": "+32470123456",
    "US": "+12125551234",
}
EVERYWHERE = ", ".join(NUMBERS.values())


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture
def account(db: None) -> Account:
    """An account with 100 credits and a virtual number, which reaches every country."""
    made = factories.account()
    factories.sender(made, "+33937000001", kind=Sender.Kind.VIRTUAL)
    return made


def departures(account: Account, now: datetime) -> dict[str, str]:
    """When the messages to all of NUMBERS leave that are submitted at `now`, by region, in UTC."""
    submission = factories.submission(account, to=EVERYWHERE, commercial=True, now=now)
    rows = submission.messages.values_list("region", "send_at")
    return {region: f"{send_at:%a %d %H:%M}" for region, send_at in rows}


def test_on_a_saturday_evening_each_leaves_at_its_own_time(account: Account) -> None:
    # 20:30 in Paris and Brussels, 23:30 in La Réunion, 15:30 in Guadeloupe, 14:30 in New York.
    assert departures(account, utc("2026-11-21T19:30")) == {
        "FR": "Mon 23 07:00",
        "BE": "Mon 23 07:00",
        "RE": "Mon 23 04:00",
        "GP": "Sat 21 19:30",
        "US": "Sat 21 19:30",
    }


def test_on_a_saturday_evening_a_country_may_have_its_own_window(account: Account, settings: Any) -> None:
    settings.SMS_COMMERCIAL_WINDOWS = {
        "default": {},
        "BE": {"closes": datetime(2026, 1, 1, 22, tzinfo=UTC).time()},
        "RE": None,
    }
    assert departures(account, utc("2026-11-21T19:30")) == {
        "FR": "Mon 23 07:00",
        "BE": "Sat 21 19:30",
        "RE": "Sat 21 19:30",
        "GP": "Sat 21 19:30",
        "US": "Sat 21 19:30",
    }


def test_the_day_that_abolished_slavery_is_a_holiday_where_it_was_abolished_that_day(account: Account) -> None:
    # 20 December 2027, a Monday, in La Réunion; 27 May 2027, a Thursday, in Guadeloupe.
    december, may = utc("2027-12-20T14:30"), utc("2027-05-27T14:30")
    assert departures(account, december) == dict.fromkeys(NUMBERS, "Mon 20 14:30") | {"RE": "Tue 21 04:00"}
    assert departures(account, may) == dict.fromkeys(NUMBERS, "Thu 27 14:30") | {"GP": "Fri 28 12:00"}


def test_a_holiday_of_one_country_holds_up_no_other(account: Account) -> None:
    # 14 July is one of France and its departments; 21 July of Belgium and, for Victor Schœlcher, of Guadeloupe;
    # Thanksgiving of the United States.
    assert departures(account, utc("2026-07-14T15:00")) == {
        "FR": "Wed 15 06:00",
        "RE": "Wed 15 04:00",
        "GP": "Wed 15 12:00",
        "BE": "Tue 14 15:00",
        "US": "Tue 14 15:00",
    }
    assert departures(account, utc("2026-07-21T15:00")) == dict.fromkeys(NUMBERS, "Tue 21 15:00") | {
        "BE": "Wed 22 06:00",
        "GP": "Wed 22 12:00",
    }
    assert departures(account, utc("2026-11-26T15:00")) == dict.fromkeys(NUMBERS, "Thu 26 15:00") | {
        "US": "Fri 27 13:00"
    }


def test_the_claim_holds_each_country_to_its_own_window(account: Account, settings: Any) -> None:
    submission = factories.submission(account, to=EVERYWHERE, commercial=True, now=utc("2026-11-21T16:00"))
    assert set(submission.messages.values_list("postponed_by", flat=True)) == {"", "window"}  # La Réunion sleeps.
    settings.SMS_COMMERCIAL_WINDOWS = {"default": {}, "BE": None}
    with scripted_gateway() as gateway:
        dispatch_due(clock=at(utc("2026-11-21T19:30")))
    assert {one.recipient for one in gateway.sent} == {NUMBERS["GP"], NUMBERS["BE"], NUMBERS["US"]}
    assert set(submission.messages.filter(reason="window").values_list("region", flat=True)) == {"FR"}
    assert_ledger_adds_up()


def test_each_message_of_a_deferred_submission_waits_for_its_own_window(account: Account) -> None:
    submission = factories.submission(account, to=EVERYWHERE, commercial=True, deferred_to=utc("2026-11-25T07:30"))
    assert {one.region: f"{one.send_at:%H:%M}" for one in submission.messages.all()} == {
        "FR": "07:30",
        "BE": "07:30",
        "RE": "07:30",
        "GP": "12:00",
        "US": "13:00",
    }


# Worked out together, the same as one by one

AREAS = ["212", "415", "605", "907", "808", "303", "999", "701"]
mixed = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["FR", "RE", "GP", "BE", "AU", "RU", "ZZ", "", "ES"]), st.just("+33612345678")),
        st.tuples(st.just("US"), st.sampled_from([f"+1{area}5551234" for area in AREAS])),
        st.tuples(st.just("CA"), st.sampled_from(["+17095551234", "+14165551234"])),
        st.tuples(st.just("MX"), st.sampled_from(["+526641234567", "+525512345678"])),
    ),
    max_size=12,
)


@settings(deadline=None)
@given(mixed, st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC)), st.booleans())  # noqa: DTZ001
def test_the_terms_of_many_are_those_of_each(typed: list[tuple[str, str]], asked: datetime, commercial: bool) -> None:
    recipients = [Recipient(e164, region, "") for region, e164 in typed]
    rates = {region: 100 + len(region) for region, _e164 in typed}
    leaving = terms_for(recipients, asked=asked, commercial=commercial, zone=UTC_ZONE, parts=3, rates=rates)
    assert [one.recipient for one in leaving] == recipients
    for one in leaving:
        assert (one.rate, one.price) == (rates[one.recipient.region], 3 * rates[one.recipient.region])
        assert one.terms.region == one.recipient.region
        window = window_for(one.recipient.region)
        assert window is not None
        alone = next_opening(asked, e164=one.recipient.e164, region=one.recipient.region, window=window)
        assert one.departure == alone if commercial else one.departure.at == asked


def test_all_numbers_of_a_country_share_their_terms(account: Account) -> None:
    planned = plan(factories.draft(account, to=50, commercial=True), now=NOON)
    assert [count for _terms, count in planned.counts.items()] == [50]
    assert len({id(one.terms) for one in planned.leaving}) == 1


def test_submitting_costs_the_same_number_of_statements_whatever_the_number_of_recipients(account: Account) -> None:
    def statements(count: int) -> int:
        draft = factories.draft(account, to=count, commercial=True)
        with CaptureQueriesContext(connection) as captured:
            submit(draft, now=NOON)
        return len(captured)

    assert statements(2) == statements(90)
