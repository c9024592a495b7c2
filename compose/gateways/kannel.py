"""Kannel: the sendsms HTTP interface of its smsbox, and its calls for reports and received messages.

Sources: Kannel 1.4.5 User Guide, chapters "Setting up a SMS Gateway" (sendsms-user, sms-service, escape codes,
delivery reports) and "Using the SMS gateway"; what it leaves open was tried with smsbox and bearerbox 1.4.5.

Kannel gives no name to a message, so we give it one: a new one for each submission, which comes back in its reports.
A late report of an earlier attempt names that attempt, and so never settles a later one.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Final
from urllib.parse import parse_qs, urlsplit

from compose.gateways import given
from compose.gateways.base import (
    Accepted,
    BadConfiguration,
    Call,
    Capabilities,
    Gateway,
    GatewayError,
    Heard,
    InvalidRecipient,
    NotSent,
    Outcome,
    OutcomeUnknown,
    Outgoing,
    Received,
    Rejected,
    Report,
    Unreadable,
    Unsupported,
)
from compose.gateways.calls import Caller, Reply, in_parallel, refusal
from compose.gateways.smpp.receipts import LONGEST_REFERENCE, read_receipt
from compose.gateways.smpp.statuses import STATUSES
from compose.segments import MAX_PARTS, TooLong, segment

# How the body of an answer begins -> what became of the message; None is accepted. Kannel's status is 202 for what it
# took, 400 for a wrong parameter, 403 for what it forbids, 500 and 503 for its own trouble.
ANSWERS: Final[dict[str, tuple[type[GatewayError] | None, str]]] = {
    "0:": (None, ""),  # Accepted for delivery
    "3:": (None, ""),  # Queued for later delivery: no connection to the operator now
    "Sent.": (None, ""),  # with immediate-sendsms-reply
    "Temporal failure": (NotSent, "gateway_unreachable"),
    "Authorization failed": (BadConfiguration, "bad_configuration"),
    "Not routable": (Rejected, "rejected"),
    "Number(s) has/have been denied": (Rejected, "blocked"),
    "Missing receiver": (InvalidRecipient, "invalid_recipient"),
    "Empty receiver": (InvalidRecipient, "invalid_recipient"),
    "Sender missing": (BadConfiguration, "bad_configuration"),
    "Account field": (BadConfiguration, "bad_configuration"),
    "Priority field": (BadConfiguration, "bad_configuration"),
    "DLR-URL field": (BadConfiguration, "bad_configuration"),
    "DLR-Mask field": (BadConfiguration, "bad_configuration"),
    "MClass field": (Unsupported, "unsupported"),
    "Coding field": (Unsupported, "unsupported"),
    "Validity field": (Unsupported, "unsupported"),
    "Charset or body": (Unsupported, "unsupported"),
}
# The type of a report (%d) -> our status. The last two come from newer versions.
REPORTS: Final[dict[str, str]] = {
    "1": "delivered",
    "2": "undelivered",
    "4": "accepted",
    "8": "accepted",
    "16": "rejected",
    "34": "expired",
    "66": "unknown",
}
# What the receipt inside a report of type 2 may say more exactly (SMPP 3.4, Appendix B).
FAILURES: Final = {"expired", "blocked", "rejected"}
# An SMPP error inside a report of type 16 -> the word of compose/reasons.py; others are "rejected".
REFUSALS: Final[dict[type[GatewayError], str]] = {InvalidRecipient: "invalid_recipient", Unsupported: "unsupported"}
CLASSES: Final[dict[str, int]] = {"flash": 0, "sim": 2}
CODINGS: Final[dict[str, int]] = {"gsm7": 0, "ucs2": 2}
# The coding of a received message (%c) -> how its octets are read when Kannel names no charset it knows.
RECEIVED: Final[dict[str, str]] = {"0": "utf-8", "1": "latin-1", "2": "utf-16-be"}

# Appended to the address of our door; Kannel fills them in.
_REPORT_ESCAPES: Final = "&type=%d&said=%A&foreign=%F&smsc=%i&time=%T"


class KannelGateway(Gateway):
    """Sends through smsbox at `url`, as the sendsms-user of `username` and `password`; docs/gateways.md, "Kannel".

    `reports` is the dlr-mask, 0 for none; `max_parts` the sendsms-user's max-messages, above which Kannel cuts a text
    short; `errors` maps the err: code of a receipt to a word of compose/reasons.py; `at_once` messages are in flight.
    """

    SECRETS: ClassVar[frozenset[str]] = frozenset({"password"})

    def __init__(
        self,
        *,
        username: str,
        password: str,
        url: str = "http://127.0.0.1:13013/cgi-bin/sendsms",
        smsc: str = "",
        account: str = "",
        priority: int | None = None,
        standard_class: int | None = None,
        validity: bool = True,
        reports: int = 27,
        errors: Mapping[str, str] | None = None,
        max_parts: int = 10,
        at_once: int = 10,
        connect_timeout: float = 10.0,
        read_timeout: float = 20.0,
        ca_file: str = "",
    ) -> None:
        self._url = given.address("url", url)
        self._fixed: dict[str, str | int] = {
            "username": given.text("username", username),
            "password": given.text("password", password),
            "charset": "UTF-8",
        }
        for name, value in (("smsc", smsc), ("account", account)):
            if given.text(name, value, empty=True):
                self._fixed[name] = value
        if priority is not None:
            self._fixed["priority"] = given.whole("priority", priority, 0, 3)
        self._standard_class = None
        if standard_class is not None:
            self._standard_class = given.whole("standard_class", standard_class, 0, 3)
        self._validity = given.flag("validity", validity)
        self._reports = given.whole("reports", reports, 0, 31)
        self._errors = given.texts("errors", errors or {})
        self._max_parts = given.whole("max_parts", max_parts, 1, MAX_PARTS)
        self._at_once = given.whole("at_once", at_once, 1, 100)
        self._caller = Caller(
            connect_timeout=given.number("connect_timeout", connect_timeout, 0.1, 300),
            read_timeout=given.number("read_timeout", read_timeout, 0.1, 300),
            ca_file=given.text("ca_file", ca_file, empty=True),
            connections=at_once,
        )
        self.capabilities = Capabilities(
            classes=frozenset({"standard", "flash", "sim"}),
            sender_kinds=frozenset({"short", "virtual", "alphanumeric", "numeric"}),
            reports=bool(reports),
            inbound=True,
            called=True,
            batch_size=at_once,
        )

    # --- Outward -------------------------------------------------------------------------------------

    def send(self, chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        return in_parallel(self._send_one, chunk, at_once=self._at_once)

    def _send_one(self, message: Outgoing) -> Outcome:
        given.refuse_undeclared(message, self.capabilities.classes, self.capabilities.sender_kinds)
        reference = f"{message.id}-{secrets.token_hex(8)}"
        reply = self._caller.call("GET", self._url, params=self._parameters(message, reference))
        return _outcome(reply, reference, str(self._fixed["password"]))

    def _parameters(self, message: Outgoing, reference: str) -> dict[str, str | int]:
        try:
            split = segment(message.text)
        except TooLong as error:
            raise Unsupported(str(error)) from None
        if split.count > self._max_parts:
            raise Unsupported(f"the text has {split.count} parts, above max_parts")
        said = self._fixed | {
            "from": message.originator,
            "to": message.recipient,
            "text": split.text,
            "coding": CODINGS[split.encoding],
        }
        if (mclass := CLASSES.get(message.message_class, self._standard_class)) is not None:
            said["mclass"] = mclass
        if self._validity:
            said["validity"] = max(1, message.validity // 60)
        door = self.door_to("report", ref=reference, id=message.id)
        if self._reports and door:
            # A percent sign of ours is doubled, or Kannel would take it for the beginning of an escape code.
            said |= {"dlr-mask": self._reports, "dlr-url": door.replace("%", "%%") + _REPORT_ESCAPES}
        return said

    # --- Inward --------------------------------------------------------------------------------------

    def parse(self, call: Call) -> Heard:
        if call.method != "GET":
            return Heard(status=405, answer="Kannel calls with GET.")
        # Kannel writes octets in whatever charset the message has, so they are not read as UTF-8 first.
        pairs = parse_qs(urlsplit(call.url).query, keep_blank_values=True, encoding="latin-1")
        said = {name: values[0].encode("latin-1") for name, values in pairs.items()}
        if call.what == "report":
            return Heard(events=[self._report(said)])
        if call.what == "received":
            # Whatever is answered here, Kannel may send to the phone: so nothing.
            return Heard(events=[_received(said)])
        raise Unreadable("Kannel calls report and received")

    def _report(self, said: Mapping[str, bytes]) -> Report:
        kind, reference, text = (_text(said.get(name, b""), "utf-8") for name in ("type", "ref", "said"))
        if not reference or not kind.isdecimal():
            raise Unreadable("a report has ref and type")
        status, reason, code = REPORTS.get(kind, "unknown"), "", ""
        if kind not in REPORTS:
            code = f"type {kind[:LONGEST_REFERENCE]}"
        elif kind == "16":
            reason, code = _refused(text)
        elif kind == "2" and (receipt := read_receipt(text, {})):
            status = receipt.status if receipt.status in FAILURES else status
            reason = self._errors.get(receipt.error, "")
            code = "" if reason or not receipt.error.strip("0") else receipt.error
        return Report(
            key=_key("report", reference, kind, text),
            reference=reference[:LONGEST_REFERENCE],
            message_id=_text(said.get("id", b""), "utf-8"),
            status=status,
            reason=reason,
            code=code,
            at=_moment(said),
            raw={"type": kind, "said": text} | _shown(said, "foreign", "smsc"),
        )


def _outcome(reply: Reply, reference: str, password: str) -> Outcome:
    # What stands between us and Kannel may repeat our call.
    body = reply.text.strip().replace(password, "…")
    for beginning, (kind, reason) in ANSWERS.items():
        if body.startswith(beginning):
            # Its word counts together with its status: an "accepted" of a proxy's error page is none.
            if kind is None and 200 <= reply.status < 300:
                return Accepted(reference)
            if kind is not None and reply.status >= 400:
                return kind(f"answered {reply.status} {body[:LONGEST_REFERENCE]}", reason=reason)
    error = refusal(reply)
    if error is None:
        return OutcomeUnknown(f"answered {reply.status} without a word of Kannel")
    if reply.headers.get("server", "").startswith("Kannel"):
        error.code = f"{reply.status} {body[:LONGEST_REFERENCE]}"
    return error


def _refused(text: str) -> tuple[str, str]:
    """The reason and the unknown code of "NACK/0x0000000b/Invalid Destination Address"."""
    code = text.removeprefix("NACK/").partition("/")[0]
    try:
        kind = STATUSES[int(code, 16)][1]
    except (ValueError, KeyError):
        return "rejected", code[:LONGEST_REFERENCE]
    return REFUSALS.get(kind, "rejected"), ""


def _received(said: Mapping[str, bytes]) -> Received:
    number, to, coding = (_text(said.get(name, b""), "utf-8") for name in ("from", "to", "coding"))
    if not (number and to and said.get("id") and "text" in said):
        raise Unreadable("a received message has id, from, to and text")
    octets = said["text"]
    charset = _text(said.get("charset", b""), "ascii").lower()
    return Received(
        key=_key("received", _text(said["id"], "utf-8")),
        number=number,
        to=to,
        text=_text(octets, charset if charset in ("utf-8", "utf-16be") else RECEIVED.get(coding, "utf-8")),
        at=_moment(said),
        raw={"octets": octets.hex(), "udh": said.get("udh", b"").hex()} | _shown(said, "coding", "charset", "id"),
    )


def _key(kind: str, *said: str) -> str:
    """A key that is the same each time the same is said."""
    return f"{kind}-{hashlib.sha256(chr(0).join(said).encode()).hexdigest()[:40]}"


def _text(octets: bytes, charset: str) -> str:
    """The text of these octets; what is none becomes U+FFFD, and so does NUL, which no database keeps."""
    return octets.decode(charset, "replace").replace("\0", "�")


def _shown(said: Mapping[str, bytes], *names: str) -> dict[str, Any]:
    return {name: _text(said.get(name, b""), "utf-8") for name in names}


def _moment(said: Mapping[str, bytes]) -> datetime:
    """%T, seconds since 1970; now, when it is not there."""
    digits = said.get("time", b"")
    return datetime.fromtimestamp(int(digits), UTC) if digits.isdigit() and len(digits) < 11 else datetime.now(UTC)
