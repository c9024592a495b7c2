"""An event loop that keeps one link to the peer, for the threads that send and the one that listens.

It begins with the first use in a process, so a gateway may be made before a fork: the child begins anew,
and its copy of the parent's connection is closed without a word to the peer.
"""

import asyncio
import logging
import os
import random
import socket
import ssl
import threading
import weakref
from collections.abc import Iterable, Sequence
from typing import Final

from compose.gateways.base import BadConfiguration, Event, GatewayError, NotSent, OutcomeUnknown
from compose.gateways.smpp.arrivals import Arrivals, answer
from compose.gateways.smpp.batch import Answer, Batch
from compose.gateways.smpp.connecting import connected_socket, tls_context
from compose.gateways.smpp.helm import Helm
from compose.gateways.smpp.link import Link
from compose.gateways.smpp.options import Options

log = logging.getLogger(__name__)

# A link that lived so long, in seconds, was a good one: the next is tried at once.
LONG_ENOUGH: Final = 10.0
# Beyond all time limits of the link: only a fault in this file lets a thread wait so long.
GRACE: Final = 15.0


class Session:
    """One link at a time, with the bind `bind`; `kept` says whether it is kept up without anything to send."""

    def __init__(self, options: Options, bind: int, *, kept: bool = False) -> None:
        self.options = options
        self.bind = bind
        self.kept = kept
        self._begin_anew()
        _sessions.add(self)

    def _begin_anew(self) -> None:
        self._lock = threading.Lock()
        self._helm: Helm | None = None
        self._link: Link | None = None
        self._socket: socket.socket | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._without_link: list[Batch] = []
        self._failures = 0
        self._retry_at = 0.0
        self._bound_at = 0.0
        self._why: GatewayError = NotSent("not connected yet")
        self._closing = False
        self.arrivals = Arrivals(self.options)

    # --- For any thread ------------------------------------------------------------------------------

    def start(self) -> Helm:
        """The helm of this process, made when it is not there yet. Raises NotSent once the session is closed."""
        helm = self._helm
        if helm is not None and not self._closing:
            return helm
        with self._lock:
            if self._closing:
                raise NotSent("the gateway was closed")
            if self._helm is None:
                self._helm = Helm(self._take)
                if self.kept:
                    self._loop.call_soon_threadsafe(self._connect_soon)
            return self._helm

    def submit(self, pieces: Iterable[Sequence[bytes]]) -> list[Answer]:
        """Hand the submissions over and wait until each has its answer: a message id or what became of it.

        They come in pieces, so that the peer has the first while the others are still made.
        """
        helm = self.start()
        options = self.options
        limit = options.connect_timeout + options.queue_timeout + options.answer_timeout + GRACE
        batch = Batch()
        leads = helm.take(batch)
        try:
            for piece in pieces:
                batch.add(piece)
                if leads:
                    self._take(batch)
            if batch.left and not leads:
                leads = helm.take_or_follow(batch, limit)
            if leads:
                helm.steer(batch, limit)
        finally:
            if leads:
                helm.leave()
        if batch.left:
            log.error("The SMPP session with %s did not answer within %g s", options.peer, limit)
        fault = OutcomeUnknown("the session did not answer")
        return [fault if said is None else said for said in batch.answers]

    def acknowledge(self, events: Sequence[Event]) -> None:
        """These are stored: answer their deliveries."""
        answered = self.arrivals.stored(events)
        if answered and self._helm is not None:
            self._loop.call_soon_threadsafe(answer, answered)

    def close(self) -> None:
        """Take leave of the peer and end the loop. Again is the same as once."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
            helm = self._helm
        if helm is None:
            return
        leaving = asyncio.run_coroutine_threadsafe(self._leave(), helm.loop)
        helm.run()
        try:
            leaving.result(self.options.answer_timeout + GRACE)
        finally:
            helm.end()

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        assert self._helm is not None
        return self._helm.loop

    # --- At the helm ---------------------------------------------------------------------------------

    def _take(self, batch: Batch) -> None:
        if self._closing:
            batch.fail(NotSent("the gateway was closed"))
        elif self._link is not None and self._link.open:
            self._link.submit(batch)
        elif self._connecting is None and self._now() < self._retry_at:
            batch.fail(self._again(self._why))
        else:
            if batch not in self._without_link:
                self._without_link.append(batch)
            self._connect_soon()

    def _connect_soon(self) -> None:
        """Begin to connect, unless that is going on or there is a link."""
        if self._closing or self._connecting is not None or (self._link is not None and self._link.open):
            return
        self._connecting = self._loop.create_task(self._connect())

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(self.options.connect_timeout):
                link = await self._bound_link()
        except TimeoutError:
            self._failed(NotSent(f"no connection within {self.options.connect_timeout:g} s"))
        except GatewayError as error:
            self._failed(error)
        except ssl.SSLCertVerificationError as error:
            self._failed(BadConfiguration(f"the certificate is not trusted: {error.verify_message}"))
        except (OSError, ssl.SSLError) as error:
            self._failed(NotSent(f"could not connect: {error.strerror or type(error).__name__}"))
        except Exception as error:
            # A fault of ours must not leave the senders waiting: nothing of theirs was written.
            log.exception("Connecting to %s failed", self.options.peer)
            self._failed(NotSent(f"could not connect: {type(error).__name__}"))
        else:
            self._bound_at = self._now()
            if not link.open:
                self._failed(NotSent(link.why))
                return
            self._connecting = None
            log.info("Bound to %s", self.options.peer)
            batches, self._without_link = self._without_link, []
            for batch in batches:
                link.submit(batch)

    async def _bound_link(self) -> Link:
        """A link that is bound. Raises what kept it from that, with the connection closed."""
        options = self.options
        context = tls_context(options) if options.tls else None
        self._socket = await connected_socket(self._loop, options.host, options.port)
        link: Link | None = None
        try:
            _transport, link = await self._loop.create_connection(
                lambda: Link(options, self.bind, arrived=self.arrivals.take, lost=self._lost),
                sock=self._socket,
                ssl=context,
                server_hostname=(options.tls_server_name or options.host) if context else None,
            )
            self._link = link
            await link.bound
        except BaseException:
            self._link = None
            if link is None:
                self._socket.close()
            else:
                link.abort("the bind was given up")
                await link.ended
            raise
        return link

    def _failed(self, error: GatewayError) -> None:
        self._connecting = None
        self._why = error
        self._wait_longer()
        log.warning("No link to %s: %s; the next attempt in %.1f s", self.options.peer, error.detail, self._wait())
        batches, self._without_link = self._without_link, []
        for batch in batches:
            batch.fail(self._again(error))
        self._connect_later()

    def _lost(self, link: Link) -> None:
        """A link ended."""
        if link is not self._link:
            return
        self._link = None
        if self._connecting is not None or self._closing:
            return
        if self._now() - self._bound_at >= LONG_ENOUGH:
            self._failures = 0
            self._retry_at = 0.0
        else:
            self._wait_longer()
        self._why = NotSent(link.why)
        log.warning("The link to %s ended: %s", self.options.peer, link.why)
        self._connect_later()

    def _connect_later(self) -> None:
        if self.kept and not self._closing:
            self._loop.call_later(self._wait(), self._connect_soon)

    def _wait_longer(self) -> None:
        wait = min(self.options.retry_first * 2**self._failures, self.options.retry_longest)
        self._failures = min(self._failures + 1, 30)
        self._retry_at = self._now() + wait * random.uniform(0.8, 1.2)  # noqa: S311

    def _wait(self) -> float:
        return max(self._retry_at - self._now(), 0.0)

    def _again(self, error: GatewayError) -> GatewayError:
        """The reason why there is no link, for another message."""
        return type(error)(error.detail, code=error.code)

    def _now(self) -> float:
        return self._loop.time()

    async def _leave(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
            self._connecting = None
        batches, self._without_link = self._without_link, []
        for batch in batches:
            batch.fail(NotSent("the gateway was closed"))
        if self._link is not None:
            await self._link.unbind()


# --- After a fork ------------------------------------------------------------------------------------

_sessions: weakref.WeakSet[Session] = weakref.WeakSet()
# What belongs to the parent's loop is kept, untouched: its end would take the parent's sockets off its selector.
_of_the_parent: list[object] = []


def _forget() -> None:
    for session in list(_sessions):
        _of_the_parent.append((session._helm, session._link, session._connecting))
        if session._socket is not None:
            session._socket.close()
        session._begin_anew()


os.register_at_fork(after_in_child=_forget)
