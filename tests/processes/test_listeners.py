"""Listeners as processes of an installation: started, brought back, ended; and all of them in one process."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from django.core.management import CommandError, call_command

from compose import listening, routing
from compose.models import GatewayEvent
from tests.fixtures.databases import FreshDatabase
from tests.fixtures.instances import MANAGE, Running, installation, until
from tests.gateways.smsc import SECONDS, UNBIND, Smsc, smsc
from tests.gateways.test_smpp_listener import RECEIVER, receipt

PASSWORD = "s3cr3t-l1"


@pytest.fixture
def centres() -> Iterator[list[Smsc]]:
    """Two operators."""
    with smsc() as first, smsc() as second:
        yield [first, second]


def gateways(tmp_path: Path, *centres: Smsc) -> dict[str, str]:
    """The environment of an installation with a gateway for each of these operators, and another."""
    written = ['[default]\nbackend = "console"\n']
    for number, centre in enumerate(centres):
        written.append(
            f'[operator{number}]\nbackend = "smpp"\n[operator{number}.options]\nhost = "127.0.0.1"\n'
            f'port = {centre.port}\nsystem_id = "shop"\npassword = {{ env = "TEST_SMPP_PASSWORD" }}\n'
            "retry_first = 0.05\nretry_longest = 0.2\n"
        )
    file = tmp_path / "gateways.toml"
    file.write_text("\n".join(written))
    return {"SMSMANAGER_GATEWAYS": str(file), "TEST_SMPP_PASSWORD": PASSWORD}


def bound(centre: Smsc, times: int = 1) -> None:
    centre.wait_for(lambda: len(centre.of(RECEIVER)) >= times, "nobody listens")


def listener_of(instance: Running, name: str) -> psutil.Process | None:
    for process in psutil.Process(instance.process.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.cmdline()[-2:] == ["listen_gateway", name]:
                return process
    return None


@pytest.mark.processes
def test_an_installation_listens_to_what_has_to_be_listened_to(tmp_path: Path, centres: list[Smsc]) -> None:
    environ = gateways(tmp_path, *centres)
    with installation(tmp_path / "data", "--port", "0", "--no-demo", "--verbose", **environ) as instance:
        for centre in centres:
            bound(centre)
        assert listener_of(instance, "default") is None
        # What arrives is stored, answered, and looked at by the worker.
        number = centres[1].deliver(receipt("1"))
        centres[1].wait_for(lambda: centres[1].answered(number))
        killed = until(lambda: listener_of(instance, "operator0"), 20, "there is no listener")
        assert killed is not None
        os.kill(killed.pid, signal.SIGKILL)
        bound(centres[0], times=2)
        assert "listener-operator0 was killed by SIGKILL; it is started again" in instance.printed()
        instance.process.send_signal(signal.SIGINT)
        assert instance.process.wait(60) == 0, instance.printed()
        for centre in centres:
            assert centre.of(UNBIND), "the listener took no leave"
        assert "Stopped." in instance.log("listener-operator1")
        assert PASSWORD not in instance.printed() + instance.log("listener-operator0")


@contextlib.contextmanager
def listeners(environ: dict[str, str], *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, MANAGE, "listen_gateway", *arguments],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.processes
def test_one_process_listens_to_all_and_shows_that_it_lives(
    redis_client: redis.Redis, fresh_database: FreshDatabase, tmp_path: Path, centres: list[Smsc]
) -> None:
    environ, alive = {**fresh_database.environ, **gateways(tmp_path, *centres)}, tmp_path / "alive"
    with listeners(environ, "--all", "--alive", str(alive)) as process:
        for centre in centres:
            bound(centre)
        until(alive.exists, SECONDS, "it does not show that it lives")
        for centre in centres:
            number = centre.deliver(receipt("1"))
            centre.wait_for(lambda centre=centre, number=number: centre.answered(number))  # type: ignore[misc]
        assert set(GatewayEvent.objects.values_list("gateway", flat=True)) == {"operator0", "operator1"}
        process.send_signal(signal.SIGTERM)
        printed, _nothing = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, printed
    assert all(centre.of(UNBIND) for centre in centres)


@pytest.mark.processes
def test_where_nothing_is_listened_to_it_waits_quietly(fresh_database: FreshDatabase, tmp_path: Path) -> None:
    environ, alive = {**fresh_database.environ, **gateways(tmp_path)}, tmp_path / "alive"
    with listeners(environ, "--all", "--alive", str(alive)) as process:
        until(alive.exists, SECONDS, "it does not show that it lives")
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        printed, _nothing = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert printed.splitlines() == ["No gateway is listened to; waiting until Ctrl-C.", "Stopped."]


def test_when_listening_fails_the_process_ends_and_says_so(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.SMS_GATEWAYS = {
        "default": {
            "BACKEND": "compose.gateways.smpp.SmppGateway",
            "OPTIONS": {"host": "127.0.0.1", "system_id": "shop", "password": PASSWORD},
        }
    }
    routing.gateway.cache_clear()

    def fail(*_said: Any, **_named: Any) -> None:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(listening, "listen", fail)
    with pytest.raises(CommandError, match="listening to default failed"):
        call_command("listen_gateway", "--all")
    routing.gateway.cache_clear()
