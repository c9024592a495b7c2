"""A process that dies between any two statements of submitting and settling: charged once, held for no longer.

The fault points are counted, not chosen: each test goes from the first statement to the last.
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from compose import dispatch
from compose.gateways.base import Accepted, NotSent, Outcome, OutcomeUnknown, Outgoing, Rejected
from compose.models import Message, Submission
from compose.services import cancel_submission, submit
from credits import ledger, orders
from credits.models import Account, Order
from smsmanager.proof import prove
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import NOON, assert_ledger_adds_up, at, balances
from tests.faults import died
from tests.gateways_for_tests import Script, scripted_gateway

# More statements than any of this has.
MANY = 200
AFTER_LEASE = timedelta(seconds=121)
FORGOTTEN = timedelta(days=30)


@pytest.fixture
def account(db: None) -> Account:
    """An account with 100 credits."""
    return factories.account()


def every_fault_point(begin: Callable[[], Callable[[], object]], after: Callable[[bool], None]) -> int:
    """Begin anew, die before statement 0, 1, 2…, look each time at what becomes of it, and return how many they are."""
    for number in range(MANY):
        work = begin()
        was_killed = died(number, work)
        after(was_killed)
        if not was_killed:
            return number
    raise AssertionError("it never comes to its end")


def test_a_submission_that_a_crash_cut_short_is_sent_and_held_once_when_it_is_repeated(account: Account) -> None:
    drafts = []

    def begin() -> Callable[[], object]:
        drafts.append(factories.draft(account, to=2))
        return lambda: submit(drafts[-1], now=NOON)

    def after(was_killed: bool) -> None:
        assert_ledger_adds_up()
        submission, new = submit(drafts[-1], now=NOON)
        assert new == was_killed
        assert Submission.objects.filter(request_key=drafts[-1].request_key).get() == submission
        assert submission.messages.count() == 2
        assert balances(account)["held"] == 2_000 * len(drafts)
        assert_ledger_adds_up()

    factories.sender(account)
    assert every_fault_point(begin, after) > 5


def of_each(answer: Callable[[Outgoing], Outcome]) -> Script:
    """A script that answers for each message by itself."""
    return lambda chunk: [answer(message) for message in chunk]


def taken(message: Outgoing) -> Outcome:
    return Accepted(f"ref-{message.id}")


def mixed(message: Outgoing) -> Outcome:
    return (taken(message), Rejected("no"), OutcomeUnknown("lost"))[int(message.id) % 3]


# What the gateway says, and how messages may end: a crash after the mark leaves them unconfirmed, then expired.
OUTCOMES = {
    "accepted": (taken, {"accepted", "expired"}),
    "refused": (lambda message: Rejected("no"), {"failed", "expired"}),
    "certainly not sent": (lambda message: NotSent("away"), {"failed", "expired"}),
    "unknown": (lambda message: OutcomeUnknown("lost"), {"expired"}),
    "each another": (mixed, {"accepted", "failed", "expired"}),
}


@pytest.mark.parametrize(("answer", "ends"), OUTCOMES.values(), ids=OUTCOMES)
def test_a_dispatch_that_a_crash_cut_short_leaves_nothing_held_for_ever_and_charges_nothing_twice(
    account: Account, answer: Callable[[Outgoing], Outcome], ends: set[str], settings: Any
) -> None:
    # A gateway that rests would keep messages from their fault points.
    settings.SMS_BREAKER_FAILURES = 10**6
    factories.sender(account)
    # Each fault point has a year of its own.
    starts: list[datetime] = [NOON]
    with scripted_gateway() as gateway:
        gateway.script = of_each(answer)

        def begin() -> Callable[[], object]:
            now = starts[-1]
            factories.submission(account, now=now, to=3)
            return lambda: dispatch_due(clock=at(now))

        def after(was_killed: bool) -> None:
            assert_ledger_adds_up()
            moment = starts[-1] + AFTER_LEASE
            while Message.objects.filter(state__in=Message.HELD).exists():
                # What the workers that live on do: sweep, and look at what is due.
                dispatch.sweep(clock=at(moment))
                dispatch_due(clock=at(moment))
                moment += timedelta(days=1)
                assert moment < starts[-1] + FORGOTTEN, "something is held for ever"
            starts.append(starts[-1] + timedelta(days=365))
            assert balances(account)["held"] == 0
            assert_ledger_adds_up()

        assert every_fault_point(begin, after) > 5
        handed = Counter(message.id for message in gateway.sent)
    messages = list(Message.objects.select_related("hold_ended_by"))
    assert {message.state for message in messages} == ends
    for message in messages:
        assert message.hold_ended_by is not None
        assert message.hold_ended_by.verb == ("capture" if message.state == "accepted" else "release")
        # Handed over again only when the gateway said that it certainly did not leave.
        assert handed[str(message.pk)] == 1 or (answer is OUTCOMES["certainly not sent"][0]) or was_cut(message, handed)
    paid = [message.price for message in messages if message.state == "accepted"]
    assert balances(account)["spent"] == sum(paid)


def was_cut(message: Message, handed: Counter[str]) -> bool:
    """The process died after the mark and before the gateway: in doubt to everybody but this test."""
    return handed[str(message.pk)] == 0 and message.state == "expired"


def test_a_cancellation_that_a_crash_cut_short_gives_back_once(account: Account) -> None:
    factories.sender(account)
    waiting: list[Submission] = []
    person = factories.owner(account)

    def begin() -> Callable[[], object]:
        waiting.append(factories.submission(account, to=2))
        return lambda: cancel_submission(waiting[-1], by=person, now=NOON)

    def after(was_killed: bool) -> None:
        assert_ledger_adds_up()
        assert cancel_submission(waiting[-1], by=person, now=NOON) == (2 if was_killed else 0)
        assert balances(account) == {"available": 100_000, "held": 0, "spent": 0}
        assert_ledger_adds_up()

    assert every_fault_point(begin, after) > 3


def test_an_order_that_a_crash_cut_short_is_credited_once(account: Account) -> None:
    made: list[Order] = []

    def begin() -> Callable[[], object]:
        made.append(orders.place(account, 100, factories.owner(account)))
        return lambda: orders.confirm(made[-1], None)

    def after(was_killed: bool) -> None:
        assert_ledger_adds_up()
        orders.confirm(made[-1], None)
        assert balances(account)["available"] == 100_000 + 100_000 * len(made)
        assert_ledger_adds_up()

    assert every_fault_point(begin, after) > 4


def test_without_the_transaction_around_it_a_crash_would_be_found(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: what the fault points cut is what the proof would see."""
    monkeypatch.setattr(ledger, "_posted", ledger._posted.__wrapped__)  # type: ignore[attr-defined]
    found = []
    for number in range(3):
        died(number, lambda number=number: ledger.top_up(account, 5, key=str(number), cause=("x", "1")))  # type: ignore[misc]
        found += prove()
    assert found
