"""What comes in: reports early, late, twice and out of order; answers, and whose they are; the simulator's operator."""

import itertools
import logging
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
import redis
import time_machine
from django.conf import settings as django_settings

from compose import dispatch, routing
from compose.gateways.base import Accepted, Event, Outcome, OutcomeUnknown, Outgoing, Received, Rejected, Report
from compose.models import GatewayEvent, Message
from compose.services import store_events
from credits.models import Account, Member
from inbox import queries, services
from inbox.models import Received as ReceivedMessage
from inbox.tasks import collect
from senders.models import Lease, Sender
from tests import factories
from tests.factories import NOON, assert_ledger_adds_up, at, balances
from tests.fixtures.databases import FreshDatabase
from tests.gateways_for_tests import ScriptedGateway, scripted_gateway
from tests.threads import at_once

State = Message.State
LATER = NOON + timedelta(seconds=10)
FULL, SPENT = {"available": 100_000, "held": 0, "spent": 0}, {"available": 99_000, "held": 0, "spent": 1_000}
PHONE = "+33612345678"

_keys = itertools.count(1)


@pytest.fixture
def account(db: None) -> Account:
    """An account with 100 credits."""
    return factories.account()


@pytest.fixture(autouse=True)
def gateway() -> Iterator[ScriptedGateway]:
    """The only gateway: it takes all messages until its script says otherwise."""
    with scripted_gateway() as made:
        yield made


def sent(account: Account, *, now: datetime = NOON, **typed: Any) -> Message:
    """A message that the gateway took; its reference is "ref-" and its id."""
    message = factories.message(account, now=now, **typed)
    dispatch.dispatch_due(clock=at(now))
    message.refresh_from_db()
    assert message.state == State.ACCEPTED
    return message


def doubtful(account: Account, gateway: ScriptedGateway) -> Message:
    """A message of which nobody knows whether it left."""
    gateway.script = lambda chunk: [OutcomeUnknown("lost")] * len(chunk)
    message = factories.message(account)
    dispatch.dispatch_due(clock=at(NOON))
    message.refresh_from_db()
    assert message.state == State.UNCONFIRMED
    return message


def report(status: str, *, reference: str = "", message_id: str = "", reason: str = "") -> Report:
    return Report(
        key=f"event-{next(_keys)}",
        reference=reference,
        message_id=message_id,
        status=status,
        reason=reason,
        at=LATER,
    )


def about(message: Message, status: str, **said: Any) -> Report:
    """A report that names the message by the gateway's reference."""
    return report(status, reference=f"ref-{message.pk}", **said)


def answer(text: str = "Merci", *, to: str = "38111", answers: str = "") -> Received:
    return Received(key=f"event-{next(_keys)}", number=PHONE, to=to, text=text, at=LATER, answers=answers)


def arrive(*events: Event, now: datetime = LATER) -> list[str]:
    """Store the events and apply what waits; the result of each stored event, "" while it waits."""
    with time_machine.travel(now, tick=False):
        store_events("default", events, now=now)
    services.apply_waiting(clock=at(now))
    return list(GatewayEvent.objects.order_by("pk").values_list("result", flat=True))


def after(message: Message, state: str, reason: str = "") -> None:
    message.refresh_from_db()
    assert (message.state, message.reason) == (state, reason)
    assert_ledger_adds_up()


# Reports


REPORTS = [
    ("delivered", "", State.DELIVERED, ""),
    ("undelivered", "absent", State.UNDELIVERED, "absent"),
    ("undelivered", "", State.UNDELIVERED, "unknown"),
    ("undelivered", "the word of a gateway that is much too long to be one of ours", State.UNDELIVERED, "unknown"),
    ("rejected", "", State.UNDELIVERED, "rejected"),
    ("blocked", "", State.UNDELIVERED, "blocked"),
    ("blocked", "spam", State.UNDELIVERED, "spam"),
    ("expired", "memory_full", State.EXPIRED, "memory_full"),
]


