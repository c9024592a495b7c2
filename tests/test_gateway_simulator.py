"""The simulator's operator, with a real broker: what each number does, and nothing lost with a worker."""

import traceback
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis
import time_machine
from django.conf import settings as django_settings

from compose import routing
from compose.gateways import base
from compose.gateways.base import (
    Accepted,
    BadConfiguration,
    Event,
    GatewayError,
    OutOfFunds,
    Received,
    Report,
    Throttled,
)
from compose.gateways.simulated import AT_ONCE, FIRST_TIME
from compose.gateways.simulator import SimulatorGateway
from compose.gateways.smpp.encoding import text_of
from compose.models import Message
from credits.models import Account
from inbox.models import Received as ReceivedMessage
from inbox.tasks import collect
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import NOON, assert_message, at
from tests.gateways.rig import outgoing

State = Message.State


@pytest.fixture
def account(db: None) -> Account:
    """An account with 100 credits."""
    return factories.account()


@pytest.fixture
def simulator(redis_client: redis.Redis, settings: Any) -> Iterator[None]:
    """The installation has the simulator as its only gateway."""
    options = {"redis_url": django_settings.REDIS_URL, "spread": 0.0}
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
    (104, State.FAILED, State.FAILED, "unsupported"),
    (105, State.UNCONFIRMED, State.DELIVERED, ""),
    (106, State.UNCONFIRMED, State.UNDELIVERED, "rejected"),
    (201, State.ACCEPTED, State.UNDELIVERED, "memory_full"),
    (202, State.ACCEPTED, State.UNDELIVERED, "barred"),
    (203, State.ACCEPTED, State.UNDELIVERED, "blocked"),
    (204, State.ACCEPTED, State.UNDELIVERED, "rejected"),
    (205, State.ACCEPTED, State.UNDELIVERED, "operator_failure"),
    (211, State.DELIVERED, State.DELIVERED, ""),
    (212, State.ACCEPTED, State.DELIVERED, ""),
    (213, State.ACCEPTED, State.DELIVERED, ""),
]


@pytest.mark.parametrize(("digits", "at_once_state", "state", "reason"), MAGIC)
def test_the_last_digits_of_the_recipient_choose_what_the_operator_does(
    account: Account, simulator: None, digits: int, at_once_state: str, state: str, reason: str
) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        message = factories.message(account, to=factories.mobile(digits))
        dispatch_due()
        collect()
        message.refresh_from_db()
        assert message.state == at_once_state
        clock.shift(2)
        collect()
        assert_message(message, state, reason)
        clock.shift(60)
        collect()
        assert_message(message, state, reason)
    assert not ReceivedMessage.objects.exists()


def test_a_phone_answers_a_short_number_once_and_is_not_lost_with_the_worker(account: Account, simulator: None) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        message = factories.message(account, by=factories.pool())
        dispatch_due()
        # Another process, which knows only the broker, fetches what comes.
        routing.gateway(routing.DEFAULT).store.close()  # type: ignore[attr-defined]
        routing.gateway.cache_clear()
        clock.shift(3)
        collect()
        assert not ReceivedMessage.objects.exists()
        clock.shift(2)
        collect()
        collect()
    assert_message(message, State.DELIVERED)
    found = ReceivedMessage.objects.get()
    assert (found.account, found.answers, found.text) == (account, message, "Bien reçu, merci !")


def test_the_simulator_offers_an_event_until_it_is_acknowledged(account: Account, simulator: None) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        factories.message(account)
        dispatch_due()
        gateway = routing.gateway(routing.DEFAULT)
        assert list(gateway.poll()) == []
        clock.shift(2)
        [event] = gateway.poll()
        assert list(gateway.poll()) == [event]
        gateway.acknowledge([event])
        assert list(gateway.poll()) == []


# --- What the operator does, without the rest of the product -------------------------------------------------


