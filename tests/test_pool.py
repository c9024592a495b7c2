"""Short numbers that have a gateway and a capacity; and whose an answer is, whatever happens between."""

import random
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from compose import breakers
from compose.gateways.base import NotSent, Received, Rejected, Unsupported
from compose.models import Message, Route
from compose.services import store_events
from credits.models import Account
from inbox import services as inbox_services
from inbox.models import Received as ReceivedMessage
from senders.models import Lease, Sender, ShortNumber
from senders.pool import Pool
from tests import factories
from tests.dispatching import dispatch_due
from tests.events import PHONE, answer, arrive, sent
from tests.factories import NOON, assert_message, at, due, mobile, take_numbers
from tests.fixtures.databases import FreshDatabase
from tests.gateways_for_tests import ScriptedGateway, answering, raising, scripted_gateway, scripted_gateways, take_all
from tests.threads import at_once

State = Message.State
HOUR = timedelta(hours=1)
WINDOW = 48 * HOUR


@pytest.fixture
def account(db: None) -> Account:
    return factories.account()


@pytest.fixture
def gateway() -> Iterator[ScriptedGateway]:
    """The only gateway."""
    with scripted_gateway() as made:
        yield made


@pytest.fixture
def gateways(db: None) -> Iterator[dict[str, ScriptedGateway]]:
    """Two gateways for everything: `first`, then `second`. Nothing goes by "default"."""
    Route.objects.create(gateway="first", priority=1)
    Route.objects.create(gateway="second", priority=2)
    large: dict[str, Any] = {"batch_size": 1_000}
    with scripted_gateways(default={}, first=large, second=large) as made:
        yield made


def numbers(**of: str) -> Sender:
    """The pool with these numbers for messages that are not commercial, each with its gateway: n38111="first"."""
    sender = factories.pool(other=[name[1:] for name in of])
    for name, gateway in of.items():
        ShortNumber.objects.filter(number=name[1:]).update(gateway=gateway)
    return sender


def went(gateways: dict[str, ScriptedGateway]) -> list[tuple[str, str]]:
    """What was handed over: the gateway's name and the number it was from."""
    return [(name, message.originator) for name, one in gateways.items() for message in one.sent]


# Capacity


def test_a_number_is_in_use_with_no_more_recipients_than_its_capacity(
    account: Account, gateway: ScriptedGateway
) -> None:
    sender = factories.pool(other=["38111"])
    ShortNumber.objects.filter(number="38111").update(capacity=2)
    submission = factories.submission(account, to=3, by=sender)
    assert dispatch_due(clock=at(NOON)) == 2
    (waits,) = submission.messages.filter(state=State.SCHEDULED)
    assert_message(waits, State.SCHEDULED, "no_short_number", originator="", due_at=NOON + timedelta(minutes=5))
    assert Lease.objects.count() == 2
    later = NOON + WINDOW
    Message.objects.filter(pk=waits.pk).update(valid_until=later + HOUR)
    assert dispatch_due(clock=at(later - timedelta(minutes=5))) == 0
    assert dispatch_due(clock=at(later)) == 1


def test_what_is_over_the_capacity_of_one_number_goes_from_another(account: Account, gateway: ScriptedGateway) -> None:
    sender = factories.pool(other=["38111", "38112"])
    ShortNumber.objects.filter(number="38111").update(capacity=2)
    factories.submission(account, to=5, by=sender)
    assert dispatch_due(clock=at(NOON)) == 5
    assert sorted(message.originator for message in gateway.sent) == ["38111"] * 2 + ["38112"] * 3


def test_a_recipient_with_whom_the_number_is_in_use_counts_once(account: Account, gateway: ScriptedGateway) -> None:
    sender = factories.pool(other=["38111"])
    ShortNumber.objects.filter(number="38111").update(capacity=1)
    for hours in (0, 40, 80):
        message = factories.message(account, by=sender, now=NOON + hours * HOUR)
        dispatch_due(clock=at(NOON + hours * HOUR))
        assert_message(message, State.ACCEPTED, originator="38111")


def test_a_message_for_next_month_holds_no_number(account: Account, gateway: ScriptedGateway) -> None:
    factories.message(account, by=factories.pool(), deferred_to=NOON + timedelta(days=30))
    dispatch_due(clock=at(NOON))
    assert not Lease.objects.exists()


