"""Ten thousand a second of rubbish, at the doors and on a listener: little work, bounded memory, nothing lost."""

import itertools
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from compose import listening, routing
from compose.gateways.smpp.arrivals import MOST_PENDING
from compose.models import GatewayEvent, Message
from credits.models import Account
from inbox import doors, services
from inbox.door_views import door
from tests import factories
from tests.called_gateways import CalledGateway, called_gateway
from tests.dispatching import dispatch_due
from tests.events import LATER
from tests.factories import NOON, assert_message, at
from tests.gateways.peers import QUICK
from tests.gateways.smsc import BINDS, Smsc, delivery, smsc
from tests.gateways.test_smpp_listener import receipt

FLOOD = 10_000
KEY = "opens-the-door"


@pytest.fixture
def account(db: None) -> Account:
    """An account with 100 credits."""
    return factories.account()


@pytest.fixture
def gateway(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[CalledGateway]:
    """A gateway whose door opens with KEY, and a log that has said nothing yet."""
    monkeypatch.setattr(doors, "_lines", doors._Lines())
    with called_gateway(key=KEY) as made:
        yield made


def calls(key: str) -> Callable[..., HttpResponse]:
    """What calls the door with this key, straight at the view: no HTTP server is what is measured here."""
    make = RequestFactory()

    def call(*said: dict[str, Any]) -> HttpResponse:
        headers = {"x-gateway-key": key}
        request = make.post("/gateways/default/report", json.dumps(said), "application/json", headers=headers)
        return door(request, "default", "report")

    return call


def delivered(reference: str, key: str) -> dict[str, Any]:
    return {"is": "report", "key": key, "reference": reference, "status": "delivered", "at": LATER.isoformat()}


def taken(account: Account) -> Message:
    message = factories.message(account)
    dispatch_due(clock=at(NOON))
    return message


def test_forged_calls_cost_no_query_and_leave_nothing_and_the_genuine_among_them_are_applied(
    account: Account, gateway: CalledGateway, caplog: pytest.LogCaptureFixture
) -> None:
    message = taken(account)
    forged, genuine = calls("opens-the-doom"), calls(KEY)
    caplog.clear()
    with CaptureQueriesContext(connection) as queries:
        assert {forged(delivered("x", "x")).status_code for _call in range(FLOOD // 2)} == {403}
    assert queries.captured_queries == []
    assert genuine(delivered(f"ref-{message.pk}", "genuine")).status_code == 200
    with CaptureQueriesContext(connection) as queries:
        assert {forged(delivered("x", "x")).status_code for _call in range(FLOOD // 2)} == {403}
    assert queries.captured_queries == []
    assert GatewayEvent.objects.count() == len(gateway.calls) == 1
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) <= 2
    assert services.apply_waiting() == 1
    assert_message(message, Message.State.DELIVERED)


def test_a_genuine_report_behind_ten_thousand_of_unknown_ids_is_applied_in_the_next_turn(
    account: Account, gateway: CalledGateway
) -> None:
    message = taken(account)
    call, each = calls(KEY), 50
    for start in range(0, FLOOD, each):
        said = [delivered(f"nobody-{number}", f"unknown-{number}") for number in range(start, start + each)]
        assert call(*said).status_code == 200
    assert call(delivered(f"ref-{message.pk}", "genuine")).status_code == 200
    assert GatewayEvent.objects.count() == FLOOD + 1
    # One moment for both turns: a slow machine does not reach the next look.
    moment = at(timezone.now())
    with CaptureQueriesContext(connection) as queries:
        assert services.apply_waiting(clock=moment) == 1
    assert len(queries) < FLOOD // 20
    assert_message(message, Message.State.DELIVERED)
    # Now all of them wait for their next look, and none is looked at before it.
    with CaptureQueriesContext(connection) as queries:
        assert services.apply_waiting(clock=moment) == 0
    assert len(queries) < 10


def test_calls_that_are_not_understood_are_kept_once_each(gateway: CalledGateway) -> None:
    make = RequestFactory(headers={"x-gateway-key": KEY})
    for number in range(300):
        request = make.post("/gateways/default/", f"nonsense {number % 3}", "text/plain")
        assert door(request, "default").status_code == 200
    assert GatewayEvent.objects.count() == 3


# On the connection of a listener


@pytest.fixture
def centre() -> Iterator[Smsc]:
    """The operator."""
    with smsc() as made:
        yield made


@pytest.fixture
def listened(db: None, centre: Smsc, settings: Any) -> Iterator[None]:
    """The installation has this operator as its only gateway."""
    options = {**QUICK, "port": centre.port}
    settings.SMS_GATEWAYS = {"default": {"BACKEND": "compose.gateways.smpp.SmppGateway", "OPTIONS": options}}
    routing.gateway.cache_clear()
    yield
    routing.gateway(routing.DEFAULT).close()  # type: ignore[attr-defined]
    routing.gateway.cache_clear()


def rubbish() -> Iterator[bytes]:
    """Deliveries of no use: reports of unknown messages, bodies that end too soon, texts from nowhere."""
    for number in itertools.count():
        kind = number % 3
        if number % 20 == 7:
            # Few: each becomes a received message, in a transaction of its own.
            yield delivery(message=f"hello {number}".encode(), source=f"336{number:08d}")
        elif kind == 0:
            yield receipt(f"nobody-{number}")
        elif kind == 1:
            yield delivery(message=b"x" * 40)[: number % 30]
        else:
            yield delivery(message=bytes([200, 1, number % 256]), esm_class=0x44, data_coding=number % 256)


def test_ten_thousand_deliveries_of_rubbish_stay_bounded_and_a_genuine_one_behind_them_arrives(
    account: Account, centre: Smsc, listened: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    message = factories.message(account)
    dispatch_due(clock=at(NOON))
    message.refresh_from_db()
    flood, most, asked = itertools.islice(rubbish(), FLOOD), 0, 0
    genuine: list[int] = []
    turns = itertools.count()

    def stopped() -> bool:
        nonlocal most, asked
        assert next(turns) < 5_000, "the genuine delivery did not arrive"
        gateway: Any = routing.gateway(routing.DEFAULT)
        most = max(most, len(gateway._listening.arrivals._pending)) if gateway._listening else most
        if not centre.of(*BINDS[:1]):
            return False
        bodies = list(itertools.islice(flood, FLOOD // 4))
        for body in bodies:
            centre.deliver(body)
        asked += len(bodies)
        if bodies:
            return False
        # The operator repeats what it was told to try later, as operators do.
        answers = centre.answered(genuine[-1]) if genuine else []
        if not genuine or (answers and answers[0].status):
            genuine.append(centre.deliver(receipt(message.gateway_ref)))
        return any(one.status == 0 for one in answers)

    listening.listen("default", stopped=stopped, then=lambda: None)
    assert asked == FLOOD
    assert 0 < most <= MOST_PENDING
    # A turn is short; on a slow machine the genuine report has its own only in a later one.
    while services.apply_waiting():
        pass
    assert_message(message, Message.State.DELIVERED)
