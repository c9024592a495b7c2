"""OVHcloud as a gateway: `POST /sms/{service}/jobs`, one message in each, several at once.

The STOP clause. A commercial message from a name already ends with the clause that was counted and priced
("\\nSTOP:36111", 11 septets). OVHcloud writes one of its own, as long, when `noStopClause` is false; a text with both
is longer than what was paid for. So with `stop_clause="ours"`, the default, the text leaves as it is and
`noStopClause` is true. OVHcloud wants that flag for messages that do not advertise: an installation that is bound by
this says `stop_clause="ovh"`; then commercial messages are declared as such, our clause is taken off and theirs takes
its place, so that the phone shows as many characters. A text from a name that ends with no clause of that length is
left alone, with the flag. Short numbers get no clause from OVHcloud: STOP is an answer to them.

An unconfirmed message is never sent again. Its tag is our id, and `poll` asks for it by that tag.
"""

import logging
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final
from urllib.parse import quote

from compose.gateways import given
from compose.gateways.base import (
    Accepted,
    Call,
    Capabilities,
    Event,
    Gateway,
    GatewayError,
    Heard,
    InvalidRecipient,
    NotSent,
    Outcome,
    OutcomeUnknown,
    Outgoing,
    Unreadable,
)
from compose.gateways.calls import Caller, Reply, in_parallel
from compose.gateways.ovh import arrivals, codes
from compose.gateways.ovh.signed import SignedApi
from compose.segments import segment

logger = logging.getLogger(__name__)

PRIORITIES: Final = ("high", "medium", "low", "veryLow")
# Ours as segments.stop_clause writes it, when it is as long as theirs.
CLAUSE: Final = re.compile(r"\nSTOP:\d{5}\Z")
# What one look fetches of each kind; the rest is fetched by the next.
MOST_AT_ONCE: Final = 50
LOOK_BACK: Final = timedelta(days=3)
REMEMBERED: Final = 20_000
# Seconds for which a message without an answer is looked for.
DOUBTED: Final = 6 * 3600.0
LONGEST_SAID: Final = 200


