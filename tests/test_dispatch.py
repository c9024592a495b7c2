"""What each answer of a gateway does to a message and to its credits, and what it costs to ask."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from compose import breakers, claims, dispatch, failover, marks
from compose.gateways.base import (
    Accepted,
    BadConfiguration,
    GatewayError,
    InvalidRecipient,
    NotSent,
    Outcome,
    OutcomeUnknown,
    Outgoing,
    OutOfFunds,
    Rejected,
    Throttled,
    Unsupported,
)
from compose.models import HandOver, Message
from credits.models import Account, Transfer
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import FULL, HELD, NOON, SPENT, assert_ledger_adds_up, assert_message, at, balances, due
from tests.fixtures.databases import FreshDatabase
from tests.gateways_for_tests import Script, ScriptedGateway, answering, raising, scripted_gateway
from tests.threads import at_once

State = Message.State


@pytest.fixture
def account(db: None) -> Account:
    """An account with 100 credits."""
    return factories.account()


@pytest.fixture
def gateway() -> Iterator[ScriptedGateway]:
    """The only gateway: it takes all messages until its script says otherwise."""
    with scripted_gateway() as made:
        yield made


# What the gateway says


def test_an_accepted_message_is_paid(account: Account, gateway: ScriptedGateway) -> None:
    message = factories.message(account)
    assert dispatch_due(clock=at(NOON)) == 1
    assert_message(
        message, State.ACCEPTED, gateway_ref=f"ref-{message.pk}", handed_over_at=NOON, attempts=1, final_at=None
    )
    assert message.hold_ended_by is not None
    assert message.hold_ended_by.verb == "capture"
    assert balances(account) == SPENT


def test_what_is_handed_over_is_what_was_counted(account: Account, gateway: ScriptedGateway) -> None:
    message = factories.message(account, body="Soldes €", commercial=True, message_class="flash")
    dispatch_due(clock=at(NOON + timedelta(hours=1)))
    assert gateway.sent == [
        Outgoing(
            id=str(message.pk),
            recipient="+33612345678",
            originator="BoulMartin",
            sender_kind="alphanumeric",
            text="Soldes €\nSTOP:36111",
            message_class="flash",
            commercial=True,
            validity=47 * 3600,
        )
    ]


REFUSALS = [
    Rejected("no"),
    Rejected("no", reason="spam"),
    InvalidRecipient("no such number"),
    Unsupported("no flash"),
]


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: error.reason)
@pytest.mark.parametrize("how", [answering, raising])
def test_a_refused_message_fails_and_is_given_back(
    account: Account, gateway: ScriptedGateway, how: Callable[[Any], Script], error: GatewayError
) -> None:
    message = factories.message(account)
    gateway.script = how(error)
    dispatch_due(clock=at(NOON))
    assert_message(message, State.FAILED, error.reason, final_at=NOON)
    assert balances(account) == FULL
    assert dispatch_due(clock=at(NOON + timedelta(hours=1))) == 0


RETURNS = [NotSent("refused"), Throttled("slow"), OutOfFunds("empty"), BadConfiguration("password")]


@pytest.mark.parametrize("error", RETURNS, ids=lambda error: error.reason)
@pytest.mark.parametrize("how", [answering, raising])
def test_a_message_that_did_not_leave_is_tried_again_and_then_paid_once(
    account: Account, gateway: ScriptedGateway, how: Callable[[Any], Script], error: GatewayError
) -> None:
    message = factories.message(account)
    gateway.script = how(error)
    dispatch_due(clock=at(NOON))
    assert_message(message, State.SCHEDULED, error.reason, handed_over_at=None, claim=None, leased_until=None)
    assert balances(account) == HELD
    gateway.script = answering(Accepted("second"))
    assert dispatch_due(clock=at(due(message) - timedelta(milliseconds=1))) == 0
    if isinstance(error, OutOfFunds | BadConfiguration):
        # Such a gateway rests, and messages wait for the end of that without losing an attempt.
        assert dispatch_due(clock=at(due(message))) == 0
        rested = NOON + timedelta(seconds=30) + breakers.BEHIND
        assert_message(message, State.SCHEDULED, error.reason, attempts=1, due_at=rested)
    assert dispatch_due(clock=at(due(message))) == 1
    assert_message(message, State.ACCEPTED, gateway_ref="second", attempts=2)
    assert balances(account) == SPENT


DOUBTS = {
    "said": answering(OutcomeUnknown("connection lost")),
    "raised": raising(OutcomeUnknown("connection lost")),
    "a fault": raising(ZeroDivisionError("division by zero")),
    "too few answers": answering(),
    "too many answers": answering(Accepted("a"), Accepted("b")),
}


@pytest.mark.parametrize("script", DOUBTS.values(), ids=DOUBTS)
def test_a_message_that_may_have_left_is_unconfirmed_and_never_sent_again_by_itself(
    account: Account, gateway: ScriptedGateway, script: Script
) -> None:
    message = factories.message(account)
    gateway.script = script
    dispatch_due(clock=at(NOON))
    assert_message(message, State.UNCONFIRMED, "outcome_unknown")
    for days in (0, 1, 2, 8, 9, 400):
        later = NOON + timedelta(days=days, minutes=5)
        dispatch.sweep(clock=at(later))
        dispatch_due(clock=at(later))
    assert len(gateway.sent) == 1


def test_each_message_of_a_chunk_has_its_own_end_and_each_end_one_transfer(
    account: Account, gateway: ScriptedGateway
) -> None:
    submission = factories.submission(account, to=6)
    gateway.script = answering(
        Accepted("a"), Accepted("b"), Rejected("no"), NotSent("later"), OutcomeUnknown("lost"), InvalidRecipient("no")
    )
    dispatch_due(clock=at(NOON))
    states = list(submission.messages.order_by("pk").values_list("state", flat=True))
    assert states == ["accepted", "accepted", "failed", "scheduled", "unconfirmed", "failed"]
    assert balances(account) == {"available": 96_000, "held": 2_000, "spent": 2_000}
    moved = Transfer.objects.filter(cause_kind="submission", cause_key=str(submission.pk))
    assert sorted(moved.values_list("verb", "amount")) == [("capture", 2_000), ("hold", 6_000), ("release", 2_000)]
    assert_ledger_adds_up()


def test_a_batch_of_several_accounts_charges_each_its_own(account: Account, gateway: ScriptedGateway) -> None:
    other = factories.account()
    factories.submission(account, to=2)
    factories.submission(other, to=3)
    assert dispatch_due(clock=at(NOON)) == 5
    assert len(gateway.chunks) == 1
    assert [balances(one)["spent"] for one in (account, other)] == [2_000, 3_000]
    assert_ledger_adds_up()


def test_no_chunk_is_larger_than_the_gateway_takes(account: Account) -> None:
    factories.submission(account, to=10)
    with scripted_gateway(batch_size=4) as gateway:
        dispatch_due(clock=at(NOON))
    assert [len(chunk) for chunk in gateway.chunks] == [4, 4, 2]


def test_a_slow_gateway_ends_the_round_before_the_task_runs_into_its_time_limit(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.submission(account, to=3)
    monkeypatch.setattr(dispatch, "BATCH", 1)
    with scripted_gateway() as gateway:
        now = NOON

        def slow(chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
            nonlocal now
            now += timedelta(seconds=40)
            return [Accepted(f"ref-{message.id}") for message in chunk]

        gateway.script = slow
        assert dispatch_due(clock=lambda: now) == 2
        assert dispatch_due(clock=lambda: now) == 1
    assert_ledger_adds_up()


def test_a_word_that_is_not_ours_does_not_spoil_the_chunk(account: Account, gateway: ScriptedGateway) -> None:
    submission = factories.submission(account, to=3)
    own = "a word of the gateway that is far too long for the column"
    gateway.script = answering(Accepted("a"), Rejected("no", reason=own), OutcomeUnknown("lost", reason=own))
    dispatch_due(clock=at(NOON))
    found = list(submission.messages.order_by("pk").values_list("state", "reason"))
    assert found == [("accepted", ""), ("failed", "unknown"), ("unconfirmed", "outcome_unknown")]
    assert_ledger_adds_up()


# Later again


def test_retries_wait_longer_each_time_up_to_a_quarter_of_an_hour_and_end(
    account: Account, gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that the number ends them, before the validity of two days does.
    monkeypatch.setattr(failover, "MOST_ROUNDS", 20)
    message = factories.message(account)
    gateway.script = raising(NotSent("refused"))
    now, waits = NOON, []
    while message.state == State.SCHEDULED:
        dispatch_due(clock=at(now))
        message.refresh_from_db()
        waits.append((due(message) - now).total_seconds())
        now = due(message)
    waits.pop()
    assert len(gateway.sent) == failover.MOST_ROUNDS
    for attempt, wait in enumerate(waits):
        step = min(5 * 2**attempt, 900)
        assert 0.8 * step <= wait <= 1.2 * step
    assert_message(message, State.FAILED, "too_many_attempts")
    assert balances(account) == FULL


def test_a_gateway_that_asks_for_patience_gets_it(account: Account, gateway: ScriptedGateway) -> None:
    message = factories.message(account)
    gateway.script = raising(Throttled("slow", retry_after=600))
    dispatch_due(clock=at(NOON))
    assert_message(message, State.SCHEDULED, "throttled", due_at=NOON + timedelta(seconds=600))


def test_there_is_no_attempt_after_the_validity(account: Account, gateway: ScriptedGateway) -> None:
    message = factories.message(account)
    gateway.script = raising(Throttled("slow", retry_after=600))
    dispatch_due(clock=at(NOON + timedelta(hours=47, minutes=55)))
    assert_message(message, State.FAILED, "validity_over")
    assert balances(account) == FULL


def test_a_message_whose_validity_is_over_is_not_sent(account: Account, gateway: ScriptedGateway) -> None:
    message = factories.message(account)
    assert dispatch_due(clock=at(message.valid_until)) == 0
    assert gateway.sent == []
    assert_message(message, State.FAILED, "validity_over", attempts=0)
    assert balances(account) == FULL


# Around the gateway


def test_the_mark_is_committed_before_the_gateway_is_called_and_no_transaction_is_open(
    fresh_database: FreshDatabase, gateway: ScriptedGateway
) -> None:
    message = factories.message(factories.account())
    seen: list[Any] = []

    def look(chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        read = Message.objects.filter(pk=message.pk).values_list("state", "claim")
        marked = HandOver.objects.values_list("claim", "at", "taken_back")
        seen.append(connection.in_atomic_block)
        seen.extend(at_once([lambda: (read.get(), list(marked))]))
        return [Accepted("a")]

    gateway.script = look
    dispatch_due(clock=at(NOON))
    in_transaction, ((state, claim), marks) = seen
    assert not in_transaction
    assert state == "sending"
    assert marks == [(claim, NOON, False)]
    assert_message(message, State.ACCEPTED, handed_over_at=NOON)
    assert not HandOver.objects.exists()


# Cost


def queries_of(count: int, *, by_pool: bool) -> int:
    account = factories.account()
    factories.submission(account, to=count, by=factories.pool() if by_pool else None)
    with CaptureQueriesContext(connection) as queries:
        assert dispatch_due(clock=at(NOON)) == count
    return len(queries)


@pytest.mark.parametrize("by_pool", [False, True], ids=["name", "short number"])
@pytest.mark.django_db
def test_a_batch_costs_the_same_number_of_queries_whatever_its_size(by_pool: bool) -> None:
    with scripted_gateway():
        breakers.noted()
        assert queries_of(10, by_pool=by_pool) == queries_of(100, by_pool=by_pool)


CHUNK = 2


def claimed(count: int) -> list[claims.Claim]:
    """As many messages, each of a submission and an account of its own, in claims of two."""
    for _each in range(count):
        factories.submission(factories.account())
    made, _moved = claims.claim_due(clock=at(NOON))
    assert [len(claim.messages) for claim in made[:-1]] == [CHUNK] * (len(made) - 1)
    assert sum(len(claim.messages) for claim in made) == count
    return made


def never_left(count: int) -> None:
    claimed(count)


def in_doubt(count: int) -> None:
    for claim in claimed(count):
        assert marks.hand_over(claim.id, at=NOON)


def both(count: int) -> None:
    for claim in claimed(count)[::2]:
        assert marks.hand_over(claim.id, at=NOON)


def forgotten(count: int) -> None:
    in_doubt(count)
    assert dispatch.sweep(clock=at(NOON + timedelta(hours=1))) == count


SWEPT: dict[Callable[[int], None], tuple[set[Message.State], timedelta]] = {
    never_left: ({State.SCHEDULED}, timedelta(hours=1)),
    in_doubt: ({State.UNCONFIRMED}, timedelta(hours=1)),
    both: ({State.SCHEDULED, State.UNCONFIRMED}, timedelta(hours=1)),
    forgotten: ({State.EXPIRED}, timedelta(days=10)),
}


@pytest.mark.parametrize("left", SWEPT, ids=lambda left: left.__name__.replace("_", " "))
@pytest.mark.django_db
def test_a_sweep_costs_the_same_number_of_queries_whatever_a_crash_left(left: Callable[[int], None]) -> None:
    states, later = SWEPT[left]

    def queries(count: int) -> int:
        before = set(Message.objects.values_list("pk", flat=True))
        left(count)
        with CaptureQueriesContext(connection) as captured:
            assert dispatch.sweep(clock=at(NOON + later)) == count
        after = Message.objects.exclude(pk__in=before)
        assert set(after.values_list("state", flat=True)) == states
        # Out of the way of the next.
        after.filter(state=State.SCHEDULED).update(due_at=None)
        return len(captured)

    with scripted_gateway(batch_size=CHUNK):
        breakers.noted()
        assert queries(3) == queries(12)
    assert_ledger_adds_up()


@pytest.mark.django_db
def test_what_is_given_back_costs_the_same_number_of_queries_whatever_it_is() -> None:
    def queries(count: int) -> int:
        made = claimed(count)
        with CaptureQueriesContext(connection) as captured:
            # Half of the lease is over: nothing more is handed over.
            dispatch.send(made, clock=at(NOON + timedelta(seconds=61)))
        mine = Message.objects.filter(pk__in=[message.pk for claim in made for message in claim.messages])
        assert set(mine.values_list("state", "attempts", "claim")) == {("scheduled", 0, None)}
        mine.update(due_at=None)
        return len(captured)

    with scripted_gateway(batch_size=CHUNK) as gateway:
        breakers.noted()
        assert queries(1) == queries(3) == queries(12)
    assert gateway.sent == []
