"""The programs of the SMPP bench, each a process of its own: two SMSCs, a bare client, and the gateway.

    python -m tests.bench.smpp_ends smsc SECONDS             prints its port; answers each submission after SECONDS
    python -m tests.bench.smpp_ends counting                 the same at once; knows what it took (`taken`, `forget`)
    python -m tests.bench.smpp_ends bare PORT WINDOW         reads how many to send, line by line, and prints how long
    python -m tests.bench.smpp_ends ours PORT WINDOW         the same, by `SmppGateway.send` of chunks of a window

They stand beside each other, so none of them uses code of another; the SMSC and the bare client know no more of SMPP
than they need.
"""

import asyncio
import contextlib
import hashlib
import itertools
import struct
import sys
import time
from collections.abc import Callable, Iterable
from typing import ClassVar

HEADER = struct.Struct(">IIII")
ANSWER = 0x80000000
BIND_TRANSMITTER, SUBMIT_SM = 0x02, 0x04
TEXT = "Bonjour, votre commande vous attend. A demain !"


def pdu(command: int, sequence: int, body: bytes = b"") -> bytes:
    return HEADER.pack(16 + len(body), command, 0, sequence) + body


class Smsc(asyncio.Protocol):
    """Takes every submission under the next number, `delay` seconds after it came."""

    numbers = itertools.count(1)

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self.rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        buffer = self.rest + data
        at, answers = 0, []
        while len(buffer) - at >= 16:
            length, command, _status, sequence = HEADER.unpack_from(buffer, at)
            if len(buffer) - at < length:
                break
            if command == SUBMIT_SM:
                self.took(buffer[at + 16 : at + length])
                body = b"%d\0" % next(self.numbers)
            else:
                body = b"smsc\0"
            at += length
            answers.append(HEADER.pack(16 + len(body), command | ANSWER, 0, sequence) + body)
        self.rest = buffer[at:]
        if not answers:
            return
        if self.delay:
            asyncio.get_running_loop().call_later(self.delay, self.transport.write, b"".join(answers))
        else:
            self.transport.write(b"".join(answers))

    def took(self, body: bytes) -> None:
        """A submission with this body was taken."""


class Counting(Smsc):
    """Keeps the body of each submission that it took, from whatever connection."""

    bodies: ClassVar[list[bytes]] = []

    def took(self, body: bytes) -> None:
        self.bodies.append(body)


class Bare(asyncio.Protocol):
    """As many submissions as are wanted, `window` of them without an answer at any moment."""

    def __init__(self, window: int) -> None:
        self.window = window
        self.rest = b""
        self.sequence = itertools.count(1)
        self.bound: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Sequence number -> whose it is; the ids that the peer gave.
        self.unanswered: dict[int, int] = {}
        self.ids: list[str] = []
        self.recipients: list[str] = []
        self.sent = 0
        self.before = b"\0\x05\0Boulanger\0\x01\x01"
        self.after = b"\0\0\0\0\0" + b"000002000000000R\0" + bytes([1, 0, 0, 0, len(TEXT)]) + TEXT.encode("ascii")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(pdu(BIND_TRANSMITTER, next(self.sequence), b"bench\0bench\0\0\x34\0\0\0"))

    def send(self, recipients: list[str]) -> asyncio.Future[None]:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.recipients, self.sent, self.ids = recipients, 0, [""] * len(recipients)
        self.pump()
        return self.done

    def pump(self) -> None:
        room = min(self.window - len(self.unanswered), len(self.recipients) - self.sent)
        octets = []
        for index in range(self.sent, self.sent + room):
            sequence = next(self.sequence)
            self.unanswered[sequence] = index
            octets.append(
                pdu(SUBMIT_SM, sequence, self.before + self.recipients[index][1:].encode("ascii") + self.after)
            )
        self.sent += room
        self.transport.write(b"".join(octets))

    def data_received(self, data: bytes) -> None:
        buffer = self.rest + data
        at = 0
        while len(buffer) - at >= 16:
            length, command, status, sequence = HEADER.unpack_from(buffer, at)
            if len(buffer) - at < length:
                break
            assert status == 0
            if command == SUBMIT_SM | ANSWER:
                self.ids[self.unanswered.pop(sequence)] = buffer[at + 16 : at + length - 1].decode("ascii")
            else:
                self.bound.set_result(None)
            at += length
        self.rest = buffer[at:]
        if self.sent < len(self.recipients):
            self.pump()
        elif self.recipients and not self.unanswered:
            self.done.set_result(None)


