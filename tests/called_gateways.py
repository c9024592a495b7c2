"""Gateways that are called, for tests of the doors: one behind a key or addresses, one that signs.

They understand a call whose body is JSON: a list of reports and received messages, each {"is": …, fields…}.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, ClassVar

from django.test import override_settings

from compose import routing
from compose.gateways.base import (
    Call,
    Capabilities,
    Event,
    Forged,
    Gateway,
    Heard,
    Outcome,
    Outgoing,
    Received,
    Report,
    Unreadable,
)
from tests.gateways_for_tests import take_all

PASSWORD = "the-password-at-the-vendor"
SIGNING_SECRET = "the-secret-of-signatures"


class CalledGateway(Gateway):
    """Keeps each call in `calls`. A body that is no JSON is Unreadable; `fault` is raised in its place."""

    capabilities = Capabilities(
        sender_kinds=frozenset({"short", "alphanumeric"}), reports=True, inbound=True, called=True, batch_size=100
    )
    SECRETS: ClassVar[frozenset[str]] = frozenset({"password"})

    def __init__(self, *, password: str = PASSWORD) -> None:
        self.password = password
        self.calls: list[Call] = []
        self.fault: Exception | None = None

    def send(self, chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        return take_all(chunk)

    def parse(self, call: Call) -> Heard:
        self.calls.append(call)
        if self.fault is not None:
            raise self.fault
        if call.method == "HEAD":
            return Heard(answer="there", status=204)
        try:
            said = json.loads(call.body)
        except ValueError:
            raise Unreadable(f"this is no JSON, says {self.password}") from None
        return Heard(events=[_event(**one) for one in said], answer=f"took {len(said)}")


class SigningGateway(CalledGateway):
    """Its calls are signed: `signature` in the header x-signature."""

    capabilities = Capabilities(reports=True, called=True, signs=True)

    def parse(self, call: Call) -> Heard:
        if not hmac.compare_digest(call.headers.get("x-signature", ""), signature(call.url, call.body)):
            self.calls.append(call)
            raise Forged
        return super().parse(call)


def signature(url: str, body: bytes) -> str:
    """What this vendor signs: the address as it called it, and the body."""
    return hmac.new(SIGNING_SECRET.encode(), url.encode() + body, hashlib.sha256).hexdigest()


def _event(**said: Any) -> Event:
    at, kind = datetime.fromisoformat(said.pop("at")), said.pop("is")
    return Report(**said, at=at) if kind == "report" else Received(**said, at=at)


@contextmanager
def called_gateway(
    backend: type[CalledGateway] = CalledGateway, *, url: str = "", proxy: bool = False, **door: Any
) -> Iterator[CalledGateway]:
    """The installation has this gateway as its only one, behind this door, for the length of the block."""
    configured = {
        "default": {
            "BACKEND": f"{__name__}.{backend.__name__}",
            "OPTIONS": {"password": PASSWORD},
            **({"DOOR": door} if door else {}),
        }
    }
    with override_settings(SMS_GATEWAYS=configured, SMS_PUBLIC_URL=url, BEHIND_PROXY=proxy):
        routing.gateway.cache_clear()
        try:
            made = routing.gateway(routing.DEFAULT)
            assert isinstance(made, CalledGateway)
            yield made
        finally:
            routing.gateway.cache_clear()
