"""A short message centre of our own: it records every octet and does to its clients what a test wants done.

It knows nothing of the code under test. It runs in a thread of its own, on a free port of the loopback, until the
block ends. What it does is chosen by attributes, which may be changed at any time:

    smsc.bind_answer = 0x0E                     the status of its answers to binds; SILENT, KILL work too
    smsc.submit_answer = lambda pdu: 0x58       the status for a submission; ("id", 0.02) is an id after 0.02 s
"""

import asyncio
import contextlib
import itertools
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

SILENT: Final = "silent"  # never answers
KILL: Final = "kill"  # ends the connection instead of answering
SECONDS: Final = 20.0

SUBMIT_SM, DELIVER_SM, UNBIND, ENQUIRE_LINK = 0x04, 0x05, 0x06, 0x15
DELIVER_SM_RESP, GENERIC_NACK = 0x80000005, 0x80000000
BINDS: Final = (0x01, 0x02, 0x09)

# A status, SILENT or KILL, or a message id and the seconds before the answer.
Answer = int | str | tuple[str, float]


@dataclass(frozen=True)
class Pdu:
    """A PDU as a client wrote it, on its `connection` (1, 2, …)."""

    connection: int
    command: int
    status: int
    sequence: int
    octets: bytes

    @property
    def body(self) -> bytes:
        return self.octets[16:]


def pdu(command: int, sequence: int, body: bytes = b"", status: int = 0) -> bytes:
    """The octets of a PDU."""
    return struct.pack(">IIII", 16 + len(body), command, status, sequence) + body


class Smsc:
    """The centre; `received` holds what clients wrote, in order, `ids` the message ids that it gave."""

    def __init__(self) -> None:
        self.bind_answer: Answer = 0
        self.submit_answer: Callable[[Pdu], Answer] = self.take
        self.enquire_answer: Answer = 0
        self.greeting = b""
        self.received: list[Pdu] = []
        self.ids: list[str] = []
        self.accepts = True
        self.port = 0
        self.server: asyncio.Server | None = None
        self._numbers = itertools.count(1)
        self._connections = itertools.count(1)
        self._sequences = itertools.count(1)
        self._writers: dict[int, asyncio.StreamWriter] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = threading.Condition()
        self._loop = asyncio.new_event_loop()

    def take(self, _pdu: Pdu) -> Answer:
        """Take a submission under the next id, at once."""
        return f"{next(self._numbers)}", 0

    # --- For the test's thread -----------------------------------------------------------------------

    def wait_for(self, what: Callable[[], object], message: str = "the SMSC did not see it") -> None:
        """Wait until `what()` is true; it is looked at when something happened here. Fails after SECONDS."""
        with self._changed:
            assert self._changed.wait_for(lambda: bool(what()), SECONDS), message

    def of(self, *commands: int) -> list[Pdu]:
        """What clients wrote of these commands."""
        return [one for one in list(self.received) if one.command in commands]

    @property
    def submissions(self) -> list[Pdu]:
        return self.of(SUBMIT_SM)

    @property
    def connected(self) -> int:
        """How many connections there are."""
        return len(self._writers)

    def deliver(self, body: bytes, *, command: int = DELIVER_SM, connection: int = 0) -> int:
        """Deliver on this connection, or on the newest; returns the sequence number."""
        number = next(self._sequences)
        self.write(pdu(command, number, body), connection=connection)
        return number

    def answered(self, sequence: int, command: int = DELIVER_SM_RESP) -> list[Pdu]:
        """The answers to a delivery."""
        return [one for one in self.of(command) if one.sequence == sequence]

    def write(self, octets: bytes, *, connection: int = 0) -> None:
        """Write on this connection, or on the newest."""
        self._loop.call_soon_threadsafe(lambda: self._writers[connection or max(self._writers)].write(octets))

    def kill(self) -> None:
        """End all connections, as a crash does: without a word, with a reset."""
        self._loop.call_soon_threadsafe(self._kill)
        self.wait_for(lambda: not self._writers)

    def down(self) -> None:
        """Listen no more, and end all connections."""
        assert self.server is not None
        self._loop.call_soon_threadsafe(self.server.close)
        self.kill()

    # --- In the loop ---------------------------------------------------------------------------------

    def _kill(self) -> None:
        for writer in self._writers.values():
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        connection = next(self._connections)
        self._writers[connection] = writer
        self._note()
        try:
            if not self.accepts:
                writer.transport.abort()
                return
            if self.greeting:
                writer.write(self.greeting)
            while True:
                head = await reader.readexactly(16)
                length, command, status, sequence = struct.unpack(">IIII", head)
                body = await reader.readexactly(length - 16)
                one = Pdu(connection, command, status, sequence, head + body)
                self.received.append(one)
                self._note()
                self._react(one, writer)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass  # the client left, or was made to
        finally:
            writer.transport.abort()
            with self._changed:
                del self._writers[connection]
                self._changed.notify_all()

    def _note(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _react(self, one: Pdu, writer: asyncio.StreamWriter) -> None:
        if one.command in BINDS:
            self._answer(one, writer, self.bind_answer, b"stand-in\0")
        elif one.command == SUBMIT_SM:
            self._answer(one, writer, self.submit_answer(one))
        elif one.command == ENQUIRE_LINK:
            self._answer(one, writer, self.enquire_answer)
        elif one.command == UNBIND:
            self._answer(one, writer, 0)
            writer.close()

    def _answer(self, one: Pdu, writer: asyncio.StreamWriter, answer: Answer, body: bytes = b"") -> None:
        status, delay = 0, 0.0
        if answer == KILL:
            writer.transport.abort()
            return
        if answer == SILENT:
            return
        if isinstance(answer, tuple):
            given, delay = answer
            self.ids.append(given)
            body = given.encode("ascii") + b"\0"
        else:
            assert isinstance(answer, int)
            status = answer
            if status:
                body = b""
        octets = pdu(one.command | 0x80000000, one.sequence, body, status)
        if delay:
            self._loop.call_later(delay, writer.write, octets)
        else:
            writer.write(octets)


@contextlib.contextmanager
def smsc(tls: ssl.SSLContext | None = None) -> Iterator[Smsc]:
    """A centre that listens for the length of the block."""
    made = Smsc()
    loop = made._loop
    thread = threading.Thread(target=loop.run_forever, name="smsc", daemon=True)
    thread.start()

    async def start() -> asyncio.Server:
        return await asyncio.start_server(made._serve, "127.0.0.1", 0, ssl=tls)

    server = made.server = asyncio.run_coroutine_threadsafe(start(), loop).result(SECONDS)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:

        async def stop() -> None:
            server.close()
            made._kill()
            if made._tasks:
                await asyncio.wait(made._tasks)

        asyncio.run_coroutine_threadsafe(stop(), loop).result(SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(SECONDS)
        loop.close()


def delivery(
    *,
    source: str = "33612345678",
    destination: str = "38123",
    message: bytes = b"",
    esm_class: int = 0,
    data_coding: int = 0,
    source_type: int = 1,
    destination_type: int = 3,
    parameters: dict[int, bytes] | None = None,
) -> bytes:
    """The body of a deliver_sm."""
    body = b"\0" + bytes([source_type, 1]) + source.encode() + b"\0"
    body += bytes([destination_type, 1]) + destination.encode() + b"\0"
    body += bytes([esm_class, 0, 0]) + b"\0\0" + bytes([0, 0, data_coding, 0, len(message)]) + message
    for tag, value in (parameters or {}).items():
        body += struct.pack(">HH", tag, len(value)) + value
    return body
