"""How many messages a second a gateway gets, from all workers of all machines together.

Each gateway with `MESSAGES_PER_SECOND` has a line of slots, one after the other (a generic cell rate algorithm: ITU-T
I.371, annex A). What is kept is how far the slots that were taken reach ahead of the clock; it shrinks as time goes by,
and grows by n / rate when n messages are taken. They leave when it has shrunk to nothing: so no two chunks are closer
than the first one's messages need, and after idleness there is no more to catch up than one chunk.

It is kept in Redis, where a script adds to it by the clock of the server, the same for everybody. Where Redis does not
answer it is kept in a row of the database, by the database's clock, with the same rate. A worker that cannot reach
Redis marks the row; everybody looks at the mark once a second and goes there too, until Redis has answered all of them
for a while. So that both lines never run beside each other, the one in the database begins two seconds later: until
then everybody knows, and what was taken of the other one has left. A line that Redis has lost begins one second later.
What is relied on: no more is taken ahead than `room` lets workers claim, about a second.
"""

import logging
import math
import time
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import redis
from django.conf import settings
from django.db import connection
from redis.backoff import NoBackoff
from redis.retry import Retry

from compose.models import GatewayPace

log = logging.getLogger(__name__)

# Of the messages of one second, those that may leave in one go.
AT_ONCE = 0.05
# Seconds: what is claimed ahead, and how far the slots of others may reach before nothing more is claimed.
CLAIM_AHEAD, FULL_AHEAD = 2.0, 1.0
# Seconds: how long Redis may take to answer, and for how long one that did not is not asked again.
PATIENCE, AWAY = 0.5, 5.0
# Seconds: how often the mark of those who cannot reach Redis is looked at, and how long it counts.
LOOK_EVERY, MARK_COUNTS = 1.0, 5.0
# Seconds that a question may be on its way.
ON_THE_WAY = 0.05
# Seconds: how far ahead a line is that Redis has lost or never had, and one that begins in the database.
LOST, BEGINS = FULL_AHEAD, LOOK_EVERY + FULL_AHEAD

# KEYS: the line. ARGV, in microseconds: what is taken (0: only looked at), how far ahead it is at least, and how far
# when there is none. Answers the server's clock and how far ahead the line was. A clock that was set back makes no time
# go by; one that was set forward is what ARGV[2] is for. The key never expires: one that is missing was lost.
SCRIPT = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local kept = redis.call('HMGET', KEYS[1], 'at', 'ahead')
local ahead = tonumber(kept[2] or ARGV[3])
if kept[1] then
  ahead = ahead - math.max(now - tonumber(kept[1]), 0)
end
ahead = math.max(ahead, tonumber(ARGV[2]))
local taken = tonumber(ARGV[1])
if taken > 0 then
  redis.call('HSET', KEYS[1], 'at', string.format('%.0f', now), 'ahead', string.format('%.0f', ahead + taken))
