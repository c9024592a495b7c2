"""What is known after a run: the file of the message centre, and the table of messages with what each of them cost."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

_MESSAGES = """
SELECT message.recipient, submission.text, message.state, message.reason, message.price, message.send_at,
    message.gateway_ref, COALESCE(message.claim::text, ''), COALESCE(transfer.verb, '')
FROM compose_message AS message
JOIN compose_submission AS submission ON submission.id = message.submission_id
LEFT JOIN credits_transfer AS transfer ON transfer.id = message.hold_ended_by_id
ORDER BY message.id
"""
_LEFT = "SELECT state, COUNT(*) FROM compose_message WHERE state IN ('scheduled', 'sending') GROUP BY state"
_BOOKS = "SELECT kind, balance FROM credits_book WHERE account_id = %s"


@dataclass(frozen=True)
class Accepted:
    """A line of the message centre: what it accepted, from whom, when, and under which id."""

    id: str
    who: str
    recipient: str
    text: str
    at: datetime


@dataclass(frozen=True)
class Sent:
    """A message as the table has it; `verb` is that of the transfer which ended its hold, "" while it is held."""

    recipient: str
    text: str
    state: str
    reason: str
    price: int
    send_at: datetime
    reference: str
    claim: str
    verb: str


@dataclass(frozen=True)
class Evidence:
    """Both records, the books of the account, and what `verify_ledger` found (nothing, when all adds up)."""

    accepted: Sequence[Accepted]
    messages: Sequence[Sent]
    books: Mapping[str, int]
    differences: str = ""


def accepted(line: str) -> Accepted:
    """A line of the file of the message centre."""
    name, who, recipient, text, microseconds = json.loads(line)
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    return Accepted(name, who, f"+{recipient}", text, at)


def read(url: str, record: Path, account: int, *, differences: str) -> Evidence:
    """All of it, from the database at `url` and the file of the message centre."""
    lines = record.read_text().splitlines()
    with psycopg.connect(url) as database:
        messages = [Sent(*row) for row in database.execute(_MESSAGES)]
        books: dict[str, int] = dict(database.execute(_BOOKS, [account]).fetchall())
    return Evidence([accepted(line) for line in lines], messages, books, differences)


def on_its_way(url: str) -> dict[str, int]:
    """How many messages are neither ended nor unconfirmed, by their state."""
    with psycopg.connect(url, connect_timeout=5) as database:
        return dict(database.execute(_LEFT).fetchall())
