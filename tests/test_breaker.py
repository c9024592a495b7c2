"""A gateway that takes nothing rests, and comes back by itself; a person may pause it."""

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.db import connection, transaction

from compose import backlog, breakers, claims, dispatch, scheduled, stopping
from compose.breakers import Breakers
from compose.gateways.base import (
    Accepted,
    BadConfiguration,
    GatewayError,
    NotSent,
    Outcome,
    OutcomeUnknown,
    OutOfFunds,
    Rejected,
    Throttled,
    Unsupported,
)
from compose.models import GatewayState, Message, Route
from compose.queues import Queue
from credits import letters
from credits.models import Account, Letter
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import NOON, SPENT, assert_ledger_adds_up, assert_message, at, balances, due
from tests.fixtures.databases import FreshDatabase
from tests.gateways_for_tests import ScriptedGateway, raising, scripted_gateway, scripted_gateways, take_all
from tests.threads import DEADLINE, at_once

State = GatewayState.State
AWAY = NotSent("connection refused")


@pytest.fixture
def gateway(db: None) -> Iterator[ScriptedGateway]:
    with scripted_gateway() as made:
        yield made


@pytest.fixture
def account(db: None) -> Account:
    return factories.account()


def fails(times: int, *outcomes: Outcome, now: datetime = NOON) -> None:
    for _time in range(times):
        with transaction.atomic():
            breakers.report("default", outcomes or [AWAY, AWAY], now=now)


def state() -> GatewayState:
    return GatewayState.objects.get(name="default")


def seconds(count: float) -> datetime:
    return NOON + timedelta(seconds=count)


# When it opens


def test_it_opens_after_five_chunks_in_a_row_of_which_nothing_was_taken(gateway: ScriptedGateway) -> None:
    fails(4)
    assert (state().state, state().failures) == (State.CLOSED, 4)
    fails(1)
    now = state()
    assert (now.state, now.failures, now.opened_at, now.try_at) == (State.OPEN, 5, NOON, seconds(30))
    assert (now.error, now.detail) == ("gateway_unreachable", "connection refused")


WORKS: list[Outcome] = [Accepted("a"), Rejected("spam"), Throttled("slow")]


@pytest.mark.parametrize("answer", WORKS, ids=lambda answer: type(answer).__name__)
def test_any_answer_of_a_gateway_that_works_begins_the_count_again(gateway: ScriptedGateway, answer: Outcome) -> None:
    fails(4)
    breakers.report("default", [AWAY, answer], now=NOON)
    assert (state().state, state().failures, state().last_success) == (State.CLOSED, 0, NOON)
    fails(4)
    assert state().state == State.CLOSED


def test_a_message_that_it_cannot_carry_says_nothing_about_it(gateway: ScriptedGateway) -> None:
    fails(4)
    breakers.report("default", [Unsupported("no flash")], now=NOON)
    assert state().failures == 4


def test_a_probe_that_it_cannot_carry_makes_way_for_another_one_and_no_other_chunk_does(
    gateway: ScriptedGateway,
) -> None:
    fails(5)
    GatewayState.objects.update(state=State.HALF_OPEN, try_at=seconds(600))
    breakers.report("default", [Unsupported("no flash")], now=seconds(60))
    assert (state().state, state().try_at) == (State.HALF_OPEN, seconds(600))
    breakers.report("default", [Unsupported("no flash")], now=seconds(60), probe=True)
    assert (state().state, state().try_at) == (State.OPEN, seconds(60))


def test_chunks_that_end_in_doubt_open_it_too_so_that_no_more_messages_get_into_doubt(
    account: Account, gateway: ScriptedGateway
) -> None:
    fails(5, OutcomeUnknown("time-out"))
    message = factories.message(account)
    dispatch_due(clock=at(NOON))
    # What waits has not left: the reason does not say that it may have.
    assert_message(message, Message.State.SCHEDULED, "gateway_unreachable", attempts=0)


