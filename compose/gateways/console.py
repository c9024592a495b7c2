"""A gateway for development: prints each message and takes it. It reports nothing back."""

import sys
import uuid
from collections.abc import Sequence
from typing import TextIO

from compose.gateways.base import Accepted, Capabilities, Gateway, Outcome, Outgoing


class ConsoleGateway(Gateway):
    """Prints messages to `stream`, by default the standard output of the worker."""

    capabilities = Capabilities(
        classes=frozenset({"standard", "flash", "sim"}),
        sender_kinds=frozenset({"short", "virtual", "alphanumeric", "numeric"}),
        batch_size=100,
    )

    def __init__(self, *, stream: TextIO | None = None) -> None:
        self.stream = stream

    def send(self, chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        stream = self.stream or sys.stdout
        outcomes: list[Outcome] = []
        for message in chunk:
            reference = f"console-{uuid.uuid4()}"
            print(
                f"SMS {message.originator} -> {message.recipient} [{message.message_class}] {message.text!r} "
                f"{reference}",
                file=stream,
                flush=True,
            )
            outcomes.append(Accepted(reference))
        return outcomes
