"""An installation as in production, for the benches: PostgreSQL, Redis, a message centre, web, workers and beat.

    with stand.installation() as there:
        there.work(bulk=2, interactive=1)

Each is a process of its own on the loopback, and is gone with the block. The settings are those of production, in this
process too, so whatever imports a model does so inside the block. PostgreSQL waits for the disk, as it does by default.
"""

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import django
import psutil

from smsmanager import environment
from smsmanager.embedded import broker
from smsmanager.embedded.children import Child, Program
from tests.bench import smpp
from tests.bench.person import Person, free_port
from tests.tooling import postgres

ROOT = Path(__file__).resolve().parents[2]
# As the server is without any settings.
AS_IT_IS = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "max_wal_size": "4GB"}
PATIENCE = 120.0  # seconds
# In the environment of each program: its name.
MARK = "BENCH_PROGRAM"
GATEWAYS = """
[default]
backend = "smpp"
[default.options]
host = "127.0.0.1"
port = {port}
system_id = "bench"
password = {{ env = "BENCH_PASSWORD" }}
window = {window}
receipts = false
"""

# Each part finds its first row by an index.
OPEN = """
SELECT EXISTS (SELECT FROM compose_message WHERE state = 'sending') OR EXISTS (
    SELECT FROM (VALUES (true), (false)) AS lane (bulk), LATERAL (
        SELECT FROM compose_message AS message
        WHERE state = 'scheduled' AND gateway = 'default' AND message.bulk = lane.bulk AND due_at <= now() LIMIT 1
    ) AS waiting
)
"""

Seen = TypeVar("Seen")


@dataclass
class Stand:
    """What runs; `programs` by their names."""

    folder: Path
    smsc: subprocess.Popen[str]
    programs: dict[str, Child] = field(default_factory=dict)
    web_port: int = 0

    def start(self, name: str, command: Sequence[str], **more: str) -> Child:
        environ = {**os.environ, "PYTHONPATH": str(ROOT), MARK: name, **more}
        child = Child(Program(name=name, command=command), log_dir=self.folder, environ=environ)
        child.start()
        self.programs[name] = child
        return child

    def work(self, *, bulk: int = 2, interactive: int = 1, alone: int = 0, beat: bool = True) -> None:
        """Start a worker of each lane with so many child processes, and beat; returns when they take orders.

        `alone` is for the tasks of `tests.bench.alone`.
        """
        from smsmanager.embedded.programs import takes_orders

        names = []
        for lane, children in (("bulk", bulk), ("interactive", interactive), ("alone", alone)):
            if children:
                names.append(f"{lane}@bench")
                command = celery("worker", "-Q", lane, "--hostname", names[-1], "--concurrency", str(children))
                more = ["--include", "tests.bench.alone"] if lane == "alone" else []
                self.start(lane, [*command, "--without-mingle", "--without-gossip", *more])
        if beat:
            self.start("beat", celery("beat", "--schedule", str(self.folder / "schedule"), "--pidfile", ""))
        for name in names:
            until(partial(takes_orders, name), f"{name} takes no orders")

    def stop(self, *names: str) -> None:
        """End these programs in order."""
        for name in names:
            self.programs[name].ask_to_stop()
        for name in names:
            until(partial(_ended, self.programs[name]), f"{name} does not end")
            del self.programs[name]

    def serve(self) -> None:
        """Start the web server as the image does, with two processes of four threads."""
        self.web_port = free_port()
        command = [sys.executable, "-m", "gunicorn", "smsmanager.wsgi", f"--bind=127.0.0.1:{self.web_port}"]
        options = ["--worker-class=gthread", "--workers=2", "--threads=4", "--no-control-socket"]
        self.start("web", [*command, *options, "--worker-tmp-dir=/dev/shm"])
        until(lambda: Person("127.0.0.1", self.web_port).knocks(), "the web server does not answer")

    def listen(self) -> None:
        """Start the process that listens to the gateways."""
        alive = self.folder / "listener-alive"
        command = [sys.executable, str(ROOT / "manage.py"), "listen_gateway", "--all", "--alive", str(alive)]
        self.start("listener", command)
        until(alive.exists, "the listener does not run")

    def signed_in(self, user: Any) -> Person:
        """Somebody whose session and token are there already."""
        from django.conf import settings
        from django.middleware.csrf import _get_new_csrf_string  # what the cookie holds; there is no public name
        from django.test import Client

        client = Client()
        client.force_login(user)
        session = client.cookies[settings.SESSION_COOKIE_NAME].value
        cookies = {settings.SESSION_COOKIE_NAME: session, settings.CSRF_COOKIE_NAME: _get_new_csrf_string()}
        return Person("127.0.0.1", self.web_port, cookies)

    def settled(self) -> None:
        """Wait until no message is due or on its way."""
        from django.db import connection

        def over() -> bool:
            with connection.cursor() as cursor:
                cursor.execute(OPEN)
                return not cursor.fetchone()[0]

        until(over, "messages are still on their way", seconds=3600, every=0.02)

    def taken(self) -> tuple[int, int, str]:
        """What the message centre took: how many messages, to how many numbers, and these as `digest` says them."""
        assert self.smsc.stdin is not None
        self.smsc.stdin.write("taken\n")
        self.smsc.stdin.flush()
        count, numbers, said = smpp.line(self.smsc).split()
        return int(count), int(numbers), said

    def forget(self) -> None:
        """Let the message centre begin anew."""
        assert self.smsc.stdin is not None
        self.smsc.stdin.write("forget\n")
        self.smsc.stdin.flush()
        smpp.line(self.smsc)

    def processes(self) -> dict[str, list[psutil.Process]]:
        """Each program's processes: itself, and what it started."""
        found: dict[str, list[psutil.Process]] = {}
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if name := process.environ().get(MARK):
                    found.setdefault(name, []).append(process)
        return found

    def worked(self) -> Counter[str]:
        """For how many seconds each program, "postgres" and "smsc" have kept a processor busy so far."""
        found: Counter[str] = Counter()
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                name = "smsc" if process.pid == self.smsc.pid else process.environ().get(MARK)
                times = process.cpu_times()
                # With those of its children that have ended, such as PostgreSQL's for a connection.
                found[name or process.name()] += sum(times[:4])
        return found


