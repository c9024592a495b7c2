"""Another departure for what waits: a whole submission or one message, sooner, later or now."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.translation import override

from compose import claims, nudges, scheduled
from compose.models import Message, Submission
from compose.planning import Refused
from compose.services import cancel
from credits.models import Account
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import NOON, assert_ledger_adds_up, assert_message, at, balances
from tests.gateways_for_tests import scripted_gateway
from tests.pages import browser_of, read, sentence

State = Message.State
TOMORROW, LATER = NOON + timedelta(days=1), NOON + timedelta(days=7)
SUNDAY_NIGHT = datetime(2026, 11, 29, 21, tzinfo=UTC)


@pytest.fixture(autouse=True)
def noon(db: None) -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def account() -> Account:
    return factories.account()


@pytest.fixture
def browser(account: Account) -> Client:
    return browser_of(factories.owner(account))


def move(submission: Submission, to: datetime | None, *, now: datetime = NOON) -> scheduled.Moved:
    return scheduled.move(submission, to=to, by=factories.owner(submission.account), now=now)


def departures(submission: Submission) -> set[tuple[Any, ...]]:
    """When the messages leave, when they are looked at, and until when they are valid."""
    return set(submission.messages.values_list("send_at", "due_at", "valid_until"))


# The verb


@pytest.mark.parametrize("to", [TOMORROW, LATER + timedelta(days=30)], ids=["sooner", "later"])
def test_all_that_waits_leaves_at_the_other_moment_and_not_before(account: Account, to: datetime) -> None:
    submission = factories.submission(account, to=3, deferred_to=LATER)
    assert move(submission, to) == (3, 0, to, to, frozenset())
    assert departures(submission) == {(to, to, to + timedelta(hours=48))}
    submission.refresh_from_db()
    assert submission.deferred_to == to
    with scripted_gateway():
        assert dispatch_due(clock=at(to - timedelta(microseconds=1))) == 0
        assert dispatch_due(clock=at(to)) == 3
    assert_ledger_adds_up()


def test_moved_to_now_it_leaves_now_and_its_lane_is_told(
    account: Account, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.SMS_BULK_RECIPIENTS = 1
    told: list[str] = []
    monkeypatch.setattr(nudges, "after_commit", told.append)
    one, many = (factories.submission(account, to=count, deferred_to=LATER) for count in (1, 2))
    told.clear()
    assert move(one, None) == (1, 0, NOON, NOON, frozenset())
    move(many, None)
    assert told == ["compose.tasks.dispatch_due", "compose.tasks.dispatch_bulk"]
    one.refresh_from_db()
    assert one.deferred_to is None
    with scripted_gateway():
        assert dispatch_due(clock=at(NOON)) == 3


def test_a_commercial_message_waits_for_the_window_of_each_country_again(account: Account) -> None:
    submission = factories.submission(
        account, to="0612345678, +12025550123", commercial=True, deferred_to=LATER, by=_answered(account)
    )
    moved = move(submission, SUNDAY_NIGHT)
    monday = datetime(2026, 11, 30, 7, tzinfo=UTC)
    assert (moved.moved, moved.first, set(moved.postponed_to)) == (2, monday, {"FR", "US"})
    fields = ("region", "send_at", "postponed_by")
    rows = {row[0]: row[1:] for row in submission.messages.values_list(*fields)}
    # 8:00 in Paris, and in the last of the zones of a number of Washington.
    assert rows["FR"] == (monday, "window")
    assert rows["US"] == (datetime(2026, 11, 30, 13, tzinfo=UTC), "window")
    move(submission, TOMORROW)
    assert dict(submission.messages.values_list("region", "postponed_by"))["FR"] == ""


def _answered(account: Account) -> Any:
    return factories.sender(account, "+33937000001", kind="virtual")


def test_what_left_stays_and_is_counted_and_what_was_cancelled_is_not(account: Account) -> None:
    submission = factories.submission(account, to=4)
    first, second = submission.messages.order_by("pk")[:2]
    cancel(account, [second.pk], by=None, now=NOON)
    with scripted_gateway():
        claims.claim_due(clock=at(NOON), size=1)
    assert move(submission, TOMORROW)[:2] == (2, 1)
    first.refresh_from_db()
    assert (first.state, first.send_at) == (State.SENDING, NOON)
    assert move(submission, None, now=LATER)[:2] == (2, 1)
    assert move(factories.submission(account, to=1, body="b"), TOMORROW).left == 0


def test_where_nothing_waits_nothing_is_moved(account: Account) -> None:
    submission = factories.submission(account, to=2)
    with scripted_gateway():
        dispatch_due(clock=at(NOON))
    assert move(submission, TOMORROW) == (0, 2, None, None, frozenset())
    submission.refresh_from_db()
    assert submission.deferred_to is None


@pytest.mark.parametrize(
    ("to", "field"), [(NOON, "time"), (NOON - timedelta(days=1), "time"), (NOON + timedelta(days=367), "date")]
)
def test_a_moment_that_is_past_or_too_far_is_refused_and_nothing_moves(
    account: Account, to: datetime, field: str
) -> None:
    submission = factories.submission(account, deferred_to=LATER)
    with pytest.raises(Refused) as refused:
        move(submission, to)
    assert refused.value.field == field
    assert {row[0] for row in departures(submission)} == {LATER}


def test_a_message_whose_moment_has_come_and_that_was_tried_begins_anew(account: Account) -> None:
    message = factories.message(account)
    message.reason, message.passed_over, message.attempts = "gateway_unreachable", "default", 2
    message.save()
    move(message.submission, TOMORROW)
    assert_message(message, State.SCHEDULED, "", passed_over="", attempts=2, due_at=TOMORROW)
    noted = message.transitions.get()
    assert (noted.reason, noted.by, noted.at) == ("moved", factories.owner(account), NOON)
    with override("en"):
        assert "changed" in noted.reason_sentence


def test_one_message_of_several_is_moved_alone(account: Account) -> None:
    submission = factories.submission(account, to=3, deferred_to=LATER)
    chosen, *others = submission.messages.order_by("pk")
    moved = scheduled.move_message(chosen, to=TOMORROW, by=None, now=NOON)
    assert (moved.moved, moved.left) == (1, 0)
    assert {row.send_at for row in others} == {LATER}
    submission.refresh_from_db()
    # The others still leave then.
    assert submission.deferred_to == LATER
    alone = factories.message(account, deferred_to=LATER, body="b")
    scheduled.move_message(alone, to=TOMORROW, by=None, now=NOON)
    assert Submission.objects.get(pk=alone.submission_id).deferred_to == TOMORROW


@pytest.mark.parametrize("verb", ["all", "one"])
def test_the_last_that_waits_takes_the_moment_of_the_whole_with_it(account: Account, verb: str) -> None:
    submission = factories.submission(account, to=3, deferred_to=LATER)
    first, second, last = submission.messages.order_by("pk")
    cancel(account, [first.pk, second.pk], by=None, now=NOON)
    if verb == "all":
        move(submission, TOMORROW)
    else:
        scheduled.move_message(last, to=TOMORROW, by=None, now=NOON)
    submission.refresh_from_db()
    assert submission.deferred_to == TOMORROW


def test_one_that_others_have_left_before_leaves_the_moment_of_the_whole_as_it_was(account: Account) -> None:
    submission = factories.submission(account, to=2)
    _first, last = submission.messages.order_by("pk")
    scheduled.move_message(last, to=LATER, by=None, now=NOON)
    with scripted_gateway():
        assert dispatch_due(clock=at(NOON)) == 1
    scheduled.move_message(last, to=TOMORROW, by=None, now=NOON)
    submission.refresh_from_db()
    assert submission.deferred_to is None


@pytest.mark.parametrize("commercial", [False, True])
def test_a_move_takes_as_many_queries_for_many_as_for_few(account: Account, commercial: bool) -> None:
    counted = []
    for count in (3, 40):
        submission = factories.submission(account, to=count, deferred_to=LATER, commercial=commercial)
        with CaptureQueriesContext(connection) as queries:
            assert move(submission, TOMORROW).moved == count
        counted.append(len(queries))
    assert counted[0] == counted[1]


def test_the_price_stays_whatever_the_rate_of_the_other_day(account: Account) -> None:
    submission = factories.submission(account, to=2, deferred_to=LATER)
    factories.rate("FR", 9_000, valid_from=TOMORROW - timedelta(hours=1))
    move(submission, TOMORROW)
    assert balances(account)["held"] == 2_000
    assert_ledger_adds_up()


# The page


def test_the_page_shows_the_moment_by_the_accounts_clock_and_moves_it(account: Account, browser: Client) -> None:
    submission = factories.submission(account, to=2, deferred_to=LATER)
    head = read(browser.get(reverse("submission", args=[submission.pk])))
    page = read(browser.get(head.one(id="move-button").attributes["href"]))
    assert "Paris" in sentence(page)
    assert "2 messages wait." in sentence(page)
    form = page.form(reverse("move_submission", args=[submission.pk]))
    assert (form.typed()["date"], form.typed()["time"]) == ("2026-12-01", "12:00")
    typed = form.typed(date="2026-11-25", time="09:30", when="later")
    answer = browser.post(reverse("move_submission", args=[submission.pk]), typed, follow=True)
    assert "2 messages leave on Wednesday 25 November 2026 at 09:30." in sentence(read(answer))
    assert {row[0] for row in departures(submission)} == {datetime(2026, 11, 25, 8, 30, tzinfo=UTC)}


def test_a_button_sends_it_now(account: Account, browser: Client) -> None:
    submission = factories.submission(account, to=1, deferred_to=LATER)
    address = reverse("submission", args=[submission.pk])
    button = read(browser.get(address)).one(id="now-button")
    answer = browser.post(reverse("move_submission", args=[submission.pk]), {"when": button.attributes["value"]})
    assert answer.headers["Location"] == address
    assert "1 message leaves now." in sentence(read(browser.get(address)))
    assert {row[0] for row in departures(submission)} == {NOON}
    assert not read(browser.get(address)).all(id="now-button")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"when": "later"}, "Choose the date and the time"),
        ({}, "Choose the date and the time"),
        ({"when": "soon", "date": "2026-12-01", "time": "10:00"}, "now or later"),
        ({"when": "later", "date": "2026-11-24", "time": "09:00"}, "This moment is past"),
        ({"when": "later", "date": "2027-12-24", "time": "09:00"}, "more than a year"),
        ({"when": "later", "date": "2027-03-28", "time": "02:30"}, "does not exist"),
        ({"when": "later", "date": "31.12.26", "time": "late"}, "This is not a date"),
    ],
)
def test_a_moment_that_cannot_be_is_explained_and_nothing_moves(
    account: Account, browser: Client, typed: dict[str, str], said: str
) -> None:
    submission = factories.submission(account, to=1, deferred_to=LATER)
    answer = browser.post(reverse("move_submission", args=[submission.pk]), typed)
    assert answer.status_code == 422
    assert said in sentence(read(answer))
    assert {row[0] for row in departures(submission)} == {LATER}


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"when": "later", "date": "2026-11-24", "time": "09:00"}, "This moment is past. Choose a later one."),
        ({"when": "later"}, "Choose the date and the time."),
    ],
)
def test_where_nothing_can_be_sent_now_no_complaint_speaks_of_it(
    account: Account, browser: Client, typed: dict[str, str], said: str
) -> None:
    submission = factories.submission(account, to=1, deferred_to=LATER)
    scheduled.pause(submission, by=None, now=NOON)
    for address in (
        reverse("move_submission", args=[submission.pk]),
        reverse("move_message", args=[submission.messages.get().pk]),
    ):
        assert "now" not in [one.attributes.get("value") for one in read(browser.get(address)).all("button")]
        answer = browser.post(address, typed)
        assert answer.status_code == 422
        page = read(answer)
        assert said in sentence(page)
        assert "send the message now" not in page.text
    assert {row[0] for row in departures(submission)} == {LATER}


def test_one_message_is_sent_now_held_back_and_moved_from_its_own_page(account: Account, browser: Client) -> None:
    message = factories.message(account, deferred_to=LATER)
    address = reverse("message", args=[message.pk])
    page = read(browser.get(address))
    for name in ("edit-button", "move-button", "now-button", "pause-button", "cancel-button"):
        assert page.one(id=name).text
    browser.post(page.form(reverse("pause_submission", args=[message.submission_id])).element.attributes["action"])
    page = read(browser.get(address))
    assert page.one(id="pause-button").text == "Resume"
    assert not page.all(id="now-button")
    browser.post(page.form(reverse("resume_submission", args=[message.submission_id])).element.attributes["action"])
    page = read(browser.get(address))
    now = page.form(reverse("move_message", args=[message.pk]))
    answer = browser.post(now.element.attributes["action"], {"when": page.one(id="now-button").attributes["value"]})
    assert answer.headers["Location"] == address
    assert "1 message leaves now." in sentence(read(browser.get(address)))
    assert departures(message.submission) == {(NOON, NOON, NOON + timedelta(hours=48))}
    assert not read(browser.get(address)).all(id="now-button")


def test_the_page_of_one_of_several_sends_that_one_now_and_holds_back_none(account: Account, browser: Client) -> None:
    submission = factories.submission(account, to=2, deferred_to=LATER)
    chosen, other = submission.messages.order_by("pk")
    page = read(browser.get(reverse("message", args=[chosen.pk])))
    assert not page.all(id="pause-button")
    browser.post(reverse("move_message", args=[chosen.pk]), {"when": page.one(id="now-button").attributes["value"]})
    assert dict(submission.messages.values_list("pk", "send_at")) == {chosen.pk: NOON, other.pk: LATER}


def test_what_waits_for_its_hours_is_not_offered_to_leave_now(account: Account, browser: Client) -> None:
    with time_machine.travel(SUNDAY_NIGHT, tick=False):
        message = factories.message(account, commercial=True, now=SUNDAY_NIGHT)
        assert message.postponed_by == "window"
        page = read(browser.get(reverse("message", args=[message.pk])))
    assert page.one(id="move-button").text
    assert not page.all(id="now-button")


def test_what_is_postponed_is_said_with_the_hours_and_what_had_left_with_its_number(
    account: Account, browser: Client
) -> None:
    submission = factories.submission(account, to=3, commercial=True)
    with scripted_gateway():
        claims.claim_due(clock=at(NOON), size=1)
    typed = {"when": "later", "date": "2026-11-29", "time": "22:00"}
    address = reverse("move_submission", args=[submission.pk])
    assert "1 other has left" in sentence(read(browser.get(address)))
    said = sentence(read(browser.post(address, typed, follow=True)))
    assert "2 messages leave on Monday 30 November 2026 at 08:00. Commercial messages leave between" in said
    assert "1 message had left or was leaving already" in said


def test_who_comes_too_late_is_told(account: Account, browser: Client) -> None:
    message = factories.message(account, deferred_to=LATER)
    cancel(account, [message.pk], by=None, now=NOON)
    for name, key in (("move_submission", message.submission_id), ("move_message", message.pk)):
        address = reverse(name, args=[key])
        assert "Nothing was moved" in sentence(read(browser.get(address, follow=True)))
        assert "Nothing was moved" in sentence(read(browser.post(address, {"when": "now"}, follow=True)))


def test_each_row_of_the_scheduled_page_can_be_edited_moved_and_cancelled(account: Account, browser: Client) -> None:
    alone = factories.message(account, deferred_to=LATER)
    several = factories.submission(account, to=2, deferred_to=LATER, body="b")
    rows = read(browser.get(reverse("scheduled"))).one("tbody").all("tr")
    links = [link.attributes["href"] for row in rows for link in row.all("a")]
    assert reverse("edit_submission", args=[alone.submission_id]) in links
    assert reverse("edit_submission", args=[several.pk]) not in links
    assert links.count(reverse("submission", args=[several.pk])) == 2
    for message in Message.objects.all():
        assert links.count(reverse("move_message", args=[message.pk])) == 1
    answer = browser.post(
        reverse("move_message", args=[alone.pk]), {"when": "later", "date": "2026-11-25", "time": "12:00"}, follow=True
    )
    assert "1 message leaves on Wednesday 25 November 2026 at 12:00." in sentence(read(answer))
    moved = "Its departure was changed from 1 December 2026, 12:00 to 25 November 2026, 12:00."
    assert moved in sentence(read(answer))


def test_the_scheduled_page_takes_as_many_queries_for_many_rows_as_for_few(account: Account, browser: Client) -> None:
    counted = []
    for count in (3, 37):
        factories.submission(account, to=count, deferred_to=LATER)
        with CaptureQueriesContext(connection) as queries:
            browser.get(reverse("scheduled"))
        counted.append(len(queries))
    assert counted[0] == counted[1]
