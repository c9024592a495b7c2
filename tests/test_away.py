"""While the database is away, whatever it says: nothing that comes in is lost, put aside or answered as stored."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import connection
from django.db.backends.signals import connection_created
from django.http import HttpResponse
from django.test import Client, override_settings
from psycopg import sql

from compose import listening, routing
from compose.away import AWAY
from compose.gateways.base import Capabilities, Event, Gateway, Outcome, Outgoing
from compose.models import GatewayEvent, Message
from compose.services import keep_unreadable, store_events
from credits.models import Account
from inbox import automatic_answers, doors, parts, reactions, services
from inbox.models import Reaction, ReactionSettings, Received
from senders.models import Sender
from tests import factories
from tests.called_gateways import called_gateway
from tests.events import LATER, about, answer, arrive, report, sent
from tests.factories import assert_message, at
from tests.fixtures.databases import FreshDatabase
from tests.gateways_for_tests import ScriptedGateway, scripted_gateway, take_all

State = Message.State
KEY = "opens"
whatever_it_says = pytest.mark.parametrize("kind", AWAY, ids=lambda kind: kind.__name__)


class ListenedGateway(Gateway):
    """Offers `waiting` again until it is acknowledged; `offers` counts, and the listener stops after `most`."""

    capabilities = Capabilities(reports=True, listens=True)

    def __init__(self) -> None:
        self.waiting: list[Event] = []
        self.offers, self.most = 0, 5

    def send(self, chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        return take_all(chunk)

    def listen(self, _stopped: Callable[[], bool]) -> Iterator[Sequence[Event]]:
        while self.waiting and self.offers < self.most:
            self.offers += 1
            yield list(self.waiting)

    def acknowledge(self, events: Sequence[Event]) -> None:
        self.waiting = [event for event in self.waiting if event not in events]


@pytest.fixture
def listened(monkeypatch: pytest.MonkeyPatch) -> Iterator[ListenedGateway]:
    """The only gateway, which is listened to."""
    monkeypatch.setattr(listening, "FIRST_WAIT", 0.01)
    with override_settings(SMS_GATEWAYS={"default": {"BACKEND": f"{__name__}.ListenedGateway"}}):
        routing.gateway.cache_clear()
        made = routing.gateway("default")
        assert isinstance(made, ListenedGateway)
        yield made
        routing.gateway.cache_clear()


@pytest.fixture
def gateway() -> Iterator[ScriptedGateway]:
    """The only gateway, which is polled."""
    with scripted_gateway() as made:
        yield made


@pytest.fixture
def account(db: None, gateway: ScriptedGateway) -> Account:
    """An account with 100 credits."""
    return factories.account()


def call_the_door() -> HttpResponse:
    said = [{"is": "report", "key": "1", "reference": "ref-1", "status": "delivered", "at": LATER.isoformat()}]
    return Client().post(  # type: ignore[return-value]
        "/gateways/default/report", json.dumps(said), content_type="application/json", headers={"x-gateway-key": KEY}
    )


def raising(error: Exception, times: int, then: Callable[..., Any]) -> Callable[..., Any]:
    """As `then`, which fails so often before."""
    left = [error] * times

    def work(*given: Any, **named: Any) -> Any:
        if left:
            raise left.pop()
        return then(*given, **named)

    return work


# A server that only reads, and then writes again


@contextmanager
def only_reads(database: FreshDatabase) -> Iterator[Callable[[], None]]:
    """Sessions begin as ones that only read, until the yielded function is called or the block ends.

    One that began so goes on so: who wants to write has to begin another. SQLite has no such server; its sessions are
    told one by one.
    """
    _switch(database, on=True)
    try:
        yield lambda: _switch(database, on=False)
    finally:
        _switch(database, on=False)
        connection.close()


def _switch(database: FreshDatabase, *, on: bool) -> None:
    if on:
        connection.close()
    if connection.vendor == "sqlite":
        (connection_created.connect if on else connection_created.disconnect)(_only_read)
        return
    # What a session asks for at its start counts more than what its database says.
    writing = "-c default_transaction_read_only=off"
    with psycopg.connect(database.url, autocommit=True, options=writing) as administration:
        name = sql.Identifier(urlsplit(database.url).path.removeprefix("/"))
        said = sql.SQL("on" if on else "off")
        administration.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}").format(name, said))


def _only_read(connection: Any, **_signal: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only = ON")


def test_a_listener_waits_for_a_database_that_only_reads(
    fresh_database: FreshDatabase, listened: ListenedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    listened.waiting = [report("delivered"), answer()]
    tries: list[int] = []
    with only_reads(fresh_database) as writes_again:

        def store(*given: Any, **named: Any) -> None:
            tries.append(len(listened.waiting))
            if len(tries) == 3:
                writes_again()
            store_events(*given, **named)

        monkeypatch.setattr(listening, "store_events", store)
        listening.listen("default", stopped=lambda: len(tries) > 5, then=lambda: None)
        assert tries == [2, 2, 2]
        assert (listened.waiting, listened.offers) == ([], 1)
        assert GatewayEvent.objects.count() == 2


def test_an_event_that_nothing_can_store_stands_before_no_other_though_the_database_only_read(
    fresh_database: FreshDatabase,
    listened: ListenedGateway,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # No JSON says this.
    bad = replace(report("delivered"), raw={"body": object()})
    listened.waiting = [report("delivered"), bad, answer()]
    waits: list[float] = []
    with only_reads(fresh_database) as writes_again:

        def waited(seconds: float, _stopped: Callable[[], bool]) -> bool:
            waits.append(seconds)
            writes_again()
            return len(waits) < 5

        monkeypatch.setattr(listening, "_waited", waited)
        listening.listen("default", stopped=lambda: False, then=lambda: None)
        assert len(waits) == 1
        assert (listened.waiting, listened.offers) == ([bad], listened.most)
        assert sorted(GatewayEvent.objects.values_list("kind", flat=True)) == ["received", "report"]
    complaints = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert complaints == [f"An event of default cannot be stored: {bad.key}"]


def test_a_vendor_is_asked_to_call_again_while_the_database_only_reads(fresh_database: FreshDatabase) -> None:
    with called_gateway(key=KEY), only_reads(fresh_database) as writes_again:
        refused = call_the_door()
        writes_again()
        taken = call_the_door()
        assert (refused.status_code, refused["Retry-After"]) == (503, "5")
        assert taken.status_code == 200
        assert GatewayEvent.objects.get().kind == "report"


def test_what_is_stored_and_what_is_polled_waits_for_a_database_that_only_reads(
    fresh_database: FreshDatabase, gateway: ScriptedGateway
) -> None:
    message = sent(factories.account())
    store_events("default", [about(message, "delivered"), answer()], now=LATER)
    gateway.events = [answer("polled")]
    with only_reads(fresh_database) as writes_again:
        assert services.apply_waiting(clock=at(LATER)) == 0
        with pytest.raises(AWAY):
            services.poll_gateways(clock=at(LATER))
        assert len(gateway.events) == 1
        writes_again()
        # At once, and not when the next look at what could not be applied comes.
        assert services.poll_gateways(clock=at(LATER)) == 1
        assert services.apply_waiting(clock=at(LATER)) == 3
        assert_message(message, State.DELIVERED)
        assert Received.objects.count() == 2


def test_reactions_begin_another_session_when_the_database_only_read(
    fresh_database: FreshDatabase, gateway: ScriptedGateway
) -> None:
    _wants_letters(factories.account())
    with only_reads(fresh_database) as writes_again:
        with pytest.raises(AWAY):
            reactions.do_waiting(clock=at(LATER))
        writes_again()
        assert reactions.do_waiting(clock=at(LATER)) == 1
        assert Reaction.objects.get().tries == 1


# Whatever it says


@whatever_it_says
def test_a_listener_puts_nothing_aside_because_the_database_is_away(
    db: None, listened: ListenedGateway, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    listened.waiting = [report("delivered"), report("expired")]
    monkeypatch.setattr(listening, "store_events", raising(kind("away"), 3, store_events))
    listening.listen("default", stopped=lambda: False, then=lambda: None)
    assert (listened.waiting, listened.offers) == ([], 1)
    assert GatewayEvent.objects.count() == 2


@whatever_it_says
def test_a_vendor_is_asked_to_call_again_whatever_the_database_says(
    db: None, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    with called_gateway(key=KEY) as gateway:
        monkeypatch.setattr(doors, "store_events", raising(kind("away"), 1, store_events))
        monkeypatch.setattr(doors, "keep_unreadable", raising(kind("away"), 1, keep_unreadable))
        refused, taken = call_the_door(), call_the_door()
        assert (refused.status_code, refused["Retry-After"], taken.status_code) == (503, "5", 200)
        gateway.fault = RuntimeError("its code fails")
        refused, kept = call_the_door(), call_the_door()
        assert (refused.status_code, refused["Retry-After"], kept.status_code) == (503, "5", 200)
    assert sorted(GatewayEvent.objects.values_list("kind", flat=True)) == ["report", "unreadable"]


@whatever_it_says
@pytest.mark.parametrize("room", ["_in_one_transaction", "_apply_received"])
def test_events_are_not_put_off_because_the_database_is_away(
    account: Account, monkeypatch: pytest.MonkeyPatch, kind: type[Exception], room: str
) -> None:
    messages = [sent(account), sent(account)]
    store_events("default", [*(about(message, "delivered") for message in messages), answer()], now=LATER)
    with monkeypatch.context() as patched:
        patched.setattr(services, room, raising(kind("away"), 100, getattr(services, room)))
        services.apply_waiting(clock=at(LATER))
    assert not GatewayEvent.objects.filter(looked=True).exists()
    services.apply_waiting(clock=at(LATER))
    for message in messages:
        assert_message(message, State.DELIVERED)
    assert Received.objects.count() == 1


@whatever_it_says
def test_a_database_that_is_away_is_no_fault_of_a_gateway_or_of_a_long_message(
    account: Account,
    gateway: ScriptedGateway,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    kind: type[Exception],
) -> None:
    gateway.events = [answer()]
    with monkeypatch.context() as patched:
        patched.setattr(services, "store_events", raising(kind("away"), 1, store_events))
        with pytest.raises(kind):
            services.poll_gateways(clock=at(LATER))
        patched.setattr(parts, "overdue", lambda *_given: [1])
        patched.setattr(parts, "give_up", raising(kind("away"), 1, parts.give_up))
        assert services.apply_waiting(clock=at(LATER)) == 0
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert services.poll_gateways(clock=at(LATER)) == 1


@whatever_it_says
def test_a_reaction_loses_no_try_because_the_database_is_away(
    account: Account, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    factories.sender(account, "+33937000001", kind=Sender.Kind.VIRTUAL)
    reactions.keep(account, forward_to=[], url="", answer="Closed.", by=factories.owner(account))
    arrive(answer(to="+33937000001"))
    with monkeypatch.context() as patched:
        patched.setattr(automatic_answers, "answer", raising(kind("away"), 1, automatic_answers.answer))
        with pytest.raises(kind):
            reactions.do_waiting(clock=at(LATER))
    waiting = Reaction.objects.get()
    assert (waiting.state, waiting.tries, waiting.look_at) == ("waiting", 0, LATER)
    assert reactions.do_waiting(clock=at(LATER)) == 1


def _wants_letters(account: Account) -> None:
    """A letter waits to be written about a received message."""
    factories.sender(account, "+33937000001", kind=Sender.Kind.VIRTUAL)
    reactions.keep(account, forward_to=["a@example.org"], url="", answer="", by=factories.owner(account))
    assert ReactionSettings.objects.filter(account=account).exists()
    arrive(answer(to="+33937000001"), now=LATER - timedelta(seconds=1))
