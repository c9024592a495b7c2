"""The simulator's operator, with a real broker: what each number does, and nothing lost with a worker."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis
import time_machine
from django.conf import settings as django_settings

from compose import dispatch, routing
from compose.models import Message
from credits.models import Account
from inbox.models import Received as ReceivedMessage
from inbox.tasks import collect
from tests import factories
from tests.factories import NOON, assert_message, at

State = Message.State


@pytest.fixture
def account(db: None) -> Account:
    """An account with 100 credits."""
    return factories.account()


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
        assert_message(message, state, reason)
        clock.shift(60)
        collect()
        assert_message(message, state, reason)
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
    assert_message(message, State.DELIVERED)
    found = ReceivedMessage.objects.get()
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
    assert_message(message, State.SCHEDULED, "gateway_unreachable")
