"""The server of the smpp34 package as a peer: written by others, in Rust, and strict about its window."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import smpp34

from tests.gateways.smsc import SECONDS

# What to do with a submission: a message id takes it, a status refuses it.
Decision = str | int


class Peer:
    """The server with what it was sent; `decide` answers a submission, `hold` seconds after it came."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.hold = 0.0
        self.decide: Callable[[Any], Decision] = self.take
        self.submitted: list[Any] = []
        self.bound: list[Any] = []
        self.ended = 0
        self._changed = threading.Condition()
        self._loop = asyncio.new_event_loop()

    def take(self, _submission: Any) -> Decision:
        """Take it under the next id."""
        return str(len(self.submitted))

    def wait_for(self, what: Callable[[], object]) -> None:
        """Wait until `what()` is true."""
        with self._changed:
            assert self._changed.wait_for(lambda: bool(what()), SECONDS), "the smpp34 server did not see it"

    def deliver(self, **fields: Any) -> int:
        """Deliver to the newest client and wait for its answer; returns the status of that."""

        async def delivered() -> int:
            answer = await self.bound[-1].deliver_sm(**fields)
            return int(answer.command_status)

        return asyncio.run_coroutine_threadsafe(delivered(), self._loop).result(SECONDS)

    async def _serve(self, server: smpp34.Server) -> None:
        while True:
            event = await server.next()
            if isinstance(event, smpp34.SubmitSmEvent):
                self.submitted.append(event)
                if self.hold:
                    self._loop.call_later(self.hold, self._decided, event)
                else:
                    self._decided(event)
            elif isinstance(event, smpp34.Esme):
                self.bound.append(event)
            else:
                self.ended += 1
            with self._changed:
                self._changed.notify_all()

    def _decided(self, event: Any) -> None:
        decision = self.decide(event)
        if isinstance(decision, str):
            event.accept(decision)
        else:
            event.reject(decision)


@contextlib.contextmanager
def smpp34_server(**options: Any) -> Iterator[Peer]:
    """A server on a free port of the loopback for the length of the block."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    made = Peer(port)
    thread = threading.Thread(target=made._loop.run_forever, name="smpp34", daemon=True)
    thread.start()

    async def start() -> tuple[smpp34.Server, asyncio.Task[None]]:
        server = smpp34.Server("127.0.0.1", port, system_id="rust", **options)
        await server.start()
        return server, asyncio.create_task(made._serve(server))

    server, serving = asyncio.run_coroutine_threadsafe(start(), made._loop).result(SECONDS)
    try:
        yield made
    finally:

        async def stop() -> None:
            serving.cancel()
            await asyncio.wait([serving])
            await server.stop()

        asyncio.run_coroutine_threadsafe(stop(), made._loop).result(SECONDS)
        made._loop.call_soon_threadsafe(made._loop.stop)
        thread.join(SECONDS)
        made._loop.close()
