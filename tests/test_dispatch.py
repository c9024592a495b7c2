"""Claim, hand over, settle, sweep: what each answer and each crash does to a message and to the credits."""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from compose import dispatch
from compose.gateways.base import (
    Accepted,
    BadConfiguration,
    GatewayError,
    InvalidRecipient,
    NotSent,
    Outcome,
    OutcomeUnknown,
    Outgoing,
    OutOfFunds,
    Rejected,
    Throttled,
    Unsupported,
)
from compose.models import Message, may_move
from compose.recipients import Recipient
from compose.services import submit
from credits.models import Account, Transfer
from senders import pool
from senders.models import Lease, ShortNumber
from tests import factories
from tests.factories import NOON, assert_ledger_adds_up, at, balances
from tests.fixtures.databases import FreshDatabase
from tests.gateways_for_tests import Script, ScriptedGateway, scripted_gateway
from tests.threads import DEADLINE, at_once

State = Message.State
AFTER_LEASE = NOON + timedelta(seconds=121)
FULL, SPENT = {"available": 100_000, "held": 0, "spent": 0}, {"available": 99_000, "held": 0, "spent": 1_000}
HELD = {"available": 99_000, "held": 1_000, "spent": 0}


class Killed(BaseException):
    """The process ends here; nothing after it runs."""


@pytest.fixture
def account(db: None) -> Account:
    """An account with 100 credits."""
    return factories.account()


@pytest.fixture
def gateway() -> Iterator[ScriptedGateway]:
    """The only gateway: it takes all messages until its script says otherwise."""
    with scripted_gateway() as made:
        yield made


def answering(*outcomes: Outcome) -> Script:
    """A gateway that answers these, in the order of the chunk."""
    return lambda chunk: outcomes


def raising(error: BaseException) -> Script:
    """A gateway that raises the error."""

    def script(chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        raise error

    return script


def after(message: Message, state: str, reason: str = "", **fields: Any) -> None:
    """The message is in this state for this reason, came there by allowed moves, and the ledger adds up."""
    message.refresh_from_db()
    assert (message.state, message.reason) == (state, reason)
    assert {name: getattr(message, name) for name in fields} == fields
    before = State.SCHEDULED.value
    for transition in message.transitions.order_by("pk"):
        assert transition.state == before or may_move(before, transition.state)
        before = transition.state
    assert before == state
    assert_ledger_adds_up()


# What the gateway says


def test_an_accepted_message_is_paid(account: Account, gateway: ScriptedGateway) -> None:
    message = factories.message(account)
    assert dispatch.dispatch_due(clock=at(NOON)) == 1
    after(message, State.ACCEPTED, gateway_ref=f"ref-{message.pk}", handed_over_at=NOON, attempts=1, final_at=None)
    assert message.hold_ended_by is not None
    assert message.hold_ended_by.verb == "capture"
    assert balances(account) == SPENT


def test_what_is_handed_over_is_what_was_counted(account: Account, gateway: ScriptedGateway) -> None:
    message = factories.message(account, body="Soldes €", commercial=True, message_class="flash")
    dispatch.dispatch_due(clock=at(NOON + timedelta(hours=1)))
    assert gateway.sent == [
        Outgoing(
            id=str(message.pk),
            recipient="+33612345678",
            originator="BoulMartin",
            sender_kind="alphanumeric",
            text="Soldes €\nSTOP:36111",
            message_class="flash",
            commercial=True,
            validity=47 * 3600,
        )
    ]


REFUSALS = [
    Rejected("no"),
    Rejected("no", reason="spam"),
    InvalidRecipient("no such number"),
    Unsupported("no flash"),
]


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: error.reason)
@pytest.mark.parametrize("how", [answering, raising])
def test_a_refused_message_fails_and_is_given_back(
    account: Account, gateway: ScriptedGateway, how: Callable[[Any], Script], error: GatewayError
) -> None:
    message = factories.message(account)
    gateway.script = how(error)
    dispatch.dispatch_due(clock=at(NOON))
    after(message, State.FAILED, error.reason, final_at=NOON)
    assert balances(account) == FULL
    assert dispatch.dispatch_due(clock=at(NOON + timedelta(hours=1))) == 0