@pytest.mark.parametrize(("status", "reason", "state", "kept"), REPORTS)
def test_a_report_ends_a_message_and_moves_no_credit(
    account: Account, status: str, reason: str, state: str, kept: str
) -> None:
    message = sent(account)
    assert arrive(about(message, status, reason=reason)) == ["applied"]
    after(message, state, kept)
    assert message.final_at == LATER
    assert [row.state for row in message.transitions.order_by("pk")] == ["sending", "accepted", state]
    assert balances(account) == SPENT


@pytest.mark.parametrize("status", ["accepted", "unknown", "a word that nobody knows"])
def test_a_report_that_says_nothing_new_moves_nothing(account: Account, status: str) -> None:
    message = sent(account)
    assert arrive(about(message, status)) == ["no_change"]
    after(message, State.ACCEPTED)


def test_the_same_report_twice_is_one(account: Account) -> None:
    message = sent(account)
    same = about(message, "delivered")
    assert arrive(same) == ["applied"]
    assert arrive(same, same) == ["applied"]
    after(message, State.DELIVERED)


def test_two_reports_that_say_the_same_change_once(account: Account) -> None:
    message = sent(account)
    assert arrive(about(message, "delivered"), about(message, "delivered")) == ["applied", "no_change"]
    assert message.transitions.filter(state="delivered").count() == 1


@pytest.mark.parametrize("later", ["accepted", "undelivered", "expired", "unknown"])
def test_nothing_undoes_delivered(account: Account, later: str) -> None:
    message = sent(account)
    arrive(about(message, "delivered"), about(message, later))
    after(message, State.DELIVERED)


def test_a_report_that_comes_days_later_counts(account: Account) -> None:
    message = sent(account)
    assert arrive(about(message, "delivered"), now=NOON + timedelta(days=30)) == ["applied"]
    after(message, State.DELIVERED)


