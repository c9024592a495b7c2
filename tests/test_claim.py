"""What is looked at again when messages are claimed, and that two claimers never claim the same."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.db.models import QuerySet

from compose import claims
from compose.models import Message
from compose.numbers import Recipient
from compose.services import submit
from credits.models import Account
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import HELD, NOON, assert_message, at, balances
from tests.fixtures.databases import FreshDatabase
from tests.gateways_for_tests import ScriptedGateway, scripted_gateway
from tests.threads import DEADLINE, at_once

State = Message.State


@pytest.fixture
def account(db: None) -> Account:
    """An account with 100 credits."""
    return factories.account()


@pytest.fixture
def gateway() -> Iterator[ScriptedGateway]:
    """The only gateway: it takes all messages until its script says otherwise."""
    with scripted_gateway() as made:
        yield made


# What is looked at again at the claim


def test_nothing_leaves_before_its_moment(account: Account, gateway: ScriptedGateway) -> None:
    moment = NOON + timedelta(days=2)
    factories.message(account, deferred_to=moment)
    assert dispatch_due(clock=at(moment - timedelta(microseconds=1))) == 0
    assert dispatch_due(clock=at(moment)) == 1


def test_a_commercial_message_that_missed_its_window_moves_to_the_next_opening(
    account: Account, gateway: ScriptedGateway
) -> None:
    message = factories.message(account, commercial=True)
    evening = NOON.replace(hour=19)  # 20:00 in Paris
    assert dispatch_due(clock=at(evening)) == 0
    opening = datetime(2026, 11, 25, 7, tzinfo=UTC)
    assert_message(message, State.SCHEDULED, "window", send_at=opening, due_at=opening, postponed_by="window")
    assert message.valid_until == opening + timedelta(hours=48)
    assert balances(account) == HELD
    assert dispatch_due(clock=at(opening)) == 1
    assert_message(message, State.ACCEPTED)


def test_a_message_that_is_not_commercial_leaves_in_the_night(account: Account, gateway: ScriptedGateway) -> None:
    factories.message(account)
    assert dispatch_due(clock=at(NOON.replace(hour=23))) == 1


def test_where_no_zone_is_known_the_plan_and_the_claim_use_the_accounts(gateway: ScriptedGateway, db: None) -> None:
    account = factories.account(time_zone="Asia/Tokyo")
    early = NOON.replace(hour=0)  # 09:00 in Tokyo
    nowhere = Recipient("+99912345678", "QQ", "+99912345678")
    submission, _new = submit(replace(factories.draft(account, commercial=True), recipients=[nowhere]), now=early)
    message = submission.messages.get()
    assert message.send_at == early
    dispatch_due(clock=at(early))
    assert_message(message, State.ACCEPTED)


# At once, on real connections


def claims_at_once(count: int, *, size: int) -> list[list[int]]:
    """The messages that each of `count` claimers got, all claiming until nothing is due."""

    def claim_all() -> list[int]:
        mine: list[int] = []
        while True:
            made, _moved = claims.claim_due(clock=at(NOON), size=size)
            if not made:
                return mine
            mine += [message.pk for claim in made for message in claim.messages]

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
    checked = claims._outside_no_window

    def read_together(rows: list[Message], now: datetime) -> list[Message]:
        if connection.vendor == "postgresql" and rows:
            both_have_read.wait(DEADLINE)
        return checked(rows, now)

    monkeypatch.setattr(QuerySet, "select_for_update", lambda self, **_options: self)
    monkeypatch.setattr(claims, "_outside_no_window", read_together)
    first, second = claims_at_once(2, size=10)
    assert len(first) + len(second) == (20 if connection.vendor == "postgresql" else 10)


def test_who_points_to_a_message_keeps_nobody_from_sending_it(fresh_database: FreshDatabase) -> None:
    """An answer is stored with the books of its account in hand, and its key looked at when that commits: whoever
    settles the message, and waits for the books, must not wait for that or be waited for. SQLite has no such locks."""
    if connection.vendor != "postgresql":
        return
    with scripted_gateway():
        message = factories.message(factories.account())
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT id FROM compose_message FOR KEY SHARE")
            assert at_once([lambda: dispatch_due(clock=at(NOON))]) == [1]
    assert_message(message, State.ACCEPTED)
