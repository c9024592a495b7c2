"""A gateway that is down for an hour: everything waits, and leaves by itself when it is back."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from compose import dispatch, failover
from compose.breakers import LONGEST_REST
from compose.gateways.base import NotSent, Outcome, Outgoing
from compose.models import Message
from credits.models import Account
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import NOON, assert_ledger_adds_up, at
from tests.gateways_for_tests import scripted_gateway, take_all

BACK = NOON + timedelta(hours=1)
STEP = timedelta(seconds=20)


@pytest.mark.django_db
def test_all_wait_and_each_leaves_once_when_it_is_back() -> None:
    account: Account = factories.account(millis=1_000_000)
    factories.submission(account, to=150)
    for _click in range(10):
        factories.submission(account, to=2)
    clock = NOON
    taken: Counter[str] = Counter()

    def script(chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        if clock < BACK:
            return [NotSent("nobody listens")] * len(chunk)
        taken.update(message.id for message in chunk)
        return take_all(chunk)

    with scripted_gateway(batch_size=10) as gateway:
        gateway.script = script
        clock = ticking(clock, until=BACK)
        assert set(Message.objects.values_list("state", flat=True)) == {Message.State.SCHEDULED}
        asked = len(gateway.sent)
        # It rests for longer and longer, ten minutes at the most, and is then tried with one message.
        clock = ticking(clock, until=BACK + timedelta(seconds=LONGEST_REST) + STEP)
        # What was tried and did not leave waits for its own next attempt, which may be a little later.
        clock = ticking(clock, until=clock + timedelta(seconds=failover.LONGEST_RETRY))
    assert set(taken.values()) == {1}
    assert len(taken) == Message.objects.filter(state=Message.State.ACCEPTED).count() == 170
    # An hour cost next to no attempts.
    assert asked < 170
    assert_ledger_adds_up()


def ticking(clock: datetime, *, until: datetime) -> datetime:
    """Workers and the sweeper look at the table until then; returns the moment of the last look."""
    while clock < until:
        dispatch_due(clock=at(clock))
        dispatch.sweep(clock=at(clock))
        clock += STEP
    return clock