RETURNS = [NotSent("refused"), Throttled("slow"), OutOfFunds("empty"), BadConfiguration("password")]


@pytest.mark.parametrize("error", RETURNS, ids=lambda error: error.reason)
@pytest.mark.parametrize("how", [answering, raising])
def test_a_message_that_did_not_leave_is_tried_again_and_then_paid_once(
    account: Account, gateway: ScriptedGateway, how: Callable[[Any], Script], error: GatewayError
) -> None:
    message = factories.message(account)
    gateway.script = how(error)
    dispatch.dispatch_due(clock=at(NOON))
    after(message, State.SCHEDULED, error.reason, handed_over_at=None, claim=None, leased_until=None)
    assert balances(account) == HELD
    gateway.script = answering(Accepted("second"))
    assert dispatch.dispatch_due(clock=at(message.due_at - timedelta(milliseconds=1))) == 0
    assert dispatch.dispatch_due(clock=at(message.due_at)) == 1
    after(message, State.ACCEPTED, gateway_ref="second", attempts=2)
    assert balances(account) == SPENT


DOUBTS = {
    "said": answering(OutcomeUnknown("connection lost")),
    "raised": raising(OutcomeUnknown("connection lost")),
    "a fault": raising(ZeroDivisionError("division by zero")),
    "too few answers": answering(),
    "too many answers": answering(Accepted("a"), Accepted("b")),
}


@pytest.mark.parametrize("script", DOUBTS.values(), ids=DOUBTS)
def test_a_message_that_may_have_left_is_unconfirmed_and_never_sent_again_by_itself(
    account: Account, gateway: ScriptedGateway, script: Script
) -> None:
    message = factories.message(account)
    gateway.script = script
    dispatch.dispatch_due(clock=at(NOON))
    after(message, State.UNCONFIRMED, "outcome_unknown")
    for days in (0, 1, 2, 8, 9, 400):
        dispatch.sweep(clock=at(AFTER_LEASE + timedelta(days=days)))
        dispatch.dispatch_due(clock=at(AFTER_LEASE + timedelta(days=days)))
    assert len(gateway.sent) == 1


def test_each_message_of_a_chunk_has_its_own_end_and_each_end_one_transfer(
    account: Account, gateway: ScriptedGateway
) -> None:
    submission = factories.submission(account, to=6)
    gateway.script = answering(
        Accepted("a"), Accepted("b"), Rejected("no"), NotSent("later"), OutcomeUnknown("lost"), InvalidRecipient("no")
    )
    dispatch.dispatch_due(clock=at(NOON))
    states = list(submission.messages.order_by("pk").values_list("state", flat=True))
    assert states == ["accepted", "accepted", "failed", "scheduled", "unconfirmed", "failed"]
    assert balances(account) == {"available": 96_000, "held": 2_000, "spent": 2_000}
    moved = Transfer.objects.filter(cause_kind="submission", cause_key=str(submission.pk))
    assert sorted(moved.values_list("verb", "amount")) == [("capture", 2_000), ("hold", 6_000), ("release", 2_000)]
    assert_ledger_adds_up()


def test_a_batch_of_several_accounts_charges_each_its_own(account: Account, gateway: ScriptedGateway) -> None:
    other = factories.account()
    factories.submission(account, to=2)
    factories.submission(other, to=3)
    assert dispatch.dispatch_due(clock=at(NOON)) == 5
    assert len(gateway.chunks) == 1
    assert [balances(one)["spent"] for one in (account, other)] == [2_000, 3_000]
    assert_ledger_adds_up()


def test_no_chunk_is_larger_than_the_gateway_takes(account: Account) -> None:
    factories.submission(account, to=10)
    with scripted_gateway(batch_size=4) as gateway:
        dispatch.dispatch_due(clock=at(NOON))
    assert [len(chunk) for chunk in gateway.chunks] == [4, 4, 2]


# Later again


