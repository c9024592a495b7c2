"""The gateway against npm's package `smpp` as SMSC: written by others, in JavaScript, with a reading of its own."""

from collections.abc import Iterator
from typing import Any

import pytest

from compose.gateways.base import Accepted, InvalidRecipient, NotSent, OutcomeUnknown, Received, Report, Throttled
from tests.fixtures import tool
from tests.fixtures.instances import until
from tests.gateways import npm_peer
from tests.gateways.listeners import listening
from tests.gateways.npm_peer import NpmSmsc
from tests.gateways.peers import PASSWORD, gateway, outgoing
from tests.gateways.smsc import SECONDS

BINDS = ("bind_transmitter", "bind_receiver", "bind_transceiver")
FIVE_PARTS = "Pain 🥐 à 1 € — " * 19 + "fin 👩‍🍳"


@pytest.fixture(scope="module")
def smsc() -> Iterator[NpmSmsc]:
    """One centre for all tests of this file."""
    with npm_peer.npm_smsc(tool(lambda: npm_peer.installed(npm_peer.npm()))) as made:
        yield made


@pytest.fixture
def centre(smsc: NpmSmsc) -> NpmSmsc:
    """The centre, without what it said to other tests; it takes everything."""
    port = smsc.port
    smsc.do("well")
    smsc.do("answer", status=0)
    smsc.until(lambda: len(smsc.of("closed")) >= len(smsc.of(*BINDS)), "a connection is still there")
    smsc.said[:] = [{"is": "listening", "port": port}]
    return smsc


def sent(centre: NpmSmsc, text: str, *, fields: dict[str, Any] | None = None, **options: Any) -> list[dict[str, Any]]:
    """The submissions that the centre read for one message, which it must take."""
    before = len(centre.of("submit_sm"))
    with gateway(centre.port, **options) as made:
        (outcome,) = made.send([outgoing(text, **(fields or {}))])
    assert isinstance(outcome, Accepted), outcome
    centre.do("well")  # What it said before this is read now.
    return centre.of("submit_sm")[before:]


# The text, its data_coding and its octets as 3GPP TS 23.038 §6.2.1 and §6.2.3 have them, written down by hand.
ENCODINGS = [
    ("Bonjour", 0, "426f6e6a6f7572"),
    ("@£$¥èéùìòÇ", 0, "00010203040506070809"),
    ("ÄÖÑÜ§¿äöñüà", 0, "5b5c5d5e5f607b7c7d7e7f"),
    ("ΔΦΓΛΩΠΨΣΘΞ", 0, "1012131415161718191a"),
    ("1 € {a} [b] ~ | ^ \\", 0, "3120 1b65 20 1b28 61 1b29 20 1b3c 62 1b3e 20 1b3d 20 1b40 20 1b14 20 1b2f"),
    ("à côté", 8, "00e0 0020 0063 00f4 0074 00e9"),
    ("🥐", 8, "d83e dd50"),
    ("👩‍🍳", 8, "d83d dc69 200d d83c df73"),
]


@pytest.mark.parametrize(("text", "coding", "octets"), ENCODINGS, ids=[each[0] for each in ENCODINGS])
def test_each_encoding_arrives_octet_by_octet_and_is_read_as_it_was_written(
    centre: NpmSmsc, text: str, coding: int, octets: str
) -> None:
    [one] = sent(centre, text)
    assert (one["data_coding"], one["esm_class"], one["octets"]) == (coding, 0, octets.replace(" ", ""))
    assert one["text"] == text
    assert (one["source_addr_ton"], one["source_addr_npi"], one["source_addr"]) == (5, 0, "Boulanger")
    assert (one["dest_addr_ton"], one["dest_addr_npi"], one["destination_addr"]) == (1, 1, "33612345678")
    assert one["registered_delivery"] == 1


CLASSES = [
    ("standard", "a", 0x00),
    ("standard", "ê", 0x08),
    ("flash", "a", 0x10),
    ("flash", "ê", 0x18),
    ("sim", "a", 0x12),
    ("sim", "ê", 0x1A),
]


@pytest.mark.parametrize(("choice", "text", "coding"), CLASSES)
def test_each_class_is_in_the_data_coding(centre: NpmSmsc, choice: str, text: str, coding: int) -> None:
    [one] = sent(centre, text, fields={"message_class": choice})
    assert one["data_coding"] == coding
    assert one["octets"] == {"a": "61", "ê": "00ea"}[text]


def test_a_message_of_five_parts_with_emoji_arrives_octet_by_octet(centre: NpmSmsc) -> None:
    parts = sent(centre, FIVE_PARTS, fields={"id": "4711"})
    # 67 code units in each part, one less where a surrogate pair would be cut (3GPP TS 23.040 §9.2.3.24.1).
    units = FIVE_PARTS.encode("utf-16-be")
    expected, at = [], 0
    while at < len(units):
        end = at + 134
        if end < len(units) and units[end - 2] & 0xFC == 0xD8:
            end -= 2
        expected.append(units[at:end])
        at = end
    assert len(parts) == len(expected) == 5
    for number, (part, octets) in enumerate(zip(parts, expected, strict=True), start=1):
        header = bytes([5, 0, 3, 4711 & 0xFF, 5, number])
        assert bytes.fromhex(part["octets"]) == header + octets
        assert (part["esm_class"], part["data_coding"], part["udh"]) == (0x40, 8, [header[1:].hex()])
    assert "".join(part["text"] for part in parts) == FIVE_PARTS


