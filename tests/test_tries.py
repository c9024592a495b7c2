"""What the pages say of a message that is tried again: which attempt of how many, why, when next, until when."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from compose import breakers, failover, queries, scheduled, tries
from compose.gateways.base import NotSent, OutcomeUnknown, Throttled, Unsupported
from compose.models import Message, Route
from credits.models import Account
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import NOON, assert_message, at
from tests.gateways_for_tests import ScriptedGateway, raising, scripted_gateway, scripted_gateways
from tests.pages import browser_of, read

State = Message.State


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
    with scripted_gateway() as made:
        made.script = raising(NotSent("connection refused"))
        yield made


def tried(message: Message, times: int) -> datetime:
    """Let so many attempts of the message fail; returns the moment of the last one."""
    before = now = NOON
    for _time in range(times):
        dispatch_due(clock=at(now))
        message.refresh_from_db()
        before, now = now, message.due_at or now
    return before


def facts(browser: Client, message: Message) -> str:
    return read(browser.get(reverse("message", kwargs={"pk": message.pk}))).one("dl", id="facts").text


def on_the_clock(moment: datetime | None, form: str) -> str:
    assert moment is not None
    with timezone.override("Europe/Paris"):
        return date_format(timezone.localtime(moment), form)


def test_the_page_of_a_message_says_which_attempt_failed_why_when_the_next_is_and_until_when(
    account: Account, browser: Client, gateway: ScriptedGateway
) -> None:
    message = factories.message(account)
    tried(message, 3)
    said = facts(browser, message)
    assert f"Attempt 3 of at most {failover.MOST_ROUNDS} did not succeed" in said
    assert "The operator cannot be reached." in said
    assert "connection refused" in said
    assert f"Next attempt {on_the_clock(message.due_at, 'l j F Y, H:i:s')}" in said
    until = on_the_clock(message.valid_until, r"l j F Y \a\t H:i")
    assert f"It is tried until {until}; then it fails, and its price is given back." in said


def test_a_row_of_sent_messages_says_it_shortly(account: Account, browser: Client, gateway: ScriptedGateway) -> None:
    message = factories.message(account)
    tried(message, 2)
    (row,) = read(browser.get("/sent/")).one("tbody").all("tr")
    assert f"2 attempts made · next one {on_the_clock(message.due_at, 'j N, H:i')}" in row.text


def test_a_row_of_scheduled_messages_says_it_too(account: Account, browser: Client, gateway: ScriptedGateway) -> None:
    message = factories.message(account)
    tried(message, 1)
    scheduled.move_message(message, to=NOON + timedelta(days=1), by=None, now=NOON)
    message.refresh_from_db()
    (row,) = read(browser.get("/scheduled/")).one("tbody").all("tr")
    assert f"1 attempt made · next one {on_the_clock(message.due_at, 'j N, H:i')}" in row.text
    # It was moved after that: the failure is still the reason for the attempt that is counted.
    assert "The operator cannot be reached." in facts(browser, message)


def test_the_administrator_reads_the_same(account: Account, gateway: ScriptedGateway) -> None:
    message = factories.message(account)
    tried(message, 3)
    admin = browser_of(factories.user(superuser=True))
    said = read(admin.get(f"/administration/compose/message/{message.pk}/change/")).one(id="content-main").text
    assert f"Attempt 3 of at most {failover.MOST_ROUNDS} did not succeed" in said
    assert "connection refused" in said
    assert "next attempt" in said
    assert "tried until" in said


def test_a_message_that_waits_because_the_operator_rests_says_until_when_though_it_had_no_attempt(
    account: Account, browser: Client, gateway: ScriptedGateway
) -> None:
    now = tried(factories.message(account), 5)
    message = factories.message(account)
    dispatch_due(clock=at(now + timedelta(seconds=1)))
    message.refresh_from_db()
    assert (message.state, message.attempts) == (State.SCHEDULED, 0)
    said = facts(browser, message)
    assert f"None yet, of at most {failover.MOST_ROUNDS}" in said
    assert f"Next attempt {on_the_clock(message.due_at, 'l j F Y, H:i:s')}" in said


def test_while_an_attempt_is_under_way_no_next_one_is_announced(
    account: Account, browser: Client, gateway: ScriptedGateway
) -> None:
    message = factories.message(account)
    tried(message, 1)
    Message.objects.filter(pk=message.pk).update(due_at=NOON)
    seen = []

    def look(chunk: Any) -> Any:
        seen.append(facts(browser, message))
        raise NotSent("away")

    gateway.script = look
    dispatch_due(clock=at(NOON))
    assert f"Attempt 2 of at most {failover.MOST_ROUNDS} is under way" in seen[0]
    assert "Next attempt" not in seen[0]
    assert "It is tried until" in seen[0]


def test_while_the_submission_is_paused_the_next_attempt_waits_for_a_person(
    account: Account, browser: Client, gateway: ScriptedGateway
) -> None:
    message = factories.message(account)
    tried(message, 1)
    Message.objects.filter(pk=message.pk).update(due_at=None)
    assert "Next attempt When the submission goes on" in facts(browser, message)
    assert "1 attempt made · paused" in read(browser.get("/sent/")).one("tbody").text


def test_what_came_back_into_a_paused_submission_waits_for_a_person_whatever_its_moment(
    account: Account, browser: Client, gateway: ScriptedGateway
) -> None:
    message = factories.message(account)

    def pause(chunk: Any) -> Any:
        scheduled.pause(message.submission, by=None, now=NOON)
        raise NotSent("away")

    gateway.script = pause
    dispatch_due(clock=at(NOON))
    message.refresh_from_db()
    assert message.due_at is not None
    assert "Next attempt When the submission goes on" in facts(browser, message)
    assert "1 attempt made · paused" in read(browser.get("/sent/")).one("tbody").text


@pytest.mark.parametrize("with_a_moment", [False, True])
def test_a_paused_message_that_was_not_tried_waits_for_a_person_and_not_for_the_gateway(
    account: Account, browser: Client, gateway: ScriptedGateway, with_a_moment: bool
) -> None:
    now = tried(factories.message(account), 5)
    message = factories.message(account)
    dispatch_due(clock=at(now + timedelta(seconds=1)))
    message.refresh_from_db()
    rests = "The gateway rests after a failure"
    assert rests in facts(browser, message)
    due_at = message.due_at
    scheduled.pause(message.submission, by=None, now=NOON)
    if with_a_moment:
        # As when a claim had it in the very instant of the pause.
        Message.objects.filter(pk=message.pk).update(due_at=due_at)
    said = facts(browser, message)
    assert "Next attempt When the submission goes on" in said
    assert rests not in said
    answered = factories.received(account, number=message.recipient)
    admin = browser_of(factories.user(superuser=True))
    pages = [browser.get("/sent/"), browser.get(reverse("conversation", kwargs={"pk": answered.pk}))]
    pages.append(admin.get("/administration/compose/message/"))
    assert [rests in read(page).text for page in pages] == [False, False, False]


@pytest.mark.parametrize("error", [OutcomeUnknown("lost"), Unsupported("no")])
def test_what_is_not_tried_again_announces_no_attempt(
    account: Account, browser: Client, gateway: ScriptedGateway, error: Exception
) -> None:
    gateway.script = raising(error)
    message = factories.message(account)
    dispatch_due(clock=at(NOON))
    assert "Next attempt" not in facts(browser, message)


def test_what_waits_for_its_moment_announces_no_attempt(account: Account, browser: Client) -> None:
    message = factories.message(account, deferred_to=NOON + timedelta(days=1))
    assert "Next attempt" not in facts(browser, message)


# The limits


@pytest.fixture
def two() -> Iterator[dict[str, ScriptedGateway]]:
    for priority, name in enumerate(("first", "second")):
        Route.objects.create(gateway=name, priority=priority)
    with scripted_gateways(default={}, first={}, second={}) as made:
        yield made


def ready(account: Account, *, attempts: int) -> Message:
    """A message whose last attempt but one comes next, with all the time in the world."""
    message = factories.message(account)
    for name, value in (("attempts", attempts), ("valid_until", NOON + timedelta(days=365))):
        Message.objects.filter(pk=message.pk).update(**{name: value})
    return message


def test_the_number_of_attempts_ends_them_and_counts_those_by_each_gateway(
    account: Account, two: dict[str, ScriptedGateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failover, "MOST_ROUNDS", 3)
    for gateway in two.values():
        gateway.script = raising(NotSent("away"))
    message, now = ready(account, attempts=0), NOON
    while message.state == State.SCHEDULED:
        found = tries.of(message, queries.transitions(message))
        assert found is None or found.most == 6
        dispatch_due(clock=at(now))
        message.refresh_from_db()
        now = message.due_at or now
    assert_message(message, State.FAILED, "too_many_attempts", attempts=6)
    assert [len(two[name].sent) for name in ("first", "second")] == [3, 3]


def test_a_gateway_that_cannot_carry_the_message_adds_nothing_to_the_limit(
    account: Account, two: dict[str, ScriptedGateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failover, "MOST_ROUNDS", 4)
    two["first"].script = raising(Unsupported("no"))
    two["second"].script = raising(NotSent("away"))
    message, now = ready(account, attempts=0), NOON
    for _round in range(5):
        dispatch_due(clock=at(now))
        message.refresh_from_db()
        now = message.due_at or now
    assert_message(message, State.FAILED, "too_many_attempts", attempts=4)


def test_no_attempt_is_later_than_the_validity(account: Account, gateway: ScriptedGateway) -> None:
    message, now = factories.message(account), NOON
    Message.objects.filter(pk=message.pk).update(valid_until=NOON + timedelta(hours=3))
    while message.state == State.SCHEDULED:
        dispatch_due(clock=at(now))
        message.refresh_from_db()
        assert now < message.valid_until
        now = message.due_at or now
    assert_message(message, State.FAILED, "validity_over")
    assert message.valid_until - timedelta(minutes=20) < now


def test_the_validity_ends_the_attempts_before_their_number_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """However the jitter falls: were each wait as short as it can be, the number would still last longer."""
    monkeypatch.setattr(random, "uniform", lambda least, _most: least)
    shortest = sum((failover._delay(attempt, 1) for attempt in range(1, failover.MOST_ROUNDS)), timedelta())
    assert shortest > timedelta(hours=settings.SMS_VALIDITY_HOURS)


def test_a_gateway_that_asks_for_more_patience_than_is_left_ends_the_attempts(
    account: Account, gateway: ScriptedGateway
) -> None:
    gateway.script = raising(Throttled("slow", retry_after=600))
    message = factories.message(account)
    Message.objects.filter(pk=message.pk).update(valid_until=NOON + timedelta(minutes=5))
    dispatch_due(clock=at(NOON))
    assert_message(message, State.FAILED, "validity_over")


def test_retries_spread(account: Account, gateway: ScriptedGateway) -> None:
    sent = factories.submission(account, to=40)
    dispatch_due(clock=at(NOON))
    waits = [(due - NOON).total_seconds() for due in sent.messages.values_list("due_at", flat=True) if due]
    assert len(set(waits)) > 30
    assert 4 <= min(waits) < 4.6 < 5.4 < max(waits) <= 6


@pytest.mark.parametrize("times", [0, 2])
def test_while_its_submission_is_paused_a_message_says_nothing_of_the_pause_of_the_gateway(
    account: Account, browser: Client, gateway: ScriptedGateway, times: int
) -> None:
    message = factories.message(account)
    tried(message, times)
    breakers.pause("default", by=None, reason="work on the line")
    Message.objects.filter(pk=message.pk).update(due_at=NOON)
    dispatch_due(clock=at(NOON))
    message.refresh_from_db()
    said = "The administrator has paused the gateway. The message waits until it goes on."
    pages = ("/sent/", reverse("submission", args=[message.submission_id]), reverse("message", args=[message.pk]))
    assert [said in read(browser.get(page)).text for page in pages] == [True] * 3
    # It may have gone on since: the word stays on what a submission holds back.
    scheduled.pause(message.submission, by=None, now=NOON)
    assert message.reason == "gateway_paused"
    assert ["paused the gateway" in read(browser.get(page)).text for page in pages] == [False] * 3


@pytest.mark.parametrize("times", [0, 2])
def test_while_the_administrator_has_paused_the_gateway_no_moment_of_an_attempt_is_announced(
    account: Account, browser: Client, gateway: ScriptedGateway, times: int
) -> None:
    message = factories.message(account)
    now = tried(message, times)
    message.refresh_from_db()
    breakers.pause("default", by=None, reason="work on the line")
    now = max(now, message.due_at or now)
    dispatch_due(clock=at(now))
    message.refresh_from_db()
    assert (message.reason, message.attempts) == ("gateway_paused", times)
    # It is looked at again then, and no more than that.
    assert message.due_at == now + breakers.WHILE_GATEWAY_PAUSED + times * breakers.BEHIND
    said = facts(browser, message)
    assert "Next attempt When the gateway goes on" in said
    assert on_the_clock(message.due_at, "H:i:s") not in said
    if times:
        (row,) = read(browser.get("/sent/")).one("tbody").all("tr")
        assert "2 attempts made · next one when the gateway goes on" in row.text
    # What the submission's own pause holds back waits for that.
    scheduled.pause(message.submission, by=None, now=now)
    assert "When the submission goes on" in facts(browser, message)
