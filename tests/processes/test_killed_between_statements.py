"""Processes killed (SIGKILL) between any two statements: charged once, sent once, held for no longer than it may be.

The points are counted, not chosen: each test goes from the first statement to the end, each time on a new piece of
work, and looks at what the workers that live on make of what is left. tests/test_ledger_crashes.py does the same
inside one process; here the database itself learns that somebody is gone.
"""

import json
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from compose import dispatch
from compose.models import GatewayState, HandOver, Message, Route, Submission, Transition, may_move
from compose.services import submit
from credits.models import Account
from tests import factories
from tests.dispatching import dispatch_due
from tests.events import arrive
from tests.factories import NOON, assert_ledger_adds_up, at, balances, mobile
from tests.fixtures.databases import FreshDatabase
from tests.gateways_for_tests import scripted_gateways
from tests.processes.killed import ANSWERS, CHUNK, LOOKS, recording, refusal

pytestmark = pytest.mark.processes

DEADLINE = 30.0
# More points than any of this has.
MANY = 200
AFTER_LEASE = timedelta(seconds=121)
# What was not sent is tried again at the second moment; at the third nobody waits for an unconfirmed message any more.
MOMENTS = (AFTER_LEASE, AFTER_LEASE + timedelta(hours=1), timedelta(days=10))
# Of a gateway that rests one message is tried at the first moment, and at the second the others follow.
AFTER_REST = (timedelta(seconds=160), timedelta(seconds=170), *MOMENTS[1:])
FULL = 1_000_000_000
TO = 4


@dataclass
class House:
    """An installation on a database of its own, and a process beside it that starts others and lets them die."""

    server: subprocess.Popen[str]
    account: Account
    record: Path
    # Each piece of work has a time of its own, so that what one left is over before the next begins.
    now: datetime = NOON

    def dies(self, work: str, before: int, **values: Any) -> bool:
        """Do the work in a process that is killed before this point; False when it ended before that."""
        order = {
            "work": work,
            "before": before,
            "values": {"now": self.now.isoformat(), "record": str(self.record)} | values,
        }
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.write(json.dumps(order) + "\n")
        self.server.stdin.flush()
        ended = json.loads(self.server.stdout.readline())
        assert ended in ({"signal": signal.SIGKILL, "code": 0}, {"signal": 0, "code": 0})
        forgotten()
        return bool(ended["signal"])

    def live_on(self, *gateways: str, moments: Sequence[timedelta] = MOMENTS) -> None:
        """What the workers do that are still there: sweep, and look at what is due; their gateways take all."""
        with scripted_gateways(**{name: {"batch_size": CHUNK} for name in gateways or ["default"]}) as made:
            for gateway in made.values():
                gateway.script = recording(self.record, ANSWERS[:1])
            for later in moments:
                if not Message.objects.filter(state__in=Message.HELD).exists():
                    break
                dispatch.sweep(clock=at(self.now + later))
                dispatch_due(clock=at(self.now + later))

    def noted(self) -> dict[str, Counter[str]]:
        """What the gateway got, by the number of the message: how often, and what it answered."""
        found: dict[str, Counter[str]] = {}
        for line in self.record.read_text().splitlines():
            number, _space, answer = line.partition(" ")
            found.setdefault(number, Counter())[answer] += 1
        return found

    def unsound(self) -> list[str]:
        """What is wrong in the end: sent twice, charged unsent, unended."""
        noted, wrong = self.noted(), []
        messages = list(Message.objects.select_related("hold_ended_by").order_by("pk"))
        for message in messages:
            got = noted.get(str(message.pk), Counter())
            # What the gateway says it certainly did not send may be handed over again.
            if got.total() - got["not sent"] > 1:
                wrong.append(f"{message} was handed over again: {got}")
            ended = message.hold_ended_by
            if ended is None:
                wrong.append(f"{message} is held for ever")
            elif ended.verb == "capture" and not got["accepted"]:
                wrong.append(f"{message} is charged, and the gateway never took it: {got}")
        paid = sum(message.price for message in messages if paid_for(message))
        if balances(self.account) != {"available": FULL - paid, "held": 0, "spent": paid}:
            wrong.append(f"{paid} is the price of what was taken, the books say {balances(self.account)}")
        return wrong

    def every_point(
        self,
        begin: Callable[[int], bool],
        after: Callable[[bool], None],
        *,
        until: Callable[[], bool] = lambda: False,
    ) -> int:
        """Begin anew, die at point 0, 1, 2…, look each time at what becomes of it, and return how many they are."""
        for number in range(MANY):
            killed = begin(number)
            after(killed)
            assert_ledger_adds_up()
            self.now += timedelta(days=60)
            if not killed or until():
                return number
        raise AssertionError("it never comes to its end")


