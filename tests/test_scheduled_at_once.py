"""Cancelling, moving, changing and pausing while a worker claims: each message is changed or leaves, never both."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet

from compose import claims, dispatch, scheduled, services
from compose.models import Message, Submission
from compose.scheduled import CannotReplace, Replaced
from credits.models import Account
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import NOON, assert_ledger_adds_up, at, balances
from tests.fixtures.databases import FreshDatabase
from tests.gateways_for_tests import ScriptedGateway, scripted_gateway
from tests.threads import DEADLINE, at_once, until_waiting

State = Message.State
TOMORROW = NOON + timedelta(days=1)
ROUNDS, EACH = 4, 12

pytestmark = pytest.mark.usefixtures("fresh_database")


def leave() -> int:
    """What a worker does: all that is due leaves."""
    return dispatch_due(clock=at(NOON))


def succeeded(results: list[Any], *allowed: type[Exception]) -> list[Any]:
    """The results, none of which is an exception of another kind than `allowed`."""
    for result in results:
        if isinstance(result, Exception) and not isinstance(result, allowed):
            raise result
    return results


def sent_once(gateway: ScriptedGateway) -> set[str]:
    """The keys of the messages that left; none of them left twice."""
    keys = [one.id for one in gateway.sent]
    assert len(keys) == len(set(keys))
    return set(keys)


def keys(messages: QuerySet[Message]) -> set[str]:
    return {str(pk) for pk in messages.values_list("pk", flat=True)}


def rounds(account: Account, gateway: ScriptedGateway, verb: Callable[[Submission], Any]) -> list[tuple[Any, ...]]:
    """For each round a submission, what the verb and two workers at once answered."""
    played: list[tuple[Any, ...]] = []
    for _round in range(ROUNDS):
        submission = factories.submission(account, to=EACH)
        played.append((submission, *succeeded(at_once([leave, partial(verb, submission), leave]), CannotReplace)))
    return played


def test_a_message_is_either_cancelled_or_leaves() -> None:
    account = factories.account()
    with scripted_gateway(batch_size=5) as gateway:
        for submission, one, cancelled, two in rounds(
            account, gateway, lambda of: services.cancel_submission(of, by=None, now=NOON)
        ):
            assert one + cancelled + two == EACH
            left = keys(submission.messages.filter(state=State.ACCEPTED))
            assert left == sent_once(gateway) & keys(submission.messages.all())
            assert submission.messages.filter(state=State.CANCELLED).count() == cancelled
    assert_ledger_adds_up()


def test_a_message_is_either_moved_or_leaves() -> None:
    account = factories.account()
    with scripted_gateway(batch_size=5) as gateway:
        for submission, one, moved, two in rounds(
            account, gateway, lambda of: scheduled.move(of, to=TOMORROW, by=None, now=NOON)
        ):
            assert one + moved.moved + two == EACH
            assert moved.left == one + two
            later = keys(submission.messages.filter(send_at=TOMORROW, state=State.SCHEDULED))
            assert len(later) == moved.moved
            assert later.isdisjoint(sent_once(gateway))
        moved = Message.objects.filter(state=State.SCHEDULED).count()
        assert dispatch_due(clock=at(TOMORROW)) == moved
        assert len(sent_once(gateway)) == ROUNDS * EACH
    assert_ledger_adds_up()


def test_a_message_is_either_held_back_or_leaves_and_later_once() -> None:
    account = factories.account()
    with scripted_gateway(batch_size=5) as gateway:
        for submission, one, held, two in rounds(
            account, gateway, lambda of: scheduled.pause(of, by=factories.owner(account), now=NOON)
        ):
            assert one + held + two == EACH
            assert leave() == 0
            resumed, again = succeeded(at_once([partial(scheduled.resume, submission, now=NOON), leave]))
            assert resumed == held
            assert again + leave() == held
        assert len(sent_once(gateway)) == ROUNDS * EACH
    assert_ledger_adds_up()


def test_a_submission_is_replaced_as_a_whole_or_not_at_all() -> None:
    account = factories.account()
    owner = factories.owner(account)

    def change(old: Submission) -> Submission:
        draft = factories.draft(account, to=3, body="Bonsoir", deferred_to=TOMORROW, person=owner)
        return services.submit(draft, now=NOON, replaces=Replaced(old, old.recipients))[0]

    with scripted_gateway(batch_size=5) as gateway:
        for old, one, new, two in rounds(account, gateway, change):
            gone = set(old.messages.values_list("state", flat=True))
            if isinstance(new, Submission):
                assert (one, two, gone) == (0, 0, {State.CANCELLED})
                assert keys(old.messages.all()).isdisjoint(sent_once(gateway))
                assert new.messages.filter(state=State.SCHEDULED).count() == 3
            else:
                assert State.CANCELLED not in gone
                # What the change had locked for a moment leaves at the next look.
                assert one + two + leave() == EACH
    assert not Submission.objects.exclude(body="Bonsoir").filter(messages__state=State.SCHEDULED).exists()
    assert_ledger_adds_up()


def test_two_people_who_change_the_same_message_do_not_both_replace_it() -> None:
    account = factories.account(millis=10_000)
    old = factories.submission(account, to=10, deferred_to=TOMORROW)
    drafts = [factories.draft(account, to=10, body=body, deferred_to=TOMORROW) for body in ("a", "b")]
    results = succeeded(
        at_once(
            [partial(services.submit, draft, now=NOON, replaces=Replaced(old, old.recipients)) for draft in drafts]
        ),
        CannotReplace,
    )
    assert sorted(isinstance(result, CannotReplace) for result in results) == [False, True]
    assert balances(account) == {"available": 0, "held": 10_000, "spent": 0}
    assert_ledger_adds_up()


def test_a_double_click_on_replace_at_the_same_moment_replaces_once() -> None:
    account = factories.account(millis=10_000)
    old = factories.submission(account, to=10, deferred_to=TOMORROW)
    draft = factories.draft(account, to=10, body="a", deferred_to=TOMORROW)
    clicks = [
        partial(services.submit, replace(draft), now=NOON, replaces=Replaced(old, old.recipients))
        for _click in range(4)
    ]
    results = succeeded(at_once(clicks))
    assert len({submission.pk for submission, _new in results}) == 1
    assert sum(new for _submission, new in results) == 1
    assert_ledger_adds_up()


def test_all_verbs_at_once_neither_deadlock_nor_lose_a_message() -> None:
    account = factories.account()
    person = factories.owner(account)
    with scripted_gateway(batch_size=5) as gateway:
        for _round in range(ROUNDS):
            submission = factories.submission(account, to=EACH)
            pks = list(submission.messages.order_by("-pk").values_list("pk", flat=True)[:3])
            draft = factories.draft(account, to=2, body="Bonsoir", person=person)
            succeeded(
                at_once(
                    [
                        leave,
                        partial(scheduled.move, submission, to=TOMORROW, by=person, now=NOON),
                        partial(scheduled.pause, submission, by=person, now=NOON),
                        partial(scheduled.resume, submission, now=NOON),
                        partial(services.cancel, account, pks, by=person, now=NOON),
                        partial(services.submit, draft, now=NOON, replaces=Replaced(submission, submission.recipients)),
                        partial(dispatch.sweep, clock=at(NOON)),
                    ]
                ),
                CannotReplace,
            )
            scheduled.resume(submission, now=NOON)
        dispatch_due(clock=at(TOMORROW))
        ended = Message.objects.filter(state__in=[State.ACCEPTED, State.CANCELLED])
        assert ended.count() == Message.objects.count()
        assert len(sent_once(gateway)) == Message.objects.filter(state=State.ACCEPTED).count()
    assert_ledger_adds_up()


def test_without_the_lock_messages_are_moved_that_leave_in_the_same_moment(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: the person is told that they leave tomorrow, and they are gone.

    SQLite takes no row locks: its write transactions (IMMEDIATE) come one after the other, so there the race
    cannot be made, and taking the lock away changes nothing.
    """
    submission = factories.submission(factories.account(), to=EACH)
    both_have_read = threading.Barrier(2)
    at_work = connection.vendor == "postgresql"
    departing, checked = scheduled._departures, claims._outside_no_window

    def move_together(rows: list[Message], of: Submission, asked: datetime) -> Any:
        if at_work and rows:
            both_have_read.wait(DEADLINE)
        return departing(rows, of, asked)

    def claim_together(rows: list[Message], now: datetime) -> list[Message]:
        if at_work and rows:
            both_have_read.wait(DEADLINE)
        return checked(rows, now)

    monkeypatch.setattr(QuerySet, "select_for_update", lambda self, **_options: self)
    monkeypatch.setattr(scheduled, "_departures", move_together)
    monkeypatch.setattr(claims, "_outside_no_window", claim_together)
    with scripted_gateway() as gateway:
        moved, sent = succeeded(at_once([partial(scheduled.move, submission, to=TOMORROW, by=None, now=NOON), leave]))
        assert len(sent_once(gateway)) == sent
    assert moved.moved + sent == (2 * EACH if at_work else EACH)