@pytest.mark.parametrize("error", [OutOfFunds("balance 0"), BadConfiguration("bad password")], ids=lambda e: e.reason)
def test_no_credit_and_wrong_settings_open_it_at_once_and_the_administrators_get_one_letter(
    gateway: ScriptedGateway, error: GatewayError
) -> None:
    factories.user("root", superuser=True)
    fails(1, error)
    assert (state().state, state().error) == (State.OPEN, error.reason)
    for hours in range(5):
        fails(3, error, now=NOON + timedelta(hours=hours))
    letter = Letter.objects.get(key__startswith="gateway:")
    assert error.detail in letter.body
    assert "default" in letter.subject
    letters.send_waiting(clock=at(NOON + timedelta(days=2000)))
    assert [one.to for one in mail.outbox if one.subject == letter.subject] == [["root@example.org"]]


def test_when_it_happens_again_after_it_worked_the_administrators_are_told_again(gateway: ScriptedGateway) -> None:
    factories.user("root", superuser=True)
    for hours in range(3):
        fails(1, OutOfFunds("empty"), now=NOON + timedelta(hours=hours))
        breakers.report("default", [Accepted("a")], now=NOON + timedelta(hours=hours, minutes=30))
    assert Letter.objects.filter(key__startswith="gateway:").count() == 3


def test_a_gateway_without_credit_for_some_messages_goes_on_with_the_others_and_is_told_of_once(
    gateway: ScriptedGateway,
) -> None:
    factories.user("root", superuser=True)
    for hours in range(3):
        fails(1, Accepted("a"), OutOfFunds("too dear"), now=NOON + timedelta(hours=hours))
    assert state().state == State.CLOSED
    assert Letter.objects.filter(key__startswith="gateway:").count() == 1


# While it is open


def test_messages_wait_for_the_next_try_and_lose_no_attempt(account: Account, gateway: ScriptedGateway) -> None:
    fails(5)
    message = factories.message(account)
    assert dispatch_due(clock=at(seconds(1))) == 0
    assert gateway.sent == []
    assert_message(message, Message.State.SCHEDULED, "gateway_unreachable", attempts=0, due_at=seconds(30))
    assert dispatch_due(clock=at(seconds(30))) == 1
    assert_message(message, Message.State.ACCEPTED, attempts=1)
    assert balances(account) == SPENT
    assert (state().state, state().failures, state().opened_at, state().try_at) == (State.CLOSED, 0, None, None)


def test_messages_go_by_the_next_gateway_meanwhile(account: Account) -> None:
    with scripted_gateways(default={}, spare={}) as gateways:
        Route.objects.create(gateway="default", priority=1)
        Route.objects.create(gateway="spare", priority=2)
        fails(5)
        message = factories.message(account)
        dispatch_due(clock=at(NOON))
        assert_message(message, Message.State.ACCEPTED, gateway="spare", attempts=1)
        assert gateways["default"].sent == []


@pytest.mark.parametrize("spare", [False, True], ids=["nowhere to go", "another gateway"])
def test_what_is_claimed_already_is_not_handed_to_a_gateway_that_opened_meanwhile(
    account: Account, spare: bool
) -> None:
    with scripted_gateways(default={"batch_size": 1}, **({"spare": {}} if spare else {})) as gateways:
        Route.objects.create(gateway="default", priority=1)
        if spare:
            Route.objects.create(gateway="spare", priority=2)
        gateways["default"].script = raising(AWAY)
        submission = factories.submission(account, to=8)
        dispatch_due(clock=at(NOON))
        assert len(gateways["default"].sent) == 5
        rows = submission.messages.order_by("pk").values_list("state", "gateway", "attempts")
        if spare:
            assert list(rows) == [("accepted", "spare", 2)] * 5 + [("accepted", "spare", 1)] * 3
        else:
            assert list(rows) == [("scheduled", "default", 1)] * 5 + [("scheduled", "default", 0)] * 3
            assert set(submission.messages.values_list("reason", flat=True)) == {"gateway_unreachable"}
    assert_ledger_adds_up()


