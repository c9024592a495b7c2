"""From a message to the bodies of its submit_sm, one for each part. Source: SMPP 3.4 §4.4.1, §7.1.1 (times)."""

import zlib
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from compose.gateways.base import Outgoing, Unsupported
from compose.gateways.smpp.encoding import SUBUNITS, data_coding, message_class, segmented
from compose.gateways.smpp.options import Options
from compose.gateways.smpp.pdus import (
    DEST_ADDR_SUBUNIT,
    MESSAGE_PAYLOAD,
    SAR_MSG_REF_NUM,
    SAR_SEGMENT_SEQNUM,
    SAR_TOTAL_SEGMENTS,
    UDH_INDICATOR,
    Malformed,
    c_octets,
    parameter,
)
from compose.segments import Segmentation, TooLong

# source_addr has room for 20 octets (§4.4.1).
LONGEST_ADDRESS: Final = 20
NO_ADDRESS: Final = "an address has 1 to 20 characters"
MOST_FRAMES: Final = 256
# Two digits of days; the month and the year of a relative time have no fixed length.
LONGEST_VALIDITY: Final = timedelta(days=99)


# What stands before the recipient and, for each part, what stands after it.
Frame = tuple[bytes, list[bytes]]


class Submissions:
    """Makes the submissions of messages. What the messages of a chunk have in common is made once."""

    def __init__(self, options: Options) -> None:
        self.options = options
        # Replaced as a whole when it has grown: threads that read it meanwhile are not disturbed.
        self._frames: dict[tuple[str, str, str, str, int | str], Frame] = {}

    def bodies(self, message: Outgoing, *, now: datetime) -> list[bytes]:
        """The body of the submit_sm of each part, in order. Raises Unsupported for what SMPP cannot carry."""
        validity: int | str = message.validity
        if self.options.validity == "absolute":
            validity = validity_period(message.validity, "absolute", now=now)
        key = (message.originator, message.sender_kind, message.text, message.message_class, validity)
        try:
            before, after = self._frames.get(key) or self._framed(message, key, now)
            address = message.recipient
            if address[:1] == "+":
                address = address[1:]
            if not 0 < len(address) <= LONGEST_ADDRESS or "\0" in address:
                raise Malformed(NO_ADDRESS)
            recipient = address.encode("ascii") + b"\0"
        except TooLong as error:
            raise Unsupported(str(error)) from error
        except (UnicodeEncodeError, Malformed) as error:
            raise Unsupported("the originator or the recipient is no SMPP address") from error
        if len(after) == 1:
            return [before + recipient + after[0]]
        return [before + recipient + each for each in after]

    def _framed(self, message: Outgoing, key: tuple[str, str, str, str, int | str], now: datetime) -> Frame:
        """The frame of a message, kept for the next that is like it; of one in parts it is the message's own."""
        frame = self._frame(message, validity_period(message.validity, self.options.validity, now=now))
        if segmented(message.text).count <= 1:
            self._frames = {**self._frames, key: frame} if len(self._frames) < MOST_FRAMES else {key: frame}
        return frame

    def _frame(self, message: Outgoing, validity: str) -> Frame:
        options = self.options
        segmentation = segmented(message.text)
        klass = message_class(message.message_class, options.standard_class)
        coding = data_coding(segmentation.encoding, klass, options.class_coding)
        subunit = b""
        if klass is not None and options.class_coding == "subunit":
            subunit = parameter(DEST_ADDR_SUBUNIT, bytes([SUBUNITS[klass]]))
        before = b"".join(
            [
                c_octets(options.service_type),
                bytes(options.originator_type(message.sender_kind)),
                c_octets(_address(message.originator)),
                bytes(options.recipient_type),
            ]
        )
        times = b"\0" + c_octets(validity)
        parts = _parts(segmentation, _reference(message), options.long_messages)
        after = []
        for number, (esm_class, octets, parameters) in enumerate(parts, start=1):
            # The report that counts is that of the last part: its id becomes the message's reference.
            registered = 1 if options.receipts and number == len(parts) else 0
            fields = bytes([registered, 0, coding, 0, len(octets)])
            after.append(bytes([esm_class, 0, 0]) + times + fields + octets + subunit + parameters)
        return before, after


def _parts(segmentation: Segmentation, reference: int, how: str) -> list[tuple[int, bytes, bytes]]:
    """esm_class, short message and optional parameters of each part. A text without characters is one part."""
    octets = segmentation.octets or (b"",)
    if len(octets) == 1:
        return [(0, octets[0], b"")]
    if how == "payload":
        return [(0, b"", parameter(MESSAGE_PAYLOAD, b"".join(octets)))]
    if how == "sar":
        shared = parameter(SAR_MSG_REF_NUM, reference.to_bytes(2, "big"))
        shared += parameter(SAR_TOTAL_SEGMENTS, bytes([len(octets)]))
        return [
            (0, each, shared + parameter(SAR_SEGMENT_SEQNUM, bytes([number])))
            for number, each in enumerate(octets, start=1)
        ]
    headers = segmentation.udh(reference & 0xFF)
    return [(UDH_INDICATOR, header + each, b"") for header, each in zip(headers, octets, strict=True)]


def _reference(message: Outgoing) -> int:
    """The concatenation reference, 16 bits: that of one message never changes, so a part sent again fits in."""
    number = int(message.id) if message.id.isdecimal() else zlib.crc32(message.id.encode())
    return number & 0xFFFF


def _address(address: str) -> str:
    """An address without the sign of international numbers, which the type of number says."""
    bare = address.removeprefix("+")
    if not bare or len(bare) > LONGEST_ADDRESS:
        raise Malformed(NO_ADDRESS)
    return bare


def validity_period(seconds: int, how: str, *, now: datetime) -> str:
    """The validity period in the form of the standard, "" to leave it to the peer."""
    if how == "none":
        return ""
    if how == "absolute":
        return (now.astimezone(UTC) + _lasting(seconds)).strftime("%y%m%d%H%M%S000+")
    return _relative(seconds)


def _lasting(seconds: int) -> timedelta:
    return min(timedelta(seconds=max(seconds, 1)), LONGEST_VALIDITY)


@lru_cache(maxsize=256)
def _relative(seconds: int) -> str:
    lasts = _lasting(seconds)
    minutes, rest = divmod(lasts.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"0000{lasts.days:02}{hours:02}{minutes:02}{rest:02}000R"
