"""What /readyz says: one line for each check, soon, whatever is away, hangs or is old."""

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.contrib.sessions.models import Session
from django.core import mail
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from smsmanager import readiness
from smsmanager.celery import app
from smsmanager.models import Heartbeat
from smsmanager.tasks import beat_is_here
from tests import factories
from tests.fixtures.databases import FreshDatabase

CHECKS = ["database", "migrations", "beat", "oldest_due", "broker"]
# Longer than anything here takes, shorter than what hangs.
DEADLINE = 30


@pytest.fixture
def installation(fresh_database: FreshDatabase, redis_client: redis.Redis) -> FreshDatabase:
    """A database and a broker that answer, and beat was here just now."""
    beat_is_here()
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
            assert [line.ok for line in readiness.ask_database()] == [True, True, True]
        return len(queries)

    first = cost()
    account = factories.account()
    factories.submission(account, to=30, now=timezone.now())
    assert cost() == first
    assert first <= 4
    assert asked()[0] == 200
    assert not Session.objects.exists()


def test_beat_that_never_ran_and_beat_that_is_gone_are_told_apart(installation: FreshDatabase) -> None:
    Heartbeat.objects.all().delete()
    assert asked()[1]["beat"] == {"ok": False, "says": "never seen"}
    beat_is_here()
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


def test_the_sign_of_beat_outlives_a_broker_that_was_emptied(
    installation: FreshDatabase, redis_client: redis.Redis
) -> None:
    redis_client.flushall()
    assert asked()[0] == 200
    beat_is_here()
    assert Heartbeat.objects.count() == 1


def test_beat_gives_its_sign_every_few_seconds_and_an_old_sign_is_dropped() -> None:
    (entry,) = (one for one in app.conf.beat_schedule.values() if one["task"] == beat_is_here.name)
    assert entry["schedule"] <= 10
    assert entry["options"]["expires"] < 120


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
