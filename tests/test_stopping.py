"""A worker that was asked to stop finishes the chunk in its hands; what it claimed besides waits for another one."""

import os
from collections.abc import Iterator, Sequence

import pytest
from celery import signals

from compose import lanes, stopping
from compose.gateways.base import Outcome, Outgoing
from compose.models import HandOver, Message
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import NOON, at
from tests.gateways_for_tests import scripted_gateway, take_all


@pytest.fixture(autouse=True)
def not_asked() -> Iterator[None]:
    assert not stopping.asked()
    yield
    stopping._asked[0] = 0


def test_celery_tells_the_worker_and_the_worker_its_processes() -> None:
    told, tell = os.pipe()
    answer, own = os.pipe()
    # As a process of the worker's pool: forked before anybody asks.
    if (child := os.fork()) == 0:
        os.read(told, 1)
        os.write(own, b"yes" if stopping.asked() else b"no")
        os._exit(0)
    signals.worker_shutting_down.send(sender="worker", sig="TERM", how="Warm", exitcode=0)
    os.write(tell, b".")
    assert os.read(answer, 3) == b"yes"
    os.waitpid(child, 0)
    for end in (told, tell, answer, own):
        os.close(end)


@pytest.mark.django_db
def test_dispatch_finishes_the_chunk_in_hand_and_gives_the_rest_back() -> None:
    with scripted_gateway(batch_size=2) as gateway:
        factories.submission(factories.account(), to=6)

        def stopped_meanwhile(chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
            stopping.ask()
            return take_all(chunk)

        gateway.script = stopped_meanwhile
        dispatch_due(clock=at(NOON))
        assert len(gateway.sent) == 2
        states = list(Message.objects.order_by("pk").values_list("state", "attempts", "claim"))
        assert [state for state, _attempts, _claim in states] == ["accepted"] * 2 + ["scheduled"] * 4
        # Nothing was tried, so nothing counts as a try, and nobody has to wait for a lease.
        assert states[2:] == [("scheduled", 0, None)] * 4
        assert not HandOver.objects.exists()
        # What is due is not even claimed.
        assert lanes.serve(bulk=False, clock=at(NOON)) == 0
        assert len(gateway.sent) == 2
        stopping._asked[0] = 0
        gateway.script = take_all
        dispatch_due(clock=at(NOON))
        assert len(gateway.sent) == 6
