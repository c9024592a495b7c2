"""The message centre: `python -m tests.chaos.smsc RECORD SEED THROTTLES`. It prints its port.

It takes submissions by SMPP 3.4 and answers each within DELAY. The first THROTTLES messages are told to wait when they
come for the first time, and one number in REFUSES is refused for good. What it accepts it writes into the file RECORD
before it answers, one JSON list a line:

    [its own id, who bound, the recipient, the text, when it came in microseconds since 1970]

Nothing of the product is used here. Sources: SMPP 3.4 §4.4.1 (submit_sm), §5.1.3 (statuses).
"""

import asyncio
import contextlib
import json
import os
import random
import struct
import sys
import time
from pathlib import Path

HEADER = struct.Struct(">IIII")
ANSWER = 0x80000000
BIND_TRANSMITTER, SUBMIT_SM, UNBIND, ENQUIRE_LINK = 0x02, 0x04, 0x06, 0x15
THROTTLED, INVALID_RECIPIENT = 0x58, 0x0B
# Seconds; the longer ones are rarer.
DELAY = (0.002, 0.03)
REFUSES = 211


class Centre:
    """What all connections share."""

    def __init__(self, record: Path, seed: int, throttles: int) -> None:
        self.throttles = throttles
        self.record = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.chance = random.Random(seed)
        self.ids = 0
        self.waiting: set[str] = set()

    def take(self, who: str, body: bytes, lines: list[str]) -> tuple[int, str]:
        """The status and the id for a submission; what is accepted adds its line."""
        recipient, text = read(body)
        number = int(recipient)
        if number % REFUSES == 0:
            return INVALID_RECIPIENT, ""
        if len(self.waiting) < self.throttles and recipient not in self.waiting:
            self.waiting.add(recipient)
            return THROTTLED, ""
        self.ids += 1
        lines.append(json.dumps([str(self.ids), who, recipient, text, time.time_ns() // 1000]))
        return 0, str(self.ids)


def read(body: bytes) -> tuple[str, str]:
    """Recipient and text of a submit_sm with a short message in one part."""
    _service, rest = body.split(b"\0", 1)
    _source, rest = rest[2:].split(b"\0", 1)
    recipient, rest = rest[2:].split(b"\0", 1)
    # esm_class, protocol_id, priority_flag; two times; four single octets; the length.
    _schedule, rest = rest[3:].split(b"\0", 1)
    _validity, rest = rest.split(b"\0", 1)
    return recipient.decode("ascii"), rest[5 : 5 + rest[4]].decode("ascii")


class Connection(asyncio.Protocol):
    def __init__(self, centre: Centre) -> None:
        self.centre = centre
        self.rest = b""
        self.who = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        buffer, at = self.rest + data, 0
        lines: list[str] = []
        answers: list[bytes] = []
        while len(buffer) - at >= HEADER.size:
            length, command, _status, sequence = HEADER.unpack_from(buffer, at)
            if len(buffer) - at < length:
                break
            body = buffer[at + HEADER.size : at + length]
            at += length
            status, said = 0, b""
            if command == SUBMIT_SM:
                status, name = self.centre.take(self.who, body, lines)
                said = name.encode() + b"\0" if not status else b""
            elif command == BIND_TRANSMITTER:
                self.who, said = body.split(b"\0", 1)[0].decode("ascii"), b"chaos\0"
            elif command not in (ENQUIRE_LINK, UNBIND):
                continue
            answers.append(HEADER.pack(HEADER.size + len(said), command | ANSWER, status, sequence) + said)
        self.rest = buffer[at:]
        if lines:
            os.write(self.centre.record, ("\n".join(lines) + "\n").encode())
        asyncio.get_running_loop().call_later(self.centre.chance.triangular(*DELAY, DELAY[0]), self.answer, answers)

    def answer(self, answers: list[bytes]) -> None:
        if not self.transport.is_closing():
            self.transport.write(b"".join(answers))


async def serve(centre: Centre) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Connection(centre), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(Centre(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
