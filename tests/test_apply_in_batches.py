"""Reports applied many at once: as one by one, with few statements, and none of them stops the others."""

import contextlib
import random
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import DatabaseError, OperationalError, connection
from django.test.utils import CaptureQueriesContext

from compose import delivery, vendor_codes
from compose.gateways.base import OutcomeUnknown, Report
from compose.models import GatewayEvent, Message, Transition, VendorCode
from compose.services import keep_unreadable, store_events
from credits.models import Account, Transfer
from inbox import pruning, services
from inbox.models import Received
from inbox.tasks import prune_events
from tests import factories
from tests.dispatching import dispatch_due
from tests.events import LATER, about, answer, arrive, report, sent
from tests.factories import NOON, assert_ledger_adds_up, at, balances
from tests.fixtures.databases import FreshDatabase
from tests.gateways_for_tests import ScriptedGateway, scripted_gateway
from tests.threads import at_once

State = Message.State


@pytest.fixture
def account(db: None) -> Account:
    """An account with 100 credits."""
    return factories.account()


@pytest.fixture(autouse=True)
def gateway() -> Iterator[ScriptedGateway]:
    """The only gateway: it takes all messages until its script says otherwise."""
    with scripted_gateway() as made:
        yield made


def taken(account: Account, count: int) -> list[Message]:
    """So many messages that the gateway took."""
    submission = factories.submission(account, to=count)
    dispatch_due(clock=at(NOON))
    return list(submission.messages.order_by("pk"))


