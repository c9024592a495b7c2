"""Whatever a peer writes, every submission gets one answer, and nothing is called unsent that was written."""

import asyncio
import itertools
import struct
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compose.gateways.base import GatewayError, NotSent
from compose.gateways.smpp.batch import Batch
from compose.gateways.smpp.link import Link
from compose.gateways.smpp.options import Options
from compose.gateways.smpp.pdus import BIND_TRANSMITTER

T = TypeVar("T")
BODIES = [b"a", b"b", b"c", b"d"]
ANSWERS = [0x80000004, 0x80000000, 0x80000002, 0x80000006, 0x80000015, 0x8000AAAA]
REQUESTS = [0x04, 0x05, 0x06, 0x15, 0x103, 0xAAAA]
pdus = st.builds(
    lambda command, status, sequence, body: struct.pack(">IIII", 16 + len(body), command, status, sequence) + body,
    st.sampled_from(ANSWERS + REQUESTS),
    st.sampled_from([0, 0, 0x58, 0x08, 0xFFFFFFFF]),
    st.integers(0, 7),
    st.binary(max_size=8),
)


class Wire(asyncio.Transport):
    """A connection without a network: what was written, until it closes."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closing = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is ever kept back."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closing
        self.written += data

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = True


async def talk(said: bytes, cuts: list[int]) -> tuple[list[str | GatewayError | None], bytes]:
    """The answers to four submissions with a window of three when the peer says this in such pieces, then leaves."""
    options = Options(host="smsc.test", system_id="shop", password="none", window=3)
    link = Link(options, BIND_TRANSMITTER, arrived=lambda *_delivery: None, lost=lambda _link: None)
    wire = Wire()
    link.connection_made(wire)
    link.data_received(struct.pack(">IIII", 16, 0x80000002, 0, 1))
    wire.written = b""
    batch = Batch(BODIES)
    link.submit(batch)
    places = sorted({0, len(said), *(cut % (len(said) + 1) for cut in cuts)})
    for start, end in itertools.pairwise(places):
        if wire.closing:
            break
        link.data_received(said[start:end])
    link.connection_lost(None)
    assert batch.wait(0), "not every submission was answered"
    return batch.answers, wire.written


def submitted(written: bytes) -> list[bytes]:
    """The bodies of the submissions among what was written."""
    found, at = [], 0
    while at < len(written):
        length, command = struct.unpack_from(">II", written, at)
        if command == 0x04:
            found.append(written[at + 16 : at + length])
        at += length
    return found


class Clock:
    """A loop whose time is moved by the test; it keeps what is to be called later."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.later: dict[asyncio.TimerHandle, Callable[[], None]] = {}
        self.real = asyncio.get_running_loop()

    def time(self) -> float:
        return self.now

    def call_at(self, moment: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(moment, callback, (), self.real)
        self.later[handle] = callback
        return handle

    def call_later(self, delay: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        return self.call_at(self.now + delay, callback)

    def go_on(self) -> None:
        """Move to the next moment at which something is to be called, and call it."""
        handle = min((each for each in self.later if not each.cancelled()), key=lambda each: each.when())
        callback = self.later.pop(handle)
        self.now = max(self.now, handle.when())
        callback()


async def moments(count: int, **said: Any) -> list[float]:
    """When each of so many submissions was written, in seconds from the first, by a link with these options."""
    options = Options(host="smsc.test", system_id="shop", password="none", **said)
    link = Link(options, BIND_TRANSMITTER, arrived=lambda *_delivery: None, lost=lambda _link: None)
    wire, clock = Wire(), Clock()
    link.loop = clock  # type: ignore[assignment]
    link.connection_made(wire)
    link.data_received(struct.pack(">IIII", 16, 0x80000002, 0, 1))
    link.submit(Batch([b"x"] * count))
    written: list[float] = []
    while not wire.closing:
        written += [clock.now] * (len(submitted(wire.written)) - len(written))
        if len(written) == count:
            link.connection_lost(None)
            return [moment - written[0] for moment in written]
        clock.go_on()
    raise AssertionError(f"the link ended after {len(written)} submissions")


def in_a_thread(work: Coroutine[Any, Any, T]) -> T:
    """Run it in a loop of its own: a browser of another test may have left one in this thread."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def test_the_rate_spreads_what_the_window_would_let_through() -> None:
    written = in_a_thread(moments(30, rate=50, window=100))
    # A burst of a tenth of a second at the most, and never more than 50 a second after it.
    for number, moment in enumerate(written, start=1):
        assert number <= 5 + 50 * moment + 1e-6
    assert written[-1] == pytest.approx(0.5)
    assert in_a_thread(moments(30, rate=0.5, window=100, queue_timeout=100, answer_timeout=100, enquire_every=100))[
        -1
    ] == pytest.approx(58)
    assert set(in_a_thread(moments(30, window=100))) == {0.0}


@given(st.one_of(st.lists(pdus).map(b"".join), st.binary(max_size=300)), st.lists(st.integers(0, 300), max_size=5))
def test_every_submission_has_one_answer_whatever_the_peer_says(said: bytes, cuts: list[int]) -> None:
    answers, written = in_a_thread(talk(said, cuts))
    for body, answer in zip(BODIES, answers, strict=True):
        assert (type(answer) is NotSent) == (body not in submitted(written))
