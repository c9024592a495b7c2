"""Fetching from gateways and applying what is stored: one that fails does not stop the others."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import OperationalError

from compose.models import GatewayEvent, Message
from compose.services import store_events
from credits.models import Account
from inbox import services
from inbox.models import Received as ReceivedMessage
from inbox.tasks import collect
from tests import factories
from tests.events import LATER, about, answer, arrive, sent
from tests.factories import NOON, assert_message, at
from tests.gateways_for_tests import ScriptedGateway, scripted_gateway

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


def broken(*_arguments: Any, **_options: Any) -> Any:
    raise RuntimeError("broken on purpose")


def test_events_are_acknowledged_only_when_they_are_stored(
    account: Account, gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = sent(account)
    gateway.events = [about(message, "delivered")]
    with monkeypatch.context() as patched:
        patched.setattr(services, "store_events", broken)
        assert services.poll_gateways(clock=at(LATER)) == 0
    assert len(gateway.events) == 1
    assert services.poll_gateways(clock=at(LATER)) == 1
    assert gateway.events == []
    services.apply_waiting(clock=at(LATER))
    assert_message(message, State.DELIVERED)


def test_a_busy_database_delays_no_event_beyond_the_next_look(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = sent(account)
    store_events("default", [about(message, "delivered")], now=LATER)

    def busy(*_everything: Any) -> Any:
        raise OperationalError("database is locked")

    with monkeypatch.context() as patched:
        patched.setattr(services, "_in_one_transaction", busy)
        assert services.apply_waiting(clock=at(LATER)) == 0
    assert services.apply_waiting(clock=at(LATER)) == 1
    assert_message(message, State.DELIVERED)


def test_one_thread_of_a_process_applies_at_a_time(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def apply() -> int:
        calls.append("apply")
        # A second tick while the first is at work.
        assert collect() == 0
        return 1

    monkeypatch.setattr(services, "apply_waiting", apply)
    assert [collect(), collect()] == [1, 1]
    assert calls == ["apply", "apply"]


def test_a_gateway_that_is_slow_holds_up_neither_what_is_stored_nor_the_others(
    account: Account, gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (sent(account, to=f"06123456{number}") for number in (70, 71, 72))
    store_events("default", [about(first, "delivered")], now=NOON)
    seen: list[str] = []

    def slow() -> list[Any]:
        # Before the first answer comes, what was stored is applied, and so is what comes to a door meanwhile.
        assert_message(first, State.DELIVERED)
        store_events("default", [about(second, "delivered")], now=NOON)
        seen.append("asked")
        assert collect() == 1
        assert_message(second, State.DELIVERED)
        return [about(third, "delivered")]

    monkeypatch.setattr(gateway, "poll", slow)
    with time_machine.travel(LATER, tick=False):
        assert collect() == 2
    assert seen == ["asked"]
    assert_message(third, State.DELIVERED)


def test_a_gateway_that_cannot_be_asked_does_not_stop_what_is_stored(
    account: Account, gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    message = sent(account)
    store_events("default", [about(message, "delivered")], now=NOON)
    monkeypatch.setattr(gateway, "poll", broken)
    with time_machine.travel(LATER, tick=False), caplog.at_level(logging.ERROR):
        assert collect() == 1
    assert "default" in caplog.text
    assert_message(message, State.DELIVERED)


def test_an_event_that_cannot_be_applied_does_not_stand_before_the_others(
    account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    message = sent(account)
    GatewayEvent.objects.create(gateway="default", key="broken", kind="received", payload={}, look_at=NOON)
    assert arrive(about(message, "delivered")) == ["", "applied"]
    assert "could not be applied" in caplog.text
    assert GatewayEvent.objects.get(key="broken").look_at == LATER + timedelta(hours=1)


def test_a_text_that_no_database_keeps_does_not_stand_before_the_others(account: Account) -> None:
    message = sent(account, by=factories.pool())
    arrive(answer("a\0b\ud800c 😀"), about(message, "delivered"))
    assert ReceivedMessage.objects.get().text == "a\ufffdb\ufffdc 😀"
    assert_message(message, State.DELIVERED)
