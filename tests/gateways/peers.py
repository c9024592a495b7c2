"""SMPP gateways for the tests: short times, a password that is easy to find where it must not be, closed at the end."""

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

from compose.gateways.base import Outgoing
from compose.gateways.smpp import SmppGateway

PASSWORD = "s3cr3t-w0"
QUICK: dict[str, Any] = {
    "host": "127.0.0.1",
    "system_id": "shop",
    "password": PASSWORD,
    "connect_timeout": 5.0,
    "answer_timeout": 5.0,
    "queue_timeout": 5.0,
    "throttle_pause": 0.05,
    "retry_first": 0.05,
    "retry_longest": 0.2,
}
_ids = itertools.count(1000)


@contextlib.contextmanager
def gateway(port: int, **options: Any) -> Iterator[SmppGateway]:
    """A gateway for the peer at this port, for the length of the block."""
    made = SmppGateway(**{**QUICK, "port": port, **options})
    try:
        yield made
    finally:
        made.close()


def outgoing(text: str = "Bonjour", **fields: Any) -> Outgoing:
    """A message; each has another id."""
    said: dict[str, Any] = {
        "id": str(next(_ids)),
        "recipient": "+33612345678",
        "originator": "Boulanger",
        "sender_kind": "alphanumeric",
        "text": text,
        "message_class": "standard",
        "commercial": False,
        "validity": 172_800,
    }
    return Outgoing(**{**said, **fields})