def test_retries_wait_longer_each_time_up_to_a_quarter_of_an_hour_and_end(
    account: Account, gateway: ScriptedGateway
) -> None:
    message = factories.message(account)
    gateway.script = raising(NotSent("refused"))
    now, waits = NOON, []
    while message.state == State.SCHEDULED:
        dispatch.dispatch_due(clock=at(now))
        message.refresh_from_db()
        waits.append((message.due_at - now).total_seconds())
        now = message.due_at
    waits.pop()
    assert len(gateway.sent) == dispatch.MOST_ATTEMPTS
    for attempt, wait in enumerate(waits):
        step = min(5 * 2**attempt, 900)
        assert 0.8 * step <= wait <= 1.2 * step
    after(message, State.FAILED, "too_many_attempts")
    assert balances(account) == FULL


def test_a_gateway_that_asks_for_patience_gets_it(account: Account, gateway: ScriptedGateway) -> None:
    message = factories.message(account)
    gateway.script = raising(Throttled("slow", retry_after=600))
    dispatch.dispatch_due(clock=at(NOON))
    after(message, State.SCHEDULED, "throttled", due_at=NOON + timedelta(seconds=600))


def test_there_is_no_attempt_after_the_validity(account: Account, gateway: ScriptedGateway) -> None:
    message = factories.message(account)
    gateway.script = raising(Throttled("slow", retry_after=48 * 3600))
    dispatch.dispatch_due(clock=at(NOON))
    after(message, State.FAILED, "validity_over")
    assert balances(account) == FULL


def test_a_message_whose_validity_is_over_is_not_sent(account: Account, gateway: ScriptedGateway) -> None:
    message = factories.message(account)
    assert dispatch.dispatch_due(clock=at(message.valid_until)) == 0
    assert gateway.sent == []
    after(message, State.FAILED, "validity_over", attempts=0)
    assert balances(account) == FULL


# What is looked at again at the claim


def test_nothing_leaves_before_its_moment(account: Account, gateway: ScriptedGateway) -> None:
    moment = NOON + timedelta(days=2)
    factories.message(account, deferred_to=moment)
    assert dispatch.dispatch_due(clock=at(moment - timedelta(microseconds=1))) == 0
    assert dispatch.dispatch_due(clock=at(moment)) == 1


def test_a_commercial_message_that_missed_its_window_moves_to_the_next_opening(
    account: Account, gateway: ScriptedGateway
) -> None:
    message = factories.message(account, commercial=True)
    evening = NOON.replace(hour=19)  # 20:00 in Paris
    assert dispatch.dispatch_due(clock=at(evening)) == 0
    opening = datetime(2026, 11, 25, 7, tzinfo=UTC)
    after(message, State.SCHEDULED, "window", send_at=opening, due_at=opening, postponed_by="window")
    assert message.valid_until == opening + timedelta(hours=48)
    assert balances(account) == HELD
    assert dispatch.dispatch_due(clock=at(opening)) == 1
    after(message, State.ACCEPTED)


def test_a_message_that_is_not_commercial_leaves_in_the_night(account: Account, gateway: ScriptedGateway) -> None:
    factories.message(account)
    assert dispatch.dispatch_due(clock=at(NOON.replace(hour=23))) == 1


def test_where_no_zone_is_known_the_plan_and_the_claim_use_the_accounts(gateway: ScriptedGateway, db: None) -> None:
    account = factories.account(time_zone="Asia/Tokyo")
    early = NOON.replace(hour=0)  # 09:00 in Tokyo
    nowhere = Recipient("+99912345678", "QQ", "+99912345678")
    submission, _new = submit(replace(factories.draft(account, commercial=True), recipients=[nowhere]), now=early)
    message = submission.messages.get()
    assert message.send_at == early
    dispatch.dispatch_due(clock=at(early))
    after(message, State.ACCEPTED)


# Short numbers


def test_an_account_keeps_its_short_number_with_a_recipient(account: Account, gateway: ScriptedGateway) -> None:
    numbers = []
    for hours in (0, 1, 2):
        message = factories.message(account, by=factories.pool())
        dispatch.dispatch_due(clock=at(NOON + timedelta(hours=hours)))
        message.refresh_from_db()
        numbers.append(message.originator)
    assert len(set(numbers)) == 1
    assert Lease.objects.get().until == NOON + timedelta(hours=2 + 48)