def test_nobody_waits_beyond_the_validity(account: Account, gateway: ScriptedGateway) -> None:
    message = factories.message(account)
    last = message.valid_until - timedelta(seconds=5)
    fails(5, now=last)
    dispatch_due(clock=at(last))
    assert_message(message, Message.State.SCHEDULED, "gateway_unreachable", due_at=message.valid_until)
    dispatch_due(clock=at(message.valid_until))
    assert_message(message, Message.State.FAILED, "validity_over")


def test_one_message_tries_it_and_the_others_follow_when_it_works(account: Account, gateway: ScriptedGateway) -> None:
    fails(5)
    submission = factories.submission(account, to=20)
    assert dispatch_due(clock=at(seconds(30))) == 1
    assert set(submission.messages.exclude(state="accepted").values_list("due_at", flat=True)) == {seconds(35)}
    assert dispatch_due(clock=at(seconds(35))) == 19
    assert [len(chunk) for chunk in gateway.chunks] == [1, 19]


def test_a_message_that_never_gets_through_is_not_the_one_that_tries_it_each_time(
    account: Account, gateway: ScriptedGateway, caplog: pytest.LogCaptureFixture
) -> None:
    submission = factories.submission(account, to=3)
    never = submission.messages.order_by("pk")[0].recipient
    gateway.script = lambda chunk: [AWAY if one.recipient == never else Accepted(one.id) for one in chunk]
    fails(5)
    assert dispatch_due(clock=at(seconds(30))) == 1
    assert [one.recipient for one in gateway.sent] == [never]
    assert state().try_at == seconds(90)
    assert "The gateway default takes no messages (gateway_unreachable): it rests for 60 s" in caplog.text
    # Its own next attempt has come as well, and it is still the oldest.
    dispatch_due(clock=at(seconds(60)))
    waits = list(submission.messages.order_by("pk").values_list("due_at", flat=True))
    assert waits == [seconds(90) + breakers.BEHIND, seconds(90), seconds(90)]
    dispatch_due(clock=at(seconds(91)))
    assert (gateway.sent[1].recipient != never, state().state) == (True, State.CLOSED)
    dispatch_due(clock=at(seconds(96)))
    assert sorted(submission.messages.values_list("state", flat=True)) == ["accepted", "accepted", "scheduled"]


def serves(moment: datetime, *, size: int) -> None:
    """Claim and send what is due then, so many messages at a time: few where the gateway has a limit."""
    while True:
        made, others = claims.claim_due(clock=at(moment), size=size)
        if not made and not others:
            return
        dispatch.send(made, clock=at(moment))


@pytest.mark.parametrize("size", [1, 1000])
def test_whatever_a_claim_takes_at_once_what_was_tried_goes_behind_what_was_not(
    account: Account, gateway: ScriptedGateway, size: int
) -> None:
    never = factories.message(account)
    gateway.script = lambda chunk: [
        BadConfiguration("not this one") if one.id == str(never.pk) else Accepted(one.id) for one in chunk
    ]
    serves(NOON, size=size)
    assert state().state == State.OPEN
    # It is the oldest, has the lowest key, and waits as the others do until the gateway is tried.
    submission = factories.submission(account, to=5)
    for after in (1, 7, 15, 31, 37):
        serves(seconds(after), size=size)
    assert set(submission.messages.values_list("state", flat=True)) == {"accepted"}
    assert [one.id for one in gateway.sent].index(str(never.pk), 1) >= 2