def paid_for(message: Message) -> bool:
    ended = message.hold_ended_by
    return ended is not None and ended.verb == "capture" and message.refunded_by_id is None


def unlawful(submission: Submission) -> list[str]:
    """The messages that came to their states by other ways than the state machine has."""
    wrong = []
    for message in submission.messages.order_by("pk"):
        way = ["scheduled", *message.transitions.order_by("pk").values_list("state", flat=True)]
        # What waits may be told to wait longer; any other state is come to once and noted once.
        lawful = all(may_move(*pair) or pair == ("scheduled", "scheduled") for pair in pairwise(way))
        if not lawful or way[-1] != message.state:
            wrong.append(f"{message}: {' > '.join(way)}")
    return wrong


def forgotten() -> None:
    """Wait until the database has noticed who is gone; on SQLite the locks of a process end with it."""
    end = time.monotonic() + DEADLINE
    while connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
            if cursor.fetchone() == (0,):
                break
        assert time.monotonic() < end, "the connection of a killed process is still there"
        time.sleep(0.005)


@pytest.fixture
def house(fresh_database: FreshDatabase, tmp_path: Path) -> Iterator[House]:
    account = factories.account(millis=FULL)
    factories.sender(account)
    with (tmp_path / "said").open("w+") as said:
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.processes.killed"],
            env=fresh_database.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
        record = tmp_path / "record"
        record.touch()
        try:
            yield House(server, account, record)
        finally:
            server.communicate(timeout=DEADLINE)
            said.seek(0)
            sys.stderr.write(said.read())


def test_killed_while_submitting_it_is_there_once_when_the_person_asks_again(house: House) -> None:
    keys: list[uuid.UUID] = []

    def begin(number: int) -> bool:
        keys.append(uuid.uuid4())
        return house.dies("submit", number, account=house.account.pk, to=TO, request_key=str(keys[-1]))

    def after(_killed: bool) -> None:
        assert_ledger_adds_up()
        draft = factories.draft(house.account, to=TO, request_key=keys[-1])
        submission, _new = submit(draft, now=house.now)
        assert Submission.objects.get(request_key=keys[-1]) == submission
        assert submission.messages.count() == TO
        assert balances(house.account)["held"] == submission.price
        house.live_on()
        assert house.unsound() == []

    assert house.every_point(begin, after) > 8


def test_killed_while_sending_nothing_leaves_twice_or_stays_held(house: House) -> None:
    """Claim, hand-over, the gateway's own moment and the settling, twice over: the gateway takes two at once."""

    def begin(number: int) -> bool:
        factories.submission(house.account, to=TO, now=house.now)
        return house.dies("dispatch", number)

    def after(killed: bool) -> None:
        assert_ledger_adds_up()
        house.live_on()
        assert house.unsound() == []
        ends.update(Message.objects.filter(submission=Submission.objects.latest("pk")).values_list("state", flat=True))

    ends: set[str] = set()
    assert house.every_point(begin, after) > 20
    assert ends == {"accepted", "failed", "expired"}
    assert {answer for got in house.noted().values() for answer in got} == {name for name, _answer in ANSWERS}


