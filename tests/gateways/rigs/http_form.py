"""The http gateway, describing an interface of forms and short plain answers, as SMSAPI's sms.do is documented."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from compose.gateways.http import HttpGateway
from tests.gateways.rig import Rig
from tests.gateways.rigs._web import DOOR_KEY, WebRig
from tests.gateways.web import Answer, Asked, Web, web

GATEWAY = HttpGateway
PASSWORD = "s3cr3t-b4sic"
API_KEY = "s3cr3t-4pi&k=y"
OPTIONS: dict[str, Any] = {
    "url": "https://api.example.com/sms.do?format=plain",
    "method": "POST",
    "body": "form",
    "username": "shop",
    "password": PASSWORD,
    "parameters": {
        "to": "{recipient_digits}",
        "from": "{originator}",
        "message": "{text}",
        "encoding": "utf-8",
        "datacoding": "{encoding}",
        "flash": "{class}",
        "idx": "{reference}",
        "max_parts": "{parts}",
        "validity": "{validity_minutes}",
        "normalize": 0,
        "notify_url": "{report_address}",
        "kind": "{commercial}:{sender_kind}",
    },
    "headers": {"X-Request-Id": "{reference}"},
    "classes": {"standard": "", "flash": 1},
    "encodings": {"gsm7": "gsm", "ucs2": "unicode"},
    "commercial": {"yes": "marketing", "no": "service"},
    "sender_kinds": ["alphanumeric", "virtual"],
    "max_parts": 8,
    "success": {"pattern": r"^OK:(?P<reference>[^:]+):"},
    "failures": [
        {"pattern": "^ERROR:(101|102|105)$", "is": "bad_configuration"},
        {"pattern": "^ERROR:103$", "is": "out_of_funds"},
        {"pattern": "^ERROR:13$", "is": "invalid_recipient"},
        {"pattern": "^ERROR:(11|12)$", "is": "unsupported"},
        {"pattern": "^ERROR:94$", "is": "rejected:content"},
        {"pattern": "^ERROR:201$", "is": "throttled"},
        {"pattern": "^ERROR:(8|666|999)$", "is": "not_sent"},
        {"status": 404, "pattern": "^ERROR:", "is": "outcome_unknown"},
    ],
    "code": {"pattern": "^ERROR:([0-9]+)"},
    "reports": {
        "body": "query",
        "reference": "MsgId",
        "id": "idx",
        "status": "status_name",
        "statuses": {
            "DELIVERED": "delivered",
            "UNDELIVERED": "undelivered",
            "EXPIRED": "expired",
            "REJECTED": "rejected",
            "SENT": "accepted",
        },
        "error": "error",
        "errors": {"27": "absent", "1": "barred"},
        "time": "donedate",
        "time_format": "seconds",
        "answer": "OK",
    },
    "received": {
        "body": "form",
        "number": "sms_from",
        "to": "sms_to",
        "text": "sms_text",
        "key": "MsgId",
        "time": "sms_date",
        "time_format": "%Y-%m-%d %H:%M:%S",
        "time_zone": "Europe/Paris",
        "answer": "OK",
    },
    "at_once": 4,
    "connect_timeout": 5.0,
    "read_timeout": 5.0,
}


class FormRig(WebRig):
    """The fields of the form are what was received."""

    name = "http_form"
    secrets = (PASSWORD, API_KEY, DOOR_KEY)

    def __init__(self, peer: Web) -> None:
        options = OPTIONS | {
            "url": f"{peer.url}/sms.do?format=plain",
            "secrets": {"api_key": API_KEY},
            "parameters": OPTIONS["parameters"] | {"key": "{api_key}"},
        }
        super().__init__(peer, HttpGateway(**options))

    def take(self, asked: Asked) -> Answer:
        return Answer(200, f"OK:{_reference(asked)}:0.16:{asked.form['to'][0]}".encode())

    def read(self, asked: Asked) -> dict[str, Any]:
        said: dict[str, Any] = {name: values[0] for name, values in asked.form.items()}
        said |= {"to": f"+{said['to']}", "text": said.pop("message"), "class": said.get("flash")}
        said |= {"reference": _reference(asked), "authorization": asked.headers.get("authorization")}
        return said | {"secret arrived": said.pop("key") == API_KEY, "target": asked.target}


def _reference(asked: Asked) -> str:
    return hashlib.sha256(asked.form["idx"][0].encode()).hexdigest()[:24].upper()


@contextmanager
def rig() -> Iterator[Rig]:
    """A fresh gateway and a fresh stand-in."""
    with web() as peer:
        yield FormRig(peer)