class OvhGateway(Gateway):
    """Sends through the SMS service `service`, such as "sms-ab12345-1"; docs/gateways.md has the options."""

    SECRETS: ClassVar[frozenset[str]] = frozenset({"application_secret", "consumer_key"})

    def __init__(
        self,
        *,
        service: str,
        application_key: str,
        application_secret: str,
        consumer_key: str,
        endpoint: str = "ovh-eu",
        stop_clause: str = "ours",
        stop_number: str = "36111",
        priority: str = "high",
        tag_prefix: str = "sms-",
        at_once: int = 8,
        poll_every: float = 60.0,
        fetch_received: bool = True,
        fetch_stops: bool = False,
        connect_timeout: float = 5.0,
        read_timeout: float = 20.0,
        ca_file: str = "",
        proxy: str = "",
    ) -> None:
        given.text("service", service)
        given.one_of("stop_clause", stop_clause, ("ours", "ovh"))
        given.one_of("priority", priority, PRIORITIES)
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,7}", given.text("tag_prefix", tag_prefix)):
            raise ValueError("tag_prefix is 1 to 8 letters, digits, - and _, and begins with a letter.")
        if not given.text("stop_number", stop_number).isdigit():
            raise ValueError("stop_number is made of digits.")
        given.whole("at_once", at_once, 1, 50)
        given.seconds("poll_every", poll_every)
        self.capabilities = Capabilities(
            classes=frozenset(codes.CLASSES),
            sender_kinds=frozenset({"short", "virtual", "alphanumeric"}),
            reports=True,
            inbound=True,
            polls=True,
            called=True,
            batch_size=at_once,
        )
        self.stop_clause, self.stop_number = stop_clause, stop_number
        self.priority, self.tag_prefix, self.at_once = priority, tag_prefix, at_once
        self.poll_every = poll_every
        self.fetch_received = given.flag("fetch_received", fetch_received)
        self.fetch_stops = given.flag("fetch_stops", fetch_stops)
        self._path = f"/sms/{quote(service, safe='')}"
        self._secrets = (application_secret, consumer_key, application_key)
        self._api = SignedApi(
            endpoint=endpoint,
            application_key=given.text("application_key", application_key),
            application_secret=given.text("application_secret", application_secret),
            consumer_key=given.text("consumer_key", consumer_key),
            caller=Caller(
                connect_timeout=given.seconds("connect_timeout", connect_timeout),
                read_timeout=given.seconds("read_timeout", read_timeout),
                ca_file=given.text("ca_file", ca_file, empty=True),
                proxy=given.text("proxy", proxy, empty=True),
                connections=50,
            ),
        )
        self._next_poll = 0.0
        self._done: OrderedDict[str, None] = OrderedDict()  # keys of events that are stored
        self._stopped: set[str] = set()  # numbers of the blacklist whose entry is stored
        self._doubts: dict[str, float] = {}  # our id -> when its submission had no answer

    def send(self, chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        return in_parallel(self._send_one, chunk, at_once=self.at_once)

    def _send_one(self, message: Outgoing) -> Outcome:
        given.refuse_undeclared(message, self.capabilities.classes, self.capabilities.sender_kinds)
        try:
            return self._outcome(self._api.ask("POST", f"{self._path}/jobs", body=self._job(message)))
        except OutcomeUnknown:
            if len(self._doubts) < REMEMBERED:
                self._doubts[message.id] = time.monotonic()
            raise

    def _job(self, message: Outgoing) -> dict[str, Any]:
        text, declared = message.text, False
        if self.stop_clause == "ovh" and message.commercial:
            declared = message.sender_kind != "alphanumeric"
            if not declared and CLAUSE.search(text):
                text, declared = CLAUSE.sub("", text), True
        job: dict[str, Any] = {
            "charset": "UTF-8",
            "class": codes.CLASSES[message.message_class],
            "coding": codes.CODINGS[segment(message.text).encoding],
            "differedPeriod": 0,
            "message": text,
            "noStopClause": not declared,
            "priority": self.priority,
            "receivers": [message.recipient],
            "senderForResponse": message.sender_kind == "short",
            "tag": f"{self.tag_prefix}{message.id}",
            "validityPeriod": max(1, message.validity // 60),
        }
        # Which short number it is they choose.
        return job if message.sender_kind == "short" else job | {"sender": message.originator}

    def _outcome(self, reply: Reply) -> Outcome:
        if not 200 <= reply.status < 300:
            raise self._refusal(reply)
        said = reply.json()
        ids = said.get("ids") if isinstance(said, dict) else None
        if isinstance(ids, list) and ids and isinstance(ids[0], int):
            return Accepted(str(ids[0]))
        if ids == [] and said.get("invalidReceivers"):
            raise InvalidRecipient("OVHcloud calls the number invalid")
        raise OutcomeUnknown("the answer names no message")

    def _refusal(self, reply: Reply) -> GatewayError:
        body = reply.json_or({})
        said, code = "", ""
        if isinstance(body, dict):
            said = str(body.get("message") or "")
            code = str(body.get("errorCode") or body.get("class") or "")
        for secret in self._secrets:
            said, code = said.replace(secret, "…"), code.replace(secret, "…")
        if code == codes.OUT_OF_TIME:
            self._api.forget_time()
        return codes.error(reply, said[:LONGEST_SAID], code[:LONGEST_SAID])

    def parse(self, call: Call) -> Heard:
        """`report` and `received`, as the addresses of docs/gateways.md say. Raises Unreadable."""
        said = {**call.query, **call.form}
        if call.what == "report":
            return Heard(events=[arrivals.report(said)])
        if call.what == "received":
            return Heard(events=[arrivals.received(said, tag_prefix=self.tag_prefix)])
        raise Unreadable("OVHcloud calls report and received")

    def poll(self) -> Iterable[Event]:
        """Received messages, STOPs, and messages whose submission had no answer; asked for every `poll_every` s."""
        if time.monotonic() < self._next_poll:
            return []
        self._next_poll = time.monotonic() + self.poll_every
        looks: list[tuple[str, Callable[[], Iterator[Event]]]] = [("the unconfirmed messages", self._found)]
        if self.fetch_received:
            looks.append(("the received messages", self._received))
        if self.fetch_stops:
            looks.append(("the blacklist", self._stops))
        events: list[Event] = []
        for what, look in looks:
            try:
                events.extend(look())
            except (GatewayError, Unreadable) as error:
                # The other kinds have their turn, and this one at the next look.
                logger.warning("OVHcloud: %s cannot be fetched: %s", what, error)
        return events

    def acknowledge(self, events: Sequence[Event]) -> None:
        for event in events:
            self._done[event.key] = None
            if event.key.startswith("found-"):
                self._doubts.pop(event.message_id, None)
            elif event.key.startswith("stop-"):
                self._stopped.add(str(event.raw["number"]))
        while len(self._done) > REMEMBERED:
            self._done.popitem(last=False)

    def _received(self) -> Iterator[Event]:
        since = (datetime.now(UTC) - LOOK_BACK).isoformat(timespec="seconds")
        ids = self._get("/incoming", {"creationDatetime.from": since})
        fresh = [one for one in _listed(ids, int) if f"received-{one}" not in self._done]
        for one in fresh[:MOST_AT_ONCE]:
            yield arrivals.incoming(self._get(f"/incoming/{one}"), tag_prefix=self.tag_prefix)

    def _stops(self) -> Iterator[Event]:
        fresh = [one for one in _listed(self._get("/blacklists"), str) if one not in self._stopped]
        for one in fresh[:MOST_AT_ONCE]:
            entry = self._get(f"/blacklists/{quote(one, safe='')}")
            yield arrivals.blacklisted(entry, stop_number=self.stop_number)

    def _found(self) -> Iterator[Event]:
        for message_id, since in list(self._doubts.items())[:MOST_AT_ONCE]:
            # Behind the others at the next look.
            self._doubts.pop(message_id, None)
            if time.monotonic() - since > DOUBTED:
                continue
            self._doubts[message_id] = since
            for one in _listed(self._get("/outgoing", {"tag": f"{self.tag_prefix}{message_id}"}), int)[:1]:
                yield arrivals.outgoing(self._get(f"/outgoing/{one}"), message_id=message_id)

    def _get(self, path: str, query: dict[str, str] | None = None) -> Any:
        try:
            reply = self._api.ask("GET", f"{self._path}{path}", query=query)
        except OutcomeUnknown as error:
            raise NotSent(error.detail) from None
        if reply.status != 200:
            raise self._refusal(reply)
        return reply.json()


def _listed(said: Any, kind: type) -> list[Any]:
    if not isinstance(said, list):
        raise Unreadable("a list was expected")
    return [one for one in said if isinstance(one, kind)]
