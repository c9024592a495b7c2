"""The octets of SMPP 3.4: headers, fields, optional parameters. Source: SMPP 3.4 §3.2, §4 and §5.

Plain functions; whoever reads what a peer wrote gets Malformed for what makes no sense, never another error.
"""

from dataclasses import dataclass
from struct import Struct
from typing import Final

HEADER: Final = Struct(">IIII")  # length, command, status, sequence number
PARAMETER: Final = Struct(">HH")  # tag, length

# Commands (§5.1.2.1); an answer is its request with the highest bit set.
ANSWER: Final = 0x80000000
GENERIC_NACK: Final = 0x80000000
BIND_RECEIVER: Final = 0x00000001
BIND_TRANSMITTER: Final = 0x00000002
SUBMIT_SM: Final = 0x00000004
DELIVER_SM: Final = 0x00000005
UNBIND: Final = 0x00000006
BIND_TRANSCEIVER: Final = 0x00000009
OUTBIND: Final = 0x0000000B
ENQUIRE_LINK: Final = 0x00000015
ALERT_NOTIFICATION: Final = 0x00000102
DATA_SM: Final = 0x00000103

# Optional parameters (§5.3.2).
DEST_ADDR_SUBUNIT: Final = 0x0005
RECEIPTED_MESSAGE_ID: Final = 0x001E
SAR_MSG_REF_NUM: Final = 0x020C
SAR_TOTAL_SEGMENTS: Final = 0x020E
SAR_SEGMENT_SEQNUM: Final = 0x020F
NETWORK_ERROR_CODE: Final = 0x0423
MESSAGE_PAYLOAD: Final = 0x0424
MESSAGE_STATE: Final = 0x0427

# esm_class (§5.2.12).
UDH_INDICATOR: Final = 0x40
TYPE_MASK: Final = 0x3C
RECEIPT: Final = 0x04
INTERMEDIATE: Final = 0x20

# The longest PDU that is read: a message_payload of 65535 octets with everything around it.
LONGEST: Final = 0x11000
INTERFACE_VERSION: Final = 0x34


class Malformed(ValueError):
    """The peer wrote octets that are no such PDU."""


def pdu(command: int, sequence: int, body: bytes = b"", *, status: int = 0) -> bytes:
    """A whole PDU."""
    return HEADER.pack(HEADER.size + len(body), command, status, sequence) + body


def parameter(tag: int, value: bytes) -> bytes:
    """An optional parameter."""
    return PARAMETER.pack(tag, len(value)) + value


def c_octets(text: str) -> bytes:
    """A C-octet string. Raises UnicodeEncodeError outside ASCII and Malformed for a NUL."""
    octets = text.encode("ascii")
    if 0 in octets:
        raise Malformed("a C-octet string holds no NUL")
    return octets + b"\0"


def bind_body(
    *, system_id: str, password: str, system_type: str, address_range_type: tuple[int, int], address_range: str
) -> bytes:
    """The body of any of the three binds (§4.1)."""
    return b"".join(
        [
            c_octets(system_id),
            c_octets(password),
            c_octets(system_type),
            bytes([INTERFACE_VERSION, *address_range_type]),
            c_octets(address_range),
        ]
    )


def answered_id(body: bytes) -> str:
    """The message id in the body of a submit_sm_resp (§4.4.2); it may lack its NUL, or everything."""
    return body.split(b"\0", 1)[0].decode("latin-1")


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What a deliver_sm or data_sm brings. `message` is the short message or, in its place, the payload."""

    source: str
    source_type: int
    destination: str
    destination_type: int
    esm_class: int
    data_coding: int
    message: bytes
    parameters: dict[int, bytes]


def read_deliver_sm(body: bytes) -> Delivery:
    """The body of a deliver_sm (§4.6.1). Raises Malformed."""
    reader = _Reader(body)
    reader.text()
    source_type, _plan, source = reader.octet(), reader.octet(), reader.text()
    destination_type, _plan, destination = reader.octet(), reader.octet(), reader.text()
    esm_class, _protocol, _priority = reader.octet(), reader.octet(), reader.octet()
    reader.text()
    reader.text()
    _registered, _replace, data_coding, _default = (reader.octet() for _each in range(4))
    message = reader.octets(reader.octet())
    parameters = reader.parameters()
    return Delivery(
        source=source,
        source_type=source_type,
        destination=destination,
        destination_type=destination_type,
        esm_class=esm_class,
        data_coding=data_coding,
        message=message or parameters.get(MESSAGE_PAYLOAD, b""),
        parameters=parameters,
    )


def read_data_sm(body: bytes) -> Delivery:
    """The body of a data_sm (§4.7.1). Raises Malformed."""
    reader = _Reader(body)
    reader.text()
    source_type, _plan, source = reader.octet(), reader.octet(), reader.text()
    destination_type, _plan, destination = reader.octet(), reader.octet(), reader.text()
    esm_class, _registered, data_coding = reader.octet(), reader.octet(), reader.octet()
    parameters = reader.parameters()
    return Delivery(
        source=source,
        source_type=source_type,
        destination=destination,
        destination_type=destination_type,
        esm_class=esm_class,
        data_coding=data_coding,
        message=parameters.get(MESSAGE_PAYLOAD, b""),
        parameters=parameters,
    )


class _Reader:
    """Reads the fields of a body one after the other."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.at = 0

    def octets(self, count: int) -> bytes:
        if self.at + count > len(self.body):
            raise Malformed("the PDU ends inside a field")
        self.at += count
        return self.body[self.at - count : self.at]

    def octet(self) -> int:
        return self.octets(1)[0]

    def text(self) -> str:
        end = self.body.find(b"\0", self.at)
        if end < 0:
            raise Malformed("a C-octet string does not end")
        found = self.body[self.at : end]
        self.at = end + 1
        return found.decode("latin-1")

    def parameters(self) -> dict[int, bytes]:
        """The optional parameters. Of two with the same tag the first counts."""
        found: dict[int, bytes] = {}
        while self.at < len(self.body):
            tag, length = PARAMETER.unpack(self.octets(PARAMETER.size))
            found.setdefault(tag, self.octets(length))
        return found
