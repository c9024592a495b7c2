"""What a process that dies leaves behind, and what becomes of it: nothing is lost, nothing leaves twice."""

import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection

from compose import claims, dispatch, failover
from compose.away import AWAY
from compose.gateways.base import (
    Accepted,
    NotSent,
    Outcome,
    OutcomeUnknown,
    Outgoing,
    Rejected,
)
from compose.models import GatewayState, Message
from credits.models import Account
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import FULL, HELD, NOON, SPENT, assert_ledger_adds_up, assert_message, at, balances
from tests.gateways_for_tests import ScriptedGateway, raising, scripted_gateway

State = Message.State
AFTER_LEASE = NOON + timedelta(seconds=121)


class Killed(BaseException):
    """The process ends here; nothing after it runs."""


@pytest.fixture
def account(db: None) -> Account:
    """An account with 100 credits."""
    return factories.account()


@pytest.fixture
def gateway() -> Iterator[ScriptedGateway]:
    """The only gateway: it takes all messages until its script says otherwise."""
    with scripted_gateway() as made:
        yield made


def test_a_lease_that_ends_without_the_mark_returns_the_message_to_the_queue(
    account: Account, gateway: ScriptedGateway
) -> None:
    message = factories.message(account)
    claims.claim_due(clock=at(NOON))
    assert dispatch.sweep(clock=at(NOON + timedelta(seconds=119))) == 0
    assert dispatch.sweep(clock=at(AFTER_LEASE)) == 1
    assert_message(message, State.SCHEDULED, "lease_ended", claim=None, handed_over_at=None)
    assert balances(account) == HELD
    dispatch_due(clock=at(AFTER_LEASE))
    assert_message(message, State.ACCEPTED)
    assert len(gateway.sent) == 1


def test_a_lease_of_a_clock_that_was_set_back_is_not_waited_for(account: Account, gateway: ScriptedGateway) -> None:
    message = factories.message(account)
    claims.claim_due(clock=at(NOON + timedelta(hours=1)))
    assert dispatch.sweep(clock=at(NOON)) == 1
    assert_message(message, State.SCHEDULED, "lease_ended", claim=None)
    dispatch_due(clock=at(NOON))
    assert_message(message, State.ACCEPTED)
    assert len(gateway.sent) == 1