@pytest.fixture
def operators(redis_client: redis.Redis) -> Iterator[Callable[..., SimulatorGateway]]:
    """Makes operators on the broker of the tests, at NOON."""
    made: list[SimulatorGateway] = []

    def make(**options: Any) -> SimulatorGateway:
        made.append(SimulatorGateway(redis_url=django_settings.REDIS_URL, **options))
        return made[-1]

    with time_machine.travel(NOON, tick=False):
        yield make
    for one in made:
        one.store.close()


def said_later(operator: SimulatorGateway, seconds: float = 60.0) -> list[Event]:
    """What it has said so many seconds from NOON, in the order in which it was due."""
    with time_machine.travel(NOON + timedelta(seconds=seconds), tick=False):
        events = list(operator.poll())
        operator.acknowledge(events)
    return sorted(events, key=lambda event: event.at)


ONCE = [("0101", Throttled), ("0102", OutOfFunds), ("0103", BadConfiguration)]


@pytest.mark.parametrize(("digits", "kind"), ONCE)
def test_what_passes_is_over_at_the_second_attempt_of_the_same_message(
    operators: Callable[..., SimulatorGateway], digits: str, kind: type
) -> None:
    message, other = (outgoing(id=each, recipient=f"+3361234{digits}") for each in ("1", "2"))
    assert type(operators().send([message])[0]) is kind
    # Another worker makes the second attempt.
    (taken,) = operators().send([message])
    assert isinstance(taken, Accepted)
    assert type(operators().send([other])[0]) is kind
    [report] = said_later(operators())
    assert isinstance(report, Report)
    assert (report.reference, report.status) == (taken.reference, "delivered")


def test_every_error_of_the_taxonomy_has_its_number(operators: Callable[..., SimulatorGateway]) -> None:
    chunk = [outgoing(id=each, recipient=f"+3361234{each}") for each in [*AT_ONCE, *FIRST_TIME]]
    kinds = {type(outcome) for outcome in operators().send(chunk)}
    errors = {kind for kind in vars(base).values() if isinstance(kind, type) and issubclass(kind, GatewayError)}
    assert kinds == errors - {GatewayError}


def test_reports_come_early_twice_and_out_of_order(operators: Callable[..., SimulatorGateway]) -> None:
    operator = operators()
    operator.send([outgoing(recipient="+33612340211")])
    [early] = operator.poll()
    assert isinstance(early, Report)
    operator.acknowledge([early])
    operator.send([outgoing(recipient="+33612340212")])
    first, second = said_later(operator)
    assert (first.key, first.raw == second.raw) == (second.key, False)
    operator.send([outgoing(recipient="+33612340213")])
    delivered, late = said_later(operator)
    assert isinstance(delivered, Report)
    assert isinstance(late, Report)
    assert (delivered.status, late.status) == ("delivered", "accepted")
    assert delivered.key != late.key


def answers(operator: SimulatorGateway, digits: str, **fields: Any) -> list[Received]:
    """What the phone with this number answers to one message."""
    said = {"sender_kind": "short", "originator": "38123", **fields}
    operator.send([outgoing(recipient=f"+3361234{digits}", **said)])
    return [event for event in said_later(operator) if isinstance(event, Received)]


def test_a_long_answer_comes_in_parts_in_the_wrong_order(operators: Callable[..., SimulatorGateway]) -> None:
    for answer in ("Bien reçu, merci !", "Merci 🥐 !"):
        parts = answers(operators(answer=answer), "0301")
        assert [one.raw["part"]["number"] for one in parts] == list(range(len(parts), 0, -1))
        assert len({one.raw["part"]["reference"] for one in parts}) == 1
        assert {one.raw["part"]["of"] for one in parts} == {len(parts)}
        octets = b"".join(bytes.fromhex(one.raw["octets"]) for one in reversed(parts))
        whole = "".join(one.text for one in reversed(parts))
        assert text_of(octets, parts[0].raw["data_coding"], "gsm") == whole
        assert whole.startswith(answer)
        assert len(parts) >= 3


