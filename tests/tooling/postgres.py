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
from collections.abc import Callable, Iterator, Mapping
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
# Fast shutdown, then immediate shutdown, then the end (manual, "Shutting Down the Server").
POLITE = (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)
AT_ONCE = POLITE[1:]

# Nothing here outlives the run, so nothing waits for the disk.
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "128MB",
    "timezone": "UTC",
}
# With this besides, what was committed survives the end of the server's processes, as it does in production.
# (That of the machine it does not: the disk is not waited for.)
DURABLE: Mapping[str, str] = {"synchronous_commit": "on"}


class ClusterFailed(Exception):
    """PostgreSQL was not made or did not start; the text ends with what it said."""


class Server:
    """A cluster that runs: `url` is its DATABASE_URL, the same for as long as it lives."""

    def __init__(self, binaries: Path, folder: Path, settings: Mapping[str, str]) -> None:
        self._binaries, self._folder = binaries, folder
        self._settings = {**SETTINGS, **settings}
        self._owner = _owner()
        self._password = secrets.token_urlsafe(24)
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._make()
        self._start()

    @property
    def url(self) -> str:
        return f"postgres://{USER}:{self._password}@127.0.0.1:{self._port}/postgres"

    def crash(self) -> None:
        """End all its processes at once, as a crash does: it recovers from its log at the next start.

        `start_again` follows.
        """
        if self._process is not None:
            _stop(self._process, AT_ONCE)

    def start_again(self) -> None:
        """Start it after `crash`, at the same address; returns when it answers. Raises ClusterFailed."""
        self._process = self._launched(self._port)
        self._wait(self._process)

    def stop(self) -> None:
        """End it in order; again is the same as once."""
        if self._process is not None:
            _stop(self._process, POLITE)

    def _make(self) -> None:
        if self._owner:
            shutil.chown(self._folder, self._owner["user"], self._owner["group"])
        password_file = self._folder / "password"
        password_file.write_text(self._password)
        password_file.chmod(0o600)
        if self._owner:
            shutil.chown(password_file, self._owner["user"], self._owner["group"])
        made = subprocess.run(
            [
                self._binaries / "initdb",
                f"--pgdata={self._folder / 'data'}",
                f"--username={USER}",
                f"--pwfile={password_file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                f"--locale={LOCALE}",
                "--no-sync",
            ],
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            **self._owner,
        )
        if made.returncode != 0:
            raise ClusterFailed(f"initdb failed:\n{made.stdout}")

    def _start(self) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            self._port = _free_port()
            process = self._launched(self._port)
            try:
                self._wait(process)
            except ClusterFailed:
                # Somebody may have taken the port between the look and the start.
                if attempt == ATTEMPTS:
                    raise
            except BaseException:
                _stop(process, POLITE)
                raise
            else:
                self._process = process
                return
        raise AssertionError("the last attempt returns or raises")

    def _launched(self, port: int) -> subprocess.Popen[bytes]:
        options = [word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                [
                    self._binaries / "postgres",
                    "-D",
                    self._folder / "data",
                    "-p",
                    str(port),
                    "-k",
                    self._folder,
                    *options,
                ],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_dies_with_its_parent(),
                **self._owner,
            )

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_DEADLINE
        log = self._folder / "log"
        refusal: psycopg.Error | None = None
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise ClusterFailed(f"PostgreSQL ended at its start:\n{log.read_text()}")
            try:
                psycopg.connect(self.url, connect_timeout=5).close()
            except psycopg.OperationalError as error:
                refusal = error
                time.sleep(0.1)
            else:
                return
        _stop(process, POLITE)
        raise ClusterFailed(f"PostgreSQL was not ready in {START_DEADLINE} s ({refusal}):\n{log.read_text()}")


@contextmanager
def server(settings: Mapping[str, str] = SETTINGS) -> Iterator[Server]:
    """Start a cluster on a free port of the loopback, with these settings over the usual ones; remove it after.

    As root the server runs as the system's user `postgres` (it refuses to run as root), otherwise as the
    user who asks. It gets a session of its own, so that a Ctrl-C ends the tests first, and dies with this
    process even when that is killed. Raises `tools.ToolMissing` without PostgreSQL, ClusterFailed when it
    does not start.
    """
    binaries = tools.postgres()
    folder = Path(tempfile.mkdtemp(prefix="sms-pg-"))
    try:
        made = Server(binaries, folder, settings)
        try:
            yield made
        finally:
            made.stop()
    finally:
        shutil.rmtree(folder)


@contextmanager
def cluster() -> Iterator[str]:
    """As `server`, for those who need its DATABASE_URL only."""
    with server() as made:
        yield made.url


def _owner() -> dict[str, Any]:
    """What makes a child run as `postgres` when this is root."""
    if os.geteuid() != 0:
        return {}
    try:
        entry = pwd.getpwnam("postgres")
    except KeyError as error:
        raise ClusterFailed("PostgreSQL does not run as root, and there is no user `postgres` here.") from error
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": [entry.pw_gid]}


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


def _stop(process: subprocess.Popen[bytes], orders: tuple[signal.Signals, ...]) -> None:
    """Send the orders one after the other; each gets its time."""
    for order in orders:
        if process.poll() is not None:
            return
        process.send_signal(order)
        try:
            process.wait(STOP_DEADLINE)
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
