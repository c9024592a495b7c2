"""What the rigs of gateways that call over HTTP share: a stand-in for the vendor, and calls at our door."""

import itertools
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from compose.gateways.base import Call, Event, Gateway
from tests.gateways.rig import Rig
from tests.gateways.web import CLOSE, Answer, Asked, Web

DOOR = "https://sms.example.net/gateways/default/"
DOOR_KEY = "d00r-s3cr3t"


class WebRig(Rig):
    """A gateway and the web server that stands for its vendor.

    `peer` of a case: {"status", "body" (a text, or JSON), "headers"}, or {"octets": what is written instead}.
    `said` of a case: {"method", "what", "query", "form", "headers", "body"}; a query that is a text is taken as it is.
    """

    def __init__(self, web: Web, gateway: Gateway) -> None:
        self.web = web
        self.gateway = gateway
        gateway.door, gateway.door_key = DOOR, DOOR_KEY
        self._numbers = itertools.count(1)
        self._breaks = threading.Semaphore(0)
        web.does = self._does
        self._answer: Callable[[Asked], Answer] = self.take

    def take(self, asked: Asked) -> Answer:
        """The vendor's answer to a message that it takes."""
        raise NotImplementedError

    def read(self, asked: Asked) -> dict[str, Any]:
        """A submission as the suite wants it."""
        raise NotImplementedError

    def number(self) -> int:
        """The next one of 1, 2, …"""
        return next(self._numbers)

    def answer(self, recorded: Mapping[str, Any]) -> None:
        said = answer_of(recorded)
        self._answer = lambda asked: said

    def received(self) -> list[dict[str, Any]]:
        return [self.read(asked) for asked in list(self.web.asked)]

    def break_after_reading(self) -> None:
        self._breaks.release()

    def down(self) -> None:
        self.web.down()

    def hear(self, recorded: Mapping[str, Any]) -> list[Event]:
        return list(self.gateway.parse(call_of(recorded)).events)

    def _does(self, asked: Asked) -> Answer:
        return CLOSE if self._breaks.acquire(blocking=False) else self._answer(asked)


def answer_of(recorded: Mapping[str, Any]) -> Answer:
    """The answer that a case records."""
    if "octets" in recorded:
        return Answer(octets=recorded["octets"].encode("latin-1"), close=True)
    body, headers = recorded.get("body", ""), dict(recorded.get("headers", {}))
    if not isinstance(body, str):
        body = json.dumps(body)
        headers.setdefault("Content-Type", "application/json")
    return Answer(recorded.get("status", 200), body.encode(), headers)


def call_of(recorded: Mapping[str, Any]) -> Call:
    """The call at our door that a case records, as the product hands it over."""
    query, form = recorded.get("query", {}), recorded.get("form", {})
    asked = query if isinstance(query, str) else urlencode(query, doseq=True)
    body = recorded.get("body", urlencode(form, doseq=True))
    headers = {name.lower(): value for name, value in recorded.get("headers", {}).items()}
    what = recorded["what"]
    url = f"{DOOR}{what}?key={DOOR_KEY}" + (f"&{asked}" if asked else "")
    return Call(
        method=recorded.get("method", "GET"),
        url=url,
        what=what,
        query=parse_qs(urlsplit(url).query, keep_blank_values=True),
        form=parse_qs(urlencode(form, doseq=True), keep_blank_values=True),
        headers=headers,
        body=(body if isinstance(body, str) else json.dumps(body)).encode(),
        address="192.0.2.1",
    )
