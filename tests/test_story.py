"""The story of a message on its page: when it was written, how it was moved, which attempts it had."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import time_machine
from django.conf import settings
from django.test import Client
from django.urls import reverse

from compose import claims, dispatch, scheduled
from compose.gateways.base import NotSent
from compose.models import Message
from credits.models import Account
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import NOON, at
from tests.gateways_for_tests import ScriptedGateway, raising, scripted_gateway
from tests.pages import Element, browser_of, read

State = Message.State
# The cells of a change of state in the administration.
WHY, SAID, NUMBER = "field-why", "field-said", "field-number"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


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


@pytest.fixture
def gateway() -> Iterator[ScriptedGateway]:
    """A gateway that takes nothing, one message at a time."""
    with scripted_gateway(batch_size=1) as made:
        made.script = raising(NotSent("connection refused"))
        yield made


def page_of(browser: Client, message: Message) -> Element:
    return read(browser.get(reverse("message", kwargs={"pk": message.pk})))


def story(browser: Client, message: Message) -> list[str]:
    return [step.text for step in page_of(browser, message).one(id="story").all("li")]


def test_a_move_is_told_from_which_departure_to_which_by_the_clock_of_the_account() -> None:
    far = factories.account(time_zone="Indian/Reunion", country="RE")
    browser = browser_of(factories.owner(far))
    message = factories.message(far, deferred_to=NOON + DAY)
    scheduled.move_message(message, to=NOON + 7 * DAY + HOUR, by=factories.owner(far), now=NOON + HOUR)
    written, moved = story(browser, message)
    assert "Its departure was changed from 25 November 2026, 15:00 to 1 December 2026, 16:00." in moved
    assert "What the gateway said" not in moved
    # What was written is told as it was written.
    assert written.startswith("Written 24 Nov. 2026 15:00:00")
    assert "Planned departure: Wednesday 25 November 2026 at 15:00." in written
    assert "Tuesday 1 December 2026, 16:00" in page_of(browser, message).one(id="facts").text


def test_moved_twice_and_sent_it_keeps_its_first_plan(account: Account, browser: Client) -> None:
    message = factories.message(account, deferred_to=NOON + DAY)
    scheduled.move_message(message, to=NOON + 2 * DAY, by=None, now=NOON)
    message.refresh_from_db()
    scheduled.move_message(message, to=None, by=None, now=NOON + HOUR)
    with scripted_gateway():
        dispatch_due(clock=at(NOON + HOUR))
    steps = story(browser, message)
    assert "Planned departure: Wednesday 25 November 2026 at 12:00." in steps[0]
    assert "from 25 November 2026, 12:00 to 26 November 2026, 12:00." in steps[1]
    assert "from 26 November 2026, 12:00 to 24 November 2026, 13:00." in steps[2]
    assert [step.split()[0] for step in steps[3:]] == ["Being", "Sent"]


def test_a_message_that_left_at_once_has_no_plan(account: Account, browser: Client) -> None:
    (written,) = story(browser, factories.message(account))
    assert "departure" not in written


@pytest.mark.parametrize(
    "kept",
    [
        "",
        "soon",
        "2026-11-25T11:00:00+00:00",
        "a b",
        "2026-11-25T11:00:00 2026-11-26T11:00:00",
        "2026-11-25 2026-11-26",
        "2026-11-25T11:00:00+00:00 2026-11-26T11:00:00",
        "2026-11-25T11:00:00 2026-11-26T11:00:00+00:00",
        "9999-12-31T23:59:59+00:00 9999-12-31T23:59:59+00:00",
        "2026-11-25T11:00:00+00:00 2026-11-26T11:00:00+00:00 2026-11-27T11:00:00+00:00",
    ],
)
def test_a_move_that_kept_no_departures_is_told_without_them(account: Account, browser: Client, kept: str) -> None:
    """A version before kept none."""
    message = factories.message(account, deferred_to=NOON + DAY)
    scheduled.move_message(message, to=NOON + 2 * DAY, by=None, now=NOON)
    message.transitions.update(detail=kept)
    written, moved = story(browser, message)
    assert "Its departure was changed." in moved
    assert "departure" not in written


# Of commercial messages: the window is open from 8:00 to 20:00 in Paris on these days.
EVENING, MORNING = NOON + 10 * HOUR, NOON + 20 * HOUR


def late(message: Message, now: datetime) -> Message:
    """The message after a claim met it at `now`, when its window was closed."""
    dispatch_due(clock=at(now))
    message.refresh_from_db()
    assert (message.state, message.postponed_by) == (State.SCHEDULED, "window")
    return message


def test_a_departure_that_a_claim_put_off_to_the_window_was_planned_by_nobody(
    account: Account, browser: Client
) -> None:
    message = late(factories.message(account, commercial=True), EVENING)
    assert message.send_at == MORNING
    (written,) = story(browser, message)
    assert "departure" not in written
    # Nor was it when a person moves it then.
    scheduled.move_message(message, to=NOON + 2 * DAY, by=None, now=EVENING)
    written, moved = story(browser, message)
    assert "departure" not in written
    assert "from 25 November 2026, 08:00 to 26 November 2026, 12:00." in moved


def test_a_departure_that_waited_for_the_window_when_it_was_written_was_planned(
    account: Account, browser: Client
) -> None:
    with time_machine.travel(EVENING, tick=False):
        message = factories.message(account, commercial=True, now=EVENING)
    assert (message.send_at, message.postponed_by) == (MORNING, "window")
    said = "Planned departure: Wednesday 25 November 2026 at 08:00."
    assert said in story(browser, message)[0]
    scheduled.move_message(message, to=NOON + 2 * DAY, by=None, now=EVENING)
    assert said in story(browser, message)[0]


def test_a_departure_that_a_person_asked_for_stays_the_plan_when_a_claim_comes_too_late(
    account: Account, browser: Client
) -> None:
    message = factories.message(account, commercial=True, deferred_to=NOON + HOUR)
    assert late(message, EVENING).send_at == MORNING
    assert "Planned departure: Tuesday 24 November 2026 at 13:00." in story(browser, message)[0]
    other = factories.message(account, commercial=True, deferred_to=NOON + HOUR, body="moved")
    scheduled.move_message(other, to=NOON + 2 * HOUR, by=None, now=NOON)
    assert "Planned departure: Tuesday 24 November 2026 at 13:00." in story(browser, other)[0]


def test_a_moment_to_which_others_of_its_submission_were_moved_is_not_its_plan(
    account: Account, browser: Client, gateway: ScriptedGateway
) -> None:
    sent = factories.submission(account, to=3, commercial=True)
    first = sent.messages.order_by("pk")[0]
    made, _left = claims.claim_due(clock=at(NOON), size=1)
    assert [row.pk for row in made[0].messages] == [first.pk]
    scheduled.move(sent, to=NOON + HOUR, by=None, now=NOON + timedelta(minutes=1))
    dispatch._give_back(made, "", at(NOON + 2 * HOUR))
    assert late(first, EVENING).send_at == MORNING
    assert "departure" not in story(browser, first)[0]


def test_a_message_that_no_gateway_was_asked_to_take_is_not_said_to_have_been_tried(
    account: Account, browser: Client, gateway: ScriptedGateway
) -> None:
    sent = factories.submission(account, to=settings.SMS_BREAKER_FAILURES + 2)
    dispatch_due(clock=at(NOON))
    last = sent.messages.order_by("pk").last()
    assert last is not None
    assert (last.state, last.attempts, last.reason) == (State.SCHEDULED, 0, "gateway_unreachable")
    _written, claimed, back = story(browser, last)
    assert "Attempt" not in claimed + back
    assert "The gateway had stopped taking messages, so this one was not handed over." in back
    facts = page_of(browser, last).one(id="facts").text
    assert "this message was not tried yet" in facts
    assert "None yet, of at most" in facts
    assert "The operator cannot be reached" not in facts + back
    # One that the gateway was asked to take says so.
    first = sent.messages.order_by("pk")[0]
    assert "The operator cannot be reached." in page_of(browser, first).one(id="facts").text


def test_a_new_message_says_until_when_the_gateway_rests(
    account: Account, browser: Client, gateway: ScriptedGateway
) -> None:
    factories.submission(account, to=settings.SMS_BREAKER_FAILURES)
    dispatch_due(clock=at(NOON))
    late = factories.message(account, body="late")
    dispatch_due(clock=at(NOON))
    late.refresh_from_db()
    assert (late.attempts, late.due_at) == (0, NOON + timedelta(seconds=30))
    said = (
        "The gateway rests after a failure: this message was not tried yet. The gateway goes on at 12:00:30 at the "
        "earliest."
    )
    rows = read(browser.get("/sent/")).one("tbody").all("tr")
    assert [row.one("a", **{"class": "row-link"}).attributes["id"] for row in rows if said in row.text] == [
        f"message-{late.pk}"
    ]
    assert said in page_of(browser, late).one(id="facts").text
    answered = factories.received(account, number=late.recipient)
    assert said in read(browser.get(reverse("conversation", kwargs={"pk": answered.pk}))).text
    # The administrator reads it by the clock of the installation.
    admin = browser_of(factories.user(superuser=True))
    listed = read(admin.get("/administration/compose/message/")).one(id="result_list").text
    assert listed.count("this message was not tried yet. The gateway goes on at") == 1


def test_the_attempts_of_the_story_are_those_that_the_rows_count(
    account: Account, browser: Client, gateway: ScriptedGateway
) -> None:
    message = factories.message(account)
    dispatch_due(clock=at(NOON))
    now = NOON + HOUR
    # A second claim whose worker was told to stop before it handed the message over.
    made, _left = claims.claim_due(clock=at(now))
    dispatch._give_back(made, "", at(now))
    assert "1 attempt made" in read(browser.get("/sent/")).one("tbody").text
    said = page_of(browser, message)
    assert "Attempt 1 of at most" in said.one(id="facts").text
    numbered = [step for step in story(browser, message) if "Attempt" in step]
    assert len(numbered) == 1
    assert "Attempt 1" in numbered[0]
    assert "The message was not handed over, and returned to the queue." in story(browser, message)[-1]
    # The next one is the second.
    dispatch_due(clock=at(now))
    assert "2 attempts made" in read(browser.get("/sent/")).one("tbody").text
    assert [step[-9:] for step in story(browser, message) if "Attempt" in step] == ["Attempt 1", "Attempt 2"]
    assert "Attempt 2 of at most" in page_of(browser, message).one(id="facts").text


def test_the_administrator_reads_the_same_story(account: Account, gateway: ScriptedGateway) -> None:
    message = factories.message(account, deferred_to=NOON + DAY)
    scheduled.move_message(message, to=NOON + 2 * DAY, by=None, now=NOON)
    now = NOON + 2 * DAY
    made, _left = claims.claim_due(clock=at(now))
    dispatch._give_back(made, "", at(now))
    for _attempt in range(2):
        message.refresh_from_db()
        now = max(now, factories.due(message))
        dispatch_due(clock=at(now))
    admin = browser_of(factories.user(superuser=True))
    page = read(admin.get(reverse("admin:compose_message_change", args=[message.pk])))
    rows = [row for row in page.one(id="transitions-group").one("tbody").all("tr") if row.all("td", **{"class": WHY})]
    why, said, numbers = ([row.one("td", **{"class": name}).text for row in rows] for name in (WHY, SAID, NUMBER))
    assert why[0] == "Its departure was changed from 25 November 2026, 12:00 to 26 November 2026, 12:00."
    assert why[2] == "The message was not handed over, and returned to the queue."
    assert said == ["", "", "", "", "connection refused", "", "connection refused"]
    assert numbers == ["", "", "", "1", "", "2", ""]


def test_a_row_of_scheduled_messages_says_why_as_the_other_lists_do(
    account: Account, browser: Client, gateway: ScriptedGateway
) -> None:
    """Its moment is still to come, and its gateway rests."""
    message = factories.message(account, deferred_to=NOON + DAY)
    Message.objects.filter(pk=message.pk).update(reason="gateway_unreachable")
    row = read(browser.get("/scheduled/")).one("tbody").text
    assert "this message was not tried yet" in row
    assert "The operator cannot be reached" not in row