def test_a_long_message_with_sar_parameters_or_as_payload_is_read_too(centre: NpmSmsc) -> None:
    parts = sent(centre, FIVE_PARTS, fields={"id": "70000"}, long_messages="sar")
    numbering = [(one["sar_msg_ref_num"], one["sar_total_segments"], one["sar_segment_seqnum"]) for one in parts]
    assert numbering == [(70000 & 0xFFFF, 5, number) for number in range(1, 6)]
    assert "".join(part["text"] for part in parts) == FIVE_PARTS
    [whole] = sent(centre, FIVE_PARTS, long_messages="payload")
    assert (whole["payload"], whole["octets"]) == (FIVE_PARTS, "")


def test_each_way_of_binding_is_understood(centre: NpmSmsc) -> None:
    with gateway(centre.port, system_type="VMA") as made, listening(made):
        made.send([outgoing()])
        centre.wait_for("bind_receiver")
    with gateway(centre.port, bind="transceiver") as made:
        made.send([outgoing()])
    binds = centre.of(*BINDS)
    assert {one["is"] for one in binds} == set(BINDS)
    assert {(one["system_id"], one["password"], one["interface_version"]) for one in binds} == {
        ("shop", PASSWORD, 0x34)
    }
    assert [one["is"] for one in centre.wait_for("unbind", 3)] == ["unbind"] * 3


def test_a_refusal_is_understood(centre: NpmSmsc) -> None:
    for status, kind in [(0x0B, InvalidRecipient), (0x58, Throttled)]:
        centre.do("answer", status=status)
        with gateway(centre.port) as made:
            assert type(made.send([outgoing()])[0]) is kind


def test_receipts_and_replies_of_several_parts_arrive_and_are_answered(centre: NpmSmsc) -> None:
    with gateway(centre.port) as made, listening(made) as listener:
        centre.wait_for("bind_receiver")
        text = b"id:npm-7 sub:001 dlvrd:001 submit date:2611241030 done date:2611241031 stat:DELIVRD err:000 text:"
        centre.do("deliver", octets=text.hex(), fields={"esm_class": 4})
        state = {"esm_class": 4, "receipted_message_id": "npm-8", "message_state": 5}
        centre.do("deliver", octets="", fields=state)
        reply = "Bien reçu 🥐 — à 1 € 👩‍🍳".encode("utf-16-be")
        phone = {"source_addr": "33612345678", "source_addr_ton": 1, "source_addr_npi": 1, "destination_addr": "38123"}
        for number, octets in enumerate([reply[:20], reply[20:]], start=1):
            header = bytes([5, 0, 3, 0x2A, 2, number])
            centre.do("deliver", octets=(header + octets).hex(), fields={**phone, "esm_class": 0x40, "data_coding": 8})
        delivered, undelivered, first, second = listener.wait_for(4)
        answers = centre.wait_for("deliver_sm_resp", 4)
    assert [one["command_status"] for one in answers] == [0] * 4
    assert isinstance(delivered, Report)
    assert isinstance(undelivered, Report)
    assert (delivered.reference, delivered.status) == ("npm-7", "delivered")
    assert (undelivered.reference, undelivered.status) == ("npm-8", "undelivered")
    assert isinstance(first, Received)
    assert isinstance(second, Received)
    assert [one.raw["part"] for one in (first, second)] == [{"reference": 42, "of": 2, "number": n} for n in (1, 2)]
    assert (first.number, first.to) == ("+33612345678", "38123")
    assert bytes.fromhex(first.raw["octets"] + second.raw["octets"]) == reply


# --- The connection ends in each state -------------------------------------------------------------------

STATES = [
    # What the centre does at which command, and what is known of the message then.
    ("kill", "bind_transmitter", NotSent),
    ("half", "bind_transmitter", NotSent),
    ("kill", "submit_sm", OutcomeUnknown),
    ("half", "submit_sm", OutcomeUnknown),
]


@pytest.mark.parametrize(("how", "command", "kind"), STATES)
def test_a_connection_that_ends_leaves_as_much_doubt_as_there_is(
    centre: NpmSmsc, how: str, command: str, kind: type
) -> None:
    centre.do(how, at=command)
    with gateway(centre.port) as made:
        (outcome,) = made.send([outgoing()])
        assert type(outcome) is kind
        centre.do("well")  # What it said before this is read now.
        assert len(centre.of("submit_sm")) == (command == "submit_sm")
        until(lambda: isinstance(made.send([outgoing()])[0], Accepted), SECONDS, "no message was taken")


def test_a_connection_that_ends_when_it_is_idle_is_made_again(centre: NpmSmsc) -> None:
    with gateway(centre.port) as made:
        assert isinstance(made.send([outgoing()])[0], Accepted)
        centre.do("kill")
        centre.wait_for("closed")
        until(lambda: isinstance(made.send([outgoing()])[0], Accepted), SECONDS, "no message was taken")


@pytest.mark.parametrize("how", ["kill", "half"])
def test_a_connection_that_ends_during_the_unbind_ends_nothing_else(centre: NpmSmsc, how: str) -> None:
    centre.do(how, at="unbind")
    with gateway(centre.port) as made:
        assert isinstance(made.send([outgoing()])[0], Accepted)
    centre.wait_for("unbind")
    centre.wait_for("closed")


@pytest.mark.parametrize("how", ["kill", "half"])
@pytest.mark.parametrize("command", ["bind_receiver", "unbind"])
def test_a_listener_connects_again_wherever_it_was_cut_off(centre: NpmSmsc, how: str, command: str) -> None:
    centre.do(how, at=command)
    with gateway(centre.port) as made, listening(made) as listener:
        if command == "bind_receiver":
            centre.wait_for("closed")
            centre.do("well")
            opened = len(centre.of("bind_receiver"))
            centre.wait_for("bind_receiver", opened + 1)
        centre.wait_for("bind_receiver")
        centre.do("deliver", octets=b"OK".hex(), fields={"source_addr": "33612345678"})
        listener.wait_for(1)
