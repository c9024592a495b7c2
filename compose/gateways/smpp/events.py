"""From a deliver_sm to an event: a receipt becomes a Report, anything else a Received.

The parts of a long received message are events of their own, each with `raw["part"]`: what is joined is joined
from the table that stores them, never here. Sources: SMPP 3.4 §5.2.12 (esm_class), 3GPP TS 23.040 §9.2.3.24.
"""

import hashlib
import re
import uuid
from datetime import datetime
from typing import Any, Final

from compose.gateways.base import Event, Received, Report
from compose.gateways.smpp.encoding import receipt_text, text_of
from compose.gateways.smpp.options import Options
from compose.gateways.smpp.pdus import (
    INTERMEDIATE,
    MESSAGE_STATE,
    RECEIPT,
    RECEIPTED_MESSAGE_ID,
    SAR_MSG_REF_NUM,
    SAR_SEGMENT_SEQNUM,
    SAR_TOTAL_SEGMENTS,
    TYPE_MASK,
    UDH_INDICATOR,
    Delivery,
)
from compose.gateways.smpp.receipts import canonical, done_at, looks_like_receipt, read_receipt, unknown_error

INTERNATIONAL: Final = 1
ALPHANUMERIC: Final = 5
# Shorter ones are short numbers, whatever type of number they come with.
SHORTEST_INTERNATIONAL: Final = 7
_NUMBER: Final = re.compile(r"\+?[0-9]+")


def event_of(delivery: Delivery, body: bytes, options: Options, *, now: datetime) -> Event:
    """The event that this delivery is; `body` are its octets, which stay beside it. Never raises."""
    raw: dict[str, Any] = {"deliver_sm": body.hex()}
    if _is_receipt(delivery, options):
        return _report(delivery, raw, options, now)
    return _received(delivery, raw, options, now)


def _is_receipt(delivery: Delivery, options: Options) -> bool:
    """Whether the peer says that it is one. The text alone does not, anybody can write that from a phone."""
    if delivery.esm_class & TYPE_MASK in (RECEIPT, INTERMEDIATE):
        return True
    if RECEIPTED_MESSAGE_ID in delivery.parameters and MESSAGE_STATE in delivery.parameters:
        return True
    if not options.unflagged_receipts:
        return False
    return looks_like_receipt(receipt_text(delivery.message, delivery.data_coding))


def _report(delivery: Delivery, raw: dict[str, Any], options: Options, now: datetime) -> Report:
    text = raw["text"] = receipt_text(delivery.message, delivery.data_coding)
    receipt = read_receipt(text, delivery.parameters)
    # Some peers count their ids from 1 again after a restart. Where no date tells the receipts of two messages apart,
    # the hour does; a repetition in another hour changes nothing when it is applied.
    hour = f"{now:%Y-%m-%dT%H}"
    if receipt is None:
        return Report(
            key=_key("receipt", delivery.message.hex(), hour), reference="", status="unknown", at=now, raw=raw
        )
    # As a parameter the id is written as in the answer to the submission.
    form = options.answer_ids if receipt.id_is_parameter else options.receipt_ids
    reference = canonical(receipt.id, form)
    reason = options.receipt_errors.get(receipt.error, "") or receipt.reason
    at = done_at(receipt.done, options.receipt_time_zone) if options.receipt_time_zone else None
    return Report(
        key=_key("receipt", reference, receipt.status, receipt.error, receipt.done or hour),
        reference=reference,
        status=receipt.status,
        reason=reason,
        code=receipt.unknown or ("" if reason else unknown_error(receipt)),
        at=at or now,
        raw=raw,
    )


def _received(delivery: Delivery, raw: dict[str, Any], options: Options, now: datetime) -> Received:
    octets, part = _part(delivery)
    number = _address(delivery.source, delivery.source_type)
    to = _address(delivery.destination, delivery.destination_type)
    key = f"received-{uuid.uuid4().hex}"
    if part is not None:
        raw |= {"part": part, "data_coding": delivery.data_coding, "octets": octets.hex()}
        # The same part again within the day is a repetition: the phone's reference says so. A whole message has
        # none, and a person may well write the same word twice.
        key = _key("part", number, to, *map(str, part.values()), octets.hex(), f"{now:%Y-%m-%d}")
    text = text_of(octets, delivery.data_coding, options.received_alphabet)
    return Received(key=key, number=number, to=to, text=text, at=now, raw=raw)


def _part(delivery: Delivery) -> tuple[bytes, dict[str, int] | None]:
    """The octets of the text without their header, and which part of what they are."""
    octets, part = delivery.message, None
    if delivery.esm_class & UDH_INDICATOR and octets and 1 + octets[0] <= len(octets):
        header, octets = octets[1 : 1 + octets[0]], octets[1 + octets[0] :]
        part = _part_of_header(header)
    if part is None:
        given = [delivery.parameters.get(tag, b"") for tag in (SAR_MSG_REF_NUM, SAR_TOTAL_SEGMENTS, SAR_SEGMENT_SEQNUM)]
        if all(given):
            part = _numbered(*[int.from_bytes(each, "big") for each in given])
    return octets, part


def _part_of_header(header: bytes) -> dict[str, int] | None:
    """The concatenation element of a user data header, with an 8-bit or a 16-bit reference; None without one."""
    at = 0
    while at + 2 <= len(header):
        element, length = header[at], header[at + 1]
        value = header[at + 2 : at + 2 + length]
        if element == 0x00 and length == 3 and len(value) == 3:
            return _numbered(value[0], value[1], value[2])
        if element == 0x08 and length == 4 and len(value) == 4:
            return _numbered(int.from_bytes(value[:2], "big"), value[2], value[3])
        at += 2 + length
    return None


def _numbered(reference: int, parts: int, number: int) -> dict[str, int] | None:
    """None for what is no part of several: a phone ignores such an element (3GPP TS 23.040 §9.2.3.24.1)."""
    return {"reference": reference, "of": parts, "number": number} if 1 <= number <= parts and parts > 1 else None


def _address(address: str, kind: int) -> str:
    """An address as the rest of the product writes it: E.164 with its sign, short numbers and names bare."""
    if kind == ALPHANUMERIC or not _NUMBER.fullmatch(address):
        return address
    digits = address.removeprefix("+")
    if digits.startswith("00"):
        digits = digits[2:]
    if len(digits) < SHORTEST_INTERNATIONAL:
        return digits if kind != INTERNATIONAL else address.removeprefix("+")
    # Without a type of number, one that does not begin with the 0 of national numbers is international.
    return f"+{digits}" if kind == INTERNATIONAL or not digits.startswith("0") else digits


def _key(kind: str, *said: str) -> str:
    """A key that is the same each time the same is said."""
    return f"{kind}-{hashlib.sha256(chr(0).join(said).encode('utf-8', 'surrogatepass')).hexdigest()[:40]}"
