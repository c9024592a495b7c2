"""`manage.py listen_gateway` with real processes, and what it does when the database is away."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db import DataError, OperationalError, connection, transaction

from compose import listening, routing, services
from compose.gateways.base import Event
from compose.models import GatewayEvent, Message
from inbox import services as inbox_services
from inbox.models import Received
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import NOON, assert_message, at
from tests.fixtures.databases import FreshDatabase
from tests.fixtures.instances import MANAGE
from tests.gateways.peers import PASSWORD, QUICK
from tests.gateways.smsc import BINDS, SECONDS, UNBIND, Smsc, delivery, smsc

RECEIVER = 0x01


def receipt(reference: str, word: str = "DELIVRD") -> bytes:
    """The body of a deliver_sm with a receipt."""
    text = f"id:{reference} sub:001 dlvrd:001 submit date:2611241030 done date:2611241031 stat:{word} err:000 text:"
    return delivery(message=text.encode(), esm_class=0x04)


@pytest.fixture
def centre() -> Iterator[Smsc]:
    """The operator."""
    with smsc() as made:
        yield made


@pytest.fixture
def configured(centre: Smsc, settings: Any) -> Iterator[None]:
    """The installation has this operator as its only gateway."""
    options = {**QUICK, "port": centre.port}
    settings.SMS_GATEWAYS = {"default": {"BACKEND": "compose.gateways.smpp.SmppGateway", "OPTIONS": options}}
    routing.gateway.cache_clear()
    yield
    routing.gateway(routing.DEFAULT).close()  # type: ignore[attr-defined]
    routing.gateway.cache_clear()


@pytest.fixture
def environ(centre: Smsc, configured: None, fresh_database: FreshDatabase, tmp_path: Path) -> dict[str, str]:
    """The environment of a process with this operator, on a database of the test's own."""
    (tmp_path / "settings_with_smpp.py").write_text(
        f"from smsmanager.settings import *\nSMS_GATEWAYS = {django_settings.SMS_GATEWAYS!r}\n",
    )
    path = os.pathsep.join([str(tmp_path), str(django_settings.BASE_DIR)])
    return {**fresh_database.environ, "DJANGO_SETTINGS_MODULE": "settings_with_smpp", "PYTHONPATH": path}


