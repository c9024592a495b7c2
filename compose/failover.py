"""What becomes of a message that certainly did not leave: the next gateway at once, or all of them again later.

A round tries each gateway that carries the message, in the order of its routes. `Message.passed_over` holds the names
of those that did not take it in this round, and for good those that said they cannot carry it (with "!" before them).
One that asked for patience has the moment behind it until which it did (seconds since 1970, after "@"): it is not asked
before, whatever the others say meanwhile. What may have left never comes here.
"""

import math
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from compose.gateways.base import NotSent, Throttled, Unsupported
from compose.models import Message
from compose.reasons import known

# The validity of the message ends the attempts; the number of rounds is a bound behind it (every quarter of an hour,
# 62 hours: two days have some 199 of them, a few more or less by the jitter).
MOST_ROUNDS = 250
# Seconds to the next round; doubled each time up to the longest, with jitter so that retries spread.
FIRST_RETRY, LONGEST_RETRY = 5.0, 900.0
_REFUSES, _UNTIL = "!", "@"


def left(row: Message, candidates: Sequence[str]) -> list[str]:
    """Those of `candidates` that have not been tried in this round; all that carry it when each of them has."""
    if not row.passed_over:
        return list(candidates)
    refusing, tried = _read(row)
    carrying = [name for name in candidates if name not in refusing]
    return [name for name in carrying if name not in tried] or carrying


def begin_again(row: Message, now: datetime) -> datetime:
    """Begin a new round and return the moment for it; `now` when no gateway was tried in this one."""
    refusing, tried = _read(row)
    if not tried:
        return now
    moment, patient = _next_round(row, tried, now)
    _write(row, refusing, patient)
    return moment


def go_on(row: Message, outcome: NotSent | Unsupported, candidates: Sequence[str], now: datetime) -> str:
    """Put the next attempt into `row`; "" then, else the reason (a word of compose/reasons.py) for which it fails."""
    refusing, tried = _read(row)
    if isinstance(outcome, Unsupported):
        refusing.add(row.gateway)
    else:
        patience = outcome.retry_after if isinstance(outcome, Throttled) else 0.0
        tried[row.gateway] = math.ceil(now.timestamp() + patience) if patience else 0
    row.reason = known(outcome.reason)
    if all(name in refusing for name in candidates):
        return row.reason
    if any(name not in refusing and name not in tried for name in candidates):
        row.due_at = now
    else:
        asked = {name: until for name, until in tried.items() if name in candidates and name not in refusing}
        row.due_at, tried = _next_round(row, asked, now)
    _write(row, refusing, tried)
    if row.attempts >= most_attempts(row, candidates):
        return "too_many_attempts"
    return "" if row.due_at < row.valid_until else "validity_over"


def _next_round(row: Message, tried: Mapping[str, int], now: datetime) -> tuple[datetime, dict[str, int]]:
    """When the first of these is asked again, and those that want to be left alone for longer."""
    least = now + _delay(row.attempts, len(tried))
    moments = {name: max(least, datetime.fromtimestamp(until, UTC)) for name, until in tried.items()}
    first = min(moments.values())
    return first, {name: until for name, until in tried.items() if moments[name] > first}


def most_attempts(row: Message, candidates: Sequence[str]) -> int:
    """How many attempts the message has at the most: MOST_ROUNDS by each of `candidates` that can carry it."""
    refusing, _tried = _read(row)
    return MOST_ROUNDS * max(1, sum(name not in refusing for name in candidates))


def _delay(attempts: int, tried: int) -> timedelta:
    """The wait after so many attempts, of which each round has as many as gateways were `tried` in this one."""
    rounds = -(-attempts // max(1, tried))
    seconds = min(FIRST_RETRY * 2 ** min(rounds - 1, 20), LONGEST_RETRY)
    return timedelta(seconds=seconds * random.uniform(0.8, 1.2))  # noqa: S311


def _read(row: Message) -> tuple[set[str], dict[str, int]]:
    """The gateways that cannot carry the message, and those that did not take it in this round.

    Each of these with the moment until which it asked for patience, 0 for none.
    """
    refusing, tried = set(), {}
    for name in row.passed_over.split():
        if name[0] == _REFUSES:
            refusing.add(name[1:])
        else:
            gateway, _until, moment = name.partition(_UNTIL)
            tried[gateway] = int(moment or 0)
    return refusing, tried


def _write(row: Message, refusing: set[str], tried: Mapping[str, int]) -> None:
    asked = (f"{name}{_UNTIL}{until}" if until else name for name, until in tried.items())
    row.passed_over = " ".join(sorted(_REFUSES + name for name in refusing) + sorted(asked))
