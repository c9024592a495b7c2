"""Cancelling, and on which page a message is meanwhile."""

from datetime import timedelta

import pytest

from compose import claims
from compose.models import Message
from compose.progress import progress
from compose.queries import scheduled, sent
from compose.services import cancel, cancel_submission
from credits.models import Account
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import NOON, assert_ledger_adds_up, at, balances
from tests.fixtures.databases import FreshDatabase
from tests.gateways_for_tests import scripted_gateway
from tests.threads import at_once

State = Message.State


@pytest.fixture
def account(db: None) -> Account:
    """An account with 100 credits."""
    return factories.account()


# Cancelling


def test_a_cancelled_message_gives_its_credits_back(account: Account) -> None:
    message = factories.message(account, deferred_to=NOON + timedelta(days=1))
    person = factories.owner(account)
    assert cancel(account, [message.pk], by=person, now=NOON) == 1
    message.refresh_from_db()
    assert (message.state, message.reason, message.final_at) == (State.CANCELLED, "cancelled", NOON)
    assert message.hold_ended_by is not None
    assert (message.hold_ended_by.verb, message.hold_ended_by.by) == ("release", person)
    assert balances(account) == {"available": 100_000, "held": 0, "spent": 0}
    assert_ledger_adds_up()


def test_cancelling_twice_gives_back_once(account: Account) -> None:
    message = factories.message(account)
    assert [cancel(account, [message.pk], by=None, now=NOON) for _time in range(2)] == [1, 0]
    assert balances(account)["available"] == 100_000


def test_cancelling_a_submission_leaves_alone_what_has_left(account: Account) -> None:
    submission = factories.submission(account, to=4)
    with scripted_gateway():
        assert len(claims.claim_due(clock=at(NOON), size=1)[0]) == 1
    assert cancel_submission(submission, by=None, now=NOON) == 3
    assert {one.state: one.total for one in progress(submission, now=NOON).counts} == {"sending": 1, "cancelled": 3}
    assert balances(account) == {"available": 99_000, "held": 1_000, "spent": 0}
    assert_ledger_adds_up()


def test_nobody_cancels_the_message_of_another_account(account: Account) -> None:
    message = factories.message(account)
    assert cancel(factories.account(), [message.pk], by=None, now=NOON) == 0
    message.refresh_from_db()
    assert message.state == State.SCHEDULED


def test_a_message_is_either_cancelled_or_claimed(fresh_database: FreshDatabase) -> None:
    account = factories.account()
    with scripted_gateway() as gateway:
        for _round in range(5):
            submission = factories.submission(account, to=10)
            pks = list(submission.messages.values_list("pk", flat=True))
            cancelled, sent_now, more = at_once(
                [
                    lambda pks=pks: cancel(account, pks, by=None, now=NOON),  # type: ignore[misc]
                    lambda: dispatch_due(clock=at(NOON)),
                    lambda pks=pks: cancel(account, pks, by=None, now=NOON),  # type: ignore[misc]
                ]
            )
            # What the claim skipped because the cancelling held it is cancelled, so each has one end.
            assert cancelled + sent_now + more == 10
            states = set(submission.messages.values_list("state", flat=True))
            assert states <= {State.CANCELLED, State.ACCEPTED}
            assert submission.messages.filter(state=State.ACCEPTED).count() == sent_now
        assert len(gateway.sent) == Message.objects.filter(state=State.ACCEPTED).count()
    assert_ledger_adds_up()


# The pages' lists


def test_a_message_is_planned_until_its_moment_and_sent_from_then_on(account: Account) -> None:
    later = factories.message(account, deferred_to=NOON + timedelta(hours=1))
    assert list(scheduled(account, now=NOON)) == [later]
    assert list(sent(account, now=NOON)) == []
    assert list(scheduled(account, now=NOON + timedelta(hours=1))) == []
    assert list(sent(account, now=NOON + timedelta(hours=1))) == [later]


def test_a_cancelled_message_is_among_those_sent(account: Account) -> None:
    later = factories.message(account, deferred_to=NOON + timedelta(hours=1))
    cancel(account, [later.pk], by=None, now=NOON)
    assert list(sent(account, now=NOON)) == [later]


@pytest.mark.parametrize(
    ("text", "found"),
    [("06 12 34", 1), ("+33612", 1), ("0033612", 1), ("jour", 1), ("0", 0), ("00", 0), ("9999", 0), ("%", 0)],
)
def test_sent_messages_are_found_by_number_as_typed_or_kept_and_by_text(
    account: Account, text: str, found: int
) -> None:
    factories.message(account)
    assert len(sent(account, now=NOON, text=text)) == found


def test_nobody_sees_the_messages_of_another_account(account: Account) -> None:
    factories.message(account)
    other = factories.account()
    assert not sent(other, now=NOON)
    assert not scheduled(other, now=NOON - timedelta(hours=1))