def test_a_busy_database_does_not_lose_the_answer_of_the_gateway(
    account: Account, gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = factories.message(account)
    settle, busy = dispatch._settle, iter([True, True, False])

    def sometimes(*everything: Any) -> None:
        if next(busy):
            raise OperationalError("database is locked")
        settle(*everything)

    monkeypatch.setattr(dispatch, "_settle", sometimes)
    dispatch_due(clock=at(NOON))
    assert_message(message, State.ACCEPTED)
    assert balances(account) == SPENT
    assert len(gateway.sent) == 1


@pytest.mark.parametrize("kind", AWAY, ids=lambda kind: kind.__name__)
def test_a_database_that_is_away_is_waited_for_whatever_it_says(
    account: Account, gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    message = factories.message(account)
    settle, waited = dispatch._settle, [0.0]

    def after_fifteen_seconds(*everything: Any) -> bool:
        if sum(waited) < 15:
            raise kind("the database system is starting up")
        return settle(*everything)

    monkeypatch.setattr(dispatch, "_settle", after_fifteen_seconds)
    monkeypatch.setattr(time, "sleep", waited.append)
    dispatch_due(clock=at(NOON))
    assert_message(message, State.ACCEPTED)


def test_a_commit_whose_acknowledgement_is_lost_is_not_made_again(
    account: Account, gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = factories.message(account)
    settle, settled = dispatch._settle, []
    gateway.script = raising(OutcomeUnknown("no answer"))

    def and_the_connection_is_lost(*everything: Any) -> bool:
        settled.append(settle(*everything))
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(dispatch, "_settle", and_the_connection_is_lost)
    dispatch_due(clock=at(NOON))
    assert settled == [False]
    # Settled again it would have been noted twice, and counted as two failures of the gateway.
    assert_message(message, State.UNCONFIRMED, "outcome_unknown")
    assert message.transitions.filter(state=State.UNCONFIRMED).count() == 1
    assert GatewayState.objects.get(name="default").failures == 1


def test_a_gateway_that_rests_rests_also_when_the_acknowledgement_of_that_was_lost(
    account: Account, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.SMS_BREAKER_FAILURES = 1
    submission = factories.submission(account, to=5)
    settle = dispatch._settle
    lost: list[bool] = []

    def and_once_the_connection_is_lost(*everything: Any) -> bool:
        rests = settle(*everything)
        if not lost:
            lost.append(True)
            raise OperationalError("server closed the connection unexpectedly")
        return rests

    monkeypatch.setattr(dispatch, "_settle", and_once_the_connection_is_lost)
    with scripted_gateway(batch_size=1) as gateway:
        gateway.script = raising(OutcomeUnknown("no answer"))
        dispatch_due(clock=at(NOON))
        assert len(gateway.chunks) == 1
    assert submission.messages.filter(state=State.UNCONFIRMED).count() == 1


def test_a_database_that_stays_away_leaves_the_message_unconfirmed(
    account: Account, gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = factories.message(account)

    def never(*_everything: Any) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(dispatch, "_settle", never)
    monkeypatch.setattr(dispatch, "SETTLE_PAUSES", (0.0, 0.0))
    with pytest.raises(OperationalError):
        dispatch_due(clock=at(NOON))
    dispatch.sweep(clock=at(AFTER_LEASE))
    assert_message(message, State.UNCONFIRMED, "crash")
    assert len(gateway.sent) == 1


def test_a_lease_that_ends_with_the_mark_leaves_the_message_unconfirmed(
    account: Account, gateway: ScriptedGateway
) -> None:
    message = factories.message(account)
    gateway.script = raising(Killed())
    with pytest.raises(Killed):
        dispatch_due(clock=at(NOON))
    assert dispatch.sweep(clock=at(AFTER_LEASE)) == 1
    assert_message(message, State.UNCONFIRMED, "crash")
    assert balances(account) == HELD
    dispatch_due(clock=at(AFTER_LEASE + timedelta(hours=1)))
    assert len(gateway.sent) == 1


def test_a_crash_leaves_a_chunk_in_doubt_and_not_the_batch(account: Account) -> None:
    submission = factories.submission(account, to=5)
    with scripted_gateway(batch_size=1) as gateway:

        def third_kills(chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
            if len(gateway.chunks) == 3:
                raise Killed
            return [Accepted(f"ref-{message.id}") for message in chunk]

        gateway.script = third_kills
        with pytest.raises(Killed):
            dispatch_due(clock=at(NOON))
        dispatch.sweep(clock=at(AFTER_LEASE))
        dispatch_due(clock=at(AFTER_LEASE))
        states = list(submission.messages.order_by("pk").values_list("state", flat=True))
        assert states == ["accepted", "accepted", "unconfirmed", "accepted", "accepted"]
        assert sorted(message.id for message in gateway.sent) == sorted(
            str(pk) for pk in submission.messages.values_list("pk", flat=True)
        )
    assert_ledger_adds_up()


def test_a_worker_that_wakes_after_its_lease_sends_nothing(account: Account, gateway: ScriptedGateway) -> None:
    message = factories.message(account)
    asleep, _moved = claims.claim_due(clock=at(NOON))
    dispatch.send(asleep, clock=at(AFTER_LEASE))
    assert gateway.sent == []
    dispatch.sweep(clock=at(AFTER_LEASE))
    dispatch_due(clock=at(AFTER_LEASE))
    dispatch.send(asleep, clock=at(NOON))
    assert_message(message, State.ACCEPTED, attempts=1)
    assert len(gateway.sent) == 1


LATE = {
    "accepted": (Accepted("late"), State.ACCEPTED, "", SPENT),
    "rejected": (Rejected("no"), State.FAILED, "rejected", FULL),
    "not sent": (NotSent("refused"), State.SCHEDULED, "gateway_unreachable", HELD),
    "unknown": (OutcomeUnknown("lost"), State.UNCONFIRMED, "outcome_unknown", HELD),
}


@pytest.mark.parametrize(("answer", "state", "reason", "books"), LATE.values(), ids=LATE)
def test_an_answer_that_comes_after_the_sweep_still_counts(
    account: Account, gateway: ScriptedGateway, answer: Outcome, state: str, reason: str, books: dict[str, int]
) -> None:
    message = factories.message(account)
    swept: list[Any] = []

    def slow(chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        dispatch.sweep(clock=at(AFTER_LEASE))
        swept.extend(Message.objects.values_list("state", "reason"))
        return [answer]

    gateway.script = slow
    dispatch_due(clock=at(NOON))
    assert swept == [("unconfirmed", "crash")]
    message.refresh_from_db()
    assert (message.state, message.reason) == (state, reason)
    assert balances(account) == books
    assert_ledger_adds_up()


def test_a_late_word_that_the_message_did_not_leave_counts_as_an_attempt_like_any_other(
    account: Account, gateway: ScriptedGateway
) -> None:
    message = factories.message(account)
    Message.objects.update(attempts=failover.MOST_ROUNDS - 1)

    def slow(chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        dispatch.sweep(clock=at(AFTER_LEASE))
        return [NotSent("refused")]

    gateway.script = slow
    dispatch_due(clock=at(NOON))
    assert_message(message, State.FAILED, "too_many_attempts")
    assert balances(account) == FULL


def test_an_unconfirmed_message_that_nobody_confirms_expires_and_is_given_back(
    account: Account, gateway: ScriptedGateway
) -> None:
    message = factories.message(account)
    gateway.script = raising(OutcomeUnknown("lost"))
    dispatch_due(clock=at(NOON))
    end = message.valid_until + timedelta(days=7)
    assert dispatch.sweep(clock=at(end - timedelta(seconds=1))) == 0
    assert dispatch.sweep(clock=at(end)) == 1
    assert_message(message, State.EXPIRED, "never_confirmed", final_at=end)
    assert balances(account) == FULL


@pytest.mark.django_db
def test_a_session_that_stands_still_in_a_transaction_keeps_its_locks_for_a_minute_at_the_most() -> None:
    if connection.vendor == "sqlite":
        # A file's locks end with their process; there is no other machine.
        return
    with connection.cursor() as cursor:
        cursor.execute("SHOW idle_in_transaction_session_timeout")
        assert cursor.fetchone() == ("1min",)
