"""The file gateway. Its peer is whoever reads the file."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from compose.gateways.base import Event
from compose.gateways.file import FileGateway
from tests.gateways.rig import Rig

GATEWAY = FileGateway
OPTIONS: dict[str, Any] = {"path": "/var/lib/sms-manager/messages.jsonl"}


class FileRig(Rig):
    """What was appended, read again."""

    name = "file"
    secrets = ()
    peerless = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self.gateway = FileGateway(path=str(path))

    def answer(self, recorded: Mapping[str, Any]) -> None:
        raise AssertionError("nobody answers a file")

    def received(self) -> list[dict[str, Any]]:
        # Only a line feed ends a line here; the texts themselves are written with escapes.
        written = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        return [json.loads(line) for line in written.split("\n") if line]

    def hear(self, recorded: Mapping[str, Any]) -> list[Event]:
        raise AssertionError("a file says nothing")


@contextmanager
def rig() -> Iterator[Rig]:
    """A file in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        yield FileRig(Path(folder) / "messages.jsonl")
