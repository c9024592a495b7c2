"""A PostgreSQL cluster to throw away: made, started, and removed again.

    python -m tests.tooling.postgres -- pytest tests/test_ledger.py

runs the command with DATABASE_URL naming the cluster, and returns the command's exit code.
"""

import ctypes
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import psycopg

from tests.tooling import tools

USER = "smsmanager"
# Upper and lower case of every letter, as in production; plain C knows those of ASCII only.
LOCALE = "C.UTF-8" if sys.platform == "linux" else "en_US.UTF-8"
START_DEADLINE = 60  # seconds
STOP_DEADLINE = 20  # seconds
ATTEMPTS = 3

# Nothing here outlives the run, so nothing waits for the disk.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "128MB",
    "timezone": "UTC",
}


class ClusterFailed(Exception):
    """PostgreSQL was not made or did not start; the text ends with what it said."""


@contextmanager
def cluster() -> Iterator[str]:
    """Start a cluster on a free port of the loopback and yield its DATABASE_URL; stop and remove it after.

    As root the server runs as the system's user `postgres` (it refuses to run as root), otherwise as the
    user who asks. It gets a session of its own, so that a Ctrl-C ends the tests first, and dies with this
    process even when that is killed. Raises `tools.ToolMissing` without PostgreSQL, ClusterFailed when it
    does not start.
    """
    binaries = tools.postgres()
    folder = Path(tempfile.mkdtemp(prefix="sms-pg-"))
    try:
        server, url = _started(binaries, folder)
        try:
            yield url
        finally:
            _stop(server)
    finally:
        shutil.rmtree(folder)


def _started(binaries: Path, folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    owner = _owner()
    if owner:
        shutil.chown(folder, owner["user"], owner["group"])
    password = secrets.token_urlsafe(24)
    password_file = folder / "password"
    password_file.write_text(password)
    password_file.chmod(0o600)
    if owner:
        shutil.chown(password_file, owner["user"], owner["group"])
    made = subprocess.run(
        [
            binaries / "initdb",
            f"--pgdata={folder / 'data'}",
            f"--username={USER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            f"--locale={LOCALE}",
            "--no-sync",
        ],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **owner,
    )
    if made.returncode != 0:
        raise ClusterFailed(f"initdb failed:\n{made.stdout}")
    for attempt in range(1, ATTEMPTS + 1):
        port = _free_port()
        url = f"postgres://{USER}:{password}@127.0.0.1:{port}/postgres"
        server = _launch(binaries, folder, port, owner)
        try:
            _wait(server, url, folder)
        except ClusterFailed:
            # Somebody may have taken the port between the look and the start.
            if attempt == ATTEMPTS:
                raise
        except BaseException:
            _stop(server)
            raise
        else:
            return server, url
    raise AssertionError("the last attempt returns or raises")


def _owner() -> dict[str, Any]:
    """What makes a child run as `postgres` when this is root."""
    if os.geteuid() != 0:
        return {}
    try:
        entry = pwd.getpwnam("postgres")
    except KeyError as error:
        raise ClusterFailed("PostgreSQL does not run as root, and there is no user `postgres` here.") from error
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": [entry.pw_gid]}


def _launch(binaries: Path, folder: Path, port: int, owner: dict[str, Any]) -> subprocess.Popen[bytes]:
    options = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [
                binaries / "postgres",
                "-D",
                folder / "data",
                "-p",
                str(port),
                "-k",
                folder,
                *options,
            ],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_dies_with_its_parent(),
            **owner,
        )


def _dies_with_its_parent() -> Callable[[], None] | None:
    """On Linux, what a child calls so that it is told to stop when its parent is gone (prctl(2))."""
    if sys.platform != "linux":
        return None
    set_parent_death_signal = 1
    libc = ctypes.CDLL(None)

    def ask() -> None:
        libc.prctl(set_parent_death_signal, signal.SIGQUIT)

    return ask


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait(server: subprocess.Popen[bytes], url: str, folder: Path) -> None:
    deadline = time.monotonic() + START_DEADLINE
    refusal: psycopg.Error | None = None
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise ClusterFailed(f"PostgreSQL ended at its start:\n{(folder / 'log').read_text()}")
        try:
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.OperationalError as error:
            refusal = error
            time.sleep(0.1)
        else:
            return
    _stop(server)
    raise ClusterFailed(f"PostgreSQL was not ready in {START_DEADLINE} s ({refusal}):\n{(folder / 'log').read_text()}")


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Fast shutdown, then immediate shutdown, then the end (manual, "Shutting Down the Server")."""
    for order in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        if server.poll() is not None:
            return
        server.send_signal(order)
        try:
            server.wait(STOP_DEADLINE)
        except subprocess.TimeoutExpired:
            continue


def run(command: list[str]) -> int:
    """Run `command` with DATABASE_URL of a cluster; its exit code, or 128 + the signal that ended it."""
    with cluster() as url:
        child = subprocess.Popen(command, env={**os.environ, "DATABASE_URL": url})
        try:
            code = child.wait()
        except BaseException:
            # A Ctrl-C reached the child as well; another end did not.
            child.terminate()
            child.wait()
            raise
    return code if code >= 0 else 128 - code


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main(arguments: list[str]) -> int:
    """The command after `--`, or a word on how to use this."""
    if arguments[:1] == ["--"]:
        arguments = arguments[1:]
    if not arguments:
        print("Usage: python -m tests.tooling.postgres -- COMMAND ...", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _end)
    try:
        return run(arguments)
    except (tools.ToolMissing, ClusterFailed) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
