"""What a gateway with a limit gets, from several workers that have more for it than it may get."""

import threading
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
import redis
from django.conf import settings
from django.test import override_settings
from django.utils import timezone

from compose import dispatch, pacing
from compose.gateways.base import Outcome, Outgoing
from compose.models import Message
from compose.queues import Queue
from tests import factories
from tests.factories import assert_ledger_adds_up
from tests.fixtures.databases import FreshDatabase
from tests.gateways_for_tests import ScriptedGateway, scripted_gateway, take_all
from tests.threads import at_once

RATE, MESSAGES, WORKERS = 100, 300, 2
# A window of one second holds that much more when a chunk came so late, and this machine may do other things too.
LATE = 0.04


class Got(NamedTuple):
    """A chunk as the gateway got it: `turn`, when it was to leave, `asked`, when that was asked, and `at`."""

    at: float
    turn: float
    asked: float
    size: int


@pytest.fixture
def gateway(redis_client: redis.Redis) -> Iterator[ScriptedGateway]:
    """The only gateway, with a limit; nothing is known of it and nothing of it is taken."""
    pacing._memories.clear()
    pacing._ask_again.clear()
    empty: dict[Any, Any] = {"at": 0, "ahead": 0}
    redis_client.hset("smsmanager:pace:default", mapping=empty)
    with scripted_gateway(batch_size=100) as made:
        limited = {**settings.SMS_GATEWAYS["default"], "MESSAGES_PER_SECOND": RATE}
        with override_settings(SMS_GATEWAYS={"default": limited}):
            yield made


def test_two_workers_keep_the_limit_to_within_five_percent(
    fresh_database: FreshDatabase, gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    got: list[Got] = []
    turn = threading.local()

    def slot(name: str, count: int) -> pacing.Slot:
        found = given(name, count)
        turn.slot = found
        return found

    def script(chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        got.append(Got(time.time(), turn.slot.now + turn.slot.wait, turn.slot.now, len(chunk)))
        return take_all(chunk)

    def work() -> int:
        claimed = 0
        while Message.objects.filter(state="scheduled").exists():
            claimed += dispatch.serve(Queue("default", True))[0]
        return claimed

    given = pacing.slot
    monkeypatch.setattr(pacing, "slot", slot)
    gateway.script = script
    factories.submission(factories.account(millis=1_000_000), to=MESSAGES, now=timezone.now())
    claimed = at_once([work] * WORKERS)
    assert sum(claimed) == MESSAGES
    assert {(state, count) for state, count in _states()} == {("accepted", MESSAGES)}
    assert_ledger_adds_up()

    got.sort()
    # Nothing before its turn (but for the microseconds that are rounded), and no turns closer than the limit says.
    assert all(one.at > one.turn - 0.001 for one in got)
    assert most_in_a_second([(one.turn, one.size) for one in got]) <= RATE * 1.05 + 1
    late = sum(one.size for one in got if one.at - one.turn > LATE)
    assert most_in_a_second([(one.at, one.size) for one in got]) <= RATE * 1.05 + 1 + late
    # The whole takes what the limit says, apart from the time in which nobody had asked for the next turn.
    turns = sorted(got, key=lambda one: one.turn)
    nobody = sum(max(0.0, after.asked - before.turn - before.size / RATE) for before, after in pairwise(turns))
    whole = turns[-1].turn - turns[0].turn - nobody
    assert whole == pytest.approx((MESSAGES - turns[-1].size) / RATE, rel=0.05)


def _states() -> list[tuple[str, int]]:
    states = list(Message.objects.values_list("state", flat=True))
    return [(state, states.count(state)) for state in set(states)]


def most_in_a_second(leaving: Sequence[tuple[float, int]]) -> int:
    """Of all windows of one second, both of whose ends count, the one with the most messages."""
    return max(sum(count for at, count in leaving if first <= at <= first + 1) for first, _count in leaving)
