"""`manage.py listen_gateway NAME`: one long-lived process where the reports and replies of gateways arrive."""

import logging
import signal
import threading
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from compose import listening, nudges

log = logging.getLogger(__name__)
# How often, in seconds, the process looks at its threads, and shows that it lives.
LOOK, BEAT = 0.25, 5.0


class Command(BaseCommand):
    """Holds the connections on which gateways such as SMPP deliver reports and received messages.

    What arrives is stored, answered, and applied by a worker. A lost connection is made again; SIGTERM and SIGINT end
    it with exit code 0, after what is being stored. A second process for the same gateway does no harm. With `--all`
    each gateway that is listened to has a thread, and the process waits quietly where there is none; when one of the
    threads fails, the process ends with exit code 1, so that whoever started it starts it again.
    """

    help = "Receive the reports and messages of a gateway until Ctrl-C or SIGTERM."

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.stopping = threading.Event()
        self.failed: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        chosen = parser.add_mutually_exclusive_group(required=True)
        chosen.add_argument("name", nargs="?", help="the gateway's name in SMS_GATEWAYS")
        chosen.add_argument("--all", action="store_true", help="all gateways that are listened to, perhaps none")
        parser.add_argument(
            "--alive", type=Path, metavar="FILE", help="touch this file every few seconds, for watchers"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        names = listening.names() if options["all"] else [options["name"]]
        try:
            for name in names:
                listening.found(name)
        except listening.CannotListen as error:
            raise CommandError(str(error)) from None
        before = {number: signal.signal(number, self.stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            said = f"Listening to {', '.join(names)}" if names else "No gateway is listened to; waiting"
            self.stdout.write(f"{said} until Ctrl-C.")
            self.stdout.flush()
            self.run(names, (lambda: options["alive"].touch()) if options["alive"] else lambda: None)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        if self.failed:
            raise CommandError(f"Stopped, because listening to {', '.join(self.failed)} failed; the log says how.")
        self.stdout.write("Stopped.")

    def run(self, names: list[str], alive: Callable[[], None]) -> None:
        """A thread for each gateway until the end; `alive` is called every few seconds while all of them run."""
        threads = [threading.Thread(target=self.listen, args=[name], name=f"listener {name}") for name in names]
        for thread in threads:
            thread.start()
        beats = 0
        while not self.stopping.wait(LOOK):
            if beats % round(BEAT / LOOK) == 0:
                alive()
            beats += 1
        for thread in threads:
            thread.join()

    def listen(self, name: str) -> None:
        """One gateway, until the end; a failure ends all."""
        try:
            listening.listen(
                name,
                stopped=self.stopping.is_set,
                then=lambda: nudges.after_commit_at_most_every_second("inbox.tasks.collect"),
            )
        except Exception:
            log.exception("Listening to %s failed", name)
            self.failed.append(name)
            self.stopping.set()
        finally:
            connection.close()

    def stop(self, _signal: int, _frame: FrameType | None) -> None:
        self.stopping.set()
