"""Delivery reports: early, late, twice and out of order, they come to the same end."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from compose import dispatch
from compose.gateways.base import Accepted, Outcome, OutcomeUnknown, Outgoing, Rejected
from compose.models import GatewayEvent, Message, Transition
from compose.services import store_events
from credits.models import Account, Transfer
from inbox import services
from tests import factories
from tests.dispatching import dispatch_due
from tests.events import LATER, about, arrive, report, sent
from tests.factories import FULL, NOON, SPENT, assert_message, at, balances
from tests.fixtures.databases import FreshDatabase
from tests.gateways_for_tests import ScriptedGateway, scripted_gateway
from tests.threads import at_once

State = Message.State


@pytest.fixture
def account(db: None) -> Account:
    """An account with 100 credits."""
    return factories.account()


@pytest.fixture(autouse=True)
def gateway() -> Iterator[ScriptedGateway]:
    """The only gateway: it takes all messages until its script says otherwise."""
    with scripted_gateway() as made:
        yield made


def doubtful(account: Account, gateway: ScriptedGateway) -> Message:
    """A message of which nobody knows whether it left."""
    gateway.script = lambda chunk: [OutcomeUnknown("lost")] * len(chunk)
    message = factories.message(account)
    dispatch_due(clock=at(NOON))
    message.refresh_from_db()
    assert message.state == State.UNCONFIRMED
    return message


REPORTS = [
    ("delivered", "", State.DELIVERED, ""),
    ("undelivered", "absent", State.UNDELIVERED, "absent"),
    ("undelivered", "", State.UNDELIVERED, "unknown"),
    ("undelivered", "the word of a gateway that is much too long to be one of ours", State.UNDELIVERED, "unknown"),
    ("undelivered", "rejected", State.UNDELIVERED, "unknown"),
    ("blocked", "", State.UNDELIVERED, "blocked"),
    ("blocked", "rejected", State.UNDELIVERED, "blocked"),
    ("blocked", "spam", State.UNDELIVERED, "spam"),
    ("expired", "memory_full", State.EXPIRED, "memory_full"),
]


@pytest.mark.parametrize(("status", "reason", "state", "kept"), REPORTS)
def test_a_report_of_what_the_operator_took_ends_a_message_and_moves_no_credit(
    account: Account, status: str, reason: str, state: str, kept: str
) -> None:
    message = sent(account)
    assert arrive(about(message, status, reason=reason)) == ["applied"]
    assert_message(message, state, kept)
    assert message.final_at == LATER
    assert [row.state for row in message.transitions.order_by("pk")] == ["sending", "accepted", state]
    assert (message.refunded_by, message.cost) == (None, message.price)
    assert balances(account) == SPENT


@pytest.mark.parametrize(
    ("reason", "kept"),
    [("", "rejected"), ("invalid_recipient", "invalid_recipient"), ("spam", "spam"), ("x", "rejected")],
)
def test_what_the_operator_never_took_costs_nothing(account: Account, reason: str, kept: str) -> None:
    message = sent(account)
    assert arrive(about(message, "rejected", reason=reason)) == ["applied"]
    assert_message(message, State.UNDELIVERED, kept, final_at=LATER)
    assert message.refunded_by is not None
    assert (message.refunded_by.verb, message.refunded_by.amount) == ("refund", message.price)
    assert (message.refunded_by.cause_kind, message.refunded_by.cause_key) == ("message", str(message.pk))
    assert message.hold_ended_by is not None
    assert message.hold_ended_by.verb == "capture"
    assert message.cost == 0
    assert balances(account) == FULL


def test_of_a_submission_only_the_refused_message_is_given_back(account: Account) -> None:
    submission = factories.submission(account, to=3)
    dispatch_due(clock=at(NOON))
    first, second, third = submission.messages.order_by("pk")
    arrive(about(first, "delivered"), about(second, "rejected"), about(third, "undelivered"))
    assert_message(second, State.UNDELIVERED, "rejected")
    assert [row.cost for row in submission.messages.order_by("pk")] == [1_000, 0, 1_000]
    assert balances(account) == {"available": 98_000, "held": 0, "spent": 2_000}


@pytest.mark.parametrize(
    "statuses",
    [
        ("rejected", "rejected"),
        ("accepted", "rejected"),
        ("rejected", "accepted"),
        ("rejected", "delivered"),
        ("rejected", "undelivered", "expired", "rejected"),
    ],
    ids=" then ".join,
)
def test_a_refused_message_is_given_back_once_whatever_comes_before_or_after(
    account: Account, statuses: tuple[str, ...]
) -> None:
    message = sent(account)
    results = arrive(*(about(message, status) for status in statuses))
    assert sorted(results) == ["applied"] + ["no_change"] * (len(statuses) - 1)
    assert_message(message, State.UNDELIVERED, "rejected")
    assert Transfer.objects.filter(verb="refund").count() == 1
    assert balances(account) == FULL


@pytest.mark.parametrize("first", ["delivered", "undelivered", "expired", "blocked"])
def test_a_message_that_the_operator_took_is_not_given_back_by_a_later_word(account: Account, first: str) -> None:
    message = sent(account)
    assert arrive(about(message, first), about(message, "rejected")) == ["applied", "no_change"]
    message.refresh_from_db()
    assert (message.refunded_by, message.cost) == (None, message.price)
    assert balances(account) == SPENT
    factories.assert_ledger_adds_up()


def test_a_refusal_days_later_is_still_given_back(account: Account) -> None:
    message = sent(account)
    assert arrive(about(message, "rejected"), now=NOON + timedelta(days=30)) == ["applied"]
    assert_message(message, State.UNDELIVERED, "rejected")
    assert balances(account) == FULL


def test_a_refund_that_cannot_be_written_leaves_the_message_and_the_report_as_they_were(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state and the credits move together: after the refund, before the state is stored, the process dies."""
    message = sent(account)

    def die(*_args: Any, **_named: Any) -> None:
        raise OSError

    with monkeypatch.context() as patched:
        patched.setattr(Transition.objects, "bulk_create", die)
        assert arrive(about(message, "rejected")) == [""]
    assert_message(message, State.ACCEPTED)
    assert balances(account) == SPENT
    assert arrive(now=LATER + timedelta(hours=2)) == ["applied"]
    assert_message(message, State.UNDELIVERED, "rejected")
    assert balances(account) == FULL


