"""The limit of a gateway: slots that follow each other, in Redis and in the database, whatever happens to Redis."""

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest
import redis
from django.db import connection
from django.test import override_settings
from hypothesis import example, given, settings
from hypothesis import strategies as st

from compose import pacing
from compose.models import GatewayPace

# Where no Redis is: nobody listens at port 1 of the loopback.
NOBODY = "redis://127.0.0.1:1/0"
# What a clock of milliseconds may be wrong by.
TICK = 0.002
LINE = "smsmanager:pace:default"
EMPTY: dict[Any, Any] = {"at": 0, "ahead": 0}


@pytest.fixture(autouse=True)
def another_process() -> Iterator[None]:
    """This process remembers nothing of the tests before."""
    forget()
    yield
    forget()


def forget() -> None:
    """As if another process went on: what this one knows by itself is gone."""
    pacing._memories.clear()
    pacing._ask_again.clear()


@contextmanager
def rate(said: float | None, **others: Any) -> Iterator[None]:
    """The gateway "default" has this limit."""
    limit = {} if said is None else {"MESSAGES_PER_SECOND": said}
    with override_settings(SMS_GATEWAYS={"default": {"BACKEND": "none", **limit}}, **others):
        yield


def begun(at_least: float = 0.0) -> None:
    """Both lines are there and nothing of them is taken."""
    GatewayPace.objects.update_or_create(name="default", defaults={"at": 0.0, "ahead": at_least, "alone_at": 0.0})


def departure(count: int) -> float:
    """When the next messages leave, by the clock of the place that gives the slots."""
    slot = pacing.slot("default", count)
    return slot.now + slot.wait


def most_in_a_second(leaving: Sequence[tuple[float, int]]) -> int:
    """Of all windows of one second, both of whose ends count, the one with the most messages."""
    return max(sum(count for at, count in leaving if first <= at <= first + 1) for first, _count in leaving)


# --- What a limit is -----------------------------------------------------------------------------


def test_a_gateway_without_a_limit_takes_everything_and_nobody_is_asked() -> None:
    # No database and no Redis is there in this test.
    with rate(None):
        assert not pacing.limited("default")
        assert pacing.room("default", 500) == 500
        assert pacing.chunk("default", 100) == 100
        assert pacing.take("default", 100) == 0.0
        assert not pacing.limited("nobody")
        with pytest.raises(ValueError, match="with a limit"):
            pacing.slot("default", 1)
    with rate(10), pytest.raises(ValueError, match="one or more"):
        pacing.slot("default", 0)


@pytest.mark.parametrize(
    ("limit", "size", "chunk"), [(0.5, 100, 1), (19, 100, 1), (20, 100, 1), (50, 100, 2), (200, 100, 10), (200, 4, 4)]
)
def test_a_chunk_is_a_twentieth_of_a_second_or_one_message(limit: float, size: int, chunk: int) -> None:
    with rate(limit):
        assert pacing.limited("default")
        assert pacing.chunk("default", size) == chunk


@given(
    limit=st.floats(0.2, 500),
    asked=st.lists(
        st.tuples(st.one_of(st.just(0.0), st.floats(0, 0.3)), st.sampled_from([1, 3, 100])), min_size=1, max_size=60
    ),
)
@example(limit=200.0, asked=[(0.0, 100)] * 60)
def test_no_second_has_more_than_the_limit_and_five_percent(limit: float, asked: list[tuple[float, int]]) -> None:
    """The rule itself, with exact numbers: a line that shrinks as time goes by and grows by what is taken."""
    now, line, leaving = 0.0, 0.0, []
    with rate(limit):
        for later, size in asked:
            now, line = now + later, max(0.0, line - later)
            count = pacing.chunk("default", size)
            leaving.append((now + line, count))
            line += count / limit
    assert most_in_a_second(leaving) <= limit * 1.05 + 1


# --- The two places ------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        # Of the clock, in thousandths of a second: it may be set back and forth.
        st.one_of(st.integers(0, 400), st.integers(-5000, 5000)),
        st.integers(0, 5),
    ),
    max_size=20,
)


def expected(limit: float, steps: Sequence[tuple[int, int]]) -> list[float]:
    """The waits that the rule gives at these moments: a clock that was set back makes no time go by."""
    waits, now, at, ahead = [], 1_000_000.0, 1_000_000.0, 0.0
    for later, count in steps:
        now += later / 1000
        wait = max(0.0, ahead - max(0.0, now - at))
        waits.append(wait)
        if count:
            at, ahead = now, wait + count / limit
    return waits


