"""The SMPP gateway before a short message centre of the tests."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import smpp34
import smsutil

from compose.gateways.base import Accepted, Event
from compose.gateways.smpp import SmppGateway
from tests.fixtures.instances import until
from tests.gateways.rig import Rig, outgoing
from tests.gateways.smsc import KILL, SECONDS, SILENT, Answer, Pdu, Smsc, delivery, pdu, smsc

PASSWORD: Final = "s3cr3t-of-the-bind"
GATEWAY = SmppGateway
OPTIONS: dict[str, Any] = {
    "host": "127.0.0.1",
    "port": 9,
    "system_id": "shop",
    "password": PASSWORD,
    "bind": "transceiver",
    "system_type": "",
    "tls": False,
    "window": 10,
    "rate": 0,
    "connect_timeout": 5.0,
    "answer_timeout": 5.0,
    "queue_timeout": 5.0,
    "enquire_every": 30.0,
    "throttle_pause": 0.05,
    "retry_first": 0.02,
    "retry_longest": 0.1,
    "originators": {"short": [3, 0]},
    "recipient_type": [1, 1],
    "class_coding": "general",
    "standard_class": None,
    "long_messages": "udh",
    "validity": "relative",
    "receipts": True,
    "statuses": {0x4C7: "out_of_funds"},
    "answer_ids": "text",
    "receipt_ids": "text",
    "receipt_errors": {"027": "absent"},
    "receipt_time_zone": "Europe/Paris",
    "received_alphabet": "gsm",
}
_ESCAPE: Final = 0x1B


class SmppRig(Rig):
    """The formats of the cases:

    `peer`   `status` (hexadecimal) or `id` of each answer; `statuses`, one after the other; `bind`, the status of the
             answer to the bind; `command` of an answer that has nothing else; `octets` in the place of an answer
    `said`   the fields of a deliver_sm: `message` as ASCII or `octets`, `esm_class`, `data_coding`, `source` and its
             `type`, `parameters` by their tags; or several of these as `deliveries`
    """

    name = "smpp"
    secrets = (PASSWORD,)

    def __init__(self, centre: Smsc, gateway: SmppGateway) -> None:
        self.centre = centre
        self.gateway: SmppGateway = gateway
        # By connection and sequence number: the id under which a submission was taken.
        self.given: dict[tuple[int, int], str] = {}
        self.says: Mapping[str, Any] = {}
        self.statuses: list[str] = []
        self.breaking = False
        centre.submit_answer = self._answered

    def answer(self, recorded: Mapping[str, Any]) -> None:
        self.says = recorded
        self.statuses = list(recorded.get("statuses", []))
        self.centre.bind_answer = int(recorded.get("bind", "0"), 16)

    def _answered(self, one: Pdu) -> Answer:
        if self.breaking:
            self.breaking = False
            return KILL
        says = self.says
        if "octets" in says:
            self.centre.write(bytes.fromhex(says["octets"]))
            return SILENT
        if "command" in says:
            self.centre.write(pdu(int(says["command"], 16), one.sequence))
            return SILENT
        status = self.statuses.pop(0) if self.statuses else says.get("status", "0")
        if int(status, 16):
            return int(status, 16)
        taken = self.centre.take(one)
        assert isinstance(taken, tuple)
        given = self.given[one.connection, one.sequence] = str(says.get("id", taken[0]))
        return given, 0.0

    def received(self) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = []
        joined: dict[tuple[str, int], dict[str, Any]] = {}
        for one in self.centre.submissions:
            read: Any = smpp34.decode(one.octets)
            octets, number, of = read.short_message, 1, 1
            entry: dict[str, Any] = {
                "to": f"+{read.destination_addr}",
                "from": ("+" if read.source_addr_ton == 1 else "") + read.source_addr,
                "source_addr_ton": read.source_addr_ton,
                "class": read.data_coding & 0x13 if read.data_coding & 0x10 else None,
                "data_coding": read.data_coding,
                "esm_class": read.esm_class,
                "registered_delivery": read.registered_delivery,
                "validity_period": one.body.split(b"000R\0")[0][-12:].decode("ascii"),
                "reference": self.given.get((one.connection, one.sequence), ""),
                "text": "",
            }
            if read.esm_class & 0x40:
                reference, of, number = octets[3:6]
                octets = octets[6:]
                entry = joined.setdefault((entry["to"], reference), entry) if number > 1 else entry
                joined[entry["to"], reference] = entry
            entry["text"] += _text(octets, read.data_coding)
            entry["registered_delivery"] = read.registered_delivery
            if number == 1:
                entries.append(entry)
            if number == of:
                entry["reference"] = self.given.get((one.connection, one.sequence), "")
        return entries

    def break_after_reading(self) -> None:
        self.breaking = True

    def down(self) -> None:
        self.centre.down()

    def hear(self, recorded: Mapping[str, Any]) -> list[Event]:
        """Deliver it on the gateway's own connection, which a message has made."""
        (outcome,) = self.gateway.send([outgoing()])
        assert isinstance(outcome, Accepted), outcome
        before = {event.key for event in self.gateway.poll()}
        deliveries = recorded.get("deliveries", [recorded])

        def heard() -> list[Event]:
            return [event for event in self.gateway.poll() if event.key not in before]

        for said in deliveries:
            self.centre.deliver(_body(said))
        until(lambda: len(heard()) >= len(deliveries), SECONDS, "what was delivered is not offered")
        events = heard()
        self.gateway.acknowledge(events)
        return events


def _body(said: Mapping[str, Any]) -> bytes:
    """The body of a deliver_sm, as a case describes it."""
    message = bytes.fromhex(said["octets"]) if "octets" in said else said.get("message", "").encode("ascii")
    return delivery(
        source=said.get("source", "33612345678"),
        source_type=said.get("type", 1),
        destination="38123",
        message=message,
        esm_class=said.get("esm_class", 0),
        data_coding=said.get("data_coding", 0),
        parameters={int(tag, 16): bytes.fromhex(value) for tag, value in said.get("parameters", {}).items()},
    )


def _text(octets: bytes, coding: int) -> str:
    """The text, by a table that smsutil made."""
    if coding & 0x0C == 0x08:
        return octets.decode("utf-16-be")
    found, at = "", 0
    while at < len(octets):
        size = 2 if octets[at] == _ESCAPE else 1
        found += _CHARACTERS[octets[at : at + size]]
        at += size
    return found


_CHARACTERS: Final = {
    encoded: each
    for each in [*map(chr, range(0x400)), "€"]
    if len(encoded := smsutil.encode(each)) <= 2 and smsutil.is_valid_gsm(each)
}


@contextmanager
def rig() -> Iterator[Rig]:
    """A fresh centre and a fresh gateway, with a connection of its own."""
    with smsc() as centre:
        gateway = SmppGateway(**(OPTIONS | {"port": centre.port}))
        try:
            yield SmppRig(centre, gateway)
        finally:
            gateway.close()
