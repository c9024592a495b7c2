"""What /readyz says: one line for each check, soon, whatever is away, hangs or is old."""

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from celery.beat import PersistentScheduler
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core import mail
from django.db import OperationalError, connection, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from smsmanager import readiness, tasks
from smsmanager.beat import Scheduler
from smsmanager.celery import app
from smsmanager.models import Heartbeat
from smsmanager.tasks import worker_is_here
from tests import factories
from tests.fixtures.databases import FreshDatabase
from tests.threads import at_once

CHECKS = ["database", "migrations", "beat", "worker", "oldest_due", "broker"]
# Longer than anything here takes, shorter than what hangs.
DEADLINE = 30


@pytest.fixture
def installation(fresh_database: FreshDatabase, redis_client: redis.Redis) -> FreshDatabase:
    """A database and a broker that answer; beat and a worker were here just now."""
    readiness.note(Heartbeat.BEAT)
    readiness.note(Heartbeat.WORKER)
    return fresh_database


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less waiting for those who never answer."""
    monkeypatch.setattr(readiness, "SECONDS", 0.5)


def asked(**more: Any) -> tuple[int, dict[str, Any]]:
    """The status of /readyz, and its checks."""
    answer = Client().get("/readyz", **more)
    said = json.loads(answer.content)
    assert said["ready"] == (answer.status_code == 200) == all(check["ok"] for check in said["checks"].values())
    assert answer.headers["Content-Type"] == "application/json"
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.cookies == {}
    return answer.status_code, said["checks"]


@contextmanager
def silent() -> Iterator[int]:
    """A port of the loopback where connections are taken and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def take() -> None:
            try:
                while True:
                    held.append(server.accept()[0])
            except OSError:
                pass

        taker = threading.Thread(target=take)
        taker.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            taker.join(DEADLINE)
            for one in held:
                one.close()
    assert not taker.is_alive()


