"""The http gateway, describing an interface of JSON with a bearer token, as Sinch's batches are documented."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from compose.gateways.http import HttpGateway
from tests.gateways.rig import Rig
from tests.gateways.rigs._web import DOOR_KEY, WebRig
from tests.gateways.web import Answer, Asked, Web, web

GATEWAY = HttpGateway
TOKEN = "s3cr3t-t0ken"
OPTIONS: dict[str, Any] = {
    "url": "https://eu.sms.example.com/xms/v1/shop/batches",
    "body": "json",
    "bearer": TOKEN,
    "parameters": {
        "from": "{originator_digits}",
        "to": ["{recipient_digits}"],
        "body": "{text}",
        "delivery_report": "per_recipient",
        "client_reference": "{reference}",
        "flash_message": "{class}",
        "truncate_concat": False,
        "max_number_of_message_parts": "{parts}",
        "callback_url": "{report_address}",
        "details": {"expires_in": "{validity_seconds}", "tags": ["sms", "{id}"]},
    },
    "classes": {"standard": False, "flash": True},
    "sender_kinds": ["short", "virtual", "alphanumeric"],
    "success": {"status": [200, 201], "reference": "id", "values": {"canceled": False}},
    "failures": [
        {"values": {"code": ["syntax_invalid_parameter_format", "invalid_msisdn"]}, "is": "invalid_recipient"},
        {"values": {"code": "unknown_group"}, "is": "rejected:blocked"},
        {"status": 403, "values": {"code": "insufficient_funds"}, "is": "out_of_funds"},
        {"status": 400, "values": {"code": "unsupported"}, "is": "unsupported"},
        {"status": 503, "values": {"code": "not_accepted"}, "is": "not_sent"},
    ],
    "code": {"path": "code"},
    "reports": {
        "body": "json",
        "each": "reports",
        "reference": "batch_id",
        "status": "status",
        "statuses": {
            "Queued": "accepted",
            "Dispatched": "accepted",
            "Delivered": "delivered",
            "Failed": "undelivered",
            "Expired": "expired",
            "Rejected": "rejected",
        },
        "error": "code",
        "errors": {"405": "absent"},
        "time": "at",
    },
    "received": {
        "body": "json",
        "number": "from",
        "to": "to",
        "text": "body",
        "key": "id",
        "answers": "client_reference",
        "time": "received_at",
    },
    "at_once": 3,
}


class JsonRig(WebRig):
    """The members of the body are what was received."""

    name = "http_json"
    secrets = (TOKEN, DOOR_KEY)

    def __init__(self, peer: Web) -> None:
        super().__init__(peer, HttpGateway(**OPTIONS | {"url": f"{peer.url}/xms/v1/shop/batches"}))

    def take(self, asked: Asked) -> Answer:
        said = {"id": _reference(asked), "canceled": False, "to": json.loads(asked.body)["to"]}
        return Answer(201, json.dumps(said).encode(), {"Content-Type": "application/json"})

    def read(self, asked: Asked) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(asked.body)
        sender = said["from"]
        said |= {"to": f"+{said['to'][0]}", "text": said.pop("body"), "class": said["flash_message"]}
        said |= {"from": f"+{sender}" if sender.isdigit() and len(sender) > 6 else sender}
        said |= {"reference": _reference(asked), "token arrived": asked.headers["authorization"] == f"Bearer {TOKEN}"}
        return said


def _reference(asked: Asked) -> str:
    said = json.loads(asked.body)
    return hashlib.sha256(said["client_reference"].encode()).hexdigest()[:24]


@contextmanager
def rig() -> Iterator[Rig]:
    """A fresh gateway and a fresh stand-in."""
    with web() as peer:
        yield JsonRig(peer)
