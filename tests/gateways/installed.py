"""An installation whose only gateway is one of the vendors', and what the vendor says at its door."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import time_machine
from django.test import Client, override_settings
from django.urls import reverse

from compose import routing
from compose.models import Message
from credits.models import Account
from inbox import services as inbox_services
from inbox.models import Received
from smsmanager import gateway_settings
from tests.dispatching import dispatch_due
from tests.factories import NOON, at, owner

PUBLIC_URL: Final = "https://sms.example.net"
KEY: Final = "the-key-of-the-door"

GUIDE: Final = Path(__file__).parents[2] / "docs" / "gateways.md"


def section(title: str) -> str:
    """What docs/gateways.md says under this title."""
    _before, _title, rest = GUIDE.read_text(encoding="utf-8").partition(f"\n## {title}\n")
    assert rest, f"docs/gateways.md has no section {title}"
    return rest.partition("\n## ")[0]


def example(title: str, path: Path) -> dict[str, Any]:
    """The gateway in the example of that section, written to `path` and read as the product reads its file."""
    _before, _fence, rest = section(title).partition("```toml\n")
    path.write_text(rest.partition("```")[0], encoding="utf-8")
    return gateway_settings.read(path)["default"]


@contextmanager
def installed(backend: str, options: Mapping[str, Any], *, key: str = KEY) -> Iterator[Client]:
    """The gateway is the installation's only one, and it is noon; yields the vendor, who calls its door."""
    configured = {"default": {"BACKEND": backend, "OPTIONS": dict(options), "DOOR": {"key": key} if key else {}}}
    with (
        override_settings(SMS_GATEWAYS=configured, SMS_PUBLIC_URL=PUBLIC_URL),
        time_machine.travel(NOON, tick=True),
    ):
        routing.gateway.cache_clear()
        try:
            yield Client()
        finally:
            routing.gateway.cache_clear()


def sent(row: Message, *, now: datetime = NOON) -> Message:
    """The message after the workers had their turn."""
    dispatch_due(clock=at(now))
    row.refresh_from_db()
    return row


def applied() -> None:
    """What was stored has its turn."""
    inbox_services.apply_waiting()


def answer_in_the_inbox(of: Account, text: str) -> Received:
    """The received message of the account with this text, which its owner sees in the inbox."""
    person = Client()
    person.force_login(owner(of))
    assert text in person.get(reverse("received")).content.decode()
    return Received.objects.get(account=of, text=text)