def test_what_comes_back_while_somebody_pauses_is_not_waited_for_in_a_circle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = factories.account()
    submission = factories.submission(account, to=4)
    made, _moved = claims.claim_due(clock=at(NOON), size=1)
    lock_waiting, locked, go_on = scheduled._lock_waiting, threading.Event(), threading.Event()

    def and_then_one_comes_back(found: Submission) -> dict[int, bool]:
        rows = lock_waiting(found)
        locked.set()
        assert go_on.wait(DEADLINE)
        return rows

    def back_and_cancel() -> int:
        assert locked.wait(DEADLINE)
        if connection.vendor == "sqlite":
            # One writes at a time.
            go_on.set()
        dispatch._give_back(made, "", at(NOON))
        threading.Thread(target=until_somebody_waits, daemon=True).start()
        return services.cancel_submission(submission, by=None, now=NOON)

    def until_somebody_waits() -> None:
        if connection.vendor == "postgresql":
            until_waiting(1)
        go_on.set()
        connection.close()

    monkeypatch.setattr(scheduled, "_lock_waiting", and_then_one_comes_back)
    assert at_once([partial(scheduled.pause, submission, by=None, now=NOON), back_and_cancel]) == [3, 4]
    assert set(submission.messages.values_list("state", flat=True)) == {State.CANCELLED}
    assert_ledger_adds_up()
