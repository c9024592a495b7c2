"""A gateway that keeps every promise, with its peer in memory, for the suite's own control."""

import json
import logging
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from types import ModuleType
from typing import Any, ClassVar

from compose.gateways.base import (
    Accepted,
    BadConfiguration,
    Call,
    Capabilities,
    Event,
    Forged,
    Gateway,
    Heard,
    InvalidRecipient,
    NotSent,
    Outcome,
    OutcomeUnknown,
    Outgoing,
    OutOfFunds,
    Received,
    Rejected,
    Report,
    Throttled,
    Unreadable,
    Unsupported,
)
from tests.gateways.case_files import Cases, read_cases
from tests.gateways.rig import Rig
from tests.gateways.rig_modules import RigModule

log = logging.getLogger(__name__)
PASSWORD = "correct horse battery"
AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

ERRORS: dict[str, Outcome] = {
    "not now": NotSent("not now"),
    "slower": Throttled("slower", retry_after=7),
    "no money": OutOfFunds("no money"),
    "who are you": BadConfiguration("who are you"),
    "no": Rejected("no", reason="spam"),
    "no such number": InvalidRecipient("no such number"),
    "cannot": Unsupported("cannot"),
}


class Peer:
    """It reads requests in JSON and answers in JSON, as a vendor would over HTTP."""

    def __init__(self) -> None:
        self.listens = True
        self.breaks = False
        self.says: str | None = None
        self.read: list[dict[str, Any]] = []
        self.waiting: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def ask(self, request: str) -> str:
        """The answer. Raises ConnectionRefusedError and ConnectionResetError as a socket does."""
        if not self.listens:
            raise ConnectionRefusedError
        with self._lock:
            entry = json.loads(request)
            entry["reference"] = f"peer-{len(self.read)}" if self.says is None and not self.breaks else ""
            self.read.append(entry)
            if self.breaks:
                self.breaks = False
                raise ConnectionResetError
            return json.dumps({"reference": entry["reference"]}) if self.says is None else self.says