def test_two_accounts_never_use_one_short_number_with_one_recipient(gateway: ScriptedGateway, db: None) -> None:
    for _account in range(2):
        factories.message(factories.account(), by=factories.pool())
    dispatch.dispatch_due(clock=at(NOON))
    assert sorted(message.originator for message in gateway.sent) == ["38111", "38112"]


def test_commercial_messages_have_short_numbers_of_their_own(account: Account, gateway: ScriptedGateway) -> None:
    for commercial in (True, False):
        factories.message(account, by=factories.pool(), commercial=commercial)
    dispatch.dispatch_due(clock=at(NOON))
    assert {(message.commercial, message.originator) for message in gateway.sent} == {(True, "36111"), (False, "38111")}


def test_a_message_without_a_free_short_number_waits_until_one_is_free(gateway: ScriptedGateway, db: None) -> None:
    sender = factories.pool(other=["38111"])
    first, second = (factories.message(factories.account(), by=sender) for _account in range(2))
    assert dispatch.dispatch_due(clock=at(NOON)) == 1
    after(first, State.ACCEPTED, originator="38111")
    after(second, State.SCHEDULED, "no_short_number", due_at=NOON + timedelta(minutes=5), originator="")
    Lease.objects.update(until=NOON + timedelta(hours=1))
    assert dispatch.dispatch_due(clock=at(NOON + timedelta(minutes=5))) == 0
    assert dispatch.dispatch_due(clock=at(NOON + timedelta(hours=1))) == 1
    after(second, State.ACCEPTED, originator="38111")


def test_a_disabled_short_number_is_given_to_nobody(account: Account, gateway: ScriptedGateway) -> None:
    sender = factories.pool(other=["38111"])
    ShortNumber.objects.update(enabled=False)
    message = factories.message(account, by=sender)
    dispatch.dispatch_due(clock=at(NOON))
    after(message, State.SCHEDULED, "no_short_number")


def test_claims_that_want_the_same_short_numbers_in_opposite_order_do_not_deadlock(
    fresh_database: FreshDatabase,
) -> None:
    """Each of two claims leases one recipient, sees the other one begin, and leases the other's recipient.

    On SQLite the second claim cannot begin before the first has ended, so it has nobody to wait for.
    """
    factories.pool()
    one, other = factories.account(), factories.account()
    begun: queue.Queue[int] = queue.Queue()
    leased = threading.Event()

    def lease(account: Account, recipient: str) -> dict[str, str]:
        return pool.lease(
            account_id=account.pk,
            recipients=[recipient],
            commercial=False,
            now=NOON,
            until=NOON + timedelta(hours=48),
        )

    def first() -> dict[str, str]:
        with transaction.atomic():
            found = lease(one, "+33612000001")
            begun.put(0)
            if connection.vendor == "postgresql":
                pid = begun_by_second.get(timeout=DEADLINE)
                wait_until(lambda: leased.is_set() or is_blocked(pid))
            return found | lease(one, "+33612000002")

    def second() -> dict[str, str]:
        begun.get(timeout=DEADLINE)
        with transaction.atomic():
            if connection.vendor == "postgresql":
                begun_by_second.put(connection.connection.info.backend_pid)
            found = lease(other, "+33612000002")
            leased.set()
            return found | lease(other, "+33612000001")

    begun_by_second: queue.Queue[int] = queue.Queue()
    results = at_once([first, second])
    assert results == [
        {"+33612000001": "38111", "+33612000002": "38111"},
        {"+33612000001": "38112", "+33612000002": "38112"},
    ]


