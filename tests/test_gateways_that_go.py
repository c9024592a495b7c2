"""Gateways and routes that change while messages are on their way."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client, override_settings

from compose import breakers, dispatch, routing, services
from compose.gateways import base
from compose.gateways.base import NotSent, Outcome, OutcomeUnknown, Outgoing, Unsupported
from compose.models import Message, Route
from credits.models import Account
from inbox import services as inbox_services
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import NOON, assert_ledger_adds_up, assert_message, at
from tests.gateways_for_tests import ScriptedGateway, raising, scripted_gateways

State = Message.State
LATER = NOON + timedelta(minutes=3)


@pytest.fixture
def account(db: None) -> Account:
    return factories.account()


@pytest.fixture
def gateways(db: None) -> Iterator[dict[str, ScriptedGateway]]:
    """Two gateways for everything: `first`, then `second`."""
    Route.objects.create(gateway="first", priority=1)
    Route.objects.create(gateway="second", priority=2)
    with scripted_gateways(default={}, first={}, second={}) as made:
        yield made


@contextmanager
def without(name: str) -> Iterator[None]:
    """The installation was started again without this gateway."""
    left = {one: said for one, said in settings.SMS_GATEWAYS.items() if one != name}
    with override_settings(SMS_GATEWAYS=left):
        yield


def report(key: str, of: Message) -> base.Report:
    return base.Report(key=key, reference=of.gateway_ref, message_id=str(of.pk), status="delivered", at=NOON)


def test_a_stored_report_of_a_gateway_that_is_gone_is_applied_and_its_door_is_none(
    account: Account, gateways: dict[str, ScriptedGateway]
) -> None:
    message = factories.message(account)
    dispatch_due(clock=at(NOON))
    assert_message(message, State.ACCEPTED, gateway="first")
    services.store_events("first", [report("a", message)], now=NOON)
    with without("first"):
        assert Client().get("/gateways/first/report").status_code == 404
        inbox_services.apply_waiting(clock=at(NOON))
        inbox_services.poll_gateways(clock=at(NOON))
    assert_message(message, State.DELIVERED)


def test_what_waits_for_a_gateway_that_is_gone_goes_by_the_next(
    account: Account, gateways: dict[str, ScriptedGateway]
) -> None:
    gateways["first"].script = gateways["second"].script = raising(NotSent("away"))
    message = factories.message(account)
    dispatch_due(clock=at(NOON))
    message.refresh_from_db()
    assert (message.state, message.gateway) == (State.SCHEDULED, "second")
    with without("second"), without("first"):
        dispatch_due(clock=at(LATER))
    assert_message(message, State.ACCEPTED, gateway="default")


@pytest.fixture
def fresh() -> Iterator[None]:
    """Gateways are made anew, as when the processes start."""
    routing.gateway.cache_clear()
    yield
    routing.gateway.cache_clear()


def test_with_no_gateway_left_messages_wait_and_nothing_breaks(account: Account, fresh: None) -> None:
    message = factories.message(account)
    routing.gateway.cache_clear()
    with override_settings(SMS_GATEWAYS={}):
        dispatch_due(clock=at(NOON))
        message.refresh_from_db()
        assert (message.state, message.reason, message.attempts) == (State.SCHEDULED, "bad_configuration", 0)


def test_what_was_in_doubt_at_a_gateway_that_is_gone_goes_by_no_other(
    account: Account, gateways: dict[str, ScriptedGateway]
) -> None:
    gateways["first"].script = raising(OutcomeUnknown("lost"))
    message = factories.message(account)
    dispatch_due(clock=at(NOON))
    with without("first"):
        for hours in (1, 49, 24 * 10):
            later = NOON + timedelta(hours=hours)
            dispatch.sweep(clock=at(later))
            dispatch_due(clock=at(later))
    assert gateways["second"].sent == []
    assert_message(message, State.EXPIRED, "never_confirmed")


@pytest.mark.parametrize("change", ["deleted", "other way round"])
def test_routes_that_change_while_a_gateway_is_slow_count_for_what_did_not_leave_and_for_nothing_else(
    account: Account, gateways: dict[str, ScriptedGateway], change: str
) -> None:
    submission = factories.submission(account, to=3)

    def slow(chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        if change == "deleted":
            Route.objects.all().delete()
        else:
            Route.objects.filter(gateway="second").update(priority=0)
        return [OutcomeUnknown("lost"), Unsupported("no"), NotSent("away")]

    gateways["first"].script = slow
    dispatch_due(clock=at(NOON))
    other = "default" if change == "deleted" else "second"
    rows = submission.messages.order_by("pk").values_list("state", "gateway")
    assert list(rows) == [("unconfirmed", "first"), ("accepted", other), ("accepted", other)]
    assert len(gateways["first"].sent) == 3
    assert_ledger_adds_up()


def test_with_every_gateway_paused_messages_wait_and_lose_neither_attempt_nor_credit(
    account: Account, gateways: dict[str, ScriptedGateway]
) -> None:
    message = factories.message(account)
    for name in ("first", "second"):
        breakers.pause(name, by=None, reason="work on the line")
    for minutes in (0, 5, 60, 24 * 60):
        dispatch_due(clock=at(NOON + timedelta(minutes=minutes)))
        message.refresh_from_db()
        assert (message.state, message.reason, message.attempts) == (State.SCHEDULED, "gateway_paused", 0)
    assert sum(len(one.sent) for one in gateways.values()) == 0
    breakers.resume("second")
    dispatch_due(clock=at(NOON + timedelta(minutes=24 * 60 + 6)))
    assert_message(message, State.ACCEPTED, gateway="second", attempts=1)


def test_a_gateway_that_cannot_be_made_is_said_once_a_minute_whatever_waits_for_it(
    account: Account, fresh: None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routing, "_complained", {})
    wrong: dict[str, Any] = {"BACKEND": "tests.gateways_for_tests.ScriptedGateway", "OPTIONS": {"nonsense": 1}}
    with override_settings(SMS_GATEWAYS={"default": wrong}):
        routing.gateway.cache_clear()
        factories.submission(account, to=50)
        dispatch_due(clock=at(NOON))
        dispatch_due(clock=at(LATER))
    assert len([record for record in caplog.records if "cannot be made" in record.getMessage()]) == 1
