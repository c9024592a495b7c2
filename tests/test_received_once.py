"""The same received message told three times is one; the same words sent twice by a person are two. At each door.

That each vendor's own gateway gives the same call the same key is among the promises of tests/gateways.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
import time_machine
from django.test import Client, override_settings

from compose import routing
from compose.gateways.base import Received
from compose.gateways.simulator import COMING
from compose.gateways.smpp.events import event_of
from compose.gateways.smpp.options import Options
from compose.gateways.smpp.pdus import Delivery
from compose.services import store_events
from credits.models import Account
from inbox import services
from inbox.models import Received as ReceivedMessage
from senders.models import Sender
from tests import factories
from tests.events import LATER, PHONE
from tests.factories import at
from tests.gateways_for_tests import ScriptedGateway, scripted_gateway

VIRTUAL = "+33937000001"
KEY = "k" * 32


@pytest.fixture
def account(db: None) -> Account:
    made = factories.account()
    factories.sender(made, VIRTUAL, kind=Sender.Kind.VIRTUAL)
    return made


def shown() -> list[str]:
    services.apply_waiting(clock=at(datetime.now(UTC) + timedelta(seconds=1)))
    return list(ReceivedMessage.objects.order_by("pk").values_list("text", flat=True))


# At the door that a vendor calls


FIELDS = {"number": "from", "to": "to", "text": "text", "body": "form"}


@pytest.fixture
def options(request: pytest.FixtureRequest) -> Iterator[None]:
    """A gateway of the kind "http" whose vendor calls; the parameter says what of a message it names."""
    configured = {
        "default": {
            "BACKEND": "compose.gateways.http.HttpGateway",
            "OPTIONS": {
                "url": "https://vendor.example.net/send",
                "parameters": {"to": "{recipient}", "text": "{text}"},
                "received": FIELDS | request.param,
            },
            "DOOR": {"key": KEY},
        }
    }
    with override_settings(SMS_GATEWAYS=configured):
        routing.gateway.cache_clear()
        try:
            yield
        finally:
            routing.gateway.cache_clear()


def call(**said: str) -> None:
    form = {"from": PHONE.removeprefix("+"), "to": VIRTUAL.removeprefix("+"), "text": "Oui"} | said
    assert Client().post(f"/gateways/default/received?key={KEY}", form).status_code == 200


@pytest.mark.parametrize("options", [{"key": "id"}], indirect=True)
@pytest.mark.usefixtures("options")
def test_what_the_vendor_names_by_an_id_is_one_however_often_it_calls(account: Account) -> None:
    for _time in range(3):
        call(id="a", at="1795518010")
    assert shown() == ["Oui"]
    for _time in range(3):
        call(id="b", at="1795518010")
    assert shown() == ["Oui", "Oui"]


@pytest.mark.parametrize("options", [{"time": "at", "time_format": "seconds"}], indirect=True)
@pytest.mark.usefixtures("options")
def test_what_the_vendor_names_by_its_moment_is_one_however_often_it_calls(account: Account) -> None:
    for moment in ("1795518010", "1795518010", "1795518010", "1795518011"):
        call(at=moment)
    assert shown() == ["Oui", "Oui"]


@pytest.mark.parametrize("options", [{}], indirect=True)
@pytest.mark.usefixtures("options")
def test_what_the_vendor_does_not_name_is_kept_each_time(account: Account) -> None:
    """Nothing tells a repetition from a second message: two that are shown are better than one that is lost."""
    call()
    call()
    assert shown() == ["Oui", "Oui"]


# Over SMPP


def delivery(octets: bytes, **changes: Any) -> Delivery:
    said: dict[str, Any] = {
        "source": PHONE.removeprefix("+"),
        "source_type": 1,
        "destination": VIRTUAL.removeprefix("+"),
        "destination_type": 1,
        "esm_class": 0,
        "data_coding": 0,
        "message": octets,
        "parameters": {},
    }
    return Delivery(**(said | changes))


def deliver(*deliveries: Delivery) -> None:
    now = datetime.now(UTC)
    options = Options(host="127.0.0.1", port=2775, system_id="shop", password="secret")
    for one in deliveries:
        store_events("default", [event_of(one, b"", options, now=now)], now=now)


def test_a_text_over_smpp_is_kept_each_time_for_the_protocol_names_none(account: Account) -> None:
    deliver(delivery(b"Oui"), delivery(b"Oui"))
    assert shown() == ["Oui", "Oui"]


def test_the_parts_of_a_long_text_over_smpp_are_known_by_their_reference(account: Account) -> None:
    parts = [delivery(bytes([5, 0, 3, 7, 2, number]) + b"ab", esm_class=0x40) for number in (1, 2)]
    deliver(*parts, *parts, *reversed(parts))
    assert shown() == ["abab"]


# By polling


@pytest.fixture
def polled() -> Iterator[ScriptedGateway]:
    with scripted_gateway() as made:
        yield made


def waiting(key: str) -> Received:
    return Received(key=key, number=PHONE, to=VIRTUAL, text="Oui", at=LATER)


def test_what_a_gateway_offers_again_is_one(
    account: Account, polled: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The word that it is stored never arrives: it is offered again each time.
    monkeypatch.setattr(polled, "acknowledge", lambda events: None)
    polled.events = [waiting("a"), waiting("b")]
    for _time in range(3):
        services.poll_gateways(clock=at(LATER))
        services.apply_waiting(clock=at(LATER))
    assert ReceivedMessage.objects.count() == 2


def test_what_a_gateway_says_three_times_in_one_answer_is_one(account: Account, polled: ScriptedGateway) -> None:
    polled.events = [waiting("a")] * 3
    services.poll_gateways(clock=at(LATER))
    services.apply_waiting(clock=at(LATER))
    assert ReceivedMessage.objects.count() == 1


# From the simulator


def test_what_the_simulator_offers_again_is_one_and_two_upon_each_other_are_two(
    account: Account, redis_client: redis.Redis, settings: Any
) -> None:
    settings.SMS_GATEWAYS = {
        "default": {
            "BACKEND": "compose.gateways.simulator.SimulatorGateway",
            "OPTIONS": {"redis_url": settings.REDIS_URL},
        }
    }
    routing.gateway.cache_clear()
    entries: list[Mapping[str, Any]] = [
        {"is": "received", "key": key, "number": PHONE, "to": VIRTUAL, "text": "Oui", "at": 1, "raw": {}, "nth": nth}
        for nth, key in enumerate(["one", "one", "one", "two"])
    ]
    with time_machine.travel(LATER, tick=False):
        redis_client.zadd(COMING, {json.dumps(entry): 1 for entry in entries})
        services.poll_gateways(clock=at(LATER))
    services.apply_waiting(clock=at(LATER))
    routing.gateway.cache_clear()
    assert ReceivedMessage.objects.count() == 2