def is_blocked(pid: int) -> bool:
    """Whether this process of PostgreSQL waits for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT cardinality(pg_blocking_pids(%s)) > 0", [pid])
        return bool(cursor.fetchone()[0])


def wait_until(true: Callable[[], bool]) -> None:
    """Look again and again until it is true; a test that waits in vain fails."""
    deadline = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# Crashes


def test_a_lease_that_ends_without_the_mark_returns_the_message_to_the_queue(
    account: Account, gateway: ScriptedGateway
) -> None:
    message = factories.message(account)
    dispatch.claim_due(clock=at(NOON))
    assert dispatch.sweep(clock=at(NOON + timedelta(seconds=119))) == 0
    assert dispatch.sweep(clock=at(AFTER_LEASE)) == 1
    after(message, State.SCHEDULED, "lease_ended", claim=None, handed_over_at=None)
    assert balances(account) == HELD
    dispatch.dispatch_due(clock=at(AFTER_LEASE))
    after(message, State.ACCEPTED)
    assert len(gateway.sent) == 1


def test_a_lease_that_ends_with_the_mark_leaves_the_message_unconfirmed(
    account: Account, gateway: ScriptedGateway
) -> None:
    message = factories.message(account)
    gateway.script = raising(Killed())
    with pytest.raises(Killed):
        dispatch.dispatch_due(clock=at(NOON))
    assert dispatch.sweep(clock=at(AFTER_LEASE)) == 1
    after(message, State.UNCONFIRMED, "crash")
    assert balances(account) == HELD
    dispatch.dispatch_due(clock=at(AFTER_LEASE + timedelta(hours=1)))
    assert len(gateway.sent) == 1


def test_a_crash_leaves_a_chunk_in_doubt_and_not_the_batch(account: Account) -> None:
    submission = factories.submission(account, to=5)
    with scripted_gateway(batch_size=1) as gateway:

        def third_kills(chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
            if len(gateway.chunks) == 3:
                raise Killed
            return [Accepted(f"ref-{message.id}") for message in chunk]

        gateway.script = third_kills
        with pytest.raises(Killed):
            dispatch.dispatch_due(clock=at(NOON))
        dispatch.sweep(clock=at(AFTER_LEASE))
        dispatch.dispatch_due(clock=at(AFTER_LEASE))
        states = list(submission.messages.order_by("pk").values_list("state", flat=True))
        assert states == ["accepted", "accepted", "unconfirmed", "accepted", "accepted"]
        assert sorted(message.id for message in gateway.sent) == sorted(
            str(pk) for pk in submission.messages.values_list("pk", flat=True)
        )
    assert_ledger_adds_up()


def test_a_worker_that_wakes_after_its_lease_sends_nothing(account: Account, gateway: ScriptedGateway) -> None:
    message = factories.message(account)
    asleep, _moved = dispatch.claim_due(clock=at(NOON))
    assert asleep is not None
    dispatch._send(asleep, at(AFTER_LEASE))
    assert gateway.sent == []
    dispatch.sweep(clock=at(AFTER_LEASE))
    dispatch.dispatch_due(clock=at(AFTER_LEASE))
    dispatch._send(asleep, at(NOON))
    after(message, State.ACCEPTED, attempts=2)
    assert len(gateway.sent) == 1


LATE = {
    "accepted": (Accepted("late"), State.ACCEPTED, "", SPENT),
    "rejected": (Rejected("no"), State.FAILED, "rejected", FULL),
    "not sent": (NotSent("refused"), State.SCHEDULED, "gateway_unreachable", HELD),
    "unknown": (OutcomeUnknown("lost"), State.UNCONFIRMED, "outcome_unknown", HELD),
}


@pytest.mark.parametrize(("answer", "state", "reason", "books"), LATE.values(), ids=LATE)
def test_an_answer_that_comes_after_the_sweep_still_counts(
    account: Account, gateway: ScriptedGateway, answer: Outcome, state: str, reason: str, books: dict[str, int]
) -> None:
    message = factories.message(account)
    swept: list[Any] = []

    def slow(chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        dispatch.sweep(clock=at(AFTER_LEASE))
        swept.extend(Message.objects.values_list("state", "reason"))
        return [answer]

    gateway.script = slow
    dispatch.dispatch_due(clock=at(NOON))
    assert swept == [("unconfirmed", "crash")]
    message.refresh_from_db()
    assert (message.state, message.reason) == (state, reason)
    assert balances(account) == books
    assert_ledger_adds_up()


def test_a_late_word_that_the_message_did_not_leave_counts_as_an_attempt_like_any_other(
    account: Account, gateway: ScriptedGateway
) -> None:
    message = factories.message(account)
    Message.objects.update(attempts=dispatch.MOST_ATTEMPTS - 1)

    def slow(chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        dispatch.sweep(clock=at(AFTER_LEASE))
        return [NotSent("refused")]

    gateway.script = slow
    dispatch.dispatch_due(clock=at(NOON))
    after(message, State.FAILED, "too_many_attempts")
    assert balances(account) == FULL


def test_an_unconfirmed_message_that_nobody_confirms_expires_and_is_given_back(
    account: Account, gateway: ScriptedGateway
) -> None:
    message = factories.message(account)
    gateway.script = raising(OutcomeUnknown("lost"))
    dispatch.dispatch_due(clock=at(NOON))
    end = message.valid_until + timedelta(days=7)
    assert dispatch.sweep(clock=at(end - timedelta(seconds=1))) == 0
    assert dispatch.sweep(clock=at(end)) == 1
    after(message, State.EXPIRED, "never_confirmed", final_at=end)
    assert balances(account) == FULL


# On real connections


def test_the_mark_is_committed_before_the_gateway_is_called_and_no_transaction_is_open(
    fresh_database: FreshDatabase, gateway: ScriptedGateway
) -> None:
    message = factories.message(factories.account())
    seen: list[Any] = []

    def look(chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        read = Message.objects.filter(pk=message.pk).values_list("state", "handed_over_at")
        seen.append(connection.in_atomic_block)
        seen.extend(at_once([lambda: read.get()]))
        return [Accepted("a")]

    gateway.script = look
    dispatch.dispatch_due(clock=at(NOON))
    assert seen == [False, ("sending", NOON)]
    after(message, State.ACCEPTED)


def claims_at_once(count: int, *, size: int) -> list[list[int]]:
    """The messages that each of `count` claimers got, all claiming until nothing is due."""

    def claim_all() -> list[int]:
        mine: list[int] = []
        while True:
            claim, _moved = dispatch.claim_due(clock=at(NOON), size=size)
            if claim is None:
                return mine
            mine += [message.pk for message in claim.messages]

    results = at_once([claim_all] * count)
    assert not [result for result in results if isinstance(result, Exception)]
    return results


def test_two_claimers_never_claim_the_same_message(fresh_database: FreshDatabase, gateway: ScriptedGateway) -> None:
    submission = factories.submission(factories.account(), to=60)
    claimed = [pk for mine in claims_at_once(4, size=7) for pk in mine]
    assert len(claimed) == len(set(claimed))
    # A claimer that sees only rows that others hold goes home; the next look takes what was left.
    claimed += claims_at_once(1, size=100)[0]
    assert sorted(claimed) == sorted(submission.messages.values_list("pk", flat=True))
    assert set(submission.messages.values_list("attempts", flat=True)) == {1}


def test_without_the_lock_two_claimers_claim_the_same_messages(
    fresh_database: FreshDatabase, gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control. Both read what is due before one of them writes.

    SQLite takes no row locks: its write transactions (IMMEDIATE) come one after the other, so there the race
    cannot be made, and taking the lock away changes nothing.
    """
    factories.submission(factories.account(), to=10)
    both_have_read = threading.Barrier(2)
    checked = dispatch._outside_no_window

    def read_together(rows: list[Message], now: datetime) -> list[Message]:
        if connection.vendor == "postgresql" and rows:
            both_have_read.wait(DEADLINE)
        return checked(rows, now)

    monkeypatch.setattr(QuerySet, "select_for_update", lambda self, **_options: self)
    monkeypatch.setattr(dispatch, "_outside_no_window", read_together)
    first, second = claims_at_once(2, size=10)
    assert len(first) + len(second) == (20 if connection.vendor == "postgresql" else 10)


# Cost


def queries_of(count: int, *, by_pool: bool) -> int:
    account = factories.account()
    factories.submission(account, to=count, by=factories.pool() if by_pool else None)
    with CaptureQueriesContext(connection) as queries:
        assert dispatch.dispatch_due(clock=at(NOON)) == count
    return len(queries)


@pytest.mark.parametrize("by_pool", [False, True], ids=["name", "short number"])
@pytest.mark.django_db
def test_a_batch_costs_the_same_number_of_queries_whatever_its_size(by_pool: bool) -> None:
    with scripted_gateway():
        assert queries_of(10, by_pool=by_pool) == queries_of(100, by_pool=by_pool)
