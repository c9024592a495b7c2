"""A gateway for development: appends each message to a file, one JSON object a line. It reports nothing back.

Several processes may write to the same file: each line is one write, under a lock, at the end of the file. The texts
and numbers in it are those of real people as soon as somebody sends real messages, so only its owner may read it.
"""

import fcntl
import json
import os
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from compose.gateways import given
from compose.gateways.base import Accepted, BadConfiguration, Capabilities, Gateway, NotSent, Outcome, Outgoing


class FileGateway(Gateway):
    """Appends to the file at `path`, which is made when the first message leaves; its folder must be there.

    Members of a line: at (ISO 8601, UTC), reference, id, from, to, kind (of sender), class, commercial, validity
    (seconds), text.
    """

    capabilities = Capabilities(
        classes=frozenset({"standard", "flash", "sim"}),
        sender_kinds=frozenset({"short", "virtual", "alphanumeric", "numeric"}),
        batch_size=100,
    )

    def __init__(self, *, path: str) -> None:
        if not isinstance(path, str):
            raise TypeError("path is the path of a file.")
        if not path or "\0" in path:
            raise ValueError("path is the path of a file.")
        self.path = Path(path).absolute()

    def send(self, chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            file = os.open(self.path, flags, 0o600)
        except OSError as error:
            raise BadConfiguration(f"the file cannot be opened: {error.strerror}") from None
        try:
            # The lock ends with the file, and so with this process whatever becomes of it.
            fcntl.flock(file, fcntl.LOCK_EX)
            return [self._append(file, message) for message in chunk]
        finally:
            os.close(file)

    def _append(self, file: int, message: Outgoing) -> Outcome:
        given.refuse_undeclared(message, self.capabilities.classes, self.capabilities.sender_kinds)
        reference = f"file-{uuid.uuid4()}"
        line = _line(message, reference)
        end = os.fstat(file).st_size
        try:
            written = os.write(file, line)
        except OSError as error:
            return NotSent(f"the file cannot be written: {error.strerror}")
        if written < len(line):
            # Half a line would spoil the next one, too.
            os.ftruncate(file, end)
            return NotSent("the file cannot be written: there is no room for the line")
        return Accepted(reference)


def _line(message: Outgoing, reference: str) -> bytes:
    said = {
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "reference": reference,
        "id": message.id,
        "from": message.originator,
        "to": message.recipient,
        "kind": message.sender_kind,
        "class": message.message_class,
        "commercial": message.commercial,
        "validity": message.validity,
        "text": message.text,
    }
    # What is no character keeps its escape, which is JSON as well.
    return json.dumps(said, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