def over() -> None:
    """Wait until nobody asks any more: what hung has ended."""
    deadline = time.monotonic() + DEADLINE
    while any(thread.name == "readiness" for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "a thread still asks"
        time.sleep(0.02)


def test_an_installation_whose_parts_all_work_is_ready(installation: FreshDatabase) -> None:
    status, checks = asked()
    assert status == 200, checks
    assert sorted(checks) == sorted(CHECKS)
    assert checks["beat"]["says"].startswith("seen ")
    assert checks["oldest_due"]["says"] == "no message is due"


def test_it_opens_no_session_and_asks_a_constant_number_of_queries(installation: FreshDatabase) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert [line.ok for line in readiness.ask_database()] == [True] * 4
        return len(queries)

    first = cost()
    account = factories.account()
    factories.submission(account, to=30, now=timezone.now())
    assert cost() == first
    assert first <= 4
    assert asked()[0] == 200
    assert not Session.objects.exists()


def test_beat_that_never_ran_and_beat_that_is_gone_are_told_apart(installation: FreshDatabase) -> None:
    Heartbeat.objects.filter(name=Heartbeat.BEAT).delete()
    assert asked()[1]["beat"] == {"ok": False, "says": "never seen"}
    readiness.note(Heartbeat.BEAT)
    assert asked()[0] == 200
    for late in (timedelta(seconds=-125), timedelta(seconds=125)):
        # One of the future says that a clock was wrong; it is no sign of life either.
        Heartbeat.objects.update(at=timezone.now() + late)
        status, checks = asked()
        assert status == 503
        assert not checks["beat"]["ok"]
        assert [check for check in CHECKS if not checks[check]["ok"]] == ["beat"]
    with override_settings(SMS_READY_BEAT_SECONDS=300):
        assert asked()[0] == 200


def test_a_worker_may_be_busy_for_minutes_and_one_that_is_gone_is_said(installation: FreshDatabase) -> None:
    # Its soft time limit ends it then.
    longest = timedelta(seconds=5 * settings.SMS_LEASE_SECONDS)
    seen = Heartbeat.objects.filter(name=Heartbeat.WORKER)
    seen.update(at=timezone.now() - longest + timedelta(seconds=30))
    assert asked()[0] == 200
    seen.update(at=timezone.now() - longest - timedelta(seconds=5))
    status, checks = asked()
    assert status == 503
    assert [check for check in CHECKS if not checks[check]["ok"]] == ["worker"]
    seen.delete()
    assert asked()[1]["worker"] == {"ok": False, "says": "never seen"}


def test_the_signs_outlive_a_broker_that_was_emptied(installation: FreshDatabase, redis_client: redis.Redis) -> None:
    redis_client.flushall()
    assert asked()[0] == 200
    readiness.note(Heartbeat.BEAT)
    assert Heartbeat.objects.count() == 2


def test_beat_gives_its_sign_while_every_worker_is_busy_and_none_takes_a_task(
    installation: FreshDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Heartbeat.objects.filter(name=Heartbeat.BEAT).delete()
    monkeypatch.setattr(PersistentScheduler, "apply_entry", lambda *_asked, **_options: None)
    monkeypatch.setattr(PersistentScheduler, "producer", None)
    scheduler = Scheduler(app=app, schedule_filename=str(tmp_path / "schedule"))
    scheduler.tick()
    over()
    assert asked()[0] == 200
    first = Heartbeat.objects.get(name=Heartbeat.BEAT).at
    scheduler.tick()
    over()
    # Not with each tick, of which there is one a second.
    assert Heartbeat.objects.get(name=Heartbeat.BEAT).at == first
    assert readiness.SIGN_EVERY <= 10
    monkeypatch.setattr(readiness, "SIGN_EVERY", 0.0)
    scheduler.tick()
    over()
    assert Heartbeat.objects.get(name=Heartbeat.BEAT).at > first


def test_beat_goes_on_ticking_while_the_database_is_away(
    installation: FreshDatabase, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_everything: Any) -> None:
        raise OperationalError("the address of the server")

    with monkeypatch.context() as gone:
        gone.setattr(readiness, "note", away)
        assert readiness.show_beat().result(DEADLINE) is None
    assert "Beat's sign of life was not kept: the database does not answer (OperationalError)" in caplog.text
    assert "address" not in caplog.text


def test_what_else_keeps_beat_from_giving_its_sign_is_said_too(
    installation: FreshDatabase, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_everything: Any) -> None:
        raise ValueError("nobody thought of this")

    with monkeypatch.context() as odd:
        odd.setattr(readiness, "note", broken)
        assert readiness.show_beat().result(DEADLINE) is None
    assert "Beat's sign of life was not kept" in caplog.text
    assert "ValueError: nobody thought of this" in caplog.text


def test_a_sign_that_does_not_come_to_its_end_is_said_once(
    installation: FreshDatabase, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def said() -> int:
        return caplog.text.count("Beat's sign of life: under way for more than")

    gate = threading.Event()
    try:
        with monkeypatch.context() as hanging:
            hanging.setattr(readiness, "note", lambda _name: gate.wait(DEADLINE))
            for _time in range(3):
                readiness.show_beat()
            assert said() == 0
            gate.set()
            over()
            gate.clear()
            hanging.setattr(readiness, "LATE", -1.0)
            for times in (0, 1, 1):
                readiness.show_beat()
                assert said() == times
    finally:
        gate.set()
        over()


def test_a_sign_is_one_statement_which_leaves_a_young_one_alone(installation: FreshDatabase) -> None:
    seen = Heartbeat.objects.filter(name=Heartbeat.WORKER)

    def noted(before: timedelta | None) -> bool:
        """Whether a sign is written where there was none, or one so long before."""
        at = None if before is None else timezone.now() - before
        if at is None:
            seen.delete()
        else:
            seen.update(at=at)
        with CaptureQueriesContext(connection) as statements:
            readiness.note(Heartbeat.WORKER)
        # BEGIN and COMMIT would be of them.
        assert len(statements) == 1
        found = seen.get().at
        assert found == at or abs(found - timezone.now()) < timedelta(seconds=DEADLINE)
        return found != at

    assert noted(None)
    assert not noted(timedelta(seconds=readiness.SIGN_EVERY / 5))
    # Another machine's clock is a little ahead.
    assert not noted(timedelta(seconds=-readiness.SIGN_EVERY / 2))
    assert noted(timedelta(seconds=readiness.SIGN_EVERY + 1))
    assert noted(timedelta(seconds=-120))
    assert Heartbeat.objects.count() == 2


def test_a_client_that_stops_in_the_middle_holds_up_nobodys_sign(installation: FreshDatabase) -> None:
    """SQLite has one writer at a time, whatever it writes: there is no row that another one could hold."""
    Heartbeat.objects.update(at=timezone.now() - timedelta(hours=1))
    if connection.vendor == "postgresql":
        with transaction.atomic():
            Heartbeat.objects.update(at=timezone.now() - timedelta(minutes=30))
            assert at_once([partial(readiness.note, Heartbeat.WORKER)]) == [None]
    assert at_once([partial(readiness.note, Heartbeat.WORKER)]) == [None]
    assert Heartbeat.objects.filter(at__gt=timezone.now() - timedelta(minutes=1)).count() == 1


def test_first_signs_at_the_same_time_make_one_row(installation: FreshDatabase) -> None:
    Heartbeat.objects.all().delete()
    assert at_once([partial(readiness.note, Heartbeat.WORKER)] * 4) == [None] * 4
    assert Heartbeat.objects.count() == 1


def test_a_statement_of_a_thread_of_its_own_is_ended(
    installation: FreshDatabase, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if connection.vendor == "postgresql":
        monkeypatch.setattr(readiness, "LONGEST_STATEMENT", 0.2)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE smsmanager_heartbeat IN ACCESS EXCLUSIVE MODE")
            assert readiness.show_beat().result(DEADLINE) is None
        assert "Beat's sign of life was not kept: the database does not answer (OperationalError)" in caplog.text
        with connection.cursor() as cursor:
            # Of that connection alone.
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone() == ("0",)
    assert readiness.show_beat().result(DEADLINE) is None
    over()


def begun(lane: str | None) -> None:
    """A worker begins a task that the broker had in this lane."""
    request = SimpleNamespace(delivery_info=lane and {"exchange": "", "routing_key": lane})
    worker_is_here(sender=SimpleNamespace(request=request))


@pytest.mark.parametrize(("lane", "seen"), [("interactive", True), ("bulk", False), (None, False)])
def test_a_worker_is_seen_when_it_begins_a_task_of_the_interactive_lane(
    installation: FreshDatabase, monkeypatch: pytest.MonkeyPatch, lane: str | None, seen: bool
) -> None:
    Heartbeat.objects.filter(name=Heartbeat.WORKER).delete()
    monkeypatch.setattr(tasks, "_shown_at", float("-inf"))
    begun(lane)
    found = Heartbeat.objects.filter(name=Heartbeat.WORKER)
    assert found.exists() == seen
    # A process that begins a hundred tasks a second writes it down once in a while.
    found.update(at=timezone.now() - timedelta(hours=1))
    begun(lane)
    assert not found.filter(at__gt=timezone.now() - timedelta(minutes=1)).exists()


def test_a_task_is_done_though_the_sign_of_its_worker_could_not_be_kept(
    installation: FreshDatabase, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_everything: Any) -> None:
        raise OperationalError("the address of the server")

    monkeypatch.setattr(readiness, "note", away)
    monkeypatch.setattr(tasks, "_shown_at", float("-inf"))
    begun("interactive")
    assert "The worker's sign of life was not kept: the database does not answer (OperationalError)" in caplog.text
    assert "address" not in caplog.text


def test_a_message_that_is_due_for_too_long_is_said_and_one_that_waits_for_its_time_is_not(
    installation: FreshDatabase,
) -> None:
    account = factories.account()
    message = factories.message(account, now=timezone.now())
    later = factories.message(account, now=timezone.now(), to="06 12 34 56 79")
    type(later).objects.filter(pk=later.pk).update(due_at=timezone.now() + timedelta(days=1))
    assert asked()[0] == 200
    type(message).objects.filter(pk=message.pk).update(due_at=timezone.now() - timedelta(seconds=1000))
    status, checks = asked()
    assert status == 503
    assert checks["oldest_due"]["says"].startswith("has been due for 10")
    assert [check for check in CHECKS if not checks[check]["ok"]] == ["oldest_due"]
    with override_settings(SMS_READY_OLDEST_DUE_SECONDS=2000):
        assert asked()[0] == 200


def test_a_migration_that_was_not_applied_is_said_and_one_of_a_newer_version_is_not(
    installation: FreshDatabase,
) -> None:
    recorder = MigrationRecorder(connection)
    recorder.record_applied("compose", "9999_of_the_next_version")
    assert asked()[0] == 200
    app_label, name = max(readiness.expected_migrations())
    recorder.record_unapplied(app_label, name)
    status, checks = asked()
    assert status == 503
    assert checks["migrations"]["says"] == "1 of the applications need manage.py migrate"
    assert checks["database"]["ok"]
    assert not checks["beat"]["ok"]


def test_a_broker_that_is_away_is_said_without_its_address(
    installation: FreshDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with override_settings(REDIS_URL=f"redis://worker:broker-secret@127.0.0.1:{port}/0"):
        status, checks = asked()
    assert status == 503
    assert checks["broker"] == {"ok": False, "says": "does not answer"}
    assert [check for check in CHECKS if not checks[check]["ok"]] == ["broker"]
    assert "broker-secret" not in caplog.text
    assert str(port) not in caplog.text


def test_a_broker_that_answers_and_takes_nothing_is_said(
    installation: FreshDatabase, redis_client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    assert asked()[0] == 200
    assert 0 < redis_client.ttl(readiness.READY_KEY) <= 60
    redis_client.config_set("maxmemory", 1)
    try:
        # It says PONG all the same.
        assert redis_client.ping()
        status, checks = asked()
    finally:
        redis_client.config_set("maxmemory", 0)
    assert status == 503
    assert checks["broker"] == {"ok": False, "says": "takes nothing: is its memory full?"}
    assert [check for check in CHECKS if not checks[check]["ok"]] == ["broker"]
    assert "Not ready: the broker takes nothing (OutOfMemoryError)" in caplog.text
    over()
    assert asked()[0] == 200


def test_no_broker_at_all_is_said(installation: FreshDatabase) -> None:
    with override_settings(REDIS_URL=""):
        assert asked()[1]["broker"] == {"ok": False, "says": "REDIS_URL is not set"}
    over()


@pytest.mark.usefixtures("impatient")
def test_a_broker_that_takes_the_connection_and_says_nothing_holds_nobody_up(installation: FreshDatabase) -> None:
    with silent() as port, override_settings(REDIS_URL=f"redis://127.0.0.1:{port}/0"):
        began = time.monotonic()
        status, checks = asked()
        assert time.monotonic() - began < DEADLINE
        over()
    assert status == 503
    assert checks["broker"]["says"].startswith("did not answer within")
    assert checks["database"]["ok"]


def test_who_asks_late_does_not_wait_anew_for_what_has_not_answered_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    class Waiting(Future[None]):
        def result(self, timeout: float | None = None) -> None:
            assert timeout is not None
            waits.append(timeout)
            raise TimeoutError

    gate = threading.Event()
    monkeypatch.setattr("smsmanager.readiness.Future", Waiting)
    patient = readiness.Patient("A question", lambda: gate.wait(DEADLINE) and None)
    now = [1000.0]
    monkeypatch.setattr("smsmanager.readiness.time", SimpleNamespace(monotonic=lambda: now[0]))
    for passed in (0.0, readiness.SECONDS / 4, 100 * readiness.SECONDS):
        now[0] = 1000.0 + passed
        with pytest.raises(TimeoutError):
            patient.hear()
    gate.set()
    assert waits == [readiness.SECONDS, readiness.SECONDS * 3 / 4, 0.0]


def test_a_database_that_says_nothing_holds_nobody_up(
    installation: FreshDatabase, monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    if connection.vendor == "postgresql":
        with silent() as port, monkeypatch.context() as away:
            away.setitem(connection.settings_dict, "HOST", "127.0.0.1")
            away.setitem(connection.settings_dict, "PORT", str(port))
            status, checks = asked()
            # Two who ask share the one thread that waits.
            asked()
            assert sum(thread.name == "readiness" for thread in threading.enumerate()) <= 1
            over()
    else:
        gate = threading.Event()
        with monkeypatch.context() as away:
            away.setattr(readiness, "ask_database", lambda: gate.wait(DEADLINE) and [])
            status, checks = asked()
            asked()
            assert sum(thread.name == "readiness" for thread in threading.enumerate()) <= 1
            gate.set()
            over()
    assert status == 503
    assert checks["database"]["says"].startswith("did not answer within")
    assert [check for check in CHECKS if checks[check]["ok"]] == ["broker"]
    assert asked()[0] == 200


def test_a_database_that_is_away_is_said_without_its_address_or_a_trace(
    installation: FreshDatabase, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as away:
        if connection.vendor == "postgresql":
            with socket.create_server(("127.0.0.1", 0)) as closed:
                away.setitem(connection.settings_dict, "PORT", str(closed.getsockname()[1]))
        else:
            away.setitem(connection.settings_dict, "NAME", os.path.join(os.devnull, "nowhere"))  # noqa: PTH118
        status, checks = asked()
    assert status == 503
    assert checks["database"] == {"ok": False, "says": "does not answer"}
    assert checks["migrations"]["says"] == "the database does not say"
    assert "Traceback" not in caplog.text
    assert "127.0.0.1" not in caplog.text
    assert "nowhere" not in caplog.text


def test_nobody_gets_a_letter_because_it_is_not_ready(
    installation: FreshDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    Heartbeat.objects.all().delete()
    with override_settings(ADMINS=[("admin", "admin@example.org")]), caplog.at_level(logging.DEBUG):
        assert asked()[0] == 503
    assert mail.outbox == []
    assert [record for record in caplog.records if record.name == "django.request"] == []


def test_only_hosts_that_are_allowed_are_answered_and_nothing_is_changed(installation: FreshDatabase) -> None:
    client = Client()
    assert client.get("/readyz", headers={"host": "evil.example"}).status_code == 400
    assert client.post("/readyz").status_code == 405
    assert client.head("/readyz").status_code == 200


def test_who_asks_from_inside_is_not_sent_to_https_and_who_is_alive_needs_no_database(
    installation: FreshDatabase,
) -> None:
    with override_settings(SECURE_SSL_REDIRECT=True):
        assert Client().get("/readyz").status_code == 200
        with CaptureQueriesContext(connection) as queries:
            assert Client().get("/healthz").content == b"alive\n"
        assert len(queries) == 0
