"""Counting what gateways said, for the metrics: in the transaction that settles, so that no answer counts twice or
is lost with a process (docs/adr/0012).
"""

import os
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import connection

from compose.gateways.base import (
    Accepted,
    BadConfiguration,
    GatewayError,
    InvalidRecipient,
    NotSent,
    Outcome,
    OutcomeUnknown,
    OutOfFunds,
    Rejected,
    Throttled,
    Unsupported,
)
from compose.models import Tally

# Rows for one figure. Processes take them by their number, so that two rarely wait for each other's commit.
SLOTS = 16
# Upper bounds of the buckets of the time from hand-over to settlement, in seconds; the last row is above all.
BOUNDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
ABOVE = "+Inf"
LABELS = (*map(str, BOUNDS), ABOVE)
ACCEPTED = "accepted"
_WORD_OF: dict[type, str] = {
    kind: kind.reason
    for kind in (
        *(NotSent, Throttled, OutOfFunds, BadConfiguration, Rejected, InvalidRecipient, Unsupported, OutcomeUnknown),
        GatewayError,
    )
}
WORDS = frozenset({ACCEPTED, *_WORD_OF.values()})


def word(outcome: Outcome) -> str:
    """The outcome in a word: "accepted", or the reason that its class has by itself, whatever a vendor added."""
    return _word(type(outcome))


def _word(kind: type) -> str:
    return ACCEPTED if issubclass(kind, Accepted) else next(_WORD_OF[one] for one in kind.__mro__ if one in _WORD_OF)


def settled(gateway: str, said: Iterable[tuple[Outcome, datetime | None]], *, now: datetime) -> None:
    """Count the answers to messages of one chunk, each with the moment of its hand-over; one statement.

    A message that returned to the queue (without that moment) has an outcome and no time of settlement. In a
    transaction call it where the order of locks in `compose.claims` has it: the rows stay locked to its end.
    """
    counts: dict[tuple[str, str], int] = defaultdict(int)
    micros: dict[tuple[str, str], int] = defaultdict(int)
    # Most answers of a chunk are of one kind, and all were handed over at one moment.
    alike = Counter((type(outcome), handed_over_at) for outcome, handed_over_at in said)
    for (kind, handed_over_at), many in alike.items():
        counts[Tally.Kind.OUTCOME, _word(kind)] += many
        if handed_over_at is not None:
            took = max(0.0, (now - handed_over_at).total_seconds())
            bucket = Tally.Kind.SETTLED, LABELS[bisect_left(BOUNDS, took)]
            counts[bucket] += many
            micros[bucket] += many * round(took * 1_000_000)
    if counts:
        slot = os.getpid() % SLOTS
        # Everybody takes the rows in the same order.
        _add([(gateway, *key, slot, counts[key], micros[key]) for key in sorted(counts)])


def _add(rows: list[tuple[str, str, str, int, int, int]]) -> None:
    """Both engines add up in the statement, so that nobody's count is lost."""
    name = connection.ops.quote_name
    table, count, micros = name(Tally._meta.db_table), name("count"), name("micros")
    columns = ", ".join(map(name, ("gateway", "kind", "label", "slot", "count", "micros")))
    key = ", ".join(map(name, ("gateway", "kind", "label", "slot")))
    values: list[Any] = [value for row in rows for value in row]
    with connection.cursor() as cursor:
        # Names of our own table and columns; every value is a parameter.
        cursor.execute(
            f"INSERT INTO {table} ({columns}) VALUES {', '.join(['(%s, %s, %s, %s, %s, %s)'] * len(rows))} "  # noqa: S608
            f"ON CONFLICT ({key}) DO UPDATE SET {count} = {table}.{count} + excluded.{count}, "
            f"{micros} = {table}.{micros} + excluded.{micros}",
            values,
        )
