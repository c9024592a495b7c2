"""The mark of a hand-over: one side writes it, and the other one learns that it came second."""

import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connection, transaction

from compose import claims, dispatch, marks
from compose.models import HandOver, Message
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import NOON, assert_ledger_adds_up, assert_message, at
from tests.fixtures.databases import FreshDatabase
from tests.gateways_for_tests import scripted_gateway
from tests.threads import at_once, until_waiting

AFTER_LEASE = NOON + timedelta(seconds=121)
DEADLINE = 30.0


@pytest.mark.django_db
def test_a_claim_that_was_taken_back_is_not_handed_over_whatever_the_clock_of_its_worker_says() -> None:
    with scripted_gateway() as gateway:
        message = factories.message(factories.account())
        asleep, _moved = claims.claim_due(clock=at(NOON))
        dispatch.sweep(clock=at(AFTER_LEASE))
        # The row looks as if nothing had happened, and the clock of the worker stood still.
        Message.objects.update(state="sending", claim=asleep[0].id, leased_until=asleep[0].leased_until, attempts=1)
        dispatch.send(asleep, clock=at(NOON))
        assert gateway.sent == []
        dispatch.sweep(clock=at(AFTER_LEASE))
        dispatch_due(clock=at(AFTER_LEASE))
    assert_message(message, Message.State.ACCEPTED)


@pytest.mark.django_db
def test_a_claim_that_was_handed_over_is_not_taken_back() -> None:
    one, other, marked = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    assert marks.hand_over(marked, at=NOON)
    assert marks.taken_back({one, marked}, at=AFTER_LEASE) == {marked: NOON}
    assert not marks.hand_over(one, at=AFTER_LEASE)
    assert marks.hand_over(other, at=NOON)
    assert not marks.hand_over(marked, at=NOON)
    # Said twice it stays the same.
    assert marks.taken_back({one, marked, other}, at=AFTER_LEASE) == {marked: NOON, other: NOON}


@pytest.mark.django_db
def test_the_mark_goes_with_the_answer_and_a_forgotten_one_with_time_but_what_was_taken_back_stays() -> None:
    mine, asleep, lost = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    for claim in (mine, lost):
        marks.hand_over(claim, at=NOON)
    marks.taken_back({asleep}, at=NOON)
    marks.settled(mine)
    marks.settled(asleep)
    assert set(HandOver.objects.values_list("claim", "taken_back")) == {(lost, False), (asleep, True)}
    dispatch.sweep(clock=at(NOON + timedelta(days=8)))
    assert set(HandOver.objects.values_list("claim", flat=True)) == {asleep}


@pytest.mark.django_db
def test_the_mark_of_what_is_being_sent_stays_however_old_it_is() -> None:
    """A sweeper may have that message's row locked in this moment, and read the mark in the next one."""
    factories.message(factories.account())
    with scripted_gateway():
        [claim], _moved = claims.claim_due(clock=at(NOON))
    assert marks.hand_over(claim.id, at=NOON)
    marks.forget(before=NOON + timedelta(days=8))
    assert marks.taken_back({claim.id}, at=NOON) == {claim.id: NOON}
    Message.objects.update(state="unconfirmed")
    marks.forget(before=NOON + timedelta(days=8))
    assert not HandOver.objects.exists()


def test_of_many_workers_and_sweepers_at_once_one_side_gets_each_claim(fresh_database: FreshDatabase) -> None:
    claimed = [uuid.uuid4() for _number in range(30)]
    handed: list[list[uuid.UUID]] = at_once(
        [lambda: [claim for claim in claimed if marks.hand_over(claim, at=NOON)]] * 2 + [lambda: _sweep(claimed)] * 2
    )
    first, second, *swept = (set(found) for found in handed)
    assert not first & second
    left = first | second
    # What a sweeper did not find handed over, it took; so nobody handed it over.
    for found in swept:
        assert found == left


def _sweep(claimed: list[uuid.UUID]) -> list[uuid.UUID]:
    found: list[uuid.UUID] = []
    for start in range(0, len(claimed), 5):
        with transaction.atomic():
            found += [claim for claim in marks.taken_back(claimed[start : start + 5], at=AFTER_LEASE) if claim]
    return found


def test_a_worker_that_marks_while_it_is_taken_back_waits_and_sends_nothing(fresh_database: FreshDatabase) -> None:
    """On PostgreSQL both are under way at once; SQLite lets one writer in at a time."""
    if connection.vendor != "postgresql":
        return
    with scripted_gateway() as gateway:
        factories.message(factories.account())
        made, _moved = claims.claim_due(clock=at(NOON))
        worker = threading.Thread(target=_send, args=(made,))
        with transaction.atomic():
            dispatch.sweep(clock=at(AFTER_LEASE))
            worker.start()
            until_waiting(1)
        worker.join(DEADLINE)
        assert not worker.is_alive()
        assert gateway.sent == []
        assert dispatch_due(clock=at(AFTER_LEASE)) == 1
    assert_ledger_adds_up()


def _send(made: list[claims.Claim]) -> None:
    try:
        dispatch.send(made, clock=at(NOON))
    finally:
        connection.close()
