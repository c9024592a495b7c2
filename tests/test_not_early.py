"""Nothing leaves before its moment: by the database's clock, whatever a worker's says, and across clock changes."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from compose import tasks
from compose.changing import change_each
from compose.clock import database_now
from compose.gateways.base import Outcome, Outgoing
from compose.models import Message
from compose.schedule import LocalTimeDoesNotExist, resolve_local
from credits.models import Account
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import at
from tests.gateways_for_tests import ScriptedGateway, scripted_gateway, take_all
from tests.pages import browser_of, read

DEADLINE = 60.0
# Seconds that a worker's clock is ahead.
WRONG = (10.0, -5.0, 0.003, 3600.0, -86_400.0)
# The clocks of Paris in 2026 and 2027, in UTC. Source: IANA time zone database.
CHANGES = ("2026-03-29T01:00", "2026-10-25T01:00", "2027-03-28T01:00", "2027-10-31T01:00")
TICK = timedelta(microseconds=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture
def account(db: None) -> Account:
    """An account with 100 credits."""
    return factories.account()


@pytest.fixture
def gateway() -> Iterator[ScriptedGateway]:
    """The only gateway: it takes all messages until its script says otherwise."""
    with scripted_gateway() as made:
        yield made


# A worker whose clock is wrong


def leave_one_by_one(account: Account) -> dict[str, datetime]:
    """Forty messages that are due within half a second from now, none together; their moments, by their keys."""
    rows = list(factories.submission(account, to=40, now=timezone.now()).messages.all())
    chance, begin = random.Random(7), database_now() + timedelta(seconds=0.1)
    for row in rows:
        row.send_at = row.due_at = begin + timedelta(seconds=chance.uniform(0, 0.4))
    change_each(rows, ["send_at", "due_at"])
    return {str(row.pk): row.send_at for row in rows}


def early(gateway: ScriptedGateway, moments: dict[str, datetime], work: Callable[[], object]) -> dict[str, timedelta]:
    """What left too soon by the database's clock, and by how much; `work` is done until all have left.

    On SQLite that is the machine's clock, which is wrong here for the worker and for the gateway alike.
    """
    left: dict[str, datetime] = {}

    def script(chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        left.update(dict.fromkeys([message.id for message in chunk], database_now()))
        return take_all(chunk)

    gateway.script = script
    # It is the whole world's clock that is frozen or moved there, so it counts what passes by itself.
    end = time.perf_counter() + DEADLINE
    while len(left) < len(moments):
        assert time.perf_counter() < end, f"only {len(left)} have left"
        work()
    return {name: moments[name] - moment for name, moment in left.items() if moment < moments[name]}


def with_a_wrong_clock(task: Callable[[], object]) -> Callable[[], None]:
    """The task as a worker does it whose clock jumps each time."""
    begun, right, chance = time.perf_counter(), timezone.now(), random.Random(11)

    def work() -> None:
        ahead = chance.choice(WRONG) if connection.vendor == "postgresql" else 0.0
        passed = time.perf_counter() - begun
        with time_machine.travel(right + timedelta(seconds=passed + ahead)):
            task()

    return work


def test_a_worker_whose_clock_is_wrong_lets_nothing_leave_early(account: Account, gateway: ScriptedGateway) -> None:
    moments = leave_one_by_one(account)
    assert early(gateway, moments, with_a_wrong_clock(tasks.dispatch_due)) == {}
    # And not because all waited for the last: they left in several goes, as they came to be due.
    assert len(gateway.chunks) > 1


def test_by_a_workers_own_clock_messages_would_leave_early(account: Account, gateway: ScriptedGateway) -> None:
    """The control. On SQLite, whose clock is the machine's, there is no other one to be early by."""
    moments = leave_one_by_one(account)
    found = early(gateway, moments, with_a_wrong_clock(dispatch_due))
    assert bool(found) == (connection.vendor == "postgresql")


def test_a_clock_that_jumps_ends_no_lease(account: Account, gateway: ScriptedGateway) -> None:
    factories.message(account, now=timezone.now())
    swept: list[int] = []

    def slow(chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        if connection.vendor == "postgresql":
            with time_machine.travel(timezone.now() + timedelta(hours=1)):
                swept.append(tasks.sweep())
        return take_all(chunk)

    gateway.script = slow
    tasks.dispatch_due()
    assert not any(swept)
    assert Message.objects.get().state == Message.State.ACCEPTED


# Across changes of clocks


def quarters(zone: ZoneInfo, change: datetime) -> Iterator[datetime]:
    """The moments of all quarters of an hour that the clocks show within two hours of the change, each once."""
    begin = (change - timedelta(hours=2)).astimezone(zone).replace(tzinfo=None)
    for number in range(25):
        wall = begin + timedelta(minutes=15 * number)
        try:
            yield resolve_local(wall.date(), wall.time(), zone).instant
        except LocalTimeDoesNotExist:
            continue


@pytest.mark.parametrize("change", CHANGES)
def test_each_quarter_of_an_hour_leaves_at_its_moment(account: Account, gateway: ScriptedGateway, change: str) -> None:
    changes_at = utc(change)
    moments = sorted(set(quarters(ZoneInfo("Europe/Paris"), changes_at)))
    # In spring an hour is not there; in autumn one comes twice, and cannot be asked for the second time.
    assert len(moments) == (21 if changes_at.month == 3 else 25)
    submitted = changes_at - timedelta(days=3)
    waiting = {
        moment: str(factories.message(account, deferred_to=moment, now=submitted).pk) for moment in reversed(moments)
    }
    for moment in moments:
        assert dispatch_due(clock=at(moment - TICK)) == 0
        assert dispatch_due(clock=at(moment)) == 1
        assert gateway.sent[-1].id == waiting[moment]


@pytest.mark.parametrize("change", CHANGES)
def test_what_the_page_takes_for_the_night_of_the_change_leaves_when_the_clocks_show_it(
    account: Account, gateway: ScriptedGateway, change: str
) -> None:
    zone, changes_at = ZoneInfo("Europe/Paris"), utc(change)
    factories.sender(account)
    night = changes_at.astimezone(zone)
    with time_machine.travel(changes_at - timedelta(days=2), tick=False):
        browser = browser_of(factories.owner(account))
        for wall in ("01:45", "03:15"):
            fields = read(browser.get("/")).form("/").typed(
                recipients="06 12 34 56 78", text=wall, not_commercial="on", when="later",
                date=f"{night:%Y-%m-%d}", time=wall, action="send",
            )  # fmt: skip
            assert browser.post("/", fields).status_code == 302
    shown = {}
    clock = changes_at - timedelta(hours=4)
    while clock < changes_at + timedelta(hours=4):
        if dispatch_due(clock=at(clock)):
            shown[gateway.sent[-1].text] = f"{clock.astimezone(zone):%H:%M}"
        clock += timedelta(minutes=15)
    assert shown == {"01:45": "01:45", "03:15": "03:15"}