def test_each_try_that_fails_doubles_the_rest_up_to_ten_minutes(account: Account, gateway: ScriptedGateway) -> None:
    fails(5)
    gateway.script = raising(AWAY)
    factories.submission(account, to=20)
    rests = []
    for number in range(1, 8):
        now = state().try_at
        assert now is not None
        Message.objects.update(due_at=now)
        assert dispatch_due(clock=at(now)) == 1
        assert len(gateway.sent) == number
        after = state()
        assert (after.state, after.opened_at) == (State.OPEN, NOON)
        assert after.try_at is not None
        rests.append((after.try_at - now).total_seconds())
    assert rests == [60, 120, 240, 480, 600, 600, 600]


def test_a_clock_that_ran_ahead_when_it_opened_keeps_no_message_waiting_for_it(
    account: Account, gateway: ScriptedGateway
) -> None:
    fails(5, now=NOON + timedelta(days=365))
    message = factories.message(account)
    assert dispatch_due(clock=at(seconds(1))) == 1
    assert_message(message, Message.State.ACCEPTED, attempts=1)


def test_a_late_answer_of_an_earlier_chunk_makes_no_rest_longer(gateway: ScriptedGateway) -> None:
    fails(9)
    assert (state().failures, state().try_at) == (9, seconds(30))


def test_a_try_whose_worker_died_is_made_again_after_its_lease(gateway: ScriptedGateway) -> None:
    fails(5)
    assert Breakers(seconds(30)).take("default")
    assert state().state == State.HALF_OPEN
    assert not Breakers(seconds(149)).take("default")
    assert Breakers(seconds(150)).take("default")


def test_a_try_for_which_no_message_was_left_is_given_back(account: Account, gateway: ScriptedGateway) -> None:
    pool = factories.pool(commercial=(), other=())
    fails(5)
    message = factories.message(account, by=pool)
    assert dispatch_due(clock=at(seconds(30))) == 0
    assert_message(message, Message.State.SCHEDULED, "no_short_number")
    assert state().state == State.OPEN
    assert Breakers(seconds(31)).take("default")


# Several at once


def tries_at_once(count: int) -> list[Any]:
    """Whether each of so many workers tries it, all of which have read that its rest is over."""
    all_have_read = threading.Barrier(count)

    def try_it() -> bool:
        breaker = Breakers(seconds(30))
        all_have_read.wait(DEADLINE)
        with transaction.atomic():
            return breaker.take("default")

    return at_once([try_it] * count)


