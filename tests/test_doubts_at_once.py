"""Choices about messages in doubt, late reports, second clicks and workers, all at once; and any sequence of them."""

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from compose import dispatch, doubts
from compose.gateways.base import Accepted, NotSent, Outcome, OutcomeUnknown, Outgoing
from compose.models import Message, Submission
from compose.services import store_events
from credits.models import Account
from inbox import services
from smsmanager.proof import prove
from tests import factories
from tests.dispatching import dispatch_due
from tests.events import report
from tests.factories import NOON, assert_ledger_adds_up, at, balances
from tests.fixtures.databases import FreshDatabase
from tests.gateways_for_tests import ScriptedGateway, raising, scripted_gateway, take_all
from tests.threads import DEADLINE, at_once

State = Message.State
SOON = NOON + timedelta(seconds=10)
VERBS = (doubts.confirm, doubts.send_again, doubts.give_up)


@pytest.fixture
def gateway() -> Iterator[ScriptedGateway]:
    with scripted_gateway() as made:
        yield made


def doubtful(account: Account, gateway: ScriptedGateway, count: int) -> tuple[Submission, list[int]]:
    """A submission whose messages may all have left, and their keys."""
    gateway.script = raising(OutcomeUnknown("lost"))
    made = factories.submission(account, to=count)
    dispatch_due(clock=at(NOON))
    assert set(made.messages.values_list("state", flat=True)) == {State.UNCONFIRMED}
    return made, list(made.messages.order_by("pk").values_list("pk", flat=True))


def reports(pks: Sequence[int], status: str, now: datetime) -> None:
    """Such a report about each message arrives, and waits."""
    store_events("default", [report(status, message_id=str(pk)) for pk in pks], now=now)


def deciding(verb: Callable[..., Any], pks: Sequence[int]) -> Callable[[], Any]:
    return partial(verb, pks, by=None, now=SOON)


def test_of_two_choices_a_second_click_and_a_report_one_resolves_each_message(
    fresh_database: FreshDatabase, gateway: ScriptedGateway
) -> None:
    account = factories.account()
    for _round in range(4):
        made, pks = doubtful(account, gateway, 8)
        reports(pks, "delivered", SOON)
        confirmed, again, given_up, _applied = at_once(
            [
                deciding(doubts.confirm, pks),
                deciding(doubts.confirm, pks),
                deciding(doubts.give_up, pks[::-1]),
                lambda: services.apply_waiting(clock=at(SOON)),
            ]
        )
        services.apply_waiting(clock=at(SOON))
        ways: list[str] = []
        for message in made.messages.all():
            states = list(message.transitions.order_by("pk").values_list("state", "reason"))
            ways.append(states[states.index(("unconfirmed", "outcome_unknown")) + 1][1])
            # Exactly one way out of the doubt; what was confirmed is delivered after it.
            assert states[-1] in [("delivered", ""), ("failed", "given_up")]
            assert len(states) == (4 if ways[-1] == "said_sent" else 3)
        assert ways.count("said_sent") == confirmed.changed + again.changed
        assert ways.count("given_up") == given_up.changed
        assert confirmed.changed + confirmed.others == 8
    assert balances(account)["held"] == 0
    assert_ledger_adds_up()


def test_two_orders_to_send_again_and_two_workers_send_each_message_once_more(
    fresh_database: FreshDatabase, gateway: ScriptedGateway
) -> None:
    account = factories.account()
    for _round in range(3):
        _made, pks = doubtful(account, gateway, 8)
        gateway.script = take_all
        gateway.chunks.clear()
        first, second, *_claimed = at_once(
            [
                *[deciding(doubts.send_again, pks)] * 2,
                *[lambda: dispatch_due(clock=at(SOON))] * 2,
            ]
        )
        dispatch_due(clock=at(SOON))
        assert first.changed + second.changed == 8
        assert sorted(int(one.id) for one in gateway.sent) == pks
    assert balances(account) == {"available": 76_000, "held": 0, "spent": 24_000}
    assert_ledger_adds_up()


