"""Whatever a peer writes, every submission gets one answer, and nothing is called unsent that was written."""

import asyncio
import itertools
import struct
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from compose.gateways.base import GatewayError, NotSent
from compose.gateways.smpp.batch import Batch
from compose.gateways.smpp.link import Link
from compose.gateways.smpp.options import Options
from compose.gateways.smpp.pdus import BIND_TRANSMITTER

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


@given(st.one_of(st.lists(pdus).map(b"".join), st.binary(max_size=300)), st.lists(st.integers(0, 300), max_size=5))
def test_every_submission_has_one_answer_whatever_the_peer_says(said: bytes, cuts: list[int]) -> None:
    # In a thread of its own: a browser of another test may have left a loop in this one.
    with ThreadPoolExecutor(1) as thread:
        answers, written = thread.submit(asyncio.run, talk(said, cuts)).result()
    for body, answer in zip(BODIES, answers, strict=True):
        assert (type(answer) is NotSent) == (body not in submitted(written))
