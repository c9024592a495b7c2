"""`manage.py listen_gateway NAME`: one long-lived process where the reports and replies of a gateway arrive."""

import signal
from argparse import ArgumentParser
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from compose import nudges
from compose.listening import CannotListen, listen


class Command(BaseCommand):
    """Holds the connection on which a gateway such as SMPP delivers reports and received messages.

    What arrives is stored, answered, and applied by a worker. A lost connection is made again; SIGTERM and SIGINT end
    it with exit code 0, after what is being stored. A second process for the same gateway does no harm.
    """

    help = "Receive the reports and messages of a gateway until Ctrl-C or SIGTERM."
    stopping = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the gateway's name in SMS_GATEWAYS")

    def handle(self, *_args: Any, **options: Any) -> None:
        before = {number: signal.signal(number, self.stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            self.stdout.write(f"Listening to {options['name']} until Ctrl-C.")
            self.stdout.flush()
            listen(
                options["name"],
                stopped=lambda: self.stopping,
                then=lambda: nudges.after_commit("inbox.tasks.collect"),
            )
        except CannotListen as error:
            raise CommandError(str(error)) from None
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        self.stdout.write("Stopped.")

    def stop(self, _signal: int, _frame: FrameType | None) -> None:
        self.stopping = True