class HonestGateway(Gateway):
    """Keeps every promise. What liars change are its small methods, one each."""

    capabilities = Capabilities(
        classes=frozenset({"standard", "flash"}),
        sender_kinds=frozenset({"alphanumeric", "short"}),
        reports=True,
        inbound=True,
        polls=True,
        called=True,
        signs=True,
        batch_size=5,
    )
    SECRETS: ClassVar[frozenset[str]] = frozenset({"password"})

    def __init__(self, *, peer_name: str, password: str, timeout: float = 5.0) -> None:
        for name, value, kind in (("peer_name", peer_name, str), ("password", password, str)):
            if not isinstance(value, kind):
                raise TypeError(f"{name} is a text.")
        if not isinstance(timeout, int | float):
            raise TypeError("timeout is a number of seconds.")
        self.peer = Peer()
        self._password = password
        self.timeout = timeout

    def send(self, chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        return [self.outcome(message) for message in chunk]

    def outcome(self, message: Outgoing) -> Outcome:
        """What becomes of one message."""
        can = self.capabilities
        if message.message_class not in can.classes or message.sender_kind not in can.sender_kinds:
            return Unsupported("not declared")
        try:
            answer = self.peer.ask(self.request(message))
        except ConnectionRefusedError:
            return NotSent("nobody listens")
        except ConnectionResetError:
            return OutcomeUnknown("the connection broke")
        return self.read(answer)

    def request(self, message: Outgoing) -> str:
        """What is sent."""
        return json.dumps(
            {
                "to": message.recipient,
                "from": message.originator,
                "text": message.text,
                "class": message.message_class,
            }
        )

    def read(self, answer: str) -> Outcome:
        """What an answer means."""
        try:
            said = json.loads(answer)
            if "error" in said:
                return ERRORS[said["error"]]
            return Accepted(str(said["reference"]))
        except (ValueError, KeyError, TypeError):
            return OutcomeUnknown("an answer that cannot be read")

    def poll(self) -> Iterable[Event]:
        for said in self.peer.waiting.values():
            yield self.event(said)

    def acknowledge(self, events: Sequence[Event]) -> None:
        for event in events:
            self.peer.waiting.pop(str(event.raw["id"]))

    def parse(self, call: Call) -> Heard:
        if call.headers.get("x-signature") != PASSWORD[::-1]:
            raise Forged("no signature")
        try:
            return Heard(events=[self.event(json.loads(call.body))])
        except (ValueError, KeyError, TypeError):
            raise Unreadable("not understood") from None

    def event(self, said: Mapping[str, Any]) -> Event:
        """The event that something said is."""
        raw = {"id": said["id"]}
        if "text" in said:
            return Received(
                key=f"received-{said['id']}", number=said["number"], to=said["to"], text=said["text"], at=AT, raw=raw
            )
        key = f"report-{said['id']}-{said['status']}"
        return Report(key=key, reference=said["id"], status=said["status"], at=AT, raw=raw)


class HonestRig(Rig):
    """The gateway and its peer in memory."""

    name = "honest"
    secrets: Sequence[str] = (PASSWORD,)

    def __init__(self, gateway: HonestGateway) -> None:
        self.gateway = gateway
        self.peer = gateway.peer

    def answer(self, recorded: Mapping[str, Any]) -> None:
        self.peer.says = recorded["says"]

    def received(self) -> list[dict[str, Any]]:
        return [dict(entry) for entry in self.peer.read]

    def break_after_reading(self) -> None:
        self.peer.breaks = True

    def down(self) -> None:
        self.peer.listens = False

    def hear(self, recorded: Mapping[str, Any]) -> list[Event]:
        if recorded["by"] == "poll":
            self.peer.waiting[recorded["id"]] = dict(recorded)
            events = list(self.gateway.poll())
            self.gateway.acknowledge(events)
            return events
        heard = self.gateway.parse(
            Call(
                method="POST",
                url="https://sms.example.net/gateways/honest/",
                what="",
                query={},
                form={},
                headers={"x-signature": recorded.get("signature", PASSWORD[::-1])},
                body=json.dumps(recorded).encode(),
                address="192.0.2.7",
            )
        )
        return list(heard.events)


CASES: dict[str, Any] = {
    "cannot": {},
    "answers": [
        {"name": "taken", "peer": {"says": '{"reference": "r-1"}'}, "outcome": {"is": "Accepted", "reference": "r-1"}},
        {"name": "garbage", "garbage": True, "peer": {"says": "<html>"}, "outcome": {"is": "OutcomeUnknown"}},
        *(
            {
                "name": words,
                "peer": {"says": json.dumps({"error": words})},
                "outcome": {"is": type(error).__name__},
                "sent": {"to": "+33612345678"},
            }
            for words, error in ERRORS.items()
        ),
    ],
    "inward": [
        {
            "name": "a report, polled",
            "said": {"by": "poll", "id": "7", "status": "delivered"},
            "events": [{"is": "report", "reference": "7", "status": "delivered", "at": AT.isoformat()}],
        },
        {
            "name": "the same message reported before",
            "said": {"by": "call", "id": "7", "status": "accepted"},
            "events": [{"is": "report", "reference": "7", "status": "accepted"}],
        },
        {
            "name": "a message",
            "said": {"by": "call", "id": "8", "number": "+33612345678", "to": "38123", "text": "Oui"},
            "events": [{"is": "received", "text": "Oui", "raw": {"id": "8"}}],
        },
        {"name": "forged", "said": {"by": "call", "id": "9", "signature": "x"}, "raises": "Forged"},
        {"name": "not understood", "said": {"by": "call", "id": "9"}, "raises": "Unreadable"},
    ],
}


class MemoryModule(RigModule):
    """The module of a gateway that is made here, with the rig and the cases that are given."""

    def __init__(
        self,
        gateway: type[HonestGateway] = HonestGateway,
        rig: type[HonestRig] = HonestRig,
        cases: Mapping[str, Any] = CASES,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        made = ModuleType("honest")
        vars(made).update(
            GATEWAY=gateway, OPTIONS={"peer_name": "memory", "password": PASSWORD, "timeout": 1.0}, rig=self._rig
        )
        super().__init__(made)
        self._gateway, self._rig_class, self._cases = gateway, rig, cases

    @contextmanager
    def _rig(self) -> Iterator[Rig]:
        yield self._rig_class(self._gateway(**self.options))

    def cases(self) -> Cases:
        return read_cases("honest.json", self._cases)