def test_a_try_that_was_not_made_because_the_worker_stops_is_given_back(
    account: Account, gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails(5)
    factories.submission(account, to=3)
    made, _moved = claims.claim_due(clock=at(seconds(30)))
    assert state().state == State.HALF_OPEN
    with monkeypatch.context() as stops:
        stops.setattr(stopping, "asked", lambda: True)
        dispatch.send(made, clock=at(seconds(30)))
    assert (state().state, state().try_at, gateway.sent) == (State.OPEN, seconds(30), [])
    assert dispatch_due(clock=at(seconds(31))) == 1
    assert state().state == State.CLOSED


def test_what_was_claimed_before_it_rested_and_is_given_back_ends_no_try(gateway: ScriptedGateway) -> None:
    account = factories.account(millis=1_000_000)
    factories.submission(account, to=150)
    before, _others = claims.claim_due(clock=at(NOON))
    assert [claim.probe for claim in before] == [False, False]
    fails(5)
    waiting = factories.submission(account, to=2)
    [probe], _others = claims.claim_due(clock=at(seconds(30)))
    assert (probe.probe, len(probe.messages)) == (True, 1)
    # Half a lease is over, so this batch goes no further.
    dispatch.send(before, clock=at(seconds(61)))
    assert gateway.sent == []
    assert (state().state, state().try_at) == (State.HALF_OPEN, seconds(150))
    # The other worker's message is still on its way: no second one follows it.
    assert claims.claim_due(clock=at(seconds(62)))[0] == []
    dispatch.send([probe], clock=at(seconds(63)))
    assert [one.id for one in gateway.sent] == [str(waiting.messages.order_by("pk")[0].pk)]
    assert state().state == State.CLOSED


def test_of_several_workers_one_tries_it(fresh_database: FreshDatabase) -> None:
    with scripted_gateway():
        fails(5)
        assert sorted(tries_at_once(4)) == [False, False, False, True]
    assert state().state == State.HALF_OPEN


def test_without_the_condition_several_would_try_it(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: each claim believes what it read."""
    monkeypatch.setattr(Breakers, "_try", lambda self, name: True)
    with scripted_gateway():
        fails(5)
        assert tries_at_once(4) == [True] * 4


def test_several_workers_hand_one_message_to_a_gateway_that_is_tried(fresh_database: FreshDatabase) -> None:
    with scripted_gateway() as gateway:
        fails(5)
        factories.submission(factories.account(), to=40)
        claimed = at_once([lambda: dispatch_due(clock=at(seconds(30)))] * 4)
    assert sorted(claimed) == [0, 0, 0, 1]
    assert len(gateway.sent) == 1
    assert state().state == State.CLOSED


def test_claims_that_try_two_gateways_in_another_order_do_not_wait_for_each_other(
    fresh_database: FreshDatabase,
) -> None:
    first_is_tried = threading.Barrier(2)

    def tries(*names: str) -> list[bool]:
        with transaction.atomic():
            breaker = Breakers(seconds(30))
            tried = [breaker.take(names[0])]
            if connection.vendor == "postgresql":
                # On SQLite the second claim begins when the first has ended.
                first_is_tried.wait(DEADLINE)
            tried.append(breaker.take(names[1]))
            if connection.vendor == "postgresql":
                first_is_tried.wait(DEADLINE)
            return tried

    with scripted_gateways(near={}, far={}):
        for name in ("near", "far"):
            for _time in range(5):
                with transaction.atomic():
                    breakers.report(name, [AWAY], now=NOON)
        found = at_once([lambda: tries("near", "far"), lambda: tries("far", "near")])
    assert sorted(found) == (
        [[True, False]] * 2 if connection.vendor == "postgresql" else [[False, False], [True, True]]
    )


def test_failures_that_several_workers_report_at_once_are_all_counted(fresh_database: FreshDatabase) -> None:
    with scripted_gateway():
        results = at_once([lambda: fails(1)] * 4)
    assert results == [None] * 4
    assert (state().failures, state().state) == (4, State.CLOSED)


# By a person


def test_a_paused_gateway_takes_nothing_until_it_goes_on(account: Account, gateway: ScriptedGateway) -> None:
    person = factories.user("root", superuser=True)
    assert breakers.pause("default", by=person, reason="Invoice")
    assert not breakers.pause("default", by=person, reason="Again")
    message = factories.message(account)
    assert dispatch_due(clock=at(NOON)) == 0
    assert_message(message, Message.State.SCHEDULED, "gateway_paused", attempts=0)
    assert (state().paused_by, state().pause_reason) == (person, "Invoice")
    assert breakers.resume("default")
    assert not breakers.resume("default")
    message.refresh_from_db()
    dispatch_due(clock=at(due(message)))
    assert_message(message, Message.State.ACCEPTED)


def test_when_a_paused_gateway_goes_on_nothing_says_any_more_that_it_is_paused(
    account: Account, gateway: ScriptedGateway
) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        waits, held = factories.submission(account, to=3), factories.submission(account, to=2)
        breakers.pause("default", by=None, reason="Invoice")
        dispatch_due(clock=at(NOON))
        assert backlog.held_back(NOON) == {("default", "gateway_paused"): (5, NOON)}
        scheduled.pause(held, by=None, now=NOON)
        # The moment at which they were to be looked at again has gone by for some.
        looked_at = waits.messages.order_by("pk")[0]
        Message.objects.filter(pk=looked_at.pk).update(due_at=seconds(10))
        clock.move_to(seconds(20))
        breakers.resume("default")
    assert backlog.held_back(seconds(20)) == {}
    rows = Message.objects.order_by("pk").values_list("submission", "due_at", "reason")
    assert list(rows) == [
        (waits.pk, seconds(10), ""),
        *[(waits.pk, seconds(20), "")] * 2,
        *[(held.pk, None, "")] * 2,
    ]
    assert dispatch_due(clock=at(seconds(20))) == 3


def test_what_goes_another_way_in_the_end_waits_there_for_no_reason_of_the_first(account: Account) -> None:
    with scripted_gateways(default={}, spare={}), time_machine.travel(NOON, tick=False) as clock:
        Route.objects.create(gateway="default", priority=1)
        Route.objects.create(gateway="spare", priority=2)
        for name in ("default", "spare"):
            breakers.pause(name, by=None, reason="Invoice")
        message = factories.message(account)
        dispatch_due(clock=at(NOON))
        assert_message(message, Message.State.SCHEDULED, "gateway_paused", gateway="default")
        clock.move_to(NOON + breakers.WHILE_GATEWAY_PAUSED)
        breakers.resume("spare")
        assert claims.claim_due(Queue("default", bulk=False)) == ([], 1)
        assert_message(message, Message.State.SCHEDULED, "", gateway="spare", attempts=0)
        assert backlog.held_back(NOON + breakers.WHILE_GATEWAY_PAUSED) == {}


def test_who_pauses_a_gateway_says_why(gateway: ScriptedGateway) -> None:
    with pytest.raises(ValueError, match="for a reason"):
        breakers.pause("default", by=None, reason="  ")


def test_a_paused_gateway_is_not_tried_either(gateway: ScriptedGateway) -> None:
    fails(5)
    breakers.pause("default", by=None, reason="Invoice")
    assert not Breakers(seconds(60)).take("default")


def test_what_waits_for_a_gateway_is_looked_at_when_somebody_tries_it_now(
    account: Account, gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not breakers.try_now("default")
    fails(5)
    message = factories.message(account)
    dispatch_due(clock=at(NOON))
    monkeypatch.setattr("django.utils.timezone.now", at(seconds(2)))
    assert breakers.try_now("default")
    gateway.script = take_all
    assert dispatch_due(clock=at(seconds(2))) == 1
    assert_message(message, Message.State.ACCEPTED)


def test_who_tries_it_now_does_not_try_the_message_again_that_it_did_not_take(
    account: Account, gateway: ScriptedGateway
) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        first, second = factories.message(account), factories.message(account, to="06 99 99 99 99")
        Message.objects.filter(pk=first.pk).update(attempts=3)
        fails(5)
        dispatch_due(clock=at(NOON))
        clock.move_to(seconds(2))
        assert breakers.try_now("default")
    rows = Message.objects.order_by("pk").values_list("due_at", "reason")
    assert list(rows) == [
        (seconds(2) + 3 * breakers.BEHIND, "gateway_unreachable"),
        (seconds(2), "gateway_unreachable"),
    ]
    serves(seconds(2.5), size=1)
    assert [one.id for one in gateway.sent] == [str(second.pk), str(first.pk)]


@pytest.mark.django_db
def test_a_gateway_that_works_costs_one_statement_a_chunk_and_changes_no_row(gateway: ScriptedGateway) -> None:
    GatewayState.objects.create(name="default", last_success=NOON)
    statements: list[Any] = []

    def look(execute: Any, sql: str, *rest: Any) -> Any:
        result = execute(sql, *rest)
        statements.append(sql)
        return result

    with connection.execute_wrapper(look):
        breakers.report("default", [Accepted("a")], now=seconds(59))
    assert len(statements) == 1
    assert state().last_success == NOON
    breakers.report("default", [Accepted("a")], now=seconds(61))
    assert state().last_success == seconds(61)