def test_a_report_that_comes_before_the_answer_to_the_send_waits_for_it(
    account: Account, gateway: ScriptedGateway
) -> None:
    message = factories.message(account)

    seen: list[Any] = []

    def report_first(chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        seen.extend(arrive(about(message, "delivered"), report("delivered", message_id=str(message.pk)), now=NOON))
        return [Accepted(f"ref-{message.pk}")]

    gateway.script = report_first
    dispatch.dispatch_due(clock=at(NOON))
    assert seen == ["", ""]
    after(message, State.ACCEPTED)
    assert arrive(now=NOON + timedelta(hours=1)) == ["applied", ""]
    after(message, State.DELIVERED)
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
    after(message, State.ACCEPTED)


@pytest.mark.parametrize("said", [{"message_id": ""}, {"message_id": "x1"}, {"message_id": "9" * 40}])
def test_a_report_that_names_nothing_waits(account: Account, said: dict[str, str]) -> None:
    message = sent(account)
    assert arrive(report("delivered", **said)) == [""]
    after(message, State.ACCEPTED)


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
    after(message, state, reason)
    assert message.gateway_ref == "late"
    assert balances(account) == SPENT


def test_an_answer_that_comes_after_the_report_that_resolved_the_message_changes_nothing(
    account: Account, gateway: ScriptedGateway
) -> None:
    message = factories.message(account)

    def slow(chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        dispatch.sweep(clock=at(NOON + timedelta(seconds=121)))
        arrive(report("delivered", reference="first", message_id=str(message.pk)))
        return [Rejected("no")]

    gateway.script = slow
    dispatch.dispatch_due(clock=at(NOON))
    after(message, State.DELIVERED)
    assert balances(account) == SPENT


def test_a_report_after_the_credits_were_given_back_changes_nothing(account: Account, gateway: ScriptedGateway) -> None:
    message = doubtful(account, gateway)
    end = message.valid_until + timedelta(days=7)
    dispatch.sweep(clock=at(end))
    assert arrive(report("delivered", message_id=str(message.pk)), now=end) == ["no_change"]
    after(message, State.EXPIRED, "never_confirmed")
    assert balances(account) == FULL


def test_reports_applied_by_several_workers_at_once_change_a_message_once(fresh_database: FreshDatabase) -> None:
    account = factories.account()
    messages = [sent(account, to=f"06123456{number}") for number in range(70, 80)]
    reports = [about(message, "delivered") for message in messages for _time in range(2)]
    store_events("default", reports, now=LATER)
    results = at_once([lambda: services.apply_waiting(clock=at(LATER))] * 4)
    # What one worker skipped because another held it is there at the next look.
    results.append(services.apply_waiting(clock=at(LATER)))
    assert sum(results) == len(reports)
    for message in messages:
        assert message.transitions.filter(state="delivered").count() == 1
        after(message, State.DELIVERED)


# Fetching and storing


def test_events_are_acknowledged_only_when_they_are_stored(
    account: Account, gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = sent(account)
    gateway.events = [about(message, "delivered")]
    with monkeypatch.context() as patched:
        patched.setattr(services, "store_events", broken)
        with pytest.raises(RuntimeError):
            services.poll_gateways(clock=at(LATER))
    assert len(gateway.events) == 1
    assert services.poll_gateways(clock=at(LATER)) == 1
    assert gateway.events == []
    services.apply_waiting(clock=at(LATER))
    after(message, State.DELIVERED)


def test_a_gateway_that_cannot_be_asked_does_not_stop_what_is_stored(
    account: Account, gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    message = sent(account)
    store_events("default", [about(message, "delivered")], now=NOON)
    monkeypatch.setattr(gateway, "poll", broken)
    with time_machine.travel(LATER, tick=False), caplog.at_level(logging.ERROR):
        assert collect() == 1
    assert "default" in caplog.text
    after(message, State.DELIVERED)


def test_an_event_that_cannot_be_applied_does_not_stand_before_the_others(
    account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    message = sent(account)
    GatewayEvent.objects.create(gateway="default", key="broken", kind="received", payload={}, look_at=NOON)
    assert arrive(about(message, "delivered")) == ["", "applied"]
    assert "could not be applied" in caplog.text
    assert GatewayEvent.objects.get(key="broken").look_at == LATER + timedelta(hours=1)


def broken(*_arguments: Any, **_options: Any) -> Any:
    raise RuntimeError("broken on purpose")


# Received messages


def received() -> ReceivedMessage:
    return ReceivedMessage.objects.get()


def test_an_answer_to_a_short_number_belongs_to_the_account_that_wrote_and_to_its_message(account: Account) -> None:
    message = sent(account, by=factories.pool())
    assert arrive(answer()) == ["received"]
    found = received()
    assert (found.account, found.answers, found.number, found.to, found.text) == (
        account,
        message,
        PHONE,
        "38111",
        "Merci",
    )
    assert found.received_at == LATER


def test_each_account_gets_the_answer_to_its_own_short_number(account: Account) -> None:
    other = factories.account()
    sender = factories.pool()
    messages = [sent(one, by=sender) for one in (account, other)]
    arrive(*(answer(to=message.originator) for message in messages))
    pairs = {(one.account_id, one.answers_id) for one in ReceivedMessage.objects.all()}
    assert pairs == {(message.account_id, message.pk) for message in messages}


def test_an_answer_after_the_reply_window_still_arrives_while_nobody_else_has_the_number(account: Account) -> None:
    sent(account, by=factories.pool())
    Lease.objects.update(until=NOON)
    assert arrive(answer(), now=NOON + timedelta(days=9)) == ["received"]


def test_an_answer_by_reference_goes_to_the_message_it_names(account: Account) -> None:
    message = sent(account)
    sent(factories.account(), by=factories.pool())
    arrive(answer(answers=f"ref-{message.pk}"))
    assert (received().account, received().answers) == (account, message)


@pytest.mark.parametrize("status", [Sender.Status.ENABLED, Sender.Status.DISABLED])
def test_a_message_to_a_virtual_number_belongs_to_its_owner(account: Account, status: str) -> None:
    factories.sender(account, "+33937000001", kind=Sender.Kind.VIRTUAL, status=status)
    arrive(answer(to="+33937000001"))
    assert (received().account, received().answers) == (account, None)


@pytest.mark.parametrize("status", [Sender.Status.WAITING, Sender.Status.REFUSED])
def test_asking_for_a_virtual_number_does_not_bring_its_messages(account: Account, status: str) -> None:
    factories.sender(account, "+33937000001", kind=Sender.Kind.VIRTUAL, status=status)
    assert arrive(answer(to="+33937000001")) == ["unmatched"]
    owner = factories.account()
    factories.sender(owner, "+33937000001", kind=Sender.Kind.VIRTUAL)
    assert arrive(answer(to="+33937000001")) == ["unmatched", "received"]
    assert ReceivedMessage.objects.latest("pk").account == owner


def test_a_virtual_number_that_two_accounts_have_belongs_to_neither(account: Account) -> None:
    for one in (account, factories.account()):
        factories.sender(one, "+33937000001", kind=Sender.Kind.VIRTUAL)
    assert arrive(answer(to="+33937000001")) == ["unmatched"]


def test_an_answer_answers_the_last_message_that_left(account: Account, gateway: ScriptedGateway) -> None:
    sender = factories.pool()
    early = factories.message(account, by=sender, body="one", deferred_to=NOON + timedelta(minutes=1))
    sent(account, by=sender, body="two")
    dispatch.dispatch_due(clock=at(NOON + timedelta(minutes=1)))
    gateway.script = lambda chunk: [Rejected("no")]
    factories.message(account, by=sender, body="refused")
    dispatch.dispatch_due(clock=at(NOON + timedelta(minutes=2)))
    factories.message(account, by=sender, body="still waits", deferred_to=NOON + timedelta(days=1))
    arrive(answer())
    assert received().answers == early


def test_a_message_that_nothing_explains_belongs_to_nobody_and_is_kept(account: Account) -> None:
    person = factories.owner(account)
    assert arrive(answer(), answer(to="BoulMartin")) == ["unmatched", "unmatched"]
    assert ReceivedMessage.objects.filter(account=None).count() == 2
    assert not queries.received(account, person)
    assert queries.unread_count(account, person) == 0


def test_the_same_event_twice_is_one_message(account: Account) -> None:
    sent(account, by=factories.pool())
    same = answer()
    arrive(same)
    arrive(same, same)
    assert ReceivedMessage.objects.count() == 1


def test_two_identical_texts_are_two_messages(account: Account) -> None:
    sent(account, by=factories.pool())
    arrive(answer("Oui"), answer("Oui"))
    assert ReceivedMessage.objects.count() == 2


def test_what_one_member_has_read_is_unread_for_another(account: Account) -> None:
    sent(account, by=factories.pool())
    arrive(answer())
    reader, other = factories.owner(account), factories.member(account, Member.Role.READER).user
    for _time in range(2):
        services.mark_read(account, reader, [received().pk])
    assert [queries.unread_count(account, person) for person in (reader, other)] == [0, 1]
    assert [row.unread for row in queries.received(account, other)] == [True]  # type: ignore[attr-defined]


def test_nobody_reads_the_messages_of_another_account(account: Account) -> None:
    sent(account, by=factories.pool())
    arrive(answer())
    other = factories.account()
    services.mark_read(other, factories.owner(account), [received().pk])
    assert queries.unread_count(account, factories.owner(account)) == 1
    assert not queries.received(other, factories.owner(other))
    assert queries.conversation(other, PHONE) == []


def test_a_conversation_shows_what_was_sent_and_what_came_back_in_the_order_of_time(account: Account) -> None:
    sender = factories.pool()
    sent(account, by=sender, body="Prêt ?")
    arrive(answer("Oui"))
    sent(account, now=NOON + timedelta(minutes=1), by=sender, body="Parfait")
    lines = queries.conversation(account, PHONE)
    assert [(line.outgoing, line.text) for line in lines] == [(True, "Prêt ?"), (False, "Oui"), (True, "Parfait")]


# The simulator's operator, with a real broker


@pytest.fixture
def simulator(redis_client: redis.Redis, settings: Any) -> Iterator[None]:
    """The installation has the simulator as its only gateway."""
    options = {"redis_url": django_settings.REDIS_URL}
    settings.SMS_GATEWAYS = {"default": {"BACKEND": "compose.gateways.simulator.SimulatorGateway", "OPTIONS": options}}
    routing.gateway.cache_clear()
    yield
    routing.gateway(routing.DEFAULT).store.close()  # type: ignore[attr-defined]
    routing.gateway.cache_clear()


MAGIC = [
    (1, State.FAILED, State.FAILED, "invalid_recipient"),
    (2, State.SCHEDULED, State.SCHEDULED, "gateway_unreachable"),
    (3, State.UNCONFIRMED, State.UNCONFIRMED, "outcome_unknown"),
    (4, State.FAILED, State.FAILED, "spam"),
    (5, State.ACCEPTED, State.UNDELIVERED, "absent"),
    (6, State.ACCEPTED, State.EXPIRED, "absent"),
    (7, State.ACCEPTED, State.ACCEPTED, ""),
    (8, State.ACCEPTED, State.DELIVERED, ""),
]


@pytest.mark.parametrize(("digits", "at_once_state", "state", "reason"), MAGIC)
def test_the_last_digits_of_the_recipient_choose_what_the_operator_does(
    account: Account, simulator: None, digits: int, at_once_state: str, state: str, reason: str
) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        message = factories.message(account, to=factories.mobile(digits))
        dispatch.dispatch_due()
        collect()
        message.refresh_from_db()
        assert message.state == at_once_state
        clock.shift(2)
        collect()
        after(message, state, reason)
        clock.shift(60)
        collect()
        after(message, state, reason)
    assert not ReceivedMessage.objects.exists()


def test_a_phone_answers_a_short_number_once_and_is_not_lost_with_the_worker(account: Account, simulator: None) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        message = factories.message(account, by=factories.pool())
        dispatch.dispatch_due()
        # Another process, which knows only the broker, fetches what comes.
        routing.gateway(routing.DEFAULT).store.close()  # type: ignore[attr-defined]
        routing.gateway.cache_clear()
        clock.shift(3)
        collect()
        assert not ReceivedMessage.objects.exists()
        clock.shift(2)
        collect()
        collect()
    after(message, State.DELIVERED)
    found = received()
    assert (found.account, found.answers, found.text) == (account, message, "Bien reçu, merci !")


def test_the_simulator_offers_an_event_until_it_is_acknowledged(account: Account, simulator: None) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        factories.message(account)
        dispatch.dispatch_due()
        gateway = routing.gateway(routing.DEFAULT)
        assert list(gateway.poll()) == []
        clock.shift(2)
        [event] = gateway.poll()
        assert list(gateway.poll()) == [event]
        gateway.acknowledge([event])
        assert list(gateway.poll()) == []


def test_without_its_store_the_simulator_sends_nothing(account: Account, settings: Any) -> None:
    options = {"redis_url": "unix:///nonexistent/broker.sock"}
    settings.SMS_GATEWAYS = {"default": {"BACKEND": "compose.gateways.simulator.SimulatorGateway", "OPTIONS": options}}
    routing.gateway.cache_clear()
    message = factories.message(account)
    dispatch.dispatch_due(clock=at(NOON))
    after(message, State.SCHEDULED, "gateway_unreachable")
