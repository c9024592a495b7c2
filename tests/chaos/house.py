"""The processes of a run, and how each of them is struck.

    with House(folder, seed=1, beats=2) as house:
        house.kill_worker(0)

Everything listens on the loopback or on a socket in `folder`, writes its log there, and dies with this process.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import psutil
import redis

from smsmanager import environment
from smsmanager.embedded import broker
from smsmanager.embedded.children import Child, Program
from tests.chaos.plan import WORKERS, Order
from tests.tooling import postgres

ROOT = Path(__file__).resolve().parents[2]
# Child processes of a worker; each has one task, and so one chunk of the one gateway, at a time.
CHILDREN = 2
# Messages that the gateway takes at once, which are as many as a crash leaves in doubt.
WINDOW = 10
# Seconds.
LEASE = 4
START_DEADLINE = 120.0
LOOK = 0.05
# Seconds by which the clock of the last worker is ahead, one after the other.
WRONG_CLOCK = "10,-5,0.4,61,-3600,0.02"

Seen = TypeVar("Seen")

GATEWAYS = f"""
[default]
backend = "smpp"
[default.options]
host = "127.0.0.1"
port = %d
system_id = {{ env = "CHAOS_NAME" }}
password = {{ env = "CHAOS_PASSWORD" }}
window = {WINDOW}
receipts = false
throttle_pause = 0.05
retry_first = 0.2
retry_longest = 1
"""


class House:
    """All processes: started with the block, gone with it."""

    def __init__(self, folder: Path, *, seed: int, beats: int = 1, throttles: int = 0) -> None:
        self.folder = folder
        self.record = folder / "accepted"
        self.record.touch()
        self.seed = seed
        self.beats = beats
        # So many messages, the first, are told by the message centre to wait.
        self.throttles = throttles
        self._stack = contextlib.ExitStack()
        self._programs: dict[str, Child] = {}
        # The beginning of an answer of the submitter.
        self._rest = b""
        # How often each was started.
        self.starts: dict[str, int] = {}

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._stack = stack
            self._begin()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _begin(self) -> None:
        self.database = self._stack.enter_context(postgres.server(postgres.DURABLE))
        self._stack.callback(self._end_all)
        self.smsc_port = self._smsc()
        (self.folder / "gateways.toml").write_text(GATEWAYS % self.smsc_port)
        socket = broker.prepare(self.folder)
        self.redis_url = f"unix://{environment.broker_socket(self.folder)}?db=0"
        self._start("broker", broker.command(self.folder / "broker", socket))
        code, said = self.manage("migrate", "--verbosity", "0")
        if code:
            raise RuntimeError(f"the database could not be made: {said}")
        self.submitter = self._submitter()
        [ready] = until(self.answers, "the submitter did not begin")
        self.account: int = ready["account"]
        for number in range(WORKERS):
            clock = WRONG_CLOCK if number == WORKERS - 1 else ""
            name = worker(number)
            command = celery("worker", "--hostname", f"{name}@chaos", "--concurrency", str(CHILDREN))
            self._start(name, [*command, "--without-mingle", "--without-gossip"], CHAOS_CLOCK=clock, CHAOS_NAME=name)
        for number in range(self.beats):
            # In a file of its own: it is only what beat knows of the last ticks.
            command = celery("beat", "--schedule", str(self.folder / f"beat{number}"), "--pidfile", "")
            self._start(f"beat{number}", command)

    # --- What runs -----------------------------------------------------------------------------------

    @property
    def environ(self) -> dict[str, str]:
        """The environment of the product's processes."""
        foreign = ("SMSMANAGER_", "CELERY_", "DJANGO_", "PYTEST_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return kept | {
            "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
            "DATABASE_URL": self.database.url,
            "REDIS_URL": getattr(self, "redis_url", ""),
            "SMSMANAGER_DATA_DIR": str(self.folder),
            "SMSMANAGER_GATEWAYS": str(self.folder / "gateways.toml"),
            "SMSMANAGER_LEASE_SECONDS": str(LEASE),
            "CHAOS_NAME": "other",
            "CHAOS_PASSWORD": "chaos",
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
        }

    def differences(self) -> str:
        """What `verify_ledger` finds; nothing when all adds up."""
        code, said = self.manage("verify_ledger")
        return said if code else ""

    def manage(self, *arguments: str) -> tuple[int, str]:
        """Run a management command; its exit code and what it printed."""
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        done = subprocess.run(
            command, env=self.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        return done.returncode, done.stdout

    def _start(self, name: str, command: Sequence[str], **more: str) -> None:
        made = Child(Program(name=name, command=command), log_dir=self.folder, environ=self.environ | more)
        self._programs[name] = made
        self._run(name)

    def _run(self, name: str) -> None:
        self._programs[name].start()
        self.starts[name] = self.starts.get(name, 0) + 1

    def look_after(self) -> None:
        """Start again what has ended, as a restart policy does."""
        for name, program in self._programs.items():
            if program.ended() is not None:
                self._run(name)

    def _end_all(self) -> None:
        for program in self._programs.values():
            program.kill()
        for program in self._programs.values():
            while program.running:
                time.sleep(LOOK)

    def _smsc(self) -> int:
        command = [sys.executable, "-m", "tests.chaos.smsc", str(self.record), str(self.seed), str(self.throttles)]
        self.smsc = self._stack.enter_context(piped(command, dict(os.environ), self.folder / "smsc.log"))
        assert self.smsc.stdout is not None
        return int(self.smsc.stdout.readline())

    # --- Submitting ----------------------------------------------------------------------------------

    def _submitter(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.chaos.submitter"]
        return self._stack.enter_context(piped(command, self.environ, self.folder / "submitter.log"))

    def ask(self, verb: str, what: Order | int) -> None:
        """Have the submitter do something; `answers` says when it is done."""
        assert self.submitter.stdin is not None
        order = {verb: asdict(what) if isinstance(what, Order) else what}
        self.submitter.stdin.write(json.dumps(order).encode() + b"\n")
        self.submitter.stdin.flush()

    def answers(self) -> list[dict[str, Any]]:
        """What the submitter has answered since the last look. Raises RuntimeError when it has ended."""
        assert self.submitter.stdout is not None
        if not select.select([self.submitter.stdout], [], [], 0)[0]:
            return []
        octets = os.read(self.submitter.stdout.fileno(), 65536)
        if not octets:
            raise RuntimeError(f"the submitter ended: {(self.folder / 'submitter.log').read_text()}")
        *lines, self._rest = (self._rest + octets).split(b"\n")
        return [json.loads(line) for line in lines]

    # --- Blows ---------------------------------------------------------------------------------------

    def kill_worker(self, number: int) -> int:
        """SIGKILL to all processes of a worker; returns how many of them may have had a chunk on its way."""
        self._programs[worker(number)].kill()
        return CHILDREN

    def kill_child(self, number: int, which: int) -> int:
        """SIGKILL to one child of a worker; returns how many processes that were: none while it has none."""
        found = self.children(number)
        if not found:
            return 0
        with contextlib.suppress(psutil.NoSuchProcess):
            found[which % len(found)].send_signal(signal.SIGKILL)
        return 1

    def children(self, number: int) -> list[psutil.Process]:
        """The processes of a worker that do the work."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for parent in psutil.Process().children():
                if f"{worker(number)}@chaos" in parent.cmdline():
                    return [child for child in parent.children() if child.status() != psutil.STATUS_ZOMBIE]
        return []

    def kill_beat(self, number: int) -> int:
        self._programs[f"beat{number}"].kill()
        return 0

    def flush(self) -> int:
        """Empty the broker while it runs. One that is about to start is empty of what matters here."""
        with contextlib.suppress(redis.ConnectionError), redis.Redis.from_url(self.redis_url) as client:
            client.flushall()
        return 0

    def restart_broker_empty(self) -> int:
        """Kill the broker and start it with nothing in it."""
        program = self._programs["broker"]
        program.kill()
        until(lambda: program.ended() is not None, "the broker did not end")
        for file in sorted((self.folder / "broker").rglob("*"), reverse=True):
            file.unlink() if not file.is_dir() else file.rmdir()
        self._run("broker")
        return 0

    def restart_database(self) -> int:
        """Crash the database and start it again; any process may have had a chunk on its way."""
        self.database.crash()
        self.database.start_again()
        return WORKERS * CHILDREN


def worker(number: int) -> str:
    """The name of a worker, with which it also binds."""
    return f"worker{number}"


def celery(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "celery", "--app", "smsmanager", *arguments, "--loglevel", "INFO"]


@contextlib.contextmanager
def piped(command: list[str], environ: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program that is spoken to by its input and output, for the length of the block."""
    launcher = [sys.executable, "-I", "-S", str(ROOT / "smsmanager" / "embedded" / "child.py"), str(os.getpid())]
    with (
        log.open("ab") as errors,
        subprocess.Popen(
            [*launcher, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environ,
            cwd=ROOT,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def until(look: Callable[[], Seen], otherwise: str, seconds: float = START_DEADLINE) -> Seen:
    """What `look()` returns as soon as that is true. Raises RuntimeError after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{otherwise} within {seconds:g} s")
        time.sleep(LOOK)
    return seen
