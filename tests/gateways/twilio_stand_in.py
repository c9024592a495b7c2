"""Stands where Twilio's REST interface stands: on the loopback, over the server of tests/gateways/web.py.

It asks for Basic authentication and the fields that "Messages resource" (twilio.com/docs) names, and answers in JSON
of theirs. Its calls at a door are signed by Twilio's own package, so that our check is not its own measure.
"""

import base64
import itertools
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

from twilio.request_validator import RequestValidator

from compose.gateways.base import Call
from tests.gateways.web import CLOSE, Answer, Asked, Web, web

ACCOUNT: Final = "AC0123456789abcdef0123456789abcdef"
TOKEN: Final = "auth-token-of-32-letters-xxxxxxx"
KEY: Final = "SK0123456789abcdef0123456789abcdef"
KEY_SECRET: Final = "api-key-secret-of-32-letters-xxx"
FIELDS: Final = {
    "To",
    "From",
    "Body",
    "MessagingServiceSid",
    "StatusCallback",
    "ValidityPeriod",
    "SmartEncoded",
}


class TwilioStandIn:
    """`messages` are the submissions in order, as they were decoded."""

    def __init__(self, server: Web) -> None:
        self.server = server
        self.api_url = server.url
        self.says: Mapping[str, Any] | None = None  # instead of taking a submission
        self.breaks = False
        self.messages: list[dict[str, str]] = []
        self.users: list[str] = []  # who was authenticated
        self._numbers = itertools.count(1)
        server.does = self._does

    def _does(self, asked: Asked) -> Answer:
        user, _colon, password = _basic(asked).partition(":")
        if (user, password) not in {(ACCOUNT, TOKEN), (KEY, KEY_SECRET)}:
            return _error(401, 20003, "Authenticate")
        self.users.append(user)
        if (asked.method, asked.path) != ("POST", f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"):
            return _error(404, 20404, "The requested resource was not found")
        if asked.headers.get("content-type") != "application/x-www-form-urlencoded":
            return _error(400, 21604, "A 'To' phone number is required.")
        fields = {name: values[0] for name, values in asked.form.items()}
        if fields.keys() - FIELDS:
            return _error(400, 20001, "Unknown parameters")
        if not 1 <= int(fields.get("ValidityPeriod", "1")) <= 36_000:
            return _error(400, 21624, "ValidityPeriod is out of range")
        kept = fields | {"reference": ""}
        self.messages.append(kept)
        if self.breaks:
            self.breaks = False
            return CLOSE
        if self.says is not None:
            return answer(self.says)
        sid = kept["reference"] = f"SM{next(self._numbers):032x}"
        said = {
            "account_sid": ACCOUNT,
            "api_version": "2010-04-01",
            "body": fields["Body"],
            "direction": "outbound-api",
            "error_code": None,
            "error_message": None,
            "from": fields.get("From"),
            "messaging_service_sid": fields.get("MessagingServiceSid"),
            "num_segments": "1",
            "price": None,
            "sid": sid,
            "status": "queued",
            "to": fields["To"],
            "uri": f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{sid}.json",
        }
        return answer({"status": 201, "body": said})


def called(address: str, fields: Mapping[str, str], *, token: str = TOKEN, method: str = "POST") -> Call:
    """A call that Twilio makes at this address of ours with these fields, signed by its own package."""
    url = address
    if method == "GET":
        url += ("&" if "?" in address else "?") + urlencode(fields)
    form = fields if method == "POST" else {}
    signature = RequestValidator(token).compute_signature(url, form)
    return at_the_door(url, method=method, form=form, headers={"x-twilio-signature": signature})


def at_the_door(
    url: str, *, method: str = "POST", form: Mapping[str, str], headers: Mapping[str, str], body: bytes | None = None
) -> Call:
    """The call as the door hands it over."""
    parts = urlsplit(url)
    return Call(
        method=method,
        url=url,
        what=parts.path.rpartition("/")[2],
        query=parse_qs(parts.query, keep_blank_values=True),
        form={name: [value] for name, value in form.items()},
        headers=headers,
        body=urlencode(form).encode() if body is None else body,
        address="192.0.2.9",
    )


def answer(said: Mapping[str, Any]) -> Answer:
    """What a case writes: `status`, `headers`, and `body` as JSON or `text` as it is."""
    body = said["text"].encode() if "text" in said else json.dumps(said.get("body")).encode()
    return Answer(said.get("status", 201), body, {"Content-Type": "application/json", **said.get("headers", {})})


def _error(status: int, code: int, message: str) -> Answer:
    more = f"https://www.twilio.com/docs/errors/{code}"
    return answer({"status": status, "body": {"code": code, "message": message, "more_info": more, "status": status}})


def _basic(asked: Asked) -> str:
    scheme, _space, said = asked.headers.get("authorization", "").partition(" ")
    return base64.b64decode(said).decode() if scheme == "Basic" else ""


@contextmanager
def twilio_stand_in() -> Iterator[TwilioStandIn]:
    """The interface for the length of a block."""
    with web() as server:
        yield TwilioStandIn(server)