@contextmanager
def installation(*, window: int = 1000) -> Iterator[Stand]:
    """PostgreSQL with the tables, Redis, and a message centre that answers at once; the rest is started when wanted."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sms-bench-", ignore_cleanup_errors=True)))
        database = stack.enter_context(postgres.server(AS_IT_IS))
        smsc = stack.enter_context(smpp.program("counting"))
        (folder / "gateways.toml").write_text(GATEWAYS.format(port=smpp.line(smsc), window=window))
        socket = broker.prepare(folder)
        for name in [name for name in os.environ if name.startswith("SMSMANAGER_")]:
            del os.environ[name]
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "smsmanager.settings",
            "DATABASE_URL": database.url,
            "REDIS_URL": f"unix://{environment.broker_socket(folder)}?db=0",
            "BENCH_PASSWORD": "bench",
            "SMSMANAGER_MODE": "production",
            "SMSMANAGER_SECRET_KEY": secrets.token_urlsafe(50),
            "SMSMANAGER_ALLOWED_HOSTS": "127.0.0.1",
            # There is no proxy that would end TLS.
            "SMSMANAGER_HTTPS": "no",
            "SMSMANAGER_DATA_DIR": str(folder),
            "SMSMANAGER_GATEWAYS": str(folder / "gateways.toml"),
            "SMSMANAGER_LOG_LEVEL": "ERROR",
        }
        django.setup()
        from django.core.management import call_command
        from django.db import connections

        stack.callback(connections.close_all)
        there = Stand(folder, smsc)
        stack.callback(_end, there)
        there.start("redis", broker.command(folder / "broker", socket))
        until(lambda: broker.answers(os.environ["REDIS_URL"]), "Redis does not answer")
        call_command("migrate", verbosity=0)
        yield there


def _end(there: Stand) -> None:
    for program in there.programs.values():
        program.kill()
    for program in there.programs.values():
        until(partial(_ended, program), f"{program.name} does not end")


def _ended(program: Child) -> bool:
    return program.ended() is not None


def celery(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "celery", "--app", "smsmanager", *arguments, "--loglevel", "WARNING"]


def until(look: Callable[[], Seen], otherwise: str, seconds: float = PATIENCE, every: float = 0.05) -> Seen:
    """What `look()` returns as soon as that is true. Raises RuntimeError with `otherwise` after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{otherwise} ({seconds:g} s)")
        time.sleep(every)
    return seen


def elsewhere(name: str) -> str:
    """What the bench of this name prints as a program of its own: its settings are other ones than those of here."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.bench.{name}"],
        env=os.environ,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout.rstrip()
