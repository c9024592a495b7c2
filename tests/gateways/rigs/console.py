"""The console gateway. Its peer is whoever reads the stream."""

import ast
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from compose.gateways.console import ConsoleGateway
from tests.gateways.rig import Rig

GATEWAY = ConsoleGateway
OPTIONS: dict[str, Any] = {}

_LINE = re.compile(r"SMS (?P<sender>.*?) -> (?P<to>\S+) \[(?P<class>\w+)\] (?P<text>'.*'|\".*\") (?P<reference>\S+)")


class ConsoleRig(Rig):
    """What was printed, read again."""

    name = "console"
    secrets = ()
    peerless = True

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.gateway = ConsoleGateway(stream=self.stream)

    def received(self) -> list[dict[str, Any]]:
        # Only a line feed ends a line here; the texts themselves are written with escapes.
        found = [_LINE.fullmatch(line) for line in self.stream.getvalue().split("\n") if line]
        return [
            {
                "from": line["sender"],
                "to": line["to"],
                "class": line["class"],
                "text": ast.literal_eval(line["text"]),
                "reference": line["reference"],
            }
            for line in found
            if line is not None
        ]


@contextmanager
def rig() -> Iterator[Rig]:
    """A console on a stream of its own."""
    yield ConsoleRig()