@contextlib.contextmanager
def listener(environ: dict[str, str], centre: Smsc) -> Iterator[subprocess.Popen[str]]:
    """A listening process that is bound; nothing is left of it at the end of the block."""
    before = len(centre.of(RECEIVER))
    process = subprocess.Popen(
        [sys.executable, MANAGE, "listen_gateway", "default"],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        centre.wait_for(lambda: len(centre.of(RECEIVER)) > before or process.poll() is not None)
        assert process.poll() is None
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def ended(process: subprocess.Popen[str], by: signal.Signals) -> str:
    """Stop it, and return what it printed."""
    process.send_signal(by)
    printed, _nothing = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, printed
    return printed


@pytest.mark.processes
@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_reports_and_replies_are_stored_answered_and_applied(
    redis_client: redis.Redis, environ: dict[str, str], centre: Smsc, by: signal.Signals
) -> None:
    message = factories.message(factories.account(), by=factories.pool())
    dispatch_due(clock=at(NOON))
    assert_message(message, Message.State.ACCEPTED)
    with listener(environ, centre) as process:
        redis_client.flushall()
        told = centre.deliver(receipt("1"))
        message.refresh_from_db()
        source, to = message.recipient.removeprefix("+"), message.originator
        replied = centre.deliver(delivery(source=source, destination=to, message=b"OK"))
        centre.wait_for(lambda: centre.answered(told) and centre.answered(replied))
        # An answer says that it is stored, and this process sees it.
        assert GatewayEvent.objects.count() == 2
        nudged = time.monotonic() + SECONDS
        while not redis_client.llen("interactive"):
            assert time.monotonic() < nudged, "no worker was told"
            time.sleep(0.02)
        printed = ended(process, by)
    assert "Stopped." in printed
    assert PASSWORD not in printed
    assert len(centre.of(UNBIND)) == 1
    inbox_services.apply_waiting()
    assert_message(message, Message.State.DELIVERED)
    reply = Received.objects.get()
    assert (reply.answers, reply.text) == (message, "OK")


@pytest.mark.processes
def test_what_a_crash_kept_from_being_stored_was_not_answered_and_comes_again(
    redis_client: redis.Redis, environ: dict[str, str], centre: Smsc
) -> None:
    with listener(environ, centre) as process, locked():
        lost = centre.deliver(receipt("1"))
        # The process has it, and cannot store it: it still answers to other things.
        asked = centre.deliver(b"", command=0x15)
        centre.wait_for(lambda: centre.answered(asked, 0x80000015))
        assert centre.answered(lost) == []
        process.kill()
        centre.wait_for(
            lambda: not [number for number in centre._writers if number == centre.of(RECEIVER)[0].connection]
        )
    assert centre.answered(lost) == []
    assert not GatewayEvent.objects.exists()
    with listener(environ, centre) as process:
        again = centre.deliver(receipt("1"))
        centre.wait_for(lambda: centre.answered(again))
        ended(process, signal.SIGTERM)
    assert GatewayEvent.objects.count() == 1


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Nobody else writes for the length of the block."""
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("LOCK TABLE compose_gatewayevent IN EXCLUSIVE MODE")
        yield


@pytest.mark.processes
def test_two_listeners_at_once_store_an_event_once(
    redis_client: redis.Redis, environ: dict[str, str], centre: Smsc
) -> None:
    with listener(environ, centre), listener(environ, centre):
        first, second = [one.connection for one in centre.of(RECEIVER)]
        numbers = [centre.deliver(receipt(reference), connection=to) for reference in "12" for to in (first, second)]
        centre.wait_for(lambda: all(centre.answered(number) for number in numbers))
        assert GatewayEvent.objects.count() == 2


# --- In this process -------------------------------------------------------------------------------------


class Deliveries:
    """Delivers as soon as the listener is bound, and stops it when `count` of the deliveries are answered."""

    def __init__(self, centre: Smsc, *bodies: bytes, count: int) -> None:
        self.centre = centre
        self.bodies = bodies
        self.count = count
        self.numbers: list[int] = []
        self.nudges = 0
        self.until = time.monotonic() + SECONDS

    def stopped(self) -> bool:
        assert time.monotonic() < self.until, "the deliveries were not answered"
        if not self.numbers and self.centre.of(*BINDS):
            self.numbers = [self.centre.deliver(body) for body in self.bodies]
        return bool(self.numbers) and len(self.answered) >= self.count

    @property
    def answered(self) -> list[int]:
        return [number for number in self.numbers if self.centre.answered(number)]

    def nudge(self) -> None:
        self.nudges += 1


Store = Callable[[str, Sequence[Event]], None]


def storing(monkeypatch: pytest.MonkeyPatch, before: Store) -> None:
    """`before` is called before events are stored, and may raise."""

    def store(gateway: str, events: Sequence[Event], *, now: datetime) -> None:
        before(gateway, events)
        original(gateway, events, now=now)

    original = services.store_events
    monkeypatch.setattr(listening, "store_events", store)
    monkeypatch.setattr(listening, "FIRST_WAIT", 0.05)


def test_while_the_database_is_away_nothing_is_answered_and_nothing_lost(
    db: None, centre: Smsc, configured: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = []

    def away(_gateway: str, _events: Sequence[Event]) -> None:
        attempts.append(deliveries.answered)
        if len(attempts) < 3:
            raise OperationalError("the database is away")

    storing(monkeypatch, away)
    deliveries = Deliveries(centre, receipt("1"), count=1)
    listening.listen("default", stopped=deliveries.stopped, then=deliveries.nudge)
    assert attempts == [[], [], []]
    assert GatewayEvent.objects.count() == deliveries.nudges == 1


def test_it_stops_though_the_database_is_away(
    db: None, centre: Smsc, configured: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = []

    def away(_gateway: str, _events: Sequence[Event]) -> None:
        attempts.append(1)
        raise OperationalError("the database is away")

    storing(monkeypatch, away)
    deliveries = Deliveries(centre, receipt("1"), count=1)
    listening.listen("default", stopped=lambda: deliveries.stopped() or len(attempts) > 1, then=deliveries.nudge)
    assert deliveries.answered == []
    assert deliveries.nudges == 0


@pytest.mark.parametrize(
    "error", [DataError("no"), TypeError("no"), ValueError("no")], ids=lambda error: type(error).__name__
)
def test_an_event_that_cannot_be_stored_stands_before_no_other(
    db: None, centre: Smsc, configured: None, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(_gateway: str, events: Sequence[Event]) -> None:
        if any(getattr(event, "reference", "") == "2" for event in events):
            raise error

    storing(monkeypatch, refuse)
    deliveries = Deliveries(centre, receipt("1"), receipt("2"), receipt("3"), receipt("1", "EXPIRED"), count=3)
    listening.listen("default", stopped=deliveries.stopped, then=deliveries.nudge)
    assert GatewayEvent.objects.count() == 3
    assert [deliveries.numbers.index(number) for number in deliveries.answered] == [0, 2, 3]


def test_a_gateway_that_is_not_there_or_not_listened_to_is_named(settings: Any) -> None:
    settings.SMS_GATEWAYS = {"default": {"BACKEND": "compose.gateways.console.ConsoleGateway"}}
    routing.gateway.cache_clear()
    with pytest.raises(CommandError, match="no gateway 'other'; SMS_GATEWAYS has: default"):
        call_command("listen_gateway", "other")
    with pytest.raises(CommandError, match="'default' is not listened to"):
        call_command("listen_gateway", "default")
    routing.gateway.cache_clear()
