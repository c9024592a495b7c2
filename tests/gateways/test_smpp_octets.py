"""What an SMPP peer receives, octet by octet: alphabets, classes, long messages, addresses, times."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import smpp34

from compose.gateways.base import Accepted, Unsupported
from compose.gateways.smpp.submissions import validity_period
from compose.segments import segment
from tests.gateways.peers import gateway, outgoing
from tests.gateways.smsc import Smsc, smsc

FIVE_PARTS = "Pain 🥐 à 1 € — " * 19 + "fin 👩‍🍳"


@pytest.fixture(scope="module")
def centre() -> Iterator[Smsc]:
    """A stand-in for all tests of this file."""
    with smsc() as made:
        yield made


def sent(centre: Smsc, text: str = "Bonjour", *, fields: dict[str, Any] | None = None, **options: Any) -> list[bytes]:
    """The bodies of what the peer receives for a message, which it must take."""
    before = len(centre.submissions)
    with gateway(centre.port, **options) as made:
        (outcome,) = made.send([outgoing(text, **(fields or {}))])
    assert isinstance(outcome, Accepted), outcome
    return [one.body for one in centre.submissions[before:]]


def read(centre: Smsc, text: str = "Bonjour", *, fields: dict[str, Any] | None = None, **options: Any) -> list[Any]:
    """The same as smpp34 reads them."""
    before = len(centre.submissions)
    sent(centre, text, fields=fields, **options)
    return [smpp34.decode(one.octets) for one in centre.submissions[before:]]


def test_a_message_has_these_octets(centre: Smsc) -> None:
    [body] = sent(centre, "Ça coûte 5 € @home\n", fields={"validity": 90_061})
    expected = (
        b"\0"  # service_type
        b"\x05\x00Boulanger\0"
        b"\x01\x01"
        b"33612345678\0"
        b"\x00\x00\x00"  # esm_class, protocol_id, priority_flag
        b"\0"  # schedule_delivery_time
        b"000001010101000R\0"  # one day, one hour, one minute, one second
        b"\x01\x00\x08\x00"  # registered_delivery, replace, data_coding, default message
    )
    text = "Ça coûte 5 € @home\n".encode("utf-16-be")
    assert body == expected + bytes([len(text)]) + text


def test_the_gsm_alphabet_goes_out_as_one_septet_an_octet(centre: Smsc) -> None:
    [one] = read(centre, "@£$¥èéùìòÇ\nØ_ΔΩ {€} ~[]|^\\ Ääñà")
    assert one.data_coding == 0
    assert one.short_message == bytes.fromhex(
        "000102030405060708090a0b11101520 1b281b651b2920 1b3d1b3c1b3e1b401b141b2f20 5b7b7d7f"
    )


CLASSES = [
    ("standard", "a", {}, 0x00, b""),
    ("standard", "ê", {}, 0x08, b""),
    ("standard", "a", {"standard_class": 1}, 0x11, b""),
    ("standard", "ê", {"standard_class": 1}, 0x19, b""),
    ("flash", "a", {}, 0x10, b""),
    ("flash", "ê", {}, 0x18, b""),
    ("sim", "a", {}, 0x12, b""),
    ("sim", "ê", {}, 0x1A, b""),
    ("flash", "a", {"class_coding": "f0"}, 0xF0, b""),
    ("standard", "a", {"class_coding": "f0", "standard_class": 1}, 0xF1, b""),
    ("sim", "a", {"class_coding": "f0"}, 0xF2, b""),
    ("sim", "ê", {"class_coding": "f0"}, 0x1A, b""),
    ("flash", "a", {"class_coding": "subunit"}, 0x00, b"\x01"),
    ("standard", "a", {"class_coding": "subunit", "standard_class": 1}, 0x00, b"\x02"),
    ("sim", "ê", {"class_coding": "subunit"}, 0x08, b"\x03"),
]


@pytest.mark.parametrize(("choice", "text", "options", "coding", "subunit"), CLASSES)
def test_the_class_is_in_the_data_coding_or_where_the_options_want_it(
    centre: Smsc, choice: str, text: str, options: dict[str, Any], coding: int, subunit: bytes
) -> None:
    [one] = read(centre, text, fields={"message_class": choice}, **options)
    assert one.data_coding == coding
    assert [(each.tag, each.value) for each in one.tlvs] == ([(0x0005, subunit)] if subunit else [])


def test_a_message_of_five_parts_with_emoji_is_put_together_again(centre: Smsc) -> None:
    assert segment(FIVE_PARTS).count == 5
    parts = read(centre, FIVE_PARTS)
    assert [one.esm_class for one in parts] == [0x40] * 5
    assert [one.short_message[:3] for one in parts] == [b"\x05\x00\x03"] * 5
    assert [one.short_message[4:6] for one in parts] == [bytes([5, number]) for number in range(1, 6)]
    assert len({one.short_message[3] for one in parts}) == 1
    assert max(len(one.short_message) for one in parts) <= 140
    # Each part can be read alone: no surrogate pair is cut.
    assert "".join(one.short_message[6:].decode("utf-16-be") for one in parts) == FIVE_PARTS
    assert [one.registered_delivery for one in parts] == [0, 0, 0, 0, 1]


def test_an_escape_never_ends_a_part(centre: Smsc) -> None:
    parts = read(centre, "a" * 152 + "€" + "a" * 152)
    assert [len(one.short_message) for one in parts] == [6 + 152, 6 + 153, 6 + 1]
    assert parts[1].short_message[6:8] == b"\x1b\x65"


def test_a_long_message_may_have_sar_parameters(centre: Smsc) -> None:
    parts = read(centre, FIVE_PARTS, fields={"id": "70000"}, long_messages="sar")
    assert [one.esm_class for one in parts] == [0] * 5
    for number, one in enumerate(parts, start=1):
        assert [(each.tag, each.value) for each in one.tlvs] == [
            (0x020C, (70000 & 0xFFFF).to_bytes(2, "big")),
            (0x020E, b"\x05"),
            (0x020F, bytes([number])),
        ]
    assert "".join(one.short_message.decode("utf-16-be") for one in parts) == FIVE_PARTS


def test_a_long_message_may_be_one_payload(centre: Smsc) -> None:
    [one] = read(centre, FIVE_PARTS, long_messages="payload")
    assert (one.sm_length, one.short_message) == (0, b"")
    assert [(each.tag, each.value.decode("utf-16-be")) for each in one.tlvs] == [(0x0424, FIVE_PARTS)]
    assert one.registered_delivery == 1
    [one] = read(centre, "a" * 255 * 153, long_messages="payload")
    assert [(each.tag, each.value) for each in one.tlvs] == [(0x0424, b"a" * 255 * 153)]


@pytest.mark.parametrize("how", ["udh", "sar", "payload"])
def test_a_short_message_is_alone_whatever_long_ones_have(centre: Smsc, how: str) -> None:
    [one] = read(centre, "a" * 160, long_messages=how)
    assert (one.esm_class, one.short_message, one.tlvs) == (0, b"a" * 160, [])


def test_the_reference_of_a_message_is_the_same_at_each_attempt(centre: Smsc) -> None:
    first = read(centre, "é" * 161, fields={"id": "4711"})
    again = read(centre, "é" * 161, fields={"id": "4711"})
    other = read(centre, "é" * 161, fields={"id": "4712"})
    references = [{one.short_message[3] for one in parts} for parts in (first, again, other)]
    assert references == [{4711 & 0xFF}, {4711 & 0xFF}, {4712 & 0xFF}]


ADDRESSES = [
    ("short", "38123", {}, (3, 0, "38123")),
    ("alphanumeric", "Le Fournil_1", {}, (5, 0, "Le Fournil_1")),
    ("virtual", "+33639980001", {}, (1, 1, "33639980001")),
    ("numeric", "+4915112345678", {}, (1, 1, "4915112345678")),
    ("short", "38123", {"originators": {"short": (6, 9)}}, (6, 9, "38123")),
]


@pytest.mark.parametrize(("kind", "originator", "options", "expected"), ADDRESSES)
def test_the_originator_has_the_type_of_its_kind(
    centre: Smsc, kind: str, originator: str, options: dict[str, Any], expected: tuple[int, int, str]
) -> None:
    [one] = read(centre, fields={"sender_kind": kind, "originator": originator}, **options)
    assert (one.source_addr_ton, one.source_addr_npi, one.source_addr) == expected


def test_recipient_and_service_are_as_the_options_say(centre: Smsc) -> None:
    [one] = read(centre, recipient_type=(2, 8), service_type="CMT", receipts=False)
    assert (one.dest_addr_ton, one.dest_addr_npi, one.destination_addr) == (2, 8, "33612345678")
    assert (one.service_type, one.registered_delivery) == ("CMT", 0)


@pytest.mark.parametrize(
    "fields",
    [{"originator": "Société"}, {"originator": "x" * 21}, {"originator": ""}, {"text": "a" * (255 * 153 + 1)}],
)
def test_what_smpp_cannot_carry_is_refused_and_the_rest_of_the_chunk_leaves(
    centre: Smsc, fields: dict[str, Any]
) -> None:
    before = len(centre.submissions)
    with gateway(centre.port) as made:
        first, refused, last = made.send([outgoing("1"), outgoing(**fields), outgoing("3")])
    assert isinstance(refused, Unsupported)
    assert isinstance(first, Accepted)
    assert isinstance(last, Accepted)
    assert [one.body[-1:] for one in centre.submissions[before:]] == [b"1", b"3"]


def test_the_validity_is_relative_absolute_or_the_peers() -> None:
    now = datetime(2026, 12, 31, 23, 30, tzinfo=timezone(timedelta(hours=1)))
    assert validity_period(3600 * 49 + 61, "relative", now=now) == "000002010101000R"
    assert validity_period(3600, "absolute", now=now) == "261231233000000+"
    assert now + timedelta(hours=1) == datetime(2026, 12, 31, 23, 30, tzinfo=UTC)
    assert validity_period(3600, "none", now=now) == ""
    assert validity_period(0, "relative", now=now) == "000000000001000R"
    assert validity_period(math.floor(1e9), "relative", now=now) == "000099000000000R"
