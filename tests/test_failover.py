"""The next gateway for what certainly did not leave, and never one for what may have."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from compose import breakers, dispatch, services
from compose.gateways import base
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
from compose.models import GatewayState, Message, Route
from credits.models import Account
from inbox import services as inbox_services
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import FULL, HELD, NOON, SPENT, assert_ledger_adds_up, assert_message, at, balances, due
from tests.gateways_for_tests import Script, ScriptedGateway, answering, raising, scripted_gateways, take_all

State = Message.State
AFTER_LEASE = NOON + timedelta(seconds=121)


@pytest.fixture
def account(db: None) -> Account:
    return factories.account()


@pytest.fixture
def gateways(db: None) -> Iterator[dict[str, ScriptedGateway]]:
    """Two gateways for everything: `first`, then `second`. Nothing goes by "default"."""
    Route.objects.create(gateway="first", priority=1)
    Route.objects.create(gateway="second", priority=2)
    with scripted_gateways(default={}, first={}, second={}) as made:
        yield made


def sent(gateways: dict[str, ScriptedGateway]) -> list[int]:
    """How many messages each gateway was handed."""
    return [len(gateways[name].sent) for name in ("default", "first", "second")]


CERTAIN = [NotSent("away"), Throttled("slow"), OutOfFunds("empty"), BadConfiguration("password"), Unsupported("no")]


@pytest.mark.parametrize("error", CERTAIN, ids=lambda error: error.reason)
@pytest.mark.parametrize("how", [answering, raising])
def test_what_certainly_did_not_leave_goes_by_the_next_gateway_at_once(
    account: Account, gateways: dict[str, ScriptedGateway], how: Any, error: GatewayError
) -> None:
    message = factories.message(account)
    gateways["first"].script = how(error)
    dispatch_due(clock=at(NOON))
    assert sent(gateways) == [0, 1, 1]
    assert_message(message, State.ACCEPTED, gateway="second", attempts=2)
    assert balances(account) == SPENT
    told = message.transitions.get(state=State.SCHEDULED)
    assert (told.reason, told.detail) == (error.reason, f"first: {error.detail}")


@pytest.mark.parametrize("error", [Rejected("spam"), InvalidRecipient("none")], ids=lambda error: error.reason)
def test_what_was_refused_for_good_is_offered_to_no_other_gateway(
    account: Account, gateways: dict[str, ScriptedGateway], error: GatewayError
) -> None:
    message = factories.message(account)
    gateways["first"].script = answering(error)
    dispatch_due(clock=at(NOON))
    assert_message(message, State.FAILED, error.reason)
    assert sent(gateways) == [0, 1, 0]
    assert balances(account) == FULL


def test_after_the_last_gateway_the_message_waits_and_the_round_begins_again(
    account: Account, gateways: dict[str, ScriptedGateway]
) -> None:
    message = factories.message(account)
    gateways["first"].script = gateways["second"].script = raising(NotSent("away"))
    now, waits = NOON, []
    for _round in range(3):
        dispatch_due(clock=at(now))
        message.refresh_from_db()
        assert message.passed_over == ""
        waits.append((due(message) - now).total_seconds())
        now = due(message)
    assert sent(gateways) == [0, 3, 3]
    # The wait doubles with each round, not with each gateway.
    for step, wait in zip((5, 10, 20), waits, strict=True):
        assert 0.8 * step <= wait <= 1.2 * step
    gateways["first"].script = take_all
    dispatch_due(clock=at(now))
    assert_message(message, State.ACCEPTED, gateway="first", attempts=7)


def test_a_last_gateway_that_asks_for_patience_gets_it(account: Account, gateways: dict[str, ScriptedGateway]) -> None:
    message = factories.message(account)
    gateways["first"].script = raising(NotSent("away"))
    gateways["second"].script = raising(Throttled("slow", retry_after=60))
    before = now = NOON
    while len(gateways["second"].sent) < 2:
        dispatch_due(clock=at(now))
        before, now = now, Message.objects.get(pk=message.pk).due_at or now
    assert NOON + timedelta(seconds=60) <= before
    # The first one did not ask for it.
    assert len(gateways["first"].sent) >= 3


def test_a_first_gateway_that_asks_for_patience_gets_it_while_the_second_is_asked_again(
    account: Account, gateways: dict[str, ScriptedGateway]
) -> None:
    message = factories.message(account)
    patience = timedelta(seconds=60)
    gateways["first"].script = raising(Throttled("slow", retry_after=60))
    gateways["second"].script = raising(NotSent("away"))
    before = now = NOON
    while len(gateways["first"].sent) < 2:
        dispatch_due(clock=at(now))
        before, now = now, Message.objects.get(pk=message.pk).due_at or now
        assert now > before
    assert NOON + patience <= before
    # The second one was asked in between, with growing waits.
    assert len(gateways["second"].sent) >= 3


def test_a_gateway_that_asks_for_patience_gets_it_while_the_other_one_rests(
    account: Account, gateways: dict[str, ScriptedGateway]
) -> None:
    """A claim that finds nobody to ask begins the next round, and not before its time."""
    for _time in range(5):
        breakers.report("second", [NotSent("away")], now=NOON)
    GatewayState.objects.filter(name="second").update(try_at=NOON + timedelta(seconds=500))
    message = factories.message(account)
    gateways["first"].script = raising(Throttled("slow", retry_after=300))
    dispatch_due(clock=at(NOON))
    message.refresh_from_db()
    assert message.state == State.SCHEDULED
    assert message.due_at == NOON + timedelta(seconds=300)
    assert sent(gateways) == [0, 1, 0]


def test_what_no_gateway_can_carry_fails(account: Account, gateways: dict[str, ScriptedGateway]) -> None:
    message = factories.message(account)
    gateways["first"].script = gateways["second"].script = raising(Unsupported("no"))
    dispatch_due(clock=at(NOON))
    assert_message(message, State.FAILED, "unsupported")
    assert sent(gateways) == [0, 1, 1]
    assert balances(account) == FULL


def test_a_gateway_that_cannot_carry_the_message_is_not_asked_in_the_next_round(
    account: Account, gateways: dict[str, ScriptedGateway]
) -> None:
    message = factories.message(account)
    gateways["first"].script = raising(Unsupported("no"))
    gateways["second"].script = raising(NotSent("away"))
    dispatch_due(clock=at(NOON))
    assert_message(message, State.SCHEDULED, "gateway_unreachable")
    gateways["second"].script = raising(Unsupported("no"))
    dispatch_due(clock=at(due(message)))
    assert_message(message, State.FAILED, "unsupported")
    assert sent(gateways) == [0, 1, 2]


def test_each_message_of_a_chunk_goes_its_own_way(account: Account, gateways: dict[str, ScriptedGateway]) -> None:
    submission = factories.submission(account, to=4)
    gateways["first"].script = answering(Accepted("a"), NotSent("b"), OutcomeUnknown("c"), Rejected("d"))
    dispatch_due(clock=at(NOON))
    rows = submission.messages.order_by("pk").values_list("state", "gateway")
    assert list(rows) == [("accepted", "first"), ("accepted", "second"), ("unconfirmed", "first"), ("failed", "first")]
    assert_ledger_adds_up()


# What may have left


class Killed(BaseException):
    """The process ends here."""


DOUBTS: dict[str, Script] = {
    "said": answering(OutcomeUnknown("lost")),
    "raised": raising(OutcomeUnknown("lost")),
    "a fault": raising(ZeroDivisionError("fault")),
    "too few answers": answering(),
}


def time_goes_by(rounds: int = 6) -> None:
    """Everything that looks at messages by itself, at moments on both sides of each limit."""
    for minutes in [3, 30, 24 * 60, 49 * 60, 8 * 24 * 60, 10 * 24 * 60][:rounds]:
        later = NOON + timedelta(minutes=minutes)
        dispatch.sweep(clock=at(later))
        inbox_services.apply_waiting(clock=at(later))
        dispatch_due(clock=at(later))


@pytest.mark.parametrize("script", DOUBTS.values(), ids=DOUBTS)
def test_what_may_have_left_is_never_given_to_a_second_gateway(
    account: Account, gateways: dict[str, ScriptedGateway], script: Script
) -> None:
    message = factories.message(account)
    gateways["first"].script = script
    dispatch_due(clock=at(NOON))
    assert_message(message, State.UNCONFIRMED, "outcome_unknown", gateway="first")
    time_goes_by()
    assert sent(gateways) == [0, 1, 0]
    assert_message(message, State.EXPIRED, "never_confirmed")


def test_what_may_have_left_by_the_second_gateway_goes_by_no_third(
    account: Account, gateways: dict[str, ScriptedGateway]
) -> None:
    Route.objects.create(gateway="default", priority=3)
    message = factories.message(account)
    gateways["first"].script = raising(NotSent("away"))
    gateways["second"].script = raising(OutcomeUnknown("lost"))
    dispatch_due(clock=at(NOON))
    time_goes_by()
    assert sent(gateways) == [0, 1, 1]
    assert_message(message, State.EXPIRED, "never_confirmed", gateway="second")


def test_a_process_that_dies_with_the_mark_written_leaves_it_to_no_other_gateway(
    account: Account, gateways: dict[str, ScriptedGateway]
) -> None:
    message = factories.message(account)
    gateways["first"].script = raising(Killed())
    with pytest.raises(Killed):
        dispatch_due(clock=at(NOON))
    time_goes_by(4)
    assert_message(message, State.UNCONFIRMED, "crash", gateway="first")
    assert sent(gateways) == [0, 1, 0]
    assert balances(account) == HELD


@pytest.mark.parametrize("late", [OutcomeUnknown("late"), Accepted("late")], ids=["in doubt", "accepted"])
def test_an_answer_after_the_lease_gives_the_message_to_no_other_gateway(
    account: Account, gateways: dict[str, ScriptedGateway], late: Outcome
) -> None:
    factories.message(account)

    def slow(chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        dispatch.sweep(clock=at(AFTER_LEASE))
        # Another worker looks meanwhile.
        dispatch_due(clock=at(AFTER_LEASE))
        return [late]

    gateways["first"].script = slow
    dispatch_due(clock=at(NOON))
    time_goes_by()
    assert sent(gateways) == [0, 1, 0]
    assert_ledger_adds_up()


def test_a_late_word_that_it_certainly_did_not_leave_opens_the_way_to_the_next_gateway(
    account: Account, gateways: dict[str, ScriptedGateway]
) -> None:
    message = factories.message(account)

    def slow(chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        dispatch.sweep(clock=at(AFTER_LEASE))
        message.refresh_from_db()
        assert message.state == State.UNCONFIRMED
        return [NotSent("no connection")]

    gateways["first"].script = slow
    dispatch_due(clock=at(NOON))
    dispatch_due(clock=at(AFTER_LEASE))
    assert_message(message, State.ACCEPTED, gateway="second")
    assert sent(gateways) == [0, 1, 1]


def test_a_report_about_an_unconfirmed_message_ends_it_where_it_went(
    account: Account, gateways: dict[str, ScriptedGateway]
) -> None:
    message = factories.message(account)
    gateways["first"].script = raising(NotSent("away"))
    gateways["second"].script = raising(OutcomeUnknown("lost"))
    dispatch_due(clock=at(NOON))
    report: dict[str, Any] = {"reference": "r", "message_id": str(message.pk), "status": "delivered", "at": NOON}
    # The first gateway never had it: what it says is of another message.
    services.store_events("first", [base.Report(key="a", **report)], now=NOON)
    inbox_services.apply_waiting(clock=at(NOON))
    assert_message(message, State.UNCONFIRMED, "outcome_unknown")
    services.store_events("second", [base.Report(key="b", **report)], now=NOON)
    inbox_services.apply_waiting(clock=at(NOON))
    assert_message(message, State.DELIVERED)
    assert balances(account) == SPENT
