"""A whole installation with a real beat, broker and worker says that it is ready, all by itself."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.fixtures.instances import READY_SECONDS, Running, until

pytestmark = pytest.mark.processes
LONG_AGO = "from smsmanager.models import Heartbeat; print(Heartbeat.objects.update(at='2026-01-01T00:00:00Z'))"
GIVERS = 2


def failing(url: str) -> list[str]:
    """The checks of /readyz that fail."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        said: dict[str, Any] = json.loads(answer.read())
    finally:
        connection.close()
    assert said["ready"] == (answer.status == 200)
    return [name for name, check in said["checks"].items() if not check["ok"]]


def test_beat_and_worker_give_their_signs_and_give_them_again(running: Running) -> None:
    until(lambda: failing(running.url) == [], READY_SECONDS, "It was not ready")
    assert running.manage("shell", "--command", LONG_AGO).split()[-1] == str(GIVERS)
    # Those of long ago do not last: beat writes the next itself, and a worker writes its own with its next task.
    until(lambda: failing(running.url) == [], READY_SECONDS, "Beat or the worker was not seen again")
