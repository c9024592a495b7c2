"""What a person decides about messages that may have left, and what a report says before, between and after it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from compose import claims, dispatch, doubts
from compose.gateways.base import NotSent, OutcomeUnknown
from compose.models import Message, OptOut, Route, Submission
from compose.services import cancel
from credits.models import Account, Transfer
from tests import factories
from tests.dispatching import dispatch_due
from tests.events import arrive, report
from tests.factories import FULL, HELD, NOON, SPENT, assert_ledger_adds_up, assert_message, at, balances
from tests.gateways_for_tests import ScriptedGateway, raising, scripted_gateway, scripted_gateways, take_all

State = Message.State
SOON = NOON + timedelta(seconds=10)
LATER = NOON + timedelta(minutes=5)
VALIDITY = timedelta(hours=48)
VERBS = (doubts.confirm, doubts.send_again, doubts.give_up)


@pytest.fixture
def account(db: None) -> Account:
    """An account with 100 credits."""
    return factories.account()


@pytest.fixture(autouse=True)
def gateway() -> Iterator[ScriptedGateway]:
    """The only gateway: it breaks the connection after it has read, until its script says otherwise."""
    with scripted_gateway() as made:
        made.script = raising(OutcomeUnknown("lost"))
        yield made


@pytest.fixture
def person(account: Account) -> User:
    return factories.owner(account)


def doubtful(account: Account, *, now: datetime = NOON, **typed: Any) -> Message:
    """A message of which nobody knows whether it left."""
    message = factories.message(account, now=now, **typed)
    dispatch_due(clock=at(now))
    message.refresh_from_db()
    assert message.state == State.UNCONFIRMED
    return message


def echo(message: Message, status: str, **said: Any) -> Any:
    """A report that names the message by our own id, as a gateway says it that gave no reference."""
    return report(status, reference="late", message_id=str(message.pk), **said)


# Each choice


def test_what_was_sent_is_paid_and_says_who_said_so(account: Account, person: User) -> None:
    message = doubtful(account)
    assert doubts.confirm([message.pk], by=person, now=SOON) == (1, 0)
    assert_message(message, State.ACCEPTED, "said_sent", final_at=None, leased_until=None)
    assert balances(account) == SPENT
    told = message.transitions.order_by("pk").last()
    assert told is not None
    assert (told.state, told.reason, told.by, told.at, told.attempt) == ("accepted", "said_sent", person, SOON, 1)
    assert message.hold_ended_by is not None
    assert (message.hold_ended_by.verb, message.hold_ended_by.by) == ("capture", person)


def test_what_is_given_up_has_failed_and_costs_nothing(account: Account, person: User) -> None:
    message = doubtful(account)
    assert doubts.give_up([message.pk], by=person, now=SOON) == (1, 0)
    assert_message(message, State.FAILED, "given_up", final_at=SOON)
    assert balances(account) == FULL
    assert message.transitions.get(state=State.FAILED).by == person


def test_what_is_sent_again_waits_with_its_price_held_and_is_paid_once(
    account: Account, person: User, gateway: ScriptedGateway
) -> None:
    message = doubtful(account)
    valid_until = message.valid_until
    assert doubts.send_again([message.pk], by=person, now=SOON) == (1, 0)
    free: dict[str, Any] = {"claim": None, "leased_until": None, "handed_over_at": None, "due_at": SOON}
    assert_message(message, State.SCHEDULED, "sent_again", valid_until=valid_until, **free)
    assert balances(account) == HELD
    assert message.transitions.get(state=State.SCHEDULED).by == person
    gateway.script = take_all
    dispatch_due(clock=at(SOON))
    assert_message(message, State.ACCEPTED, attempts=2)
    assert len(gateway.sent) == 2
    assert balances(account) == SPENT


def test_a_message_that_is_sent_again_may_be_in_doubt_again(account: Account, gateway: ScriptedGateway) -> None:
    message = doubtful(account)
    for times in range(2, 5):
        doubts.send_again([message.pk], by=None, now=SOON)
        dispatch_due(clock=at(SOON))
        assert_message(message, State.UNCONFIRMED, "outcome_unknown", attempts=times)
    assert balances(account) == HELD
    doubts.confirm([message.pk], by=None, now=SOON)
    assert balances(account) == SPENT
    assert_ledger_adds_up()


def test_a_validity_that_is_over_begins_again_with_the_order(account: Account, gateway: ScriptedGateway) -> None:
    message = doubtful(account)
    much_later = message.valid_until
    doubts.send_again([message.pk], by=None, now=much_later)
    assert_message(message, State.SCHEDULED, "sent_again", valid_until=much_later + VALIDITY)
    gateway.script = take_all
    dispatch_due(clock=at(much_later))
    assert_message(message, State.ACCEPTED)
    assert gateway.sent[-1].validity == VALIDITY.total_seconds()


@pytest.mark.parametrize("choice", VERBS, ids=lambda verb: verb.__name__)
@pytest.mark.parametrize("state", [state for state in State if state != State.UNCONFIRMED])
def test_no_choice_touches_a_message_that_is_not_in_doubt(
    account: Account, gateway: ScriptedGateway, choice: Any, state: str
) -> None:
    message = _in_state(account, gateway, state)
    before = Message.objects.values().get(pk=message.pk)
    assert choice([message.pk], by=None, now=LATER) == (0, 1)
    assert Message.objects.values().get(pk=message.pk) == before
    assert_ledger_adds_up()


def _in_state(account: Account, gateway: ScriptedGateway, state: str) -> Message:
    gateway.script = take_all
    message = factories.message(account)
    if state == State.SCHEDULED:
        return message
    if state == State.CANCELLED:
        cancel(account, [message.pk], by=None, now=NOON)
    elif state == State.FAILED:
        dispatch_due(clock=at(message.valid_until))
    elif state == State.SENDING:
        claims.claim_due(clock=at(NOON))
    else:
        dispatch_due(clock=at(NOON))
        if state != State.ACCEPTED:
            arrive(report(state, reference=f"ref-{message.pk}"))
    message.refresh_from_db()
    assert message.state == state
    return message


@pytest.mark.parametrize("choice", VERBS, ids=lambda verb: verb.__name__)
def test_twice_is_once(account: Account, choice: Any) -> None:
    message = doubtful(account)
    assert choice([message.pk, message.pk], by=None, now=SOON) == (1, 0)
    lines, told = Transfer.objects.count(), message.transitions.count()
    assert [other([message.pk], by=None, now=SOON) for other in VERBS] == [(0, 1)] * 3
    assert (Transfer.objects.count(), message.transitions.count()) == (lines, told)
    assert_ledger_adds_up()


@pytest.mark.parametrize("choice", VERBS, ids=lambda verb: verb.__name__)
def test_the_messages_of_another_account_are_left_alone(account: Account, choice: Any) -> None:
    mine, theirs = doubtful(account), doubtful(factories.account())
    assert choice([mine.pk, theirs.pk], by=None, now=SOON, seen=doubts.Seen(account)) == (1, 1)
    assert_message(theirs, State.UNCONFIRMED, "outcome_unknown")


@pytest.mark.parametrize("choice", VERBS, ids=lambda verb: verb.__name__)
def test_a_message_in_another_doubt_than_the_one_that_was_seen_is_left_alone(account: Account, choice: Any) -> None:
    message = doubtful(account)
    first = message.handed_over_at
    assert doubts.send_again([message.pk], by=None, now=SOON, seen=doubts.Seen(until=first)) == (1, 0)
    dispatch_due(clock=at(SOON))
    assert_message(message, State.UNCONFIRMED, "outcome_unknown")
    assert choice([message.pk], by=None, now=SOON, seen=doubts.Seen(until=first)) == (0, 1)
    assert choice([message.pk], by=None, now=SOON, seen=doubts.Seen(until=message.handed_over_at)) == (1, 0)


def test_several_are_decided_in_batches_with_one_line_for_each(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doubts, "BATCH", 4)
    sent = factories.submission(account, to=10)
    dispatch_due(clock=at(NOON))
    pks = list(sent.messages.values_list("pk", flat=True))
    assert doubts.confirm([*pks, 10**9], by=None, now=SOON) == (10, 1)
    assert balances(account) == {"available": 90_000, "held": 0, "spent": 10_000}
    assert list(Transfer.objects.filter(verb="capture").order_by("pk").values_list("amount", flat=True)) == [
        4_000,
        4_000,
        2_000,
    ]
    assert_ledger_adds_up()


@pytest.mark.parametrize("choice", VERBS, ids=lambda verb: verb.__name__)
def test_many_cost_as_many_statements_as_a_few(account: Account, choice: Any) -> None:
    costs = []
    for many in (2, 60):
        sent = factories.submission(account, to=many)
        dispatch_due(clock=at(NOON))
        pks = list(sent.messages.values_list("pk", flat=True))
        with CaptureQueriesContext(connection) as queries:
            assert choice(pks, by=None, now=SOON) == (many, 0)
        costs.append(len(queries))
        Message.objects.filter(pk__in=pks, state=State.SCHEDULED).update(due_at=NOON + timedelta(days=1))
    assert costs[0] == costs[1]


def test_nothing_chosen_is_nothing_done(account: Account, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert [choice([], by=None, now=NOON) for choice in VERBS] == [(0, 0)] * 3


# What a claim looks at again


def test_what_is_sent_again_does_not_go_to_who_has_opted_out_meanwhile(
    account: Account, gateway: ScriptedGateway
) -> None:
    message = doubtful(account, commercial=True)
    factories.opt_out(account, message.recipient, source=OptOut.Source.MANUAL)
    doubts.send_again([message.pk], by=None, now=SOON)
    dispatch_due(clock=at(SOON))
    assert_message(message, State.FAILED, "opted_out")
    assert len(gateway.sent) == 1
    assert balances(account) == FULL


def test_a_commercial_message_that_is_sent_again_at_night_waits_for_its_hours(
    account: Account, gateway: ScriptedGateway
) -> None:
    message = doubtful(account, commercial=True)
    night = NOON + timedelta(hours=12)
    doubts.send_again([message.pk], by=None, now=night)
    dispatch_due(clock=at(night))
    message.refresh_from_db()
    assert (message.state, message.reason) == (State.SCHEDULED, "window")
    assert len(gateway.sent) == 1


def test_what_is_sent_again_waits_while_its_submission_is_paused(account: Account, gateway: ScriptedGateway) -> None:
    message = doubtful(account)
    Submission.objects.filter(pk=message.submission_id).update(paused_at=NOON)
    doubts.send_again([message.pk], by=None, now=SOON)
    gateway.script = take_all
    dispatch_due(clock=at(SOON))
    message.refresh_from_db()
    assert message.state == State.SCHEDULED
    assert len(gateway.sent) == 1


def test_all_gateways_that_can_carry_it_are_asked_when_it_is_sent_again(account: Account) -> None:
    for priority, name in enumerate(("first", "second")):
        Route.objects.create(gateway=name, priority=priority)
    with scripted_gateways(default={}, first={}, second={}) as made:
        made["first"].script = raising(NotSent("away"))
        made["second"].script = raising(OutcomeUnknown("lost"))
        message = doubtful(account)
        assert message.passed_over == "first"
        doubts.send_again([message.pk], by=None, now=SOON)
        made["first"].script = take_all
        dispatch_due(clock=at(SOON))
        assert_message(message, State.ACCEPTED, gateway="first")
        assert [len(made[name].sent) for name in ("first", "second")] == [2, 1]


# A late report


@pytest.mark.parametrize("choice", VERBS, ids=lambda verb: verb.__name__)
def test_a_report_before_the_choice_has_resolved_the_message(account: Account, choice: Any) -> None:
    message = doubtful(account)
    assert arrive(echo(message, "delivered"), now=SOON) == ["applied"]
    assert choice([message.pk], by=None, now=LATER) == (0, 1)
    assert_message(message, State.DELIVERED)
    assert balances(account) == SPENT


@pytest.mark.parametrize(
    ("status", "state", "after"),
    [
        ("delivered", State.DELIVERED, SPENT),
        ("undelivered", State.UNDELIVERED, SPENT),
        ("expired", State.EXPIRED, SPENT),
        ("rejected", State.UNDELIVERED, FULL),
    ],
)
def test_after_it_was_said_to_be_sent_a_report_says_what_became_of_it(
    account: Account, status: str, state: str, after: dict[str, int]
) -> None:
    message = doubtful(account)
    doubts.confirm([message.pk], by=None, now=SOON)
    assert arrive(echo(message, status), now=LATER) == ["applied"]
    message.refresh_from_db()
    assert message.state == state
    assert balances(account) == after
    assert_ledger_adds_up()


@pytest.mark.parametrize("status", ["delivered", "undelivered", "rejected", "accepted"])
def test_after_it_was_given_up_a_report_changes_nothing(account: Account, status: str) -> None:
    message = doubtful(account)
    doubts.give_up([message.pk], by=None, now=SOON)
    assert arrive(echo(message, status), now=LATER) == ["no_change"]
    assert_message(message, State.FAILED, "given_up")
    assert balances(account) == FULL


@pytest.mark.parametrize("status", ["delivered", "accepted"])
def test_a_report_that_the_first_time_had_left_stops_the_second(
    account: Account, gateway: ScriptedGateway, status: str
) -> None:
    message = doubtful(account)
    doubts.send_again([message.pk], by=None, now=SOON)
    assert arrive(echo(message, status), now=SOON) == ["applied"]
    gateway.script = take_all
    dispatch_due(clock=at(LATER))
    assert_message(message, status, "arrived_first", gateway_ref="late")
    assert len(gateway.sent) == 1
    assert balances(account) == SPENT


def test_of_a_first_time_that_is_on_its_way_the_next_report_still_counts(account: Account) -> None:
    message = doubtful(account)
    doubts.send_again([message.pk], by=None, now=SOON)
    assert arrive(echo(message, "accepted"), echo(message, "undelivered"), now=SOON) == ["applied", "applied"]
    assert_message(message, State.UNDELIVERED, "unknown")
    assert balances(account) == SPENT


@pytest.mark.parametrize("status", ["undelivered", "expired", "rejected", "blocked", "unknown"])
def test_a_report_that_the_first_time_did_not_arrive_stops_nothing(
    account: Account, gateway: ScriptedGateway, status: str
) -> None:
    message = doubtful(account)
    doubts.send_again([message.pk], by=None, now=SOON)
    assert arrive(echo(message, status), now=SOON) == ["no_change"]
    assert_message(message, State.SCHEDULED, "sent_again")
    gateway.script = take_all
    dispatch_due(clock=at(LATER))
    assert_message(message, State.ACCEPTED)
    assert len(gateway.sent) == 2
    assert balances(account) == SPENT


def test_the_second_time_is_stopped_between_two_of_its_attempts(account: Account, gateway: ScriptedGateway) -> None:
    message = doubtful(account)
    doubts.send_again([message.pk], by=None, now=SOON)
    gateway.script = raising(NotSent("away"))
    dispatch_due(clock=at(SOON))
    assert_message(message, State.SCHEDULED, "gateway_unreachable")
    assert arrive(echo(message, "delivered"), now=SOON) == ["applied"]
    assert_message(message, State.DELIVERED, "arrived_first")


def test_a_message_that_nobody_had_sent_again_is_stopped_by_no_report(
    account: Account, gateway: ScriptedGateway
) -> None:
    gateway.script = raising(NotSent("away"))
    message = factories.message(account)
    dispatch_due(clock=at(NOON))
    assert arrive(echo(message, "delivered"), now=SOON) == [""]
    assert_message(message, State.SCHEDULED, "gateway_unreachable")


@pytest.mark.parametrize(
    ("status", "state", "reason"),
    [("delivered", State.DELIVERED, ""), ("rejected", State.UNCONFIRMED, "outcome_unknown")],
)
def test_a_report_that_comes_while_it_is_handed_over_again_speaks_of_the_first_time_only(
    account: Account, gateway: ScriptedGateway, status: str, state: str, reason: str
) -> None:
    """It waits, and finds the second time in doubt: that the operator never took the first says nothing about it."""
    message = doubtful(account)
    seen: list[Any] = []
    doubts.send_again([message.pk], by=None, now=SOON)

    def slow(chunk: Any) -> Any:
        seen.extend(arrive(echo(message, status), now=LATER - timedelta(seconds=1)))
        raise OutcomeUnknown("lost")

    gateway.script = slow
    dispatch_due(clock=at(LATER))
    assert seen == [""]
    assert_message(message, State.UNCONFIRMED, "outcome_unknown")
    arrive(now=LATER + timedelta(hours=1))
    assert_message(message, state, reason)


def test_a_report_about_the_second_time_ends_a_message_that_is_in_doubt_again(
    account: Account, gateway: ScriptedGateway
) -> None:
    message = doubtful(account)
    doubts.send_again([message.pk], by=None, now=SOON)
    dispatch_due(clock=at(SOON))
    assert arrive(echo(message, "rejected"), now=LATER) == ["applied"]
    assert_message(message, State.UNDELIVERED, "rejected")
    assert balances(account) == FULL


def test_a_report_about_the_first_time_leaves_alone_what_was_accepted_the_second(
    account: Account, gateway: ScriptedGateway
) -> None:
    message = doubtful(account)
    doubts.send_again([message.pk], by=None, now=SOON)
    gateway.script = take_all
    dispatch_due(clock=at(SOON))
    assert arrive(echo(message, "undelivered"), now=LATER) == [""]
    assert arrive(report("delivered", reference=f"ref-{message.pk}"), now=LATER) == ["", "applied"]
    assert_message(message, State.DELIVERED)


def test_an_answer_that_comes_after_the_choice_changes_nothing(account: Account, gateway: ScriptedGateway) -> None:
    """The lease ended while the gateway was slow, a person gave up, and then the gateway takes it after all."""
    message = factories.message(account)

    def slow(chunk: Any) -> Any:
        dispatch.sweep(clock=at(LATER))
        assert doubts.give_up([message.pk], by=None, now=LATER) == (1, 0)
        return take_all(chunk)

    gateway.script = slow
    dispatch_due(clock=at(NOON))
    assert_message(message, State.FAILED, "given_up")
    assert balances(account) == FULL


def test_nobody_needs_to_choose(account: Account) -> None:
    message = doubtful(account)
    dispatch.sweep(clock=at(message.valid_until + timedelta(days=7)))
    assert_message(message, State.EXPIRED, "never_confirmed")
    assert doubts.send_again([message.pk], by=None, now=LATER) == (0, 1)
    assert balances(account) == FULL


def test_what_is_sent_again_may_be_cancelled_until_it_leaves(account: Account) -> None:
    message = doubtful(account)
    doubts.send_again([message.pk], by=None, now=SOON)
    assert cancel(account, [message.pk], by=None, now=SOON) == 1
    assert arrive(echo(message, "delivered"), now=LATER) == ["no_change"]
    assert_message(message, State.CANCELLED, "cancelled")
    assert balances(account) == FULL
