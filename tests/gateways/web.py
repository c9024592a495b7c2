"""A web server of our own on the loopback that does to its clients what a test wants done.

It runs in threads, on a free port, until the block ends, and speaks HTTP/1.1 with kept connections. `does` says
what happens to a request; it may be changed at any time.
"""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import parse_qs, urlsplit

SECONDS: Final = 20.0
# How TLS begins (RFC 8446, section 5.1).
HANDSHAKE = b"\x16"
TLS: Final = Path(__file__).parent / "tls"


@dataclass(frozen=True)
class Asked:
    """A request as it came; names in `headers` are in lower case, `connection` counts from 1."""

    connection: int
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    @property
    def form(self) -> dict[str, list[str]]:
        return parse_qs(self.body.decode(), keep_blank_values=True)


@dataclass(frozen=True)
class Answer:
    """What is written back. `octets` are written as they are, instead of a well-formed answer."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    octets: bytes | None = None
    close: bool = False  # end the connection afterwards
    reset: bool = False  # end it with a reset

    def __bytes__(self) -> bytes:
        if self.octets is not None:
            return self.octets
        headers = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(self.body))} | self.headers
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {self.status} Said\r\n{head}\r\n".encode() + self.body


CLOSE: Final = Answer(octets=b"", close=True)
RESET: Final = Answer(octets=b"", reset=True)


class Web:
    """The server; `asked` holds the requests in order."""

    def __init__(self, *, tls: bool = False) -> None:
        self.does: Callable[[Asked], Answer] = lambda asked: Answer()
        self.asked: list[Asked] = []
        self.connections = 0
        self.ending = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self._listener.getsockname()[1])
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._context: ssl.SSLContext | None = None
        if tls:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(TLS / "certificate.pem", TLS / "key.pem")
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def down(self) -> None:
        """Nothing listens here any more, and every connection ends."""
        self.ending.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.close_connections()
        for thread in self._threads:
            thread.join(SECONDS)

    def close_connections(self) -> None:
        """End every connection, as a server does with those that rest."""
        with self._lock:
            for each in self._open:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def wait(self, event: threading.Event) -> None:
        """Wait in `does` until the test sets `event`, or the server ends."""
        while not event.wait(0.01) and not self.ending.is_set():
            pass

    def _accept(self) -> None:
        while not self.ending.is_set():
            try:
                accepted, _address = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(accepted, self.connections), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, accepted: socket.socket, connection: int) -> None:
        with self._lock:
            self._open.add(accepted)
        talking = accepted
        try:
            accepted.settimeout(SECONDS)
            if self._context:
                talking = self._context.wrap_socket(accepted, server_side=True)
                with self._lock:
                    self._open.discard(accepted)
                    self._open.add(talking)
            elif accepted.recv(1, socket.MSG_PEEK) == HANDSHAKE:
                # Random octets, in which a request could be read by chance; answered as web servers do.
                accepted.recv(65_536)
                accepted.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
                return
            with talking.makefile("rb") as reads:
                while asked := _read(reads, connection):
                    with self._lock:
                        self.asked.append(asked)
                    answer = self.does(asked)
                    talking.sendall(bytes(answer))
                    if answer.reset:
                        talking.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    if answer.close or answer.reset:
                        return
        except (OSError, ValueError):
            pass  # the client left, or was made to
        finally:
            with self._lock:
                self._open.discard(accepted)
                self._open.discard(talking)
            if talking is not accepted or accepted.fileno() >= 0:
                with contextlib.suppress(OSError):
                    talking.close()


def _read(reads: BinaryIO, connection: int) -> Asked | None:
    """The next request of a connection; None at its end."""
    line = reads.readline(65_536)
    if not line.strip():
        return None
    method, target, _version = line.decode("latin-1").split()
    headers: dict[str, str] = {}
    while (line := reads.readline(65_536)).strip():
        name, _colon, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    body = reads.read(int(headers.get("content-length", "0")))
    return Asked(connection, method, target, headers, body)


@contextlib.contextmanager
def web(*, tls: bool = False) -> Iterator[Web]:
    """A server for the length of the block."""
    server = Web(tls=tls)
    try:
        yield server
    finally:
        server.down()