def doubtful(account: Account, gateway: ScriptedGateway, count: int) -> list[Message]:
    """So many messages of which nobody knows whether they left."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(gateway, "script", lambda chunk: [OutcomeUnknown("lost")] * len(chunk))
        return taken(account, count)


def stored(*reports: Report, now: Any = LATER) -> None:
    with time_machine.travel(now, tick=False):
        store_events("default", reports, now=now)


def unknown(count: int, *, since: int = 0) -> list[Report]:
    return [
        Report(key=f"unknown-{number}", reference=f"nobody-{number}", status="delivered", at=LATER)
        for number in range(since, since + count)
    ]


def results() -> Counter[str]:
    return Counter(GatewayEvent.objects.values_list("result", flat=True))


def queries_of(work: Any) -> int:
    with CaptureQueriesContext(connection) as queries:
        work()
    return len(queries)


def test_a_batch_takes_as_many_statements_for_many_reports_as_for_few(db: None, gateway: ScriptedGateway) -> None:
    account, counts = factories.account(millis=10**6), []
    for size in (12, 60):
        plain, unsure = taken(account, size), doubtful(account, gateway, size // 2)
        said = ["delivered", "rejected", "undelivered"]
        reports = [about(message, said[number % 3]) for number, message in enumerate(plain)]
        # Each of these is accepted, then delivered or refused: two moves of one message in one batch.
        for number, message in enumerate(unsure):
            late = {"reference": f"late-{message.pk}", "message_id": str(message.pk)}
            reports += [report("accepted", **late), report(said[number % 2], **late), report("expired", **late)]
        reports += unknown(size, since=size * 1000)
        reports += [report("delivered", message_id=str(message.pk)) for message in plain]
        stored(*reports)
        counts.append(queries_of(lambda: services.apply_waiting(clock=at(LATER))))
        assert [row.state for row in Message.objects.filter(pk__in=[one.pk for one in plain]).order_by("pk")] == [
            "delivered" if number % 3 == 0 else "undelivered" for number in range(size)
        ]
        assert not Message.objects.filter(state=State.UNCONFIRMED).exists()
        assert_ledger_adds_up()
    assert counts[0] == counts[1]
    assert counts[0] < 60


STATUSES = ["accepted", "delivered", "undelivered", "rejected", "expired", "blocked", "unknown"]


@pytest.mark.parametrize("seed", range(6))
def test_a_batch_ends_as_the_same_reports_one_by_one(account: Account, gateway: ScriptedGateway, seed: int) -> None:
    chance = random.Random(seed)
    others = factories.account()
    ends = []
    for size in (1, 500):
        messages = [*taken(account, 4), *doubtful(others, gateway, 4), *doubtful(account, gateway, 2)]
        chance.seed(seed)
        reports = []
        for _report in range(40):
            place = chance.randrange(len(messages))
            message, status = messages[place], chance.choice(STATUSES)
            name = f"ref-{message.pk}" if place < 4 else f"late-{message.pk}"
            reports.append(report(status, reference=name, message_id=chance.choice(["", str(message.pk)])))
        before = balances(account)["available"], balances(others)["available"], Transition.objects.count()
        stored(*reports)
        while services.apply_waiting(clock=at(LATER), size=size):
            pass
        # Time: a report that comes before the one that names the message waits in both, however they are batched.
        services.apply_waiting(clock=at(LATER + timedelta(minutes=1)), size=size)
        rows = [Message.objects.get(pk=message.pk) for message in messages]
        after = balances(account)["available"], balances(others)["available"], Transition.objects.count()
        moved = [b - a for a, b in zip(before, after, strict=True)]
        ends.append(([(row.state, row.reason, row.cost) for row in rows], moved))
        assert_ledger_adds_up()
        GatewayEvent.objects.all().delete()
        for row in rows:
            factories.assert_message(row, row.state, row.reason)
    assert ends[0] == ends[1]


def test_one_report_that_cannot_be_applied_stops_no_other(account: Account, caplog: pytest.LogCaptureFixture) -> None:
    messages = taken(account, 30)
    stored(*(about(message, "rejected") for message in messages[:17]))
    GatewayEvent.objects.create(gateway="default", key="poison", kind="report", payload={}, look_at=LATER)
    stored(*(about(message, "delivered") for message in messages[17:]))
    assert services.apply_waiting(clock=at(LATER)) == 30
    assert results() == {"applied": 30, "": 1}
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        f"The event {GatewayEvent.objects.get(key='poison').pk} could not be applied; it is looked at again later"
    ]
    assert_ledger_adds_up()
    later = LATER + timedelta(days=8)
    services.apply_waiting(clock=at(later))
    assert GatewayEvent.objects.get(key="poison").result == "failed"


def test_a_statement_that_fails_once_for_a_batch_leaves_nothing_of_it_half_done(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = taken(account, 8)
    stored(*(about(message, "rejected") for message in messages))
    original, calls = Transition.objects.bulk_create, []

    def fails_for_many(rows: Any, *args: Any, **named: Any) -> Any:
        made = list(rows)
        calls.append(len(made))
        if len(made) > 2:
            raise DatabaseError("no")
        return original(made, *args, **named)

    monkeypatch.setattr(Transition.objects, "bulk_create", fails_for_many)
    assert services.apply_waiting(clock=at(LATER)) == 8
    assert calls[:3] == [8, 4, 2]
    assert balances(account) == factories.FULL
    assert Transfer.objects.filter(verb="refund").count() == 8
    assert_ledger_adds_up()


def test_ten_thousand_reports_with_unknown_ids_keep_nobody_waiting(account: Account) -> None:
    (message,) = taken(account, 1)
    stored(*unknown(10_000), about(message, "delivered"))
    # The genuine one is the last that was stored, and is applied in the same turn.
    with CaptureQueriesContext(connection) as queries:
        assert services.apply_waiting(clock=at(LATER)) == 1
    assert len(queries) < 21 * 12
    factories.assert_message(message, State.DELIVERED)
    assert not GatewayEvent.objects.filter(look_at__lte=LATER, applied_at=None).exists()


def test_what_is_new_goes_before_what_was_looked_at_in_vain_and_leaves_it_its_share(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MOST_BATCHES", 1)
    early, fresh = factories.message(account), sent(account, to="06 12 34 56 70")
    stored(about(early, "delivered"), *unknown(500))
    services.apply_waiting(clock=at(LATER), size=1000)
    # All of them have their next look at the same moment, and one report is new: it is in the first batch.
    again = LATER + timedelta(seconds=2)
    stored(about(fresh, "delivered"), now=again)
    assert services.apply_waiting(clock=at(again), size=10) == 1
    factories.assert_message(fresh, State.DELIVERED)
    # However much is new, those that were early have their look: a quarter of each batch is theirs.
    dispatch_due(clock=at(again))
    stored(*unknown(500, since=1000), now=again)
    turns = 0
    while Message.objects.get(pk=early.pk).state != State.DELIVERED:
        services.apply_waiting(clock=at(again), size=10)
        turns += 1
    assert turns <= 2
    services.apply_waiting(clock=at(LATER + timedelta(hours=25)), size=2000)
    assert results() == {"unknown": 1000, "applied": 2}


def test_a_look_at_unknown_reports_takes_the_same_statements_for_many_as_for_few(account: Account) -> None:
    counts = []
    for size in (5, 400):
        stored(*unknown(size, since=size * 1000))
        counts.append(queries_of(lambda: services.apply_waiting(clock=at(LATER))))
    assert counts[0] == counts[1]
    assert counts[0] < 12


def test_codes_in_no_table_are_counted_once_for_each_report(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    (message,) = taken(account, 1)
    told = [
        Report(key=f"coded-{number}", reference=reference, status="undelivered", code=code, at=LATER)
        for number, (reference, code) in enumerate(
            [(f"ref-{message.pk}", "E42"), ("nobody", "E42"), ("x", "E7"), ("y", "")]
        )
    ]
    stored(*told)
    for seconds in (0, 2, 60):
        services.apply_waiting(clock=at(LATER + timedelta(seconds=seconds)))
    assert dict(VendorCode.objects.filter(where="report").values_list("code", "count")) == {"E42": 2, "E7": 1}

    def broken(*_said: Any, **_named: Any) -> None:
        raise DatabaseError("no")

    monkeypatch.setattr(vendor_codes, "seen", broken)
    other = taken(account, 1)[0]
    stored(Report(key="more", reference=f"ref-{other.pk}", status="delivered", code="E1", at=LATER))
    assert services.apply_waiting(clock=at(LATER)) == 1
    factories.assert_message(other, State.DELIVERED)


@pytest.mark.parametrize("in_order", [True, False])
def test_batches_that_move_the_credits_of_the_same_accounts_wait_for_each_other_in_no_circle(
    fresh_database: FreshDatabase, gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch, in_order: bool
) -> None:
    """One captures for the first account and refunds the second, the other the other way round.

    Without the books locked beforehand PostgreSQL ends one of them (SQLite has one writer anyway).
    """
    accounts = [factories.account(), factories.account()]
    plain = [taken(account, 1)[0] for account in accounts]
    unsure = [doubtful(account, gateway, 1)[0] for account in accounts]
    batches = []
    for captured, refunded in ((0, 1), (1, 0)):
        row = unsure[captured]
        said = [
            report("delivered", reference=f"late-{row.pk}", message_id=str(row.pk)),
            about(plain[refunded], "rejected"),
        ]
        stored(*said)
        keys = [one.key for one in said]
        batches.append(list(GatewayEvent.objects.filter(key__in=keys).values_list("pk", flat=True)))
    both, refund = threading.Barrier(2), delivery._Round._refund

    def meet_first(self: Any) -> None:
        # Where one waits for the other's transaction, only one of them comes here.
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(1.0)
        refund(self)

    monkeypatch.setattr(delivery._Round, "_refund", meet_first)
    if not in_order:
        monkeypatch.setattr(delivery._Messages, "lock_books", lambda _self, _events: None)
    ends = at_once([lambda pks=pks: services._in_one_transaction(pks, LATER)[0] for pks in batches])  # type: ignore[misc]
    circle = connection.vendor == "postgresql" and not in_order
    assert [type(end) for end in ends].count(OperationalError) == (1 if circle else 0)
    services.apply_waiting(clock=at(LATER))
    assert results() == {"applied": 4}
    for account in accounts:
        assert balances(account) == {"available": 99_000, "held": 0, "spent": 1_000}
    assert_ledger_adds_up()


# What is old


OLD = LATER + timedelta(days=91)


def test_old_events_are_deleted_and_what_a_received_message_came_of_is_kept(account: Account) -> None:
    message = sent(account, by=factories.pool())
    part = {"reference": 1, "number": 1, "of": 2}
    arrive(about(message, "delivered"), about(message, "expired"), report("delivered", reference="nobody"), answer())
    arrive(replace(answer("half"), raw={"part": part}))
    keep_unreadable("default", "unreadable", {"body": "?"}, now=LATER)
    assert pruning.prune(clock=at(LATER + timedelta(days=89))) == 0
    services.apply_waiting(clock=at(LATER + timedelta(days=2)))
    assert results() == {"applied": 1, "no_change": 1, "unknown": 1, "received": 1, "part": 1, "unreadable": 1}
    assert pruning.prune(clock=at(OLD + timedelta(days=2))) == 4
    assert results() == {"received": 1, "part": 1}
    assert Received.objects.count() == 2


def test_what_still_waits_is_never_deleted(account: Account) -> None:
    stored(*unknown(3))
    assert pruning.prune(clock=at(OLD)) == 0
    assert GatewayEvent.objects.count() == 3


def test_old_events_are_deleted_in_batches_and_the_next_call_goes_on(account: Account) -> None:
    stored(*unknown(25))
    services.apply_waiting(clock=at(LATER + timedelta(hours=25)))
    end = OLD + timedelta(hours=25)
    assert pruning.prune(clock=at(end), size=10, most=2) == 20
    assert pruning.prune(clock=at(end), size=10, most=2) == 5


def test_the_installation_says_how_long_they_are_kept(account: Account, settings: Any) -> None:
    stored(*unknown(2))
    services.apply_waiting(clock=at(LATER + timedelta(hours=25)))
    settings.SMS_KEEP_EVENTS_DAYS = 0
    assert pruning.prune(clock=at(OLD)) == 0
    settings.SMS_KEEP_EVENTS_DAYS = 7
    with time_machine.travel(LATER + timedelta(days=9), tick=False):
        assert prune_events() == 2
    assert "inbox.tasks.prune_events" in {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}


def test_the_oldest_are_found_by_an_index(account: Account) -> None:
    with CaptureQueriesContext(connection) as queries:
        pruning.prune(clock=at(OLD))
    (asked,) = [one["sql"] for one in queries.captured_queries if "applied_at" in one["sql"] and "SELECT" in one["sql"]]
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"EXPLAIN QUERY PLAN {asked}")
            assert "gateway_event_passing" in str(cursor.fetchall())
        else:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN {asked}")
            assert "gateway_event_passing" in str(cursor.fetchall())
