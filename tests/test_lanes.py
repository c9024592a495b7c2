"""Lanes and queues: nobody waits behind many, no gateway waits for another, and nothing is forgotten in a queue."""

import threading
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from compose import breakers, claims, lanes, nudges, queues
from compose.clock import database_now
from compose.gateways.base import NotSent, Outcome, Outgoing
from compose.models import Message, Route
from compose.queues import Queue
from credits.models import Account
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import NOON, assert_ledger_adds_up, assert_message, at
from tests.fixtures.databases import FreshDatabase
from tests.gateways_for_tests import ScriptedGateway, raising, scripted_gateway, scripted_gateways, take_all

State = Message.State
DEADLINE = 30.0
INTERACTIVE, BULK = Queue("default", bulk=False), Queue("default", bulk=True)


@pytest.fixture
def account(db: None) -> Account:
    return factories.account()


@pytest.fixture
def gateway() -> Iterator[ScriptedGateway]:
    with scripted_gateway() as made:
        yield made


@pytest.fixture
def gateways() -> Iterator[dict[str, ScriptedGateway]]:
    with scripted_gateways(default={}, other={}) as made:
        yield made


@override_settings(SMS_BULK_RECIPIENTS=3)
def test_a_submission_to_many_is_in_the_bulk_lane_and_any_other_is_not(
    account: Account, gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    nudged: list[str] = []
    monkeypatch.setattr(nudges, "after_commit", nudged.append)
    factories.submission(account, to=4)
    factories.submission(account, to=3)
    assert list(Message.objects.order_by("pk").values_list("bulk", flat=True)) == [True] * 4 + [False] * 3
    assert nudged == ["compose.tasks.dispatch_bulk", "compose.tasks.dispatch_due"]


@override_settings(SMS_BULK_RECIPIENTS=3)
def test_who_serves_one_lane_leaves_the_other_alone(account: Account, gateway: ScriptedGateway) -> None:
    many, few = factories.submission(account, to=4), factories.submission(account, to=2)
    assert lanes.serve(bulk=False, clock=at(NOON)) == 2
    assert set(few.messages.values_list("state", flat=True)) == {"accepted"}
    assert set(many.messages.values_list("state", flat=True)) == {"scheduled"}
    assert lanes.serve(bulk=True, clock=at(NOON)) == 4
    assert set(many.messages.values_list("state", flat=True)) == {"accepted"}


@override_settings(SMS_BULK_RECIPIENTS=3)
def test_while_many_leave_one_message_does_not_wait(fresh_database: FreshDatabase, gateway: ScriptedGateway) -> None:
    account = factories.account()
    factories.submission(account, to=4)
    asked, answered = threading.Event(), threading.Event()

    def slow_for_many(chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        if len(chunk) == 4:
            asked.set()
            assert answered.wait(DEADLINE)
        return take_all(chunk)

    gateway.script = slow_for_many
    busy = threading.Thread(target=_served, kwargs={"bulk": True})
    busy.start()
    assert asked.wait(DEADLINE)
    try:
        alone = factories.message(account, to="06 99 99 99 99")
        assert lanes.serve(bulk=False, clock=at(NOON)) == 1
        assert_message(alone, State.ACCEPTED)
        assert Message.objects.filter(state=State.SENDING).count() == 4
    finally:
        answered.set()
        busy.join(DEADLINE)
    assert not Message.objects.exclude(state=State.ACCEPTED).exists()


def test_no_gateway_waits_for_another(fresh_database: FreshDatabase, gateways: dict[str, ScriptedGateway]) -> None:
    """One gateway takes its time; what comes for the other while it does, leaves, by the same task."""
    account = factories.account()
    Route.objects.create(gateway="other", region="BE")
    factories.message(account)
    asked, answered, others = threading.Event(), threading.Event(), threading.Event()

    def slow(chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        asked.set()
        assert answered.wait(DEADLINE)
        return take_all(chunk)

    def quick(chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        others.set()
        return take_all(chunk)

    gateways["default"].script, gateways["other"].script = slow, quick
    task = threading.Thread(target=_served, kwargs={"bulk": False})
    task.start()
    try:
        assert asked.wait(DEADLINE)
        factories.message(account, to="+32470123456")
        assert others.wait(DEADLINE), "the other gateway waited for the slow one"
    finally:
        answered.set()
        task.join(DEADLINE)
    assert not Message.objects.exclude(state=State.ACCEPTED).exists()
    assert_ledger_adds_up()


def test_a_queue_that_fails_stops_no_other_and_its_task_waits_for_them(
    fresh_database: FreshDatabase, gateways: dict[str, ScriptedGateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that ended while its threads have a chunk in their hands could not be waited for by who stops a worker."""
    account = factories.account()
    Route.objects.create(gateway="other", region="BE")
    factories.message(account)
    factories.message(account, to="+32470123456")
    failed = threading.Event()
    claim_due = claims.claim_due

    def some_fail(queue: Queue, **said: Any) -> Any:
        if queue.gateway == "default":
            failed.set()
            raise RuntimeError("this queue cannot be served")
        return claim_due(queue, **said)

    def after_that(chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        assert failed.wait(DEADLINE)
        # Longer than the task needs to learn of the other one's end.
        time.sleep(4 * lanes.LOOK_EVERY)
        return take_all(chunk)

    monkeypatch.setattr(claims, "claim_due", some_fail)
    gateways["other"].script = after_that
    with pytest.raises(RuntimeError, match="cannot be served"):
        lanes.serve(bulk=False, clock=at(NOON))
    assert [message.recipient for message in gateways["other"].sent] == ["+32470123456"]
    assert set(Message.objects.values_list("gateway", "state")) == {("default", "scheduled"), ("other", "accepted")}


def test_a_task_that_is_interrupted_ends_after_its_threads(
    fresh_database: FreshDatabase, gateways: dict[str, ScriptedGateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.message(factories.account())
    asked = threading.Event()
    waiting = queues.waiting

    def interrupted(now: datetime, *, bulk: bool | None = None) -> list[Queue]:
        if asked.is_set():
            raise KeyboardInterrupt
        return waiting(now, bulk=bulk)

    def slow(chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        asked.set()
        time.sleep(4 * lanes.LOOK_EVERY)
        return take_all(chunk)

    gateways["default"].script = slow
    monkeypatch.setattr(queues, "waiting", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lanes.serve(bulk=False, clock=at(NOON))
    assert set(Message.objects.values_list("state", flat=True)) == {"accepted"}


def _served(*, bulk: bool) -> None:
    try:
        lanes.serve(bulk=bulk, clock=at(NOON))
    finally:
        connection.close()


def test_a_queue_that_this_process_serves_is_not_served_beside_and_looked_at_once_more(
    fresh_database: FreshDatabase, gateway: ScriptedGateway
) -> None:
    account = factories.account()
    factories.message(account)
    beside: list[int] = []

    def more_comes(chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        if not beside:
            factories.message(account, to="06 99 99 99 99")
            beside.append(lanes.serve(bulk=False, clock=at(NOON)))
        return take_all(chunk)

    gateway.script = more_comes
    assert lanes.serve(bulk=False, clock=at(NOON)) == 2
    assert beside == [0]


def test_a_message_waits_in_the_queue_of_the_gateway_that_its_route_names(
    account: Account, gateways: dict[str, ScriptedGateway]
) -> None:
    Route.objects.create(gateway="other", region="BE")
    factories.message(account, to="+32470123456")
    factories.message(account)
    assert queues.waiting(NOON) == [Queue("default", bulk=False), Queue("other", bulk=False)]


def test_a_message_whose_route_has_changed_goes_to_the_other_queue_and_leaves(
    account: Account, gateways: dict[str, ScriptedGateway]
) -> None:
    message = factories.message(account)
    Route.objects.create(gateway="other")
    made, moved = claims.claim_due(INTERACTIVE, clock=at(NOON))
    assert (made, moved) == ([], 1)
    assert queues.waiting(NOON) == [Queue("other", bulk=False)]
    assert_message(message, State.SCHEDULED, gateway="other", attempts=0)
    assert dispatch_due(clock=at(NOON)) == 1
    assert len(gateways["other"].sent) == 1
    assert gateways["default"].sent == []


def test_what_moves_and_what_ends_costs_the_same_number_of_queries_whatever_its_size(
    account: Account, gateways: dict[str, ScriptedGateway]
) -> None:
    breakers.noted()

    def cost(count: int, *, days: int) -> int:
        submission = factories.submission(account, to=count)
        submission.messages.update(gateway="other")
        with CaptureQueriesContext(connection) as asked:
            made, moved = claims.claim_due(Queue("other", bulk=False), clock=at(NOON + timedelta(days=days)))
        assert (made, moved) == ([], count)
        return len(asked)

    # To the queue of the gateway that carries it now, and to its end where its validity is over.
    assert cost(3, days=0) == cost(9, days=0)
    assert cost(3, days=5) == cost(9, days=5)
    assert sorted(set(Message.objects.values_list("state", flat=True))) == ["failed", "scheduled"]


@pytest.mark.parametrize("queue", ["", "gone-from-the-settings", "zzz"])
def test_what_waits_for_no_gateway_or_for_one_that_is_gone_is_found(
    account: Account, gateway: ScriptedGateway, queue: str
) -> None:
    message = factories.message(account)
    Message.objects.update(gateway=queue)
    dispatch_due(clock=at(NOON))
    assert_message(message, State.ACCEPTED, gateway="default")


def test_a_gateway_that_rests_leaves_its_queue_to_the_other_one(
    account: Account, gateways: dict[str, ScriptedGateway]
) -> None:
    Route.objects.create(gateway="default", priority=0)
    Route.objects.create(gateway="other", priority=1)
    gateways["default"].script = raising(NotSent("away"))
    factories.submission(account, to=5)
    assert dispatch_due(clock=at(NOON)) >= 5
    assert {message.id for message in gateways["other"].sent} == {
        str(pk) for pk in Message.objects.values_list("pk", flat=True)
    }
    assert_ledger_adds_up()


def test_what_came_back_to_the_queue_of_a_paused_submission_is_not_sent(
    account: Account, gateway: ScriptedGateway
) -> None:
    message = factories.message(account)
    submission = message.submission
    submission.paused_at, submission.paused_by = NOON, submission.created_by
    submission.save()
    dispatch_due(clock=at(NOON))
    dispatch_due(clock=at(NOON + timedelta(minutes=5)))
    assert gateway.sent == []
    assert_message(message, State.SCHEDULED, attempts=0)
    submission.paused_at = submission.paused_by = None
    submission.save()
    dispatch_due(clock=at(NOON + timedelta(minutes=10)))
    assert_message(message, State.ACCEPTED)


def test_the_heads_of_all_queues_are_one_query_and_the_earliest_comes_first(
    account: Account, gateways: dict[str, ScriptedGateway]
) -> None:
    Route.objects.create(gateway="other", region="BE")
    late = NOON + timedelta(hours=3)
    factories.message(account, deferred_to=late)
    factories.message(account, to="+32470123456", deferred_to=NOON + timedelta(hours=1))
    with CaptureQueriesContext(connection) as asked:
        found = queues.heads()
    assert len(asked) == 1
    assert list(found.items()) == [
        (Queue("other", bulk=False), NOON + timedelta(hours=1)),
        (Queue("default", bulk=False), late),
    ]
    assert queues.waiting(NOON) == []
    Message.objects.update(due_at=None)
    assert queues.heads() == {}


def test_the_clock_of_the_workers_is_the_databases(db: None) -> None:
    """A worker whose own clock is ahead sends nothing early by it."""
    import time_machine

    with connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            return
        with time_machine.travel(NOON + timedelta(days=365), tick=False):
            first = database_now()
            cursor.execute("SELECT clock_timestamp()")
            assert first <= cursor.fetchone()[0] < first + timedelta(minutes=5)