@given(limit=st.sampled_from([0.5, 7.0, 100.0]), steps=STEPS)
@settings(max_examples=60)
def test_redis_gives_the_slots_of_the_rule(broker: str, limit: float, steps: list[tuple[int, int]]) -> None:
    script = pacing.SCRIPT.replace("redis.call('TIME')", "{ARGV[4], ARGV[5]}")
    assert script != pacing.SCRIPT
    with redis.Redis.from_url(broker) as client:
        run, now, waits = client.register_script(script), 1_000_000_000, []
        client.hset("line", mapping={"at": now * 1000, "ahead": 0})
        for later, count in steps:
            now += later
            said = run(keys=["line"], args=[pacing._micros(count / limit), 0, 0, now // 1000, now % 1000 * 1000])
            waits.append(int(said[1]) / 1_000_000)
        client.delete("line")
    assert waits == pytest.approx(expected(limit, steps), abs=0.0001)


@pytest.mark.django_db
@given(limit=st.sampled_from([0.5, 7.0, 100.0]), steps=STEPS)
@settings(max_examples=60)
def test_the_database_gives_the_slots_of_the_rule(limit: float, steps: list[tuple[int, int]]) -> None:
    now, waits, clocks = 1_000_000.0, [], dict(pacing.CLOCKS)
    GatewayPace.objects.update_or_create(name="default", defaults={"at": now, "ahead": 0.0, "alone_at": 0.0})
    try:
        with rate(limit, REDIS_URL=""):
            for later, count in steps:
                now += later / 1000
                pacing.CLOCKS[connection.vendor] = f"CAST({now!r} AS double precision)"
                slot = pacing._in_database("default", count / limit, 0.0)
                waits.append(slot.wait)
                assert slot.now == pytest.approx(now)
    finally:
        pacing.CLOCKS.update(clocks)
    assert waits == pytest.approx(expected(limit, steps), abs=0.0001)


@pytest.mark.django_db
@pytest.mark.parametrize("place", ["redis", "database"])
def test_slots_follow_each_other_and_what_was_idle_is_not_caught_up(redis_client: redis.Redis, place: str) -> None:
    begun()
    redis_client.hset(LINE, mapping=EMPTY)
    with rate(100, **({} if place == "redis" else {"REDIS_URL": ""})):
        leaving = [departure(5) for _number in range(8)]
        gaps = [after - before for before, after in pairwise(leaving)]
        assert gaps == pytest.approx([0.05] * 7, abs=TICK)
    taken_in_redis = redis_client.hget(LINE, "at") != b"0"
    taken_in_the_database = GatewayPace.objects.get().at > 0
    assert (taken_in_redis, taken_in_the_database) == (place == "redis", place == "database")


@pytest.mark.django_db
@pytest.mark.parametrize("url", [None, ""], ids=["redis", "database"])
def test_there_is_room_for_two_seconds_and_none_behind_a_second_of_others(
    redis_client: redis.Redis, url: str | None
) -> None:
    begun()
    redis_client.hset(LINE, mapping=EMPTY)
    with rate(100, **({} if url is None else {"REDIS_URL": url})):
        assert pacing.room("default", 500) == 200
        assert pacing.room("default", 50) == 50
        pacing.slot("default", 90)
        assert 110 <= pacing.room("default", 500) < 200
        pacing.slot("default", 500)
        assert pacing.room("default", 500) == 0
    forget()
    with rate(0.1, **({} if url is None else {"REDIS_URL": url})):
        redis_client.hset(LINE, mapping=EMPTY)
        begun()
        # One every ten seconds is still one.
        assert pacing.room("default", 500) == 1
        pacing.slot("default", 1)
        assert pacing.room("default", 500) == 0


# --- What happens to Redis -----------------------------------------------------------------------


@pytest.mark.django_db
def test_a_line_that_redis_has_lost_begins_behind_what_was_taken_of_it(redis_client: redis.Redis) -> None:
    redis_client.hset(LINE, mapping=EMPTY)
    with rate(100):
        before = [departure(5) for _number in range(10)]
        redis_client.flushall()
        # Another process, that has never taken a slot: all that is reserved leaves within a second.
        forget()
        assert pacing.room("default", 500) == 100
        after = departure(5)
    assert after >= before[0] + 10 * 0.05
    assert after - before[0] < 2.0


@pytest.mark.django_db
def test_of_an_emptied_redis_everybody_remembers_its_own_slots(redis_client: redis.Redis) -> None:
    with rate(10):
        last = [departure(5) for _number in range(6)][-1]
        redis_client.flushall()
        # Less the time that a question may be on its way.
        assert departure(1) >= last + 0.5 - pacing.ON_THE_WAY - TICK


@pytest.mark.django_db
def test_without_redis_the_database_keeps_the_limit_and_redis_is_asked_rarely() -> None:
    begun()
    asked = threading.Semaphore(0)
    with hanging(asked) as url, rate(100, REDIS_URL=url):
        assert pacing.room("default", 500) == 200
        leaving = [departure(5) for _number in range(8)]
    gaps = [after - before for before, after in pairwise(leaving)]
    assert gaps == pytest.approx([0.05] * 7, abs=TICK)
    # Nine questions, and one waited for a server that says nothing.
    assert asked.acquire(blocking=False)
    assert not asked.acquire(blocking=False)


@contextmanager
def hanging(asked: threading.Semaphore) -> Iterator[str]:
    """A server that takes each connection, notes it, and says nothing; yields the URL of a Redis there."""
    taken = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take() -> None:
            while True:
                try:
                    taken.append(server.accept()[0])
                except OSError:
                    return
                asked.release()

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        try:
            yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(10)
            for one in taken:
                one.close()


@pytest.mark.django_db
def test_who_loses_redis_begins_behind_what_others_take_there_until_they_know(broker: str, redis_client: Any) -> None:
    """Two processes: one that cannot reach Redis any more, and one that can and looks at the mark once a second."""
    begun()
    redis_client.hset(LINE, mapping=EMPTY)
    with rate(100):
        theirs = departure(5)
        memories = dict(pacing._memories)
        forget()
        with override_settings(REDIS_URL=NOBODY):
            assert pacing.room("default", 500) == 200
            ours = departure(5)
            assert GatewayPace.objects.get().alone_at > 0
        # It may have looked a moment before the mark, and take slots of the coming second for a second more.
        assert ours >= theirs + pacing.LOOK_EVERY + pacing.FULL_AHEAD - TICK
        forget()
        pacing._memories.update(memories)
        pacing._memories["default"].looked_at = time.monotonic()
        assert departure(5) < ours
        pacing._memories["default"].looked_at -= pacing.LOOK_EVERY
        # From then on both stand in one line.
        assert departure(5) == pytest.approx(ours + 0.05, abs=TICK)
        with override_settings(REDIS_URL=NOBODY):
            forget()
            assert departure(5) == pytest.approx(ours + 0.1, abs=TICK)


@pytest.mark.django_db
def test_redis_is_trusted_again_when_it_has_answered_everybody_for_a_while(
    broker: str, redis_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun()
    redis_client.hset(LINE, mapping=EMPTY)
    with rate(100):
        pacing._ask_again[broker] = float("inf")
        ours = departure(5)
        # It answers this process again; its own mark still counts.
        pacing._ask_again[broker] = 0.0
        assert departure(5) == pytest.approx(ours + 0.05, abs=TICK)
        assert broker not in pacing._ask_again
        assert redis_client.hget(LINE, "at") == b"0"
        # The mark is old: the line goes on in Redis where the one of the database ended.
        GatewayPace.objects.update(alone_at=0.0)
        memory = pacing._memories["default"]
        memory.follow_until, memory.looked_at, memory.mine_until = 0.0, -pacing.LOOK_EVERY, 0.0
        assert departure(5) == pytest.approx(ours + 0.1, abs=10 * TICK)
        assert redis_client.hget(LINE, "at") != b"0"


@pytest.mark.django_db
def test_a_redis_that_is_still_away_leaves_the_mark_as_fresh_as_it_was() -> None:
    begun()
    with rate(100, REDIS_URL=NOBODY):
        departure(5)
        marked = GatewayPace.objects.get().alone_at
        GatewayPace.objects.update(alone_at=marked - 1)
        # Time to look at the mark and to ask again: it does not answer, and that is said in the same breath.
        pacing._memories["default"].looked_at -= pacing.LOOK_EVERY
        pacing._ask_again[NOBODY] = 0.0
        departure(5)
        assert pacing._ask_again[NOBODY] > 0.0
        assert GatewayPace.objects.get().alone_at > marked - TICK
