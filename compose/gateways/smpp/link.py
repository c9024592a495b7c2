"""One bound connection to a peer: PDUs in and out, the window, and the clocks that notice a dead peer.

Everything here runs in the thread that has the helm of the session's loop. A submission waits until the window has
room; from the moment its octets are given to the connection it may have left, so what a lost connection says of it is:

    still waiting       NotSent         it was never written
    written             OutcomeUnknown  the answer is not known, and never will be

Sources: SMPP 3.4 §2 (sessions), §2.9 (windows), §3.2 (PDUs), §7.2 (timers).
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from compose.gateways.base import NotSent, OutcomeUnknown, Throttled
from compose.gateways.smpp import pdus, statuses
from compose.gateways.smpp.batch import Answer, Batch
from compose.gateways.smpp.options import Options

LAST_SEQUENCE: Final = 0x7FFFFFFF
NO_SEQUENCE: Final = 0
SUBMIT_SM_RESP: Final = pdus.SUBMIT_SM | pdus.ANSWER
# Of the answer to a submission, with an id as the standard has it.
LONGEST_USUAL: Final = pdus.HEADER.size + 65


# Submissions written together: whose they are, what to take from a sequence number to have its place in the batch, and
# until when an answer is waited for.
Run = tuple[Batch, int, float]


class Link(asyncio.Protocol):
    """A connection from its bind to its end.

    `arrived(link, command, sequence, body)` is called for each deliver_sm and data_sm, `lost(link)` once at the end.
    """

    def __init__(
        self,
        options: Options,
        bind: int,
        *,
        arrived: Callable[["Link", int, int, bytes], None],
        lost: Callable[["Link"], None],
    ) -> None:
        self.options = options
        self.bind = bind
        self.arrived = arrived
        self.lost = lost
        self.loop = asyncio.get_running_loop()
        self.bound: asyncio.Future[None] = self.loop.create_future()
        self.ended: asyncio.Future[None] = self.loop.create_future()
        self.transport: asyncio.Transport | None = None
        # Those of which something was not written yet, oldest first.
        self.waiting: deque[Batch] = deque()
        # Sequence number -> the run it was written in; in the order of writing.
        self.outstanding: dict[int, Run] = {}
        self.open = False
        self.why = "the connection was lost"
        self._full = False
        self._leaving = False
        self._sequence = NO_SEQUENCE
        self._rest = b""
        self._rest_since = 0.0
        self._last_read = 0.0
        self._asked: float | None = None
        self._not_before = 0.0
        self._allowance_at = 0.0
        self._pump_later: asyncio.TimerHandle | None = None
        self._ticking: asyncio.TimerHandle | None = None

    # --- The connection ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        # Nothing more is written while something waits to be: it could not be told any more to have stayed.
        # (With a limit of 0, asyncio's TLS transport pauses at nothing.)
        transport.set_write_buffer_limits(high=1)
        self._last_read = self.loop.time()
        body = pdus.bind_body(
            system_id=self.options.system_id,
            password=self.options.password,
            system_type=self.options.system_type,
            address_range_type=self.options.address_range_type,
            address_range=self.options.address_range,
        )
        self.write(pdus.pdu(self.bind, self._next_sequence(), body))

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        for timer in (self._ticking, self._pump_later):
            if timer is not None:
                timer.cancel()
        if exc is not None and self.why == "the connection was lost":
            self.why = f"the connection was lost ({type(exc).__name__})"
        written, self.outstanding = self.outstanding, {}
        for sequence, (batch, base, _deadline) in written.items():
            batch.answer(sequence - base, OutcomeUnknown(f"{self.why} before the answer"))
        self._fail_waiting(f"{self.why} before the message was written")
        if not self.bound.done():
            self.bound.set_exception(NotSent(f"{self.why} before the bind was answered"))
        self.ended.set_result(None)
        self.lost(self)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._pump()

    def write(self, octets: bytes) -> None:
        """Write, unless the connection is about to end."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(octets)

    def abort(self, why: str) -> None:
        """End the connection now."""
        self.why = why
        self.open = False
        if self.transport is not None:
            self.transport.abort()

    async def unbind(self) -> None:
        """Take leave: what is outstanding gets its time to be answered, then the connection ends."""
        self.open = False
        limit = self.loop.time() + self.options.answer_timeout
        while self.outstanding and not self.ended.done() and self.loop.time() < limit:
            await asyncio.wait([self.ended], timeout=0.02)
        self.why = "we took leave"
        self.write(pdus.pdu(pdus.UNBIND, self._next_sequence()))
        await asyncio.wait([self.ended], timeout=min(2.0, self.options.answer_timeout))
        if not self.ended.done() and self.transport is not None:
            self.transport.abort()
            await self.ended

    # --- Out -----------------------------------------------------------------------------------------

    def submit(self, batch: Batch) -> None:
        """Send what the batch holds as the window allows; again when something was added to it."""
        batch.expires = self.loop.time() + self.options.queue_timeout
        if not self.waiting or self.waiting[-1] is not batch:
            self.waiting.append(batch)
        self._pump()

    def _pump(self) -> None:
        """Write as many as the window, the rate and the connection take."""
        room = self.options.window - len(self.outstanding)
        if room <= 0 or not self.waiting or not self.open or self._full:
            return
        assert self.transport is not None
        if self.transport.is_closing():
            return
        now = self.loop.time()
        if self._not_before > now:
            self._pump_at(self._not_before)
            return
        if self.options.rate:
            room = min(room, self._allowance(now))
            if not room:
                return
        deadline = now + self.options.answer_timeout
        octets: list[bytes] = []
        pack, size = pdus.HEADER.pack, pdus.HEADER.size
        while room and self.waiting:
            if self._sequence == LAST_SEQUENCE:
                self._sequence = NO_SEQUENCE
            batch, first = self.waiting[0], self._sequence + 1
            bodies = batch.bodies[batch.written : batch.written + min(room, LAST_SEQUENCE - self._sequence)]
            octets += [
                pack(size + len(body), pdus.SUBMIT_SM, 0, number) + body for number, body in enumerate(bodies, first)
            ]
            self._sequence += len(bodies)
            run = (batch, first - batch.written, deadline)
            self.outstanding |= dict.fromkeys(range(first, first + len(bodies)), run)
            batch.written += len(bodies)
            room -= len(bodies)
            if batch.written == len(batch.bodies):
                self.waiting.popleft()
        if octets:
            self.transport.write(b"".join(octets))

    def _fail_waiting(self, why: str) -> None:
        waiting, self.waiting = self.waiting, deque()
        for batch in waiting:
            batch.fail(NotSent(why))

    def _allowance(self, now: float) -> int:
        """How many the rate allows now: the time since the last ones, at most a tenth of a second of them."""
        each = 1 / self.options.rate
        self._allowance_at = max(self._allowance_at, now - max(0.1, each))
        room = int((now - self._allowance_at) / each + 1e-9)
        unwritten = sum(len(batch.bodies) - batch.written for batch in self.waiting)
        room = min(room, unwritten, self.options.window - len(self.outstanding))
        self._allowance_at += room * each
        self._pump_at(self._allowance_at + each)
        return room

    def _pump_at(self, moment: float) -> None:
        if self._pump_later is not None:
            self._pump_later.cancel()
        self._pump_later = self.loop.call_at(moment, self._pump)

    def _next_sequence(self) -> int:
        self._sequence = self._sequence + 1 if self._sequence < LAST_SEQUENCE else 1
        return self._sequence

    # --- In ------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        now = self._last_read = self.loop.time()
        buffer = self._rest + data if self._rest else data
        had_rest = bool(self._rest)
        at, size = 0, len(buffer)
        unpack, outstanding = pdus.HEADER.unpack_from, self.outstanding
        while size - at >= pdus.HEADER.size:
            length, command, status, sequence = unpack(buffer, at)
            # What comes most often, first: the id of a submission, and nothing behind it.
            if command == SUBMIT_SM_RESP and not status and 16 < length <= LONGEST_USUAL and size - at >= length:
                found = outstanding.pop(sequence, None)
                if found is not None:
                    batch, base, _deadline = found
                    batch.answers[sequence - base] = buffer[at + 16 : at + length].decode("latin-1").partition("\0")[0]
                    batch.left -= 1
                    if not batch.left:
                        batch.done()
                    at += length
                    continue
            if not pdus.HEADER.size <= length <= pdus.LONGEST:
                self.write(pdus.pdu(pdus.GENERIC_NACK, NO_SEQUENCE, status=statuses.RINVCMDLEN))
                self.abort("the peer wrote a length that no PDU has")
                return
            if size - at < length:
                break
            self._read(command, status, sequence, buffer[at + pdus.HEADER.size : at + length])
            at += length
        self._rest = buffer[at:]
        if at or not had_rest:
            self._rest_since = now
        if at:
            self._asked = None
        if self._leaving and not self.outstanding:
            self._close()
        self._pump()

    def _read(self, command: int, status: int, sequence: int, body: bytes) -> None:
        if command in (SUBMIT_SM_RESP, pdus.GENERIC_NACK):
            found = self.outstanding.pop(sequence, None)
            if found is not None:
                batch, base, _deadline = found
                batch.answer(sequence - base, self._answer(status, body, nack=command == pdus.GENERIC_NACK))
            elif not self.bound.done():
                self._refuse_bind(status or statuses.RINVCMDID)
        elif command in (pdus.DELIVER_SM, pdus.DATA_SM):
            self.arrived(self, command, sequence, body)
        elif command == pdus.ENQUIRE_LINK:
            self.write(pdus.pdu(command | pdus.ANSWER, sequence))
        elif command == self.bind | pdus.ANSWER:
            self._bind_answered(status)
        elif command == pdus.UNBIND:
            self._peer_takes_leave(sequence)
        elif command == pdus.UNBIND | pdus.ANSWER:
            if self.transport is not None:
                self.transport.close()
        elif not command & pdus.ANSWER and command not in (pdus.ALERT_NOTIFICATION, pdus.OUTBIND):
            self.write(pdus.pdu(pdus.GENERIC_NACK, sequence, status=statuses.RINVCMDID))

    def _answer(self, status: int, body: bytes, *, nack: bool) -> Answer:
        if status == statuses.ROK:
            if nack:
                return OutcomeUnknown("answered by a generic_nack without a status")
            return pdus.answered_id(body)
        error = statuses.refusal(status, self.options.statuses, retry_after=self.options.throttle_pause)
        if isinstance(error, Throttled):
            self._not_before = self.loop.time() + self.options.throttle_pause
        return error

    def _bind_answered(self, status: int) -> None:
        if self.bound.done():
            return
        if status != statuses.ROK:
            self._refuse_bind(status)
            return
        self.open = True
        self.bound.set_result(None)
        self._tick()

    def _refuse_bind(self, status: int) -> None:
        self.bound.set_exception(statuses.bind_refusal(status))
        self.abort("the peer refused the bind")

    def _peer_takes_leave(self, sequence: int) -> None:
        """The peer unbinds: nothing more is written, and it may still answer what it has."""
        self.open, self._leaving = False, True
        self.why = "the peer took leave"
        self.write(pdus.pdu(pdus.UNBIND | pdus.ANSWER, sequence))
        self._fail_waiting("the peer took leave before the message was written")
        self.loop.call_later(self.options.answer_timeout, self._close)

    def _close(self) -> None:
        if self.transport is not None:
            self.transport.close()

    # --- Clocks --------------------------------------------------------------------------------------

    def _tick(self) -> None:
        """Look at all clocks; a timer for each submission would cost more than the submission."""
        now, limit = self.loop.time(), self.options.answer_timeout
        self._ticking = self.loop.call_later(min(0.5, limit / 4, self.options.enquire_every / 4), self._tick)
        late = [sequence for sequence, (_batch, _base, deadline) in self.outstanding.items() if deadline <= now]
        for sequence in late:
            batch, base, _deadline = self.outstanding.pop(sequence)
            batch.answer(sequence - base, OutcomeUnknown(f"no answer within {limit:g} s"))
        while self.waiting and self.waiting[0].expires <= now:
            self.waiting.popleft().fail(self._no_room())
        if self._rest and now - self._rest_since > limit:
            self.abort("the peer stopped in the middle of a PDU")
        elif self._asked is not None:
            if now - self._asked > limit:
                self.abort("the peer did not answer enquire_link")
        elif late or now - self._last_read > self.options.enquire_every:
            # A peer that answers this is alive, whatever became of the message.
            self._asked = now
            self.write(pdus.pdu(pdus.ENQUIRE_LINK, self._next_sequence()))
        self._pump()

    def _no_room(self) -> Throttled:
        wanted = f"the window had no room within {self.options.queue_timeout:g} s"
        return Throttled(wanted, retry_after=self.options.throttle_pause)