end
return {now, ahead}
"""

# The clock in seconds, read when the row is locked and not when the transaction began, and the larger of two.
CLOCKS = {
    "postgresql": "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS double precision)",
    "sqlite": "((julianday('now') - 2440587.5) * 86400.0)",
}
LARGER = {"postgresql": "GREATEST", "sqlite": "MAX"}


class Slot(NamedTuple):
    """`now` of the clock that all workers share, in seconds, and how long after it the messages may leave."""

    now: float
    wait: float


@dataclass
class _Memory:
    """What this process knows of a gateway, by its own monotonic clock: until when its own slots reach, whether the
    last were in the database, when it looked for the mark of those without Redis, and until when that counts.
    """

    mine_until: float = -math.inf
    in_database: bool = False
    looked_at: float = -math.inf
    follow_until: float = -math.inf


_memories: dict[str, _Memory] = {}
# Of each Redis that did not answer, when it may be asked again.
_ask_again: dict[str, float] = {}


def limited(name: str) -> bool:
    """Whether the gateway has a limit of messages per second."""
    return _rate(name) is not None


def chunk(name: str, size: int) -> int:
    """How many messages may be handed to the gateway in one go, at most `size` and at least one.

    Of what chunks of that size take, no second has more than 5 % and one message above the limit.
    """
    rate = _rate(name)
    return size if rate is None else max(1, min(size, int(rate * AT_ONCE)))


def room(name: str, most: int) -> int:
    """How many messages of the gateway may be claimed now, at most `most`: those that can leave within two seconds.

    At least one, unless others have taken all slots of the coming second: then 0.
    """
    rate = _rate(name)
    if rate is None:
        return most
    ahead = _slot(name, 0.0).wait
    if ahead > FULL_AHEAD:
        return 0
    return min(most, max(1, int((CLAIM_AHEAD - ahead) * rate)))


def take(name: str, count: int) -> float:
    """Take the next `count` slots and return in how many seconds they begin: 0.0, at once.

    Outside any transaction: in one, others would wait for its end.
    """
    if not limited(name):
        return 0.0
    return slot(name, count).wait


def slot(name: str, count: int) -> Slot:
    """As `take`, with the clock by which the slots are given. Raises ValueError for a gateway without a limit."""
    rate = _rate(name)
    if rate is None or count < 1:
        raise ValueError("slots are of a gateway with a limit, one or more of them")
    return _slot(name, count / rate)


def _rate(name: str) -> float | None:
    said = settings.SMS_GATEWAYS.get(name, {}).get("MESSAGES_PER_SECOND")
    return None if said is None else float(said)


def _slot(name: str, taken: float) -> Slot:
    """Take `taken` seconds of the line, or only look at it (0.0); in Redis, and where that is away in the database."""
    memory = _memories.setdefault(name, _Memory())
    asked_at = time.monotonic()
    # Not less than what this process took itself, whatever the place says: it may be another one, or emptied.
    # Less the time that a question takes on its way, which would add up.
    least = max(0.0, memory.mine_until - asked_at - ON_THE_WAY)
    there, found = _answers(), None
    if there and not _followed(name, memory, asked_at):
        if memory.in_database:
            least = _in_database(name, 0.0, least).wait
        found = _in_redis(name, taken, least)
        there = found is not None
    memory.in_database = found is None
    if found is None:
        found = _in_database(name, taken, least, alone=not there)
    if taken:
        memory.mine_until = max(memory.mine_until, asked_at + found.wait + taken)
    return found


# --- Redis ---------------------------------------------------------------------------------------


@cache
def _client(url: str) -> redis.Redis:
    # One try: who waits for it holds messages back. The pool itself finds connections that ended meanwhile.
    return redis.Redis.from_url(
        url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE, retry=Retry(NoBackoff(), 0)
    )


def _answers() -> bool:
    """Whether Redis is there, as far as this process knows. One that was away is asked before it is trusted again, so
    that who cannot reach it goes on saying so.
    """
    url = settings.REDIS_URL
    if not url:
        return False
    again = _ask_again.get(url)
    if again is None:
        return True
    if time.monotonic() < again:
        return False
    # The other threads of this process go on without it meanwhile.
    _ask_again[url] = time.monotonic() + AWAY
    try:
        _client(url).ping()
    except (redis.RedisError, OSError):
        _ask_again[url] = time.monotonic() + AWAY
        return False
    _ask_again.pop(url, None)
    log.info("Redis answers again: the rates of gateways are kept there when it does so for all workers.")
    return True


def _in_redis(name: str, taken: float, least: float) -> Slot | None:
    """None when Redis does not answer."""
    url = settings.REDIS_URL
    client = _client(url)
    try:
        said = client.register_script(SCRIPT)(
            keys=[f"smsmanager:pace:{name}"], args=[_micros(taken), _micros(least), _micros(LOST)]
        )
    except (redis.RedisError, OSError) as error:
        _ask_again[url] = time.monotonic() + AWAY
        log.warning("Redis does not answer (%s): the rates of gateways are kept in the database.", type(error).__name__)
        return None
    now, ahead = (int(one) / 1_000_000 for one in said)
    return Slot(now, ahead)


def _micros(seconds: float) -> int:
    """Rounded up: what is kept is never less than what was meant."""
    return math.ceil(seconds * 1_000_000)


# --- The database --------------------------------------------------------------------------------


def _in_database(name: str, taken: float, least: float, *, alone: bool = False) -> Slot:
    """In one statement; whoever meets another one waits for it at the row."""
    clock, larger = CLOCKS[connection.vendor], LARGER[connection.vendor]
    # Only who takes begins it: who looks whether anything may be claimed must not wait for that.
    begins = BEGINS if alone and taken and settings.REDIS_URL else 0.0
    ahead = (
        f"{larger}(ahead - {larger}({clock} - at, 0), %s, "
        f"CASE WHEN {clock} - alone_at BETWEEN 0 AND %s THEN 0 ELSE %s END)"
    )
    known = [least, _mark_counts(name), begins]
    table = connection.ops.quote_name(GatewayPace._meta.db_table)
    # Names and expressions of our own; every value is a parameter.
    look = f"SELECT {clock}, {ahead} FROM {table} WHERE name = %s"  # noqa: S608
    write = (
        f"UPDATE {table} SET ahead = {ahead} + %s, at = {clock}, "  # noqa: S608
        f"alone_at = CASE WHEN %s THEN {clock} ELSE alone_at END "
        f"WHERE name = %s RETURNING at, ahead - %s"
    )
    make = f"INSERT INTO {table} (name, at, ahead, alone_at) VALUES (%s, {clock}, 0, 0) ON CONFLICT DO NOTHING"  # noqa: S608
    with connection.cursor() as cursor:
        while True:
            if taken:
                cursor.execute(write, [*known, taken, alone, name, taken])
            else:
                cursor.execute(look, [*known, name])
            if row := cursor.fetchone():
                return Slot(row[0], max(0.0, row[1]))
            # The first one here makes the row; of several at once, one does.
            cursor.execute(make, [name])


def _mark_counts(name: str) -> float:
    """For how many seconds the mark of a worker without Redis counts: at a slow gateway it takes slots rarely."""
    return MARK_COUNTS + 2 / (_rate(name) or 1.0)


def _followed(name: str, memory: _Memory, now: float) -> bool:
    """Whether somebody who cannot reach Redis reserves in the database, so that everybody has to."""
    if now < memory.follow_until:
        return True
    if now - memory.looked_at < LOOK_EVERY:
        return False
    clock = CLOCKS[connection.vendor]
    table = connection.ops.quote_name(GatewayPace._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {clock} - alone_at FROM {table} WHERE name = %s", [name])  # noqa: S608
        row = cursor.fetchone()
    memory.looked_at = now
    # One of the future is of a clock that was wrong.
    if row is None or not 0 <= row[0] < _mark_counts(name):
        return False
    memory.follow_until = now + _mark_counts(name) - row[0]
    return True
