"""`manage.py up`: the whole SMS manager as one foreground process tree."""

import contextlib
import errno
import io
import ipaddress
import os
import signal
import socket
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from compose.listening import names as listened_to
from smsmanager import demo, environment
from smsmanager.embedded import broker, child, lock, programs
from smsmanager.embedded.children import Child, Follower, Program
from smsmanager.embedded.supervisor import Broken, Stopped, Supervisor

DEFAULT_PORT = 8000
COLOURS = {"broker": 35, "worker": 33, "web": 36, "beat": 34}
COLOUR_OF_LISTENERS = 32


class Command(BaseCommand):
    """Runs everything that the SMS manager needs, in the foreground, until Ctrl-C.

    It takes the lock of the data directory (SMSMANAGER_DATA_DIR), then starts in this order and waits until
    they are ready:

    - broker: a Valkey server on a Unix socket in the data directory; not when REDIS_URL is set. With it
      there, the database is migrated, and an empty one gets the demonstration data,
    - worker: Celery with a pool of threads,
    - a listener for each gateway that is listened to (SMPP): `listen_gateway NAME`,
    - web: gunicorn on a socket that this process keeps, so that no request is refused while it restarts,
    - beat: the clock that nudges the worker.

    Neither root nor Docker nor an installed Redis or PostgreSQL is needed; with DATABASE_URL the database
    is that one. What the children print goes to logs/NAME.log in the data directory, begun anew at
    each start and at 10 MB (the one before is NAME.log.1); `--verbose` shows it here as well.

    A child that ends by itself is started again, after 0.5, 1, 2, 4 and 8 seconds; after the sixth time,
    or when it ends before everything is ready, all is stopped and the exit code is 1. SIGINT (Ctrl-C),
    SIGTERM and SIGHUP stop beat, web, listeners, worker and broker in this order, each within its time, and the
    exit code is 0; a second signal does not wait. When this process is killed, on Linux the kernel kills the
    children with it; `--end-with-parent` makes this process stop when its own parent ends.

    The demonstration's passwords are known to everybody: with its users in the database only an address of
    this machine itself is served.
    """

    help = "Run the whole SMS manager (broker, worker, web and beat) in the foreground until Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to serve (default: 127.0.0.1)")
        parser.add_argument("--port", type=int, help=f"port to serve (default: {DEFAULT_PORT}, or the next free one)")
        parser.add_argument("--no-demo", action="store_true", help="do not load the demonstration data")
        parser.add_argument("--workers", type=int, default=2, help="web processes (default: 2)")
        parser.add_argument("--threads", type=int, default=4, help="threads of each (default: 4)")
        parser.add_argument(
            "--end-with-parent",
            action="store_true",
            help="stop when the program that started this one ends, however it ends (Linux)",
        )
        parser.add_argument("--verbose", action="store_true", help="show the logs of the children here")

    def handle(self, *args: Any, **options: Any) -> None:
        data_dir: Path = settings.DATA_DIR
        if options["end_with_parent"]:
            child.end_with(os.getppid(), by=signal.SIGTERM)
        if not settings.REDIS_URL:
            raise CommandError("REDIS_URL is not set. Set it, or set SMSMANAGER_MODE=embedded.")
        followers: list[Follower] = []

        def follow() -> None:
            for follower in followers:
                follower.follow()

        def made_of(program: Program) -> Child:
            made = Child(program, log_dir=data_dir / "logs", environ=programs.child_environment(data_dir))
            if options["verbose"]:
                followers.append(Follower(made.log, lambda line: self.show(program.name, line)))
            return made

        supervisor = Supervisor(say=self.complain, idle=follow)
        try:
            environment.private_directory(environment.private_directory(data_dir) / "logs")
            with (
                lock.hold(data_dir) as note,
                listening(options["host"], options["port"]) as listener,
                supervisor.catching_signals(),
            ):
                address = address_of(listener)
                note(address)
                self.say(self.style.MIGRATE_HEADING("SMS manager"))
                port = listener.getsockname()[1]
                if options["port"] is None and port != DEFAULT_PORT:
                    self.say(f"  Port {DEFAULT_PORT} is taken by another program: this is port {port}.")
                self.say(f"  Data in {data_dir}")
                try:
                    self.start_broker(supervisor, made_of)
                    sign_in = self.prepare(options["host"], with_demo=not options["no_demo"])
                    supervisor.start(
                        made_of(programs.worker()),
                        *(made_of(programs.listener(name)) for name in listened_to()),
                        made_of(programs.web(listener, workers=options["workers"], threads=options["threads"])),
                        made_of(programs.beat(environment.private_directory(data_dir / "beat") / "schedule")),
                    )
                    self.say_ready(address, sign_in)
                    supervisor.watch()
                except Stopped:
                    self.say("\n  Stopping; a second Ctrl-C does not wait.")
                    raise
                finally:
                    # From here on a request is refused rather than kept waiting for a server that left.
                    listener.close()
                    supervisor.stop()
                    self.clean(data_dir)
        except Stopped:
            self.say("  Stopped.")
        except (lock.Taken, Broken, broker.BrokerTrouble, environment.BadEnvironment) as error:
            raise CommandError(str(error)) from None

    def prepare(self, host: str, *, with_demo: bool) -> list[str]:
        """Migrate, and load the demonstration data where only this machine sees it.

        Returns the lines that say who can sign in.
        """
        call_command("migrate", verbosity=0, interactive=False)
        if is_loopback(host):
            if with_demo and demo.allowed():
                # What it says, who can sign in, is said when the address is.
                call_command("load_demo", stdout=io.StringIO())
        elif demo.present():
            raise CommandError(
                f"{host} can be reached by others, and this database holds the demonstration users, whose "
                "passwords everybody knows. Nothing is served. Serve 127.0.0.1, or choose another "
                "SMSMANAGER_DATA_DIR (or DATABASE_URL) and start with --no-demo."
            )
        elif not set(settings.ALLOWED_HOSTS) - {"127.0.0.1", "localhost", "[::1]"}:
            self.complain(
                "Only requests for 127.0.0.1 and localhost will be answered; name the others by which "
                "this machine is called in SMSMANAGER_ALLOWED_HOSTS."
            )
        sign_in = demo.sign_in_lines()
        # The children open their own.
        connections.close_all()
        return sign_in

    def say_ready(self, address: str, sign_in: list[str]) -> None:
        """The address, who can sign in, and where to look."""
        self.say(f"\n  {self.style.SUCCESS('Ready')}   {self.style.HTTP_INFO(address)}")
        for line in ["", *sign_in, ""] if sign_in else [""]:
            self.say(f"  {line}")
        self.say(f"  Ctrl-C stops everything. Logs: {settings.DATA_DIR / 'logs'}")
        if not settings.EMAIL_HOST:
            self.say(f"  Letters, such as a password reset, are put into {settings.EMAIL_FILE_PATH}")

    def start_broker(self, supervisor: Supervisor, made_of: Callable[[Program], Child]) -> None:
        """Start the broker before anything wants it; one that REDIS_URL names has to be there already."""
        data_dir: Path = settings.DATA_DIR
        if environment.text("REDIS_URL"):
            if reason := broker.trouble(settings.REDIS_URL):
                raise Broken(f"The broker of REDIS_URL does not answer: {reason}. Nothing was started.")
        else:
            path = broker.prepare(data_dir)
            broker.wait_until_free(settings.REDIS_URL, seconds=10)
            supervisor.start(made_of(programs.embedded_broker(data_dir / "broker", path)))

    def clean(self, data_dir: Path) -> None:
        """Remove the directory in the temporary one that a long path of the data directory asked for.

        Somebody else's is left alone: a link that stands there leads to files that are not ours.
        """
        directory = environment.broker_socket(data_dir).parent
        if data_dir not in directory.parents and environment.is_own_directory(directory):
            (directory / "broker.sock").unlink(missing_ok=True)
            directory.rmdir()

    def say(self, line: str) -> None:
        """Print a line. A terminal that was closed must not keep the children from being stopped."""
        with contextlib.suppress(OSError):
            self.stdout.write(line)
            self.stdout.flush()

    def complain(self, line: str) -> None:
        self.say("  " + self.style.WARNING(line))

    def show(self, name: str, line: str) -> None:
        prefix = f"{name:>6} |"
        colour = COLOURS.get(name, COLOUR_OF_LISTENERS)
        self.say(f"\x1b[{colour}m{prefix}\x1b[0m {line}" if self.stdout.isatty() else f"{prefix} {line}")


def is_loopback(host: str) -> bool:
    """Whether only this machine itself reaches `host`, a name or an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextlib.contextmanager
def listening(host: str, port: int | None) -> Iterator[socket.socket]:
    """A socket that listens at `host` and `port`, or at the first free port from DEFAULT_PORT on.

    Raises CommandError when `port` is given and cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    candidates = range(DEFAULT_PORT, DEFAULT_PORT + 100) if port is None else [port]
    for candidate in candidates:
        try:
            found = socket.create_server((host, candidate), family=family, backlog=512)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and candidate != candidates[-1]:
                continue
            instead = "Choose another host or port." if port is None else "Choose another port, or leave --port out."
            raise CommandError(
                f"Port {candidate} cannot be had at {host}: {error.strerror}. Nothing was started. {instead}"
            ) from None
        else:
            with found:
                yield found
            return


def address_of(listener: socket.socket) -> str:
    """The address to open in a browser."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
