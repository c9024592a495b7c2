"""The worker as docker-compose.yml starts it, and its health check, over a broker that is started again."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from smsmanager.embedded import broker as embedded
from tests.fixtures import tool
from tests.fixtures.databases import FreshDatabase
from tests.tooling import compose, tools

DEADLINE = 60.0
# ${NAME:-default} of the Compose Specification, "Interpolation"; $$ is a dollar.
DEFAULT = re.compile(r"\$\{\w+:-(\w*)\}")


def worker_of_the_compose_file() -> tuple[list[str], str]:
    """The command of the service `worker`, and the shell line of its health check."""
    service: dict[str, Any] = yaml.safe_load((compose.ROOT / compose.COMPOSE_FILE).read_text())["services"]["worker"]
    command = [DEFAULT.sub(r"\1", str(word)) for word in service["command"]]
    shell, check = service["healthcheck"]["test"]
    assert (command[0], shell) == ("celery", "CMD-SHELL")
    return [sys.executable, "-m", *command], check.replace("$$", "$")


@contextmanager
def server(directory: Path, port: int) -> Iterator[str]:
    """A broker that listens on the port of the loopback; yields its URL."""
    listens = embedded.command(directory, directory / "unused.sock")
    listens[listens.index("--port") + 1] = str(port)
    started = subprocess.Popen([*listens, "--bind", "127.0.0.1"], stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"
    try:
        end = time.monotonic() + DEADLINE
        while reason := embedded.trouble(url):
            assert started.poll() is None, reason
            assert time.monotonic() < end, reason
            time.sleep(0.05)
        yield url
    finally:
        started.kill()
        started.wait()


@pytest.mark.processes
def test_a_worker_is_healthy_again_when_its_broker_is_and_its_log_has_no_trace(
    fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    tool(tools.broker)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command, check = worker_of_the_compose_file()
    environ = os.environ | fresh_database.environ | {"REDIS_URL": f"redis://127.0.0.1:{port}/0"}
    folder = Path(sys.executable).parent
    environ |= {"HOSTNAME": socket.gethostname(), "PATH": f"{folder}{os.pathsep}{environ['PATH']}"}
    log = tmp_path / "worker.log"

    def healthy(*, connections: int) -> None:
        """It has connected so many times, and then its health check passes."""
        end = time.monotonic() + DEADLINE
        while log.read_text().count("Connected to redis://") < connections:
            assert worker.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        while True:
            done = subprocess.run(["sh", "-c", check], env=environ, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                break
            assert time.monotonic() < end, done.stdout + done.stderr + log.read_text()
        assert "pong" in done.stdout

    with server(tmp_path, port), log.open("wb") as output:
        worker = subprocess.Popen(command, env=environ, stdout=output, stderr=subprocess.STDOUT, cwd=compose.ROOT)
        try:
            healthy(connections=1)
        except BaseException:
            worker.kill()
            raise
    try:
        with server(tmp_path, port):
            healthy(connections=2)
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(DEADLINE) == 0, log.read_text()
    finally:
        worker.kill()
        worker.wait()
    said = log.read_text()
    assert "Connection to broker lost" in said
    assert "Error on restarting" not in said
    assert "Traceback" not in said.partition("Connection to broker lost")[0]