def test_phones_answer_stop_twice_or_not_at_all(operators: Callable[..., SimulatorGateway]) -> None:
    operator = operators()
    assert [one.text for one in answers(operator, "0302")] == ["STOP"]
    assert len({one.key for one in answers(operator, "0303")}) == 2
    assert answers(operator, "0304") == []
    assert answers(operator, "5678", sender_kind="alphanumeric", originator="BAKERY") == []
    clause = {"sender_kind": "alphanumeric", "originator": "BAKERY", "text": "Soldes\nSTOP:36111"}
    assert [(one.to, one.text) for one in answers(operator, "0302", **clause, commercial=True)] == [("36111", "STOP")]
    assert answers(operator, "0302", **clause) == []


def test_a_long_answer_is_one_message_on_the_page(account: Account, simulator: None) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        message = factories.message(account, to=factories.mobile(301), by=factories.pool())
        dispatch_due()
        clock.shift(10)
        collect()
    found = ReceivedMessage.objects.get()
    assert found.answers == message
    assert found.text.startswith("Bien reçu, merci ! Bien reçu, merci !")


def test_delays_differ_by_message_and_are_the_same_each_time(operators: Callable[..., SimulatorGateway]) -> None:
    def moments(operator: SimulatorGateway) -> dict[str, float]:
        operator.send([outgoing(id=str(number)) for number in range(50)])
        events = [event for event in said_later(operator) if isinstance(event, Report)]
        return {event.message_id: (event.at - NOON).total_seconds() for event in events}

    first, second = moments(operators()), moments(operators())
    assert first == second
    assert len(set(first.values())) == 50
    assert 1.0 <= min(first.values()) < 1.2
    assert 1.8 < max(first.values()) <= 2.0
    assert set(moments(operators(spread=0.0)).values()) == {2.0}


def test_a_share_of_ordinary_numbers_fails_when_the_options_say_so(operators: Callable[..., SimulatorGateway]) -> None:
    def failed(**options: Any) -> set[str]:
        operator = operators(**options)
        chunk = [outgoing(id=str(number)) for number in range(400)]
        outcomes = operator.send(chunk)
        refused = {one.id for one, said in zip(chunk, outcomes, strict=True) if isinstance(said, GatewayError)}
        reports = [event for event in said_later(operator) if isinstance(event, Report)]
        return refused | {event.message_id for event in reports if event.status != "delivered"}

    assert failed() == set()
    some = failed(failures=0.25)
    assert 60 < len(some) < 140
    assert failed(failures=0.25) == some
    assert len(failed(failures=1.0)) == 400


WRONG = [
    {"redis_url": "zz-wrong"},
    {"redis_url": ["zz-wrong"]},
    {"report_after": "zz-wrong"},
    {"answer_after": -1},
    {"spread": 1.5},
    {"failures": float("nan")},
    {"failures": True},
    {"answer": None},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_an_option_that_makes_no_sense_is_refused_by_name(wrong: dict[str, Any]) -> None:
    options: dict[str, Any] = {"redis_url": "redis://127.0.0.1:9/0", **wrong}
    with pytest.raises((TypeError, ValueError), match=next(iter(wrong))) as caught:
        SimulatorGateway(**options)
    assert "zz-wrong" not in "".join(traceback.format_exception(caught.value)).replace(repr(wrong), "")


def test_without_its_store_the_simulator_sends_nothing(account: Account, settings: Any) -> None:
    options = {"redis_url": "unix:///nonexistent/broker.sock"}
    settings.SMS_GATEWAYS = {"default": {"BACKEND": "compose.gateways.simulator.SimulatorGateway", "OPTIONS": options}}
    routing.gateway.cache_clear()
    message = factories.message(account)
    dispatch_due(clock=at(NOON))
    assert_message(message, State.SCHEDULED, "gateway_unreachable")
