"""The gateway against the server of the smpp34 package, which enforces how much it takes at once."""

from collections.abc import Iterator

import pytest
import smpp34

from compose.gateways.base import Accepted, InvalidRecipient, Received, Report, Throttled
from tests.gateways.listeners import listening
from tests.gateways.peers import gateway, outgoing
from tests.gateways.smpp34_peer import Peer, smpp34_server
from tests.gateways.test_smpp_octets import FIVE_PARTS


@pytest.fixture
def peer() -> Iterator[Peer]:
    """A server that holds four submissions at the most, and answers each after 20 ms."""
    with smpp34_server(inbound_capacity=4) as made:
        made.hold = 0.02
        yield made


def test_within_the_window_of_the_peer_everything_is_taken(peer: Peer) -> None:
    with gateway(peer.port, window=4) as made:
        outcomes = made.send([outgoing(f"{number}") for number in range(40)])
    assert all(isinstance(outcome, Accepted) for outcome in outcomes), outcomes
    assert sorted(int(one.short_message) for one in peer.submitted) == list(range(40))
    peer.wait_for(lambda: peer.ended)


def test_beyond_the_window_of_the_peer_messages_are_throttled_and_leave_later(peer: Peer) -> None:
    waiting = [outgoing(f"{number}") for number in range(20)]
    throttled = 0
    # Long enough for the rest to be there while the first four are held, on a busy machine too.
    peer.hold = 1
    with gateway(peer.port, window=20) as made:
        for _attempt in range(20):
            outcomes = made.send(waiting)
            assert {type(outcome) for outcome in outcomes} <= {Accepted, Throttled}
            peer.hold = 0.02
            again = [one for one, outcome in zip(waiting, outcomes, strict=True) if isinstance(outcome, Throttled)]
            throttled += len(again)
            if not again:
                break
            waiting = again
        else:
            pytest.fail("not everything was taken")
    assert throttled
    assert sorted(int(one.short_message) for one in peer.submitted) == list(range(20))


def test_a_message_of_many_parts_is_completed_though_the_peer_throttles_it(peer: Peer) -> None:
    with gateway(peer.port, window=20) as made:
        (outcome,) = made.send([outgoing(FIVE_PARTS * 2)])
    assert isinstance(outcome, Accepted), outcome
    parts = {one.short_message[5]: one.short_message[6:] for one in peer.submitted}
    assert len(parts) == len(peer.submitted)
    assert b"".join(parts[number] for number in sorted(parts)).decode("utf-16-be") == FIVE_PARTS * 2


def test_what_the_peer_refuses_is_refused(peer: Peer) -> None:
    peer.decide = lambda one: 0x0B if one.destination_addr.endswith("1") else "ok"
    with gateway(peer.port) as made:
        refused, taken = made.send([outgoing(recipient="+33600000001"), outgoing(recipient="+33600000002")])
    assert isinstance(refused, InvalidRecipient)
    assert taken == Accepted("ok")


def test_receipts_and_replies_of_several_parts_arrive_and_are_answered(peer: Peer) -> None:
    with gateway(peer.port, bind="transceiver") as made, listening(made) as listener:
        peer.wait_for(lambda: peer.bound)
        reply = "Bien reçu 🥐".encode("utf-16-be")
        assert peer.deliver(destination_addr="38123", short_message=b"id:9 stat:DELIVRD err:000", esm_class=4) == 0
        state = [smpp34.Tlv(0x001E, b"10\0"), smpp34.Tlv(0x0427, b"\x05")]
        assert peer.deliver(destination_addr="38123", esm_class=4, tlvs=state) == 0
        for number in (1, 2):
            part = b"\x05\x00\x03\x2a\x02" + bytes([number]) + reply[(number - 1) * 10 : number * 10]
            fields = {"source_addr": "33612345678", "source_addr_ton": 1, "esm_class": 0x40, "data_coding": 8}
            assert peer.deliver(destination_addr="38123", short_message=part, **fields) == 0
        delivered, undelivered, first, second = listener.wait_for(4)
    assert isinstance(delivered, Report)
    assert isinstance(undelivered, Report)
    assert (delivered.reference, delivered.status) == ("9", "delivered")
    assert (undelivered.reference, undelivered.status) == ("10", "undelivered")
    assert isinstance(first, Received)
    assert isinstance(second, Received)
    assert [one.raw["part"] for one in (first, second)] == [
        {"reference": 0x2A, "of": 2, "number": 1},
        {"reference": 0x2A, "of": 2, "number": 2},
    ]
    assert first.number == "+33612345678"
    assert bytes.fromhex(first.raw["octets"] + second.raw["octets"]) == reply[:20]
