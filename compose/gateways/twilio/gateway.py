"""Twilio as a gateway: `POST /2010-04-01/Accounts/{account}/Messages.json`, one message in each, several at once.

Sources, on twilio.com/docs: "Messages resource" (messaging/api/message-resource), "Outbound Message Status in Status
Callbacks" (messaging/guides/outbound-message-status-in-status-callbacks), and "Twilio's request to your incoming
message Webhook URL" (messaging/guides/webhook-request).

A message whose submission had no answer is never sent again: its id stands in the address of its status callback, which
is part of what Twilio signs, so that the first callback says what became of it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Final
from urllib.parse import quote

from compose.gateways import given
from compose.gateways.base import (
    Accepted,
    Call,
    Capabilities,
    Event,
    Forged,
    Gateway,
    GatewayError,
    Heard,
    Outcome,
    OutcomeUnknown,
    Outgoing,
    Received,
    Report,
    Throttled,
    Unreadable,
)
from compose.gateways.calls import Caller, Reply, in_parallel, refusal, retry_after
from compose.gateways.twilio.codes import ANSWERS, REASONS, STATUSES
from compose.gateways.twilio.signature import is_signed

LONGEST_VALIDITY: Final = 36_000  # seconds, error 90007
EMPTY_TWIML: Final = '<?xml version="1.0" encoding="UTF-8"?><Response/>'
SID: Final = re.compile(r"[A-Z]{2}[0-9A-Za-z]{1,62}\Z")
REPORTED: Final = ("MessageSid", "MessageStatus", "SmsStatus", "ErrorCode", "ErrorMessage", "From", "RawDlrDoneDate")
RECEIVED: Final = ("MessageSid", "From", "To", "NumSegments", "NumMedia", "OptOutType", "MessagingServiceSid")
# What Twilio's Advanced Opt-Out took the text for, in the words of this product.
OPT_OUTS: Final = {"STOP": "stop", "START": "start"}
LONGEST: Final = 300
LONGEST_NUMBER: Final = 32


class TwilioGateway(Gateway):
    """Sends for the account `account_sid`; docs/gateways.md says what each option is for."""

    SECRETS: ClassVar[frozenset[str]] = frozenset({"auth_token", "api_key_secret"})

    def __init__(
        self,
        *,
        account_sid: str,
        auth_token: str,
        api_key_sid: str = "",
        api_key_secret: str = "",
        messaging_service_sid: str = "",
        api_url: str = "https://api.twilio.com",
        at_once: int = 8,
        connect_timeout: float = 10.0,
        read_timeout: float = 20.0,
        ca_file: str = "",
        proxy: str = "",
    ) -> None:
        for name, sid, wanted in (
            ("account_sid", account_sid, True),
            ("api_key_sid", api_key_sid, bool(api_key_secret)),
            ("messaging_service_sid", messaging_service_sid, False),
        ):
            if (given.text(name, sid, empty=True) or wanted) and not SID.match(sid):
                raise ValueError(f"{name} is two capital letters followed by letters and digits.")
        # Twilio signs its calls with it, also where an API key sends.
        given.text("auth_token", auth_token)
        given.text("api_key_secret", api_key_secret, empty=not api_key_sid)
        given.whole("at_once", at_once, 1, 50)
        self.capabilities = Capabilities(
            sender_kinds=frozenset({"short", "virtual", "alphanumeric"}),
            reports=True,
            inbound=True,
            called=True,
            signs=True,
            batch_size=at_once,
        )
        self.at_once = at_once
        self.messaging_service_sid = messaging_service_sid
        self._auth = (api_key_sid, api_key_secret) if api_key_sid else (account_sid, auth_token)
        self._token = auth_token
        self._url = (
            f"{given.address('api_url', api_url)}/2010-04-01/Accounts/{quote(account_sid, safe='')}/Messages.json"
        )
        self._caller = Caller(
            connect_timeout=given.seconds("connect_timeout", connect_timeout),
            read_timeout=given.seconds("read_timeout", read_timeout),
            ca_file=given.text("ca_file", ca_file, empty=True),
            proxy=given.text("proxy", proxy, empty=True),
            connections=50,
        )

    def send(self, chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        return in_parallel(self._send_one, chunk, at_once=self.at_once)

    def _send_one(self, message: Outgoing) -> Outcome:
        given.refuse_undeclared(message, self.capabilities.classes, self.capabilities.sender_kinds)
        # SmartEncoded would replace characters of a text that is already counted and priced.
        fields = {
            "To": message.recipient,
            "From": message.originator,
            "Body": message.text,
            "ValidityPeriod": str(min(max(1, message.validity), LONGEST_VALIDITY)),
            "SmartEncoded": "false",
        }
        if self.messaging_service_sid:
            fields["MessagingServiceSid"] = self.messaging_service_sid
        if told := self.door_to("report", id=message.id):
            fields["StatusCallback"] = told
        return self._outcome(self._caller.call("POST", self._url, data=fields, auth=self._auth))

    def _outcome(self, reply: Reply) -> Outcome:
        if not 200 <= reply.status < 300:
            raise self._error(reply)
        said = reply.json()
        sid = said.get("sid") if isinstance(said, dict) else None
        if isinstance(sid, str) and SID.match(sid):
            return Accepted(sid)
        raise OutcomeUnknown("the answer names no message")

    def _error(self, reply: Reply) -> GatewayError:
        said = reply.json_or({})
        code = said.get("code") if isinstance(said, dict) else None
        if not isinstance(code, int) or isinstance(code, bool) or reply.status >= 500:
            code = 0
        text = str(said.get("message") or "")[:LONGEST] if code else ""
        for secret in (self._token, self._auth[1]):
            text = text.replace(secret, "…")
        detail = f"answered {reply.status}, {code}: {text}"
        if code not in ANSWERS:
            found = refusal(reply, code=str(code or "")) or OutcomeUnknown(f"answered {reply.status}")
            if code:
                found.detail, found.args = detail, (detail,)
            return found
        kind, reason = ANSWERS[code]
        if kind is Throttled:
            return Throttled(detail, retry_after=retry_after(reply))
        return kind(detail, reason=reason or None)

    def parse(self, call: Call) -> Heard:
        """`report` and `received`. Raises Forged for a call that Twilio did not sign, and Unreadable."""
        if not is_signed(call, self._token):
            raise Forged("the signature is missing or wrong")
        said = _fields(call)
        if call.what == "report":
            event: Event = _report(said, call)
        elif call.what == "received":
            event = _received(said)
        else:
            raise Unreadable("Twilio calls report and received")
        return Heard(events=[event], answer=EMPTY_TWIML, content_type="text/xml; charset=utf-8")


def _fields(call: Call) -> dict[str, str]:
    """What the call says, the first value of each name."""
    if call.form or not call.body:
        return {name: values[0] for name, values in (call.form or call.query).items() if values}
    try:
        said: Any = json.loads(call.body)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise Unreadable("the body is neither a form nor a JSON object")
    return {str(name): str(value) for name, value in said.items()}


def _report(said: Mapping[str, str], call: Call) -> Report:
    sid = said.get("MessageSid") or said.get("SmsSid", "")
    word = (said.get("MessageStatus") or said.get("SmsStatus", "")).lower()
    if not SID.match(sid) or not word:
        raise Unreadable("a report has a MessageSid and a MessageStatus")
    status = STATUSES.get(word, "unknown")
    number = said.get("ErrorCode", "")
    error = int(number) if number.isascii() and number.isdigit() and len(number) < 10 else 0
    reason, code = "", "" if word in STATUSES else word[:LONGEST]
    if status not in {"accepted", "delivered"}:
        reason = REASONS.get(error, "unknown")
        code = code or (number[:LONGEST] if number and error and error not in REASONS else "")
    ours = call.query.get("id", [""])[0]
    return Report(
        key=f"report-{sid}-{word}-{error}"[:160],
        reference=sid,
        message_id=ours if ours.isascii() and ours.isdigit() else "",
        status=status,
        reason=reason,
        code=code,
        at=datetime.now(UTC),
        raw=_known(said, REPORTED),
    )


def _received(said: Mapping[str, str]) -> Received:
    sid = said.get("MessageSid") or said.get("SmsSid", "")
    if not SID.match(sid) or not said.get("From") or "Body" not in said:
        raise Unreadable("a received message has a MessageSid, a From and a Body")
    opt_out = OPT_OUTS.get(said.get("OptOutType", "").upper())
    return Received(
        key=f"received-{sid}",
        number=said["From"][:LONGEST_NUMBER],
        to=said.get("To", "")[:LONGEST_NUMBER],
        text=said["Body"],
        at=datetime.now(UTC),
        raw=_known(said, RECEIVED) | ({"opt_out": opt_out} if opt_out else {}),
    )


def _known(said: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """The fields that are kept: the text stands elsewhere, and the address may hold a key."""
    return {name: said[name][:LONGEST] for name in names if said.get(name)}