def test_killed_while_two_gateways_are_served_at_once_and_one_of_them_rests_everything_leaves_in_the_end(
    house: House,
) -> None:
    """What is given back, to wait for a gateway or for another worker, and the one message that tries a gateway."""
    Route.objects.create(gateway="other", region="BE")
    french, belgian = ", ".join(mobile(number) for number in range(4)), "+32470123456, +32470123457"

    def begin(number: int) -> bool:
        with scripted_gateways(default={}, other={}):
            factories.submission(house.account, to=f"{french}, {belgian}", now=house.now)
        return house.dies("lanes", number)

    def after(killed: bool) -> None:
        assert_ledger_adds_up()
        last = Submission.objects.latest("pk")
        if not killed:
            # Two that it did not take, two given back unasked; then one given back by who was asked to stop.
            notes = Transition.objects.filter(message__submission=last).order_by("pk")
            returned = notes.filter(state="scheduled").values_list("reason", flat=True)
            assert list(returned) == ["gateway_unreachable"] * 4 + [""]
            for seconds in LOOKS[1:]:
                assert notes.filter(state="sending", at=house.now + timedelta(seconds=seconds)).count() == 1
        house.live_on("default", "other", moments=AFTER_REST)
        assert house.unsound() == []
        assert unlawful(last) == []
        # What may have left is not handed over by anybody: of each gateway the chunk that was in its hands.
        ends = Counter(last.messages.values_list("gateway", "state"))
        assert {state for _gateway, state in ends} <= {"accepted", "expired"}
        assert ends["default", "expired"] <= CHUNK
        assert set(GatewayState.objects.values_list("state", flat=True)) == {"closed"}

    assert house.every_point(begin, after) > 40


def test_without_the_mark_of_the_hand_over_it_would_leave_twice(house: House) -> None:
    """The control: the mark is forgotten, and the check above sees what comes of that."""

    def begin(number: int) -> bool:
        factories.submission(house.account, to=TO, now=house.now)
        return house.dies("dispatch", number)

    wrong: list[str] = []

    def after(_killed: bool) -> None:
        HandOver.objects.all().delete()
        house.live_on()
        wrong.extend(house.unsound())

    house.every_point(begin, after, until=lambda: bool(wrong))
    assert "was handed over again" in wrong[0]


def test_killed_while_cancelling_it_is_given_back_once(house: House) -> None:
    def begin(number: int) -> bool:
        waiting = factories.submission(house.account, to=2, now=house.now, deferred_to=house.now + timedelta(days=1))
        return house.dies("cancel", number, submission=waiting.pk)

    def after(_killed: bool) -> None:
        last = Submission.objects.latest("pk")
        states = set(last.messages.values_list("state", flat=True))
        assert states in ({"scheduled"}, {"cancelled"})
        assert house.dies("cancel", MANY, submission=last.pk) is False
        assert balances(house.account) == {"available": FULL, "held": 0, "spent": 0}

    assert house.every_point(begin, after) > 5


def test_killed_while_a_report_gives_back_the_price_it_is_given_back_once(house: House) -> None:
    def begin(number: int) -> bool:
        message = factories.message(house.account, now=house.now)
        house.live_on()
        message.refresh_from_db()
        assert message.state == "accepted"
        return house.dies("report", number, message=message.pk)

    def after(_killed: bool) -> None:
        message = Message.objects.latest("pk")
        # The operator says it again.
        arrive(refusal(message.pk, house.now), now=house.now)
        message.refresh_from_db()
        assert (message.state, message.refunded_by is not None) == ("undelivered", True)
        assert house.unsound() == []

    assert house.every_point(begin, after) > 8


def test_killed_while_sweeping_the_next_sweep_ends_it(house: House) -> None:
    def begin(number: int) -> bool:
        factories.submission(house.account, to=TO, now=house.now)
        marked = uuid.uuid4()
        HandOver.objects.create(claim=marked, at=house.now)
        # Claimed, also handed over, also by a worker of the version before the marks, given up by everybody.
        Message.objects.filter(state=Message.State.SCHEDULED).update(
            state="sending",
            claim=uuid.uuid4(),
            leased_until=house.now,
            gateway="default",
            originator="BoulMartin",
            attempts=1,
        )
        last = Submission.objects.latest("pk").messages.order_by("pk")
        last.filter(pk=last[1].pk).update(claim=marked)
        last.filter(pk__gt=last[1].pk).update(claim=uuid.uuid4(), handed_over_at=house.now)
        last.filter(pk__gt=last[2].pk).update(state="unconfirmed", valid_until=house.now - timedelta(days=8))
        return house.dies("sweep", number)

    def after(_killed: bool) -> None:
        assert_ledger_adds_up()
        house.live_on()
        assert house.unsound() == []
        # What may have left is not handed over by anybody.
        ends = Submission.objects.latest("pk").messages.order_by("pk").values_list("state", flat=True)
        assert list(ends) == ["accepted", "expired", "expired", "expired"]

    assert house.every_point(begin, after) > 6
