"""What becomes of a message that certainly did not leave: the next gateway at once, or all of them again later.

A round tries each gateway that carries the message, in the order of its routes. `Message.passed_over` holds the names
of those that did not take it in this round, and for good those that said they cannot carry it (with "!" before them).
What may have left never comes here.
"""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from compose.gateways.base import NotSent, Throttled, Unsupported
from compose.models import Message
from compose.reasons import known

# The validity of the message ends the attempts; the number of rounds is a bound behind it (every quarter of an hour,
# 50 hours).
MOST_ROUNDS = 200
# Seconds to the next round; doubled each time up to the longest, with jitter so that retries spread.
FIRST_RETRY, LONGEST_RETRY = 5.0, 900.0
_REFUSES = "!"


def left(row: Message, candidates: Sequence[str]) -> list[str]:
    """Those of `candidates` that have not been tried in this round; all that carry it when each of them has."""
    refusing, tried = _read(row)
    carrying = [name for name in candidates if name not in refusing]
    return [name for name in carrying if name not in tried] or carrying


def begin_again(row: Message, now: datetime) -> datetime:
    """Begin a new round and return the moment for it; `now` when no gateway was tried in this one."""
    refusing, tried = _read(row)
    _write(row, refusing, set())
    return now + _delay(row.attempts, len(tried)) if tried else now


def go_on(row: Message, outcome: NotSent | Unsupported, candidates: Sequence[str], now: datetime) -> str:
    """Put the next attempt into `row`; "" then, else the reason (a word of compose/reasons.py) for which it fails."""
    refusing, tried = _read(row)
    (refusing if isinstance(outcome, Unsupported) else tried).add(row.gateway)
    row.reason = known(outcome.reason)
    if all(name in refusing for name in candidates):
        return row.reason
    if any(name not in refusing | tried for name in candidates):
        row.due_at = now
    else:
        delay = _delay(row.attempts, len(tried))
        if isinstance(outcome, Throttled):
            delay = max(delay, timedelta(seconds=outcome.retry_after))
        row.due_at = now + delay
        tried = set()
    _write(row, refusing, tried)
    if row.attempts >= MOST_ROUNDS * max(1, len(candidates)):
        return "too_many_attempts"
    return "" if row.due_at < row.valid_until else "validity_over"


def _delay(attempts: int, tried: int) -> timedelta:
    """The wait after so many attempts, of which each round has as many as gateways were `tried` in this one."""
    rounds = -(-attempts // max(1, tried))
    seconds = min(FIRST_RETRY * 2 ** min(rounds - 1, 20), LONGEST_RETRY)
    return timedelta(seconds=seconds * random.uniform(0.8, 1.2))  # noqa: S311


def _read(row: Message) -> tuple[set[str], set[str]]:
    """The gateways that cannot carry the message, and those that did not take it in this round."""
    names = row.passed_over.split()
    return {name[1:] for name in names if name[0] == _REFUSES}, {name for name in names if name[0] != _REFUSES}


def _write(row: Message, refusing: set[str], tried: set[str]) -> None:
    row.passed_over = " ".join(sorted(_REFUSES + name for name in refusing) + sorted(tried))