def test_two_claims_that_want_the_last_place_get_it_once(fresh_database: FreshDatabase) -> None:
    assert places_taken() == 1


def test_without_the_lock_two_claims_take_the_last_place_twice(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above. SQLite has one writer at a time, so it needs no lock and shows no race."""
    monkeypatch.setattr(QuerySet, "select_for_update", lambda rows, **_how: rows)
    race = connection.vendor == "postgresql"
    assert places_taken(race=race) == (2 if race else 1)


def places_taken(*, race: bool = False) -> int:
    """How many leases there are after two claims wanted the last place of a number, as much at once as may be."""
    factories.pool(other=["38111"])
    ShortNumber.objects.filter(number="38111").update(capacity=1)
    one, other = factories.account(), factories.account()
    both_looked = threading.Barrier(2)

    def claim(account: Account, recipient: str) -> None:
        with transaction.atomic():
            pool = Pool(recipients=[recipient], commercial=[False], now=NOON)
            found = pool.find(account_id=account.pk, recipient=recipient, commercial=False, gateway="default")
            if connection.vendor == "postgresql":
                # Where there is a lock the other one still waits for it, and comes too late to this meeting; where
                # there is none both come, however late.
                with suppress(threading.BrokenBarrierError):
                    both_looked.wait(60 if race else 2)
            if found is not None:
                pool.take(found, account_id=account.pk, recipient=recipient, until=NOON + WINDOW)
            pool.keep()

    results = at_once([lambda: claim(one, mobile(1)), lambda: claim(other, mobile(2))])
    assert results == [None, None]
    return Lease.objects.count()


# Gateways


def test_a_number_of_a_gateway_that_does_not_carry_the_message_is_not_taken(account: Account) -> None:
    sender = numbers(n38111="second")
    with scripted_gateways(default={}, second={}) as made:
        message = factories.message(account, by=sender)
        assert dispatch_due(clock=at(NOON)) == 0
        assert_message(message, State.SCHEDULED, "no_short_number", originator="")
        assert not Lease.objects.exists()
        ShortNumber.objects.update(gateway="")
        dispatch_due(clock=at(NOON + timedelta(minutes=5)))
        assert went(made) == [("default", "38111")]


def test_a_message_leaves_by_the_gateway_of_its_number(account: Account, gateways: dict[str, ScriptedGateway]) -> None:
    factories.message(account, by=numbers(n38111="second"))
    dispatch_due(clock=at(NOON))
    assert went(gateways) == [("second", "38111")]


def test_a_message_that_goes_on_to_another_gateway_leaves_from_a_number_of_that(
    account: Account, gateways: dict[str, ScriptedGateway]
) -> None:
    message = factories.message(account, by=numbers(n38111="first", n38112="second"))
    gateways["first"].script = answering(NotSent("away"))
    dispatch_due(clock=at(NOON))
    assert went(gateways) == [("first", "38111"), ("second", "38112")]
    assert_message(message, State.ACCEPTED, gateway="second", originator="38112")
    assert set(Lease.objects.values_list("account_id", flat=True)) == {account.pk}


@pytest.mark.parametrize("error", [NotSent("away"), Unsupported("no")], ids=lambda error: error.reason)
def test_a_message_whose_numbers_are_all_of_one_gateway_goes_to_no_other(
    account: Account, gateways: dict[str, ScriptedGateway], error: NotSent | Unsupported
) -> None:
    message = factories.message(account, by=numbers(n38111="first"))
    gateways["first"].script = answering(error)
    dispatch_due(clock=at(NOON))
    message.refresh_from_db()
    if isinstance(error, Unsupported):
        assert_message(message, State.FAILED, "unsupported")
    else:
        assert_message(message, State.SCHEDULED, "gateway_unreachable")
        assert NOON < due(message) < NOON + timedelta(seconds=10)
        dispatch_due(clock=at(due(message)))
    assert {name for name, _number in went(gateways)} == {"first"}


def test_a_message_waits_for_a_gateway_with_a_number_rather_than_for_a_number_of_the_others(
    account: Account, gateways: dict[str, ScriptedGateway]
) -> None:
    """`second` has a number, but another account uses it with this recipient."""
    sender = numbers(n38111="first", n38112="second")
    take_numbers(factories.account(), "+33612345678", gateway="second")
    message = factories.message(account, by=sender)
    gateways["first"].script = raising(NotSent("away"))
    dispatch_due(clock=at(NOON))
    message.refresh_from_db()
    assert (message.state, message.reason) == (State.SCHEDULED, "no_short_number")
    assert due(message) < NOON + timedelta(seconds=10), "the first gateway is tried again soon"
    dispatch_due(clock=at(due(message)))
    assert set(went(gateways)) == {("first", "38111")}


def test_an_account_keeps_its_number_with_a_recipient_whatever_the_order_of_the_gateways(
    account: Account, gateways: dict[str, ScriptedGateway]
) -> None:
    for hours, of in ((0, {"n38112": "second"}), (1, {"n38111": "first", "n38112": "second"})):
        factories.message(account, by=numbers(**of))
        dispatch_due(clock=at(NOON + hours * HOUR))
    assert went(gateways) == [("second", "38112")] * 2


def test_while_the_gateway_of_its_number_is_paused_an_account_writes_from_another(
    account: Account, gateways: dict[str, ScriptedGateway]
) -> None:
    sender = numbers(n38111="first", n38112="second")
    factories.message(account, by=sender)
    dispatch_due(clock=at(NOON))
    breakers.pause("first", by=factories.owner(account), reason="Works of the operator")
    factories.message(account, by=sender)
    dispatch_due(clock=at(NOON + HOUR))
    breakers.resume("first")
    factories.message(account, by=sender)
    dispatch_due(clock=at(NOON + 2 * HOUR))
    assert went(gateways)[-1] == ("second", "38112")
    assert Lease.objects.count() == 2


def test_with_all_numbers_at_a_paused_gateway_a_message_waits_and_says_so(
    account: Account, gateways: dict[str, ScriptedGateway]
) -> None:
    message = factories.message(account, by=numbers(n38111="first"))
    breakers.pause("first", by=factories.owner(account), reason="Works of the operator")
    assert dispatch_due(clock=at(NOON)) == 0
    assert_message(message, State.SCHEDULED, "gateway_paused", gateway="first", originator="")
    assert not Lease.objects.exists()


def test_a_batch_takes_as_many_queries_with_gateways_and_capacities_whatever_its_size(
    gateways: dict[str, ScriptedGateway],
) -> None:
    sender = numbers(n38111="first", n38112="second")
    counts = []
    # The first time notes that the gateways work.
    for size in (4, 10, 100):
        ShortNumber.objects.filter(number="38111").update(capacity=size // 2)
        for part in (1, 2):
            factories.submission(factories.account(), to=size // part, by=sender)
        before = [len(one.sent) for one in gateways.values()]
        with CaptureQueriesContext(connection) as queries:
            assert dispatch_due(clock=at(NOON)) == size + size // 2
        assert [len(one.sent) - had for one, had in zip(gateways.values(), before, strict=True)] == [0, size // 2, size]
        counts.append(len(queries))
        Lease.objects.all().delete()
    assert counts[1] == counts[2]


# Whose an answer is


def say(number: str, to: str, *, given: datetime, key: str, comes: datetime | None = None) -> ReceivedMessage:
    """An answer that a phone gave at one moment and that comes to us at another."""
    comes = comes or given
    store_events("default", [Received(key=key, number=number, to=to, text="Oui", at=given)], now=comes)
    inbox_services.apply_waiting(clock=at(comes))
    return ReceivedMessage.objects.get(event__key=key)


def test_a_late_answer_goes_to_the_last_holder_although_others_wrote_from_other_numbers(
    account: Account, gateway: ScriptedGateway
) -> None:
    sender = factories.pool(other=["38111", "38112"])
    message = sent(account, by=sender)
    late = NOON + WINDOW + HOUR
    other = sent(factories.account(), now=late, by=sender)
    assert (message.originator, other.originator) == ("38111", "38112")
    found = say(PHONE, "38111", given=late + HOUR, key="late")
    assert (found.account, found.answers) == (account, message)


def test_an_answer_after_another_account_took_the_number_is_that_accounts(
    account: Account, gateway: ScriptedGateway
) -> None:
    sender = factories.pool(other=["38111"])
    sent(account, by=sender)
    late = NOON + WINDOW + HOUR
    other = sent(factories.account(), now=late, by=sender)
    found = say(PHONE, "38111", given=late + HOUR, key="late")
    assert (found.account, found.answers) == (other.account, other)


def test_an_answer_given_in_time_and_heard_of_too_late_is_still_its_accounts(
    account: Account, gateway: ScriptedGateway
) -> None:
    sender = factories.pool(other=["38111"])
    message = sent(account, by=sender)
    late = NOON + WINDOW + HOUR
    sent(factories.account(), now=late, by=sender)
    found = say(PHONE, "38111", given=NOON + WINDOW - HOUR, comes=late + HOUR, key="delayed")
    assert (found.account, found.answers) == (account, message)


def test_a_message_that_was_refused_takes_no_answers_from_whoever_wrote_before(
    account: Account, gateway: ScriptedGateway
) -> None:
    sender = factories.pool(other=["38111"])
    message = sent(account, by=sender)
    gateway.script = answering(Rejected("no"))
    late = NOON + WINDOW + HOUR
    factories.message(factories.account(), now=late, by=sender)
    dispatch_due(clock=at(late))
    found = say(PHONE, "38111", given=late + HOUR, key="late")
    assert (found.account, found.answers) == (account, message)


def test_an_answer_with_a_clock_that_makes_no_sense_goes_to_who_wrote_last(
    account: Account, gateway: ScriptedGateway
) -> None:
    message = sent(account, by=factories.pool(other=["38111"]))
    found = say(PHONE, "38111", given=NOON - 2 * HOUR, comes=NOON + HOUR, key="early")
    assert (found.account, found.answers) == (account, message)


def test_a_name_that_two_accounts_have_is_answered_to_neither(account: Account, gateway: ScriptedGateway) -> None:
    for one in (account, factories.account()):
        sent(one, by=factories.sender(one, "INFO"))
    assert arrive(answer(to="INFO")) == ["unmatched"]


ACCOUNTS, RECIPIENTS, STEPS = 3, 5, 20


@pytest.mark.parametrize("seed", range(2))
def test_every_answer_within_the_window_of_a_message_lands_with_its_account(
    db: None, gateway: ScriptedGateway, seed: int
) -> None:
    """Three accounts write to five phones from two numbers; time moves, answers cross, some are heard of late."""
    chance = random.Random(seed)
    sender = factories.pool(other=["38111", "38112"])
    accounts = [factories.account() for _each in range(ACCOUNTS)]
    phones = [mobile(number) for number in range(RECIPIENTS)]
    gateway.script = lambda chunk: [Rejected("no") if chance.random() < 0.1 else one for one in take_all(chunk)]
    now, expected = NOON, dict[str, int]()
    coming: list[tuple[datetime, Received]] = []
    for step in range(STEPS):
        now += timedelta(minutes=chance.choice([1, 5, 60, 600, 2000]))
        factories.submission(chance.choice(accounts), now=now, by=sender, to=", ".join(chance.sample(phones, 2)))
        dispatch_due(clock=at(now))
        given = now + timedelta(minutes=chance.choice([0, 1, 300]))
        now = given
        open_ones = Message.objects.filter(
            state=State.ACCEPTED, handed_over_at__lte=given, handed_over_at__gt=given - WINDOW
        )
        for message in chance.sample(list(open_ones), min(2, len(open_ones))):
            key = f"answer-{step}-{message.pk}"
            expected[key] = message.account_id
            event = Received(key=key, number=message.recipient, to=message.originator, text="Oui", at=given)
            coming.append((given + timedelta(hours=chance.choice([0, 0, 0, 24, 72])), event))
        heard = [event for due, event in coming if due <= now]
        coming = [(due, event) for due, event in coming if due > now]
        store_events("default", heard, now=now)
        inbox_services.apply_waiting(clock=at(now))
    store_events("default", [event for _due, event in coming], now=now + 72 * HOUR)
    inbox_services.apply_waiting(clock=at(now + 72 * HOUR))
    assert len(expected) > STEPS
    found = dict(ReceivedMessage.objects.values_list("event__key", "account_id"))
    assert found == expected
    used = set(Lease.objects.values_list("number__number", flat=True))
    assert used == {"38111", "38112"}, "accounts stood in each other's way"
