"""What `manage.py up` starts: the command of each program, and how one sees that it is ready."""

import http.client
import os
import socket
import sys
from pathlib import Path

import kombu.exceptions
from django.conf import settings

from smsmanager.celery import app
from smsmanager.embedded import broker
from smsmanager.embedded.children import Program


def child_environment(data_dir: Path) -> dict[str, str]:
    """The environment of the children: ours, and where code and data lie whatever directory they run in."""
    path = os.pathsep.join(filter(None, [str(settings.BASE_DIR), os.environ.get("PYTHONPATH", "")]))
    return {
        **os.environ,
        "PYTHONPATH": path,
        "PYTHONUNBUFFERED": "1",
        "SMSMANAGER_DATA_DIR": str(data_dir),
    }


def embedded_broker(directory: Path, path: Path) -> Program:
    return Program(
        name="broker",
        command=broker.command(directory, path),
        ready=lambda: broker.answers(settings.REDIS_URL),
        ready_seconds=30,
    )


def worker() -> Program:
    # Its name is ours alone: other workers may listen to the same broker.
    name = f"up-{os.getpid()}@{socket.gethostname()}"
    return Program(
        name="worker",
        command=[
            *(sys.executable, "-m", "celery", "--app", "smsmanager", "worker", "--hostname", name),
            *("--pool", "threads", "--concurrency", "4", "--loglevel", "INFO"),
            *("--without-mingle", "--without-gossip", "--without-heartbeat"),
        ],
        ready=lambda: takes_orders(name),
        # Tasks under way end first; what is killed after that is found by its lease.
        stop_seconds=20,
    )


def listener(gateway: str) -> Program:
    """The process that listens to this gateway; what the peer delivers is stored there."""
    manage = str(settings.BASE_DIR / "manage.py")
    return Program(name=f"listener-{gateway}", command=[sys.executable, manage, "listen_gateway", gateway])


def takes_orders(name: str) -> bool:
    """Whether the Celery worker of this name takes orders."""
    try:
        with app.connection_for_write() as connection:
            return bool(app.control.ping(destination=[name], timeout=0.5, connection=connection))
    except (kombu.exceptions.OperationalError, OSError):
        return False


def web(listener: socket.socket, *, workers: int, threads: int) -> Program:
    return Program(
        name="web",
        command=[
            *(
                sys.executable,
                "-m",
                "gunicorn",
                "smsmanager.wsgi",
                "--config",
                "python:smsmanager.embedded.web",
            ),
            *("--bind", f"fd://{listener.fileno()}", "--workers", str(workers), "--threads", str(threads)),
        ],
        ready=lambda: serves(listener),
        descriptors=[listener.fileno()],
    )


def serves(listener: socket.socket) -> bool:
    """Whether the web server behind `listener` answers /healthz with anything but an error of its own."""
    host, port = listener.getsockname()[:2]
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  (asks, binds nothing)
    connection = http.client.HTTPConnection(local, port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def beat(schedule: Path) -> Program:
    return Program(
        name="beat",
        command=[
            *(sys.executable, "-m", "celery", "--app", "smsmanager", "beat", "--loglevel", "INFO"),
            *("--schedule", str(schedule)),
        ],
    )