@pytest.mark.parametrize("status", ["accepted", "unknown", "a word that nobody knows"])
def test_a_report_that_says_nothing_new_moves_nothing(account: Account, status: str) -> None:
    message = sent(account)
    assert arrive(about(message, status)) == ["no_change"]
    assert_message(message, State.ACCEPTED)


def test_the_same_report_twice_is_one(account: Account) -> None:
    message = sent(account)
    same = about(message, "delivered")
    assert arrive(same) == ["applied"]
    assert arrive(same, same) == ["applied"]
    assert_message(message, State.DELIVERED)


def test_two_reports_that_say_the_same_change_once(account: Account) -> None:
    message = sent(account)
    assert arrive(about(message, "delivered"), about(message, "delivered")) == ["applied", "no_change"]
    assert message.transitions.filter(state="delivered").count() == 1


@pytest.mark.parametrize("later", ["accepted", "undelivered", "expired", "unknown"])
def test_nothing_undoes_delivered(account: Account, later: str) -> None:
    message = sent(account)
    arrive(about(message, "delivered"), about(message, later))
    assert_message(message, State.DELIVERED)


def test_a_report_that_comes_days_later_counts(account: Account) -> None:
    message = sent(account)
    assert arrive(about(message, "delivered"), now=NOON + timedelta(days=30)) == ["applied"]
    assert_message(message, State.DELIVERED)