async def smsc(delay: float) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Smsc(delay), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def counting() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Counting(0.0), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)

    def asked() -> None:
        question = sys.stdin.readline()
        if not question:
            # Who asked is gone.
            server.close()
            loop.remove_reader(sys.stdin)
        elif question.strip() == "taken":
            # service_type, then the sender with its type, then the recipient with its type (SMPP 3.4, 4.4.1).
            numbers = {
                body.split(b"\0", 1)[1][2:].split(b"\0", 1)[1][2:].split(b"\0", 1)[0] for body in Counting.bodies
            }
            print(len(Counting.bodies), len(numbers), digest(number.decode() for number in numbers), flush=True)
        else:
            Counting.bodies.clear()
            print("forgotten", flush=True)

    loop.add_reader(sys.stdin, asked)
    with contextlib.suppress(asyncio.CancelledError):
        await server.serve_forever()


def digest(numbers: Iterable[str]) -> str:
    """These numbers, each without its plus sign, in few characters."""
    return hashlib.sha256("\n".join(sorted(numbers)).encode()).hexdigest()


async def bare(port: int, window: int) -> None:
    loop = asyncio.get_running_loop()
    _transport, client = await loop.create_connection(lambda: Bare(window), "127.0.0.1", port)
    await client.bound
    print("ready", flush=True)
    # Nothing else runs in this loop while it waits for a line.
    for line in sys.stdin:
        recipients = [f"+33{600_000_000 + each}" for each in range(int(line))]
        start = time.perf_counter()
        await client.send(recipients)
        print(time.perf_counter() - start, flush=True)
        assert all(client.ids)


def ours(port: int, window: int) -> None:
    from compose.gateways.base import Accepted, Outcome, Outgoing
    from compose.gateways.smpp import SmppGateway

    made = SmppGateway(host="127.0.0.1", port=port, system_id="bench", password="bench", window=window)
    assert made.capabilities.batch_size == window
    numbers = itertools.count(600_000_000)

    def message() -> Outgoing:
        number = next(numbers)
        return Outgoing(
            id=str(number),
            recipient=f"+33{number}",
            originator="Boulanger",
            sender_kind="alphanumeric",
            text=TEXT,
            message_class="standard",
            commercial=False,
            validity=172_800,
        )

    assert isinstance(made.send([message()])[0], Accepted)
    print("ready", flush=True)
    for line in sys.stdin:
        # What dispatch has at hand is a chunk of messages; making them is not the gateway's.
        chunks = [[message() for _each in range(window)] for _time in range(int(line) // window)]
        outcomes: list[Outcome] = []
        start = time.perf_counter()
        for each in chunks:
            outcomes += made.send(each)
        print(time.perf_counter() - start, flush=True)
        assert {type(outcome) for outcome in outcomes} == {Accepted}
        assert len(outcomes) == int(line)
    made.close()


PROGRAMS: dict[str, Callable[[list[str]], object]] = {
    "smsc": lambda given: asyncio.run(smsc(float(given[0]))),
    "counting": lambda given: asyncio.run(counting()),
    "bare": lambda given: asyncio.run(bare(int(given[0]), int(given[1]))),
    "ours": lambda given: ours(int(given[0]), int(given[1])),
}

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]](sys.argv[2:])