def test_without_the_lock_the_second_choice_would_be_an_error(
    fresh_database: FreshDatabase, gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: who looks at the state before the lock ends one hold twice; only the database keeps the credits.

    A trigger refuses the second end, or PostgreSQL one of two that wait for each other: for the message, for the books.
    """
    account = factories.account()
    # Otherwise the book of what is held would be too empty for the second end.
    doubtful(account, gateway, 3)
    _made, pks = doubtful(account, gateway, 1)
    both = threading.Barrier(2)

    def careless(messages: Sequence[int], account: Any, change: Callable[[Sequence[Message]], None]) -> doubts.Decided:
        rows = list(Message.objects.filter(pk__in=messages, state=State.UNCONFIRMED))
        both.wait(DEADLINE)
        with transaction.atomic():
            change(rows)
        return doubts.Decided(len(rows), 0)

    monkeypatch.setattr(doubts, "_decide", careless)
    results = at_once([deciding(doubts.confirm, pks), deciding(doubts.give_up, pks)])
    assert (1, 0) in results
    assert [str(one) for one in results if isinstance(one, IntegrityError | OperationalError)] != []
    assert_ledger_adds_up()


@pytest.mark.django_db
@pytest.mark.parametrize(("looks_again", "left"), [(True, 1), (False, 2)])
def test_without_a_second_look_a_second_click_would_send_what_is_being_sent(
    gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch, looks_again: bool, left: int
) -> None:
    """The second one of the two is the control: the state is that of before the lock."""
    _made, pks = doubtful(factories.account(), gateway, 1)
    stale = list(Message.objects.filter(pk__in=pks))
    doubts.send_again(pks, by=None, now=SOON)

    def clicked_meanwhile(chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        gateway.script = take_all
        if not looks_again:
            monkeypatch.setattr(doubts, "_in_doubt", lambda *_asked: stale)
        assert doubts.send_again(pks, by=None, now=SOON).changed == (0 if looks_again else 1)
        return take_all(chunk)

    gateway.chunks.clear()
    gateway.script = clicked_meanwhile
    for _time in range(2):
        dispatch_due(clock=at(SOON))
    assert len(gateway.sent) == left


class AnySequence(RuleBasedStateMachine):
    """One account; a few messages that leave, are in doubt, are decided about, reported and swept in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.account = factories.account()
        self.now = NOON
        self.context = scripted_gateway()
        self.gateway = self.context.__enter__()

    def chosen(self, bits: int) -> list[int]:
        """Some of the account's messages: those whose place has its bit."""
        pks = Message.objects.filter(account=self.account).order_by("pk").values_list("pk", flat=True)
        return [pk for place, pk in enumerate(pks) if bits >> place % 6 & 1]

    @rule(count=st.integers(1, 3))
    def submit(self, count: int) -> None:
        factories.submission(self.account, to=count, now=self.now)

    @rule(answers=st.lists(st.sampled_from(["taken", "doubt", "doubt", "not sent"]), min_size=6, max_size=6))
    def dispatch(self, answers: list[str]) -> None:
        self.gateway.script = lambda chunk: [self._answer(one, answers[int(one.id) % 6]) for one in chunk]
        dispatch_due(clock=at(self.now))

    def _answer(self, one: Outgoing, answer: str) -> Outcome:
        if answer == "taken":
            return Accepted(f"ref-{one.id}")
        return OutcomeUnknown("lost") if answer == "doubt" else NotSent("away")

    @rule(bits=st.integers(1, 63), verb=st.sampled_from(VERBS), times=st.integers(1, 2))
    def decide(self, bits: int, verb: Callable[..., doubts.Decided], times: int) -> None:
        for _time in range(times):
            verb(self.chosen(bits), by=None, now=self.now, seen=doubts.Seen(self.account))

    @rule(
        bits=st.integers(1, 63),
        status=st.sampled_from(["accepted", "delivered", "undelivered", "rejected", "expired"]),
        named=st.booleans(),
    )
    def report(self, bits: int, status: str, named: bool) -> None:
        events = [
            report(status, reference=f"ref-{pk}" if named else "", message_id=str(pk)) for pk in self.chosen(bits)
        ]
        store_events("default", events, now=self.now)
        services.apply_waiting(clock=at(self.now))

    @rule(hours=st.sampled_from([0.01, 0.1, 1, 50, 400]))
    def time_goes_by(self, hours: float) -> None:
        self.now += timedelta(hours=hours)
        dispatch.sweep(clock=at(self.now))
        services.apply_waiting(clock=at(self.now))

    @invariant()
    def each_message_is_held_paid_or_given_back_and_nothing_else(self) -> None:
        assert prove() == []
        books = {"held": 0, "spent": 0}
        for message in Message.objects.filter(account=self.account).select_related("hold_ended_by"):
            if message.hold_ended_by is None:
                books["held"] += message.price
            elif message.hold_ended_by.verb == "capture" and message.refunded_by_id is None:
                books["spent"] += message.price
        available = 100_000 - sum(books.values())
        assert balances(self.account) == books | {"available": available}

    @invariant()
    def each_change_of_state_is_a_move(self) -> None:
        for message in Message.objects.filter(account=self.account):
            before = State.SCHEDULED.value
            for state in message.transitions.order_by("pk").values_list("state", flat=True):
                assert state == before or State(state) in Message.MOVES[State(before)]
                before = state
            assert before == message.state

    def teardown(self) -> None:
        # What is left over would have its turn in the next sequence.
        doubts.give_up(self.chosen(63), by=None, now=self.now, seen=doubts.Seen(self.account))
        dispatch.sweep(clock=at(self.now + timedelta(days=30)))
        dispatch_due(clock=at(self.now + timedelta(days=30)))
        self.context.__exit__(None, None, None)


@pytest.mark.django_db
def test_any_sequence_of_choices_reports_sweeps_and_dispatches_keeps_the_sums() -> None:
    run_state_machine_as_test(
        AnySequence,
        settings=settings(
            deadline=None,
            max_examples=12,
            stateful_step_count=15,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