def test_a_report_that_comes_before_the_answer_to_the_send_waits_for_it(
    account: Account, gateway: ScriptedGateway
) -> None:
    message = factories.message(account)

    seen: list[Any] = []

    def report_first(chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        seen.extend(arrive(about(message, "delivered"), report("delivered", message_id=str(message.pk)), now=NOON))
        return [Accepted(f"ref-{message.pk}")]

    gateway.script = report_first
    dispatch_due(clock=at(NOON))
    assert seen == ["", ""]
    assert_message(message, State.ACCEPTED)
    assert arrive(now=NOON + timedelta(hours=1)) == ["applied", ""]
    assert_message(message, State.DELIVERED)
    assert balances(account) == SPENT


def test_a_report_with_an_unknown_id_waits_longer_each_time_and_is_given_up_after_a_day(account: Account) -> None:
    arrive(report("delivered", reference="nobody"), now=NOON)
    now, waits = NOON, []
    while not (event := GatewayEvent.objects.get()).result:
        waits.append(event.look_at - now)
        now = event.look_at
        services.apply_waiting(clock=at(now))
    assert waits[0] == timedelta(seconds=2)
    assert waits == sorted(waits)
    assert max(waits) == timedelta(hours=1)
    assert event.result == "unknown"
    assert timedelta(hours=24) < now - NOON < timedelta(hours=26)


def test_a_report_of_another_gateway_names_no_message_of_ours(account: Account) -> None:
    message = sent(account)
    store_events("another", [about(message, "delivered")], now=LATER)
    services.apply_waiting(clock=at(LATER))
    assert_message(message, State.ACCEPTED)


@pytest.mark.parametrize("said", [{"message_id": ""}, {"message_id": "x1"}, {"message_id": "9" * 40}])
def test_a_report_that_names_nothing_waits(account: Account, said: dict[str, str]) -> None:
    message = sent(account)
    assert arrive(report("delivered", **said)) == [""]
    assert_message(message, State.ACCEPTED)


@pytest.mark.parametrize(
    ("status", "state", "reason"),
    [
        ("accepted", State.ACCEPTED, ""),
        ("delivered", State.DELIVERED, ""),
        ("undelivered", State.UNDELIVERED, "unknown"),
        ("expired", State.EXPIRED, "unknown"),
    ],
)
def test_a_report_resolves_an_unconfirmed_message_which_is_then_paid(
    account: Account, gateway: ScriptedGateway, status: str, state: str, reason: str
) -> None:
    message = doubtful(account, gateway)
    assert arrive(report(status, reference="late", message_id=str(message.pk))) == ["applied"]
    assert_message(message, state, reason)
    assert message.gateway_ref == "late"
    assert balances(account) == SPENT


def test_an_unconfirmed_message_that_the_operator_never_took_is_released(
    account: Account, gateway: ScriptedGateway
) -> None:
    message = doubtful(account, gateway)
    said = {"reference": "late", "message_id": str(message.pk)}
    assert arrive(report("rejected", **said), report("delivered", **said)) == ["applied", "no_change"]
    assert_message(message, State.UNDELIVERED, "rejected", gateway_ref="late", refunded_by=None)
    assert message.hold_ended_by is not None
    assert (message.hold_ended_by.verb, message.cost) == ("release", 0)
    assert balances(account) == FULL


def test_an_answer_that_comes_after_the_report_that_resolved_the_message_changes_nothing(
    account: Account, gateway: ScriptedGateway
) -> None:
    message = factories.message(account)

    def slow(chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        dispatch.sweep(clock=at(NOON + timedelta(seconds=121)))
        arrive(report("delivered", reference="first", message_id=str(message.pk)))
        return [Rejected("no")]

    gateway.script = slow
    dispatch_due(clock=at(NOON))
    assert_message(message, State.DELIVERED)
    assert balances(account) == SPENT


def test_a_report_after_the_credits_were_given_back_changes_nothing(account: Account, gateway: ScriptedGateway) -> None:
    message = doubtful(account, gateway)
    end = message.valid_until + timedelta(days=7)
    dispatch.sweep(clock=at(end))
    assert arrive(report("delivered", message_id=str(message.pk)), now=end) == ["no_change"]
    assert_message(message, State.EXPIRED, "never_confirmed")
    assert balances(account) == FULL


@pytest.mark.parametrize(
    ("status", "state", "reason", "available"),
    [("delivered", State.DELIVERED, "", 90_000), ("rejected", State.UNDELIVERED, "rejected", 100_000)],
)
def test_reports_applied_by_several_workers_at_once_change_a_message_once(
    fresh_database: FreshDatabase, status: str, state: str, reason: str, available: int
) -> None:
    account = factories.account()
    messages = [sent(account, to=f"06123456{number}") for number in range(70, 80)]
    reports = [about(message, status) for message in messages for _time in range(2)]
    store_events("default", reports, now=LATER)
    results = at_once([lambda: services.apply_waiting(clock=at(LATER))] * 4)
    # What one worker skipped because another held it is there at the next look.
    results.append(services.apply_waiting(clock=at(LATER)))
    assert sum(results) == len(reports)
    for message in messages:
        assert message.transitions.filter(state=state).count() == 1
        assert_message(message, state, reason)
    assert balances(account)["available"] == available
