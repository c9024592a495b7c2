"""Received messages: whose they are, what they answer, and who has read them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from compose.gateways.base import Rejected
from credits import ledger, owed
from credits.models import Account, Member, Owed, Transfer
from inbox import marks, queries, threads
from inbox.models import Received as ReceivedMessage
from senders.models import Lease, Sender
from tests import factories
from tests.dispatching import dispatch_due
from tests.events import LATER, PHONE, answer, arrive, sent
from tests.factories import FULL, NOON, assert_ledger_adds_up, at, balances
from tests.gateways_for_tests import ScriptedGateway, scripted_gateway


@pytest.fixture
def account(db: None) -> Account:
    """An account with 100 credits."""
    return factories.account()


@pytest.fixture(autouse=True)
def gateway() -> Iterator[ScriptedGateway]:
    """The only gateway: it takes all messages until its script says otherwise."""
    with scripted_gateway() as made:
        yield made


def owner_of(account: Account) -> Member:
    return Member.objects.get(account=account, user=factories.owner(account))


def received() -> ReceivedMessage:
    return ReceivedMessage.objects.get()


def test_an_answer_to_a_short_number_belongs_to_the_account_that_wrote_and_to_its_message(account: Account) -> None:
    message = sent(account, by=factories.pool())
    assert arrive(answer()) == ["received"]
    found = received()
    assert (found.account, found.answers, found.number, found.to, found.text) == (
        account,
        message,
        PHONE,
        "38111",
        "Merci",
    )
    assert found.received_at == LATER


def test_each_account_gets_the_answer_to_its_own_short_number(account: Account) -> None:
    other = factories.account()
    sender = factories.pool()
    messages = [sent(one, by=sender) for one in (account, other)]
    arrive(*(answer(to=message.originator) for message in messages))
    pairs = {(one.account_id, one.answers_id) for one in ReceivedMessage.objects.all()}
    assert pairs == {(message.account_id, message.pk) for message in messages}


def test_an_answer_after_the_reply_window_still_arrives_while_nobody_else_has_the_number(account: Account) -> None:
    sent(account, by=factories.pool())
    Lease.objects.update(until=NOON)
    assert arrive(answer(), now=NOON + timedelta(days=9)) == ["received"]


def test_an_answer_by_reference_goes_to_the_message_it_names(account: Account) -> None:
    message = sent(account)
    sent(factories.account(), by=factories.pool())
    arrive(answer(answers=f"ref-{message.pk}"))
    assert (received().account, received().answers) == (account, message)


@pytest.mark.parametrize("status", [Sender.Status.ENABLED, Sender.Status.DISABLED])
def test_a_message_to_a_virtual_number_belongs_to_its_owner(account: Account, status: str) -> None:
    factories.sender(account, "+33937000001", kind=Sender.Kind.VIRTUAL, status=status)
    arrive(answer(to="+33937000001"))
    assert (received().account, received().answers) == (account, None)


@pytest.mark.parametrize("status", [Sender.Status.WAITING, Sender.Status.REFUSED])
def test_asking_for_a_virtual_number_does_not_bring_its_messages(account: Account, status: str) -> None:
    factories.sender(account, "+33937000001", kind=Sender.Kind.VIRTUAL, status=status)
    assert arrive(answer(to="+33937000001")) == ["unmatched"]
    owner = factories.account()
    factories.sender(owner, "+33937000001", kind=Sender.Kind.VIRTUAL)
    assert arrive(answer(to="+33937000001")) == ["unmatched", "received"]
    assert ReceivedMessage.objects.latest("pk").account == owner


def test_an_answer_answers_the_last_message_that_left(account: Account, gateway: ScriptedGateway) -> None:
    sender = factories.pool()
    early = factories.message(account, by=sender, body="one", deferred_to=NOON + timedelta(minutes=1))
    sent(account, by=sender, body="two")
    dispatch_due(clock=at(NOON + timedelta(minutes=1)))
    gateway.script = lambda chunk: [Rejected("no")]
    factories.message(account, by=sender, body="refused")
    dispatch_due(clock=at(NOON + timedelta(minutes=2)))
    factories.message(account, by=sender, body="still waits", deferred_to=NOON + timedelta(days=1))
    arrive(replace(answer(), at=NOON + timedelta(minutes=3)))
    assert received().answers == early


def test_a_message_that_nothing_explains_belongs_to_nobody_and_is_kept(account: Account) -> None:
    person = owner_of(account)
    assert arrive(answer(), answer(to="BoulMartin")) == ["unmatched", "unmatched"]
    assert ReceivedMessage.objects.filter(account=None).count() == 2
    assert not queries.received(person)
    assert queries.unread_count(person) == 0


def test_the_same_event_twice_is_one_message(account: Account) -> None:
    sent(account, by=factories.pool())
    same = answer()
    arrive(same)
    arrive(same, same)
    assert ReceivedMessage.objects.count() == 1


def test_two_identical_texts_are_two_messages(account: Account) -> None:
    sent(account, by=factories.pool())
    arrive(answer("Oui"), answer("Oui"))
    assert ReceivedMessage.objects.count() == 2


# What an answer costs


def test_an_answer_costs_its_account_a_credit_once(account: Account) -> None:
    sent(account, by=factories.pool())
    before = balances(account)
    same = answer()
    arrive(same)
    arrive(same, same)
    line = Transfer.objects.get(verb="charge")
    assert (line.key, line.amount) == (f"received:{received().pk}", 1_000)
    assert (line.cause_kind, line.cause_key) == ("received", str(received().pk))
    assert balances(account) == before | {
        "available": before["available"] - 1_000,
        "spent": before["spent"] + 1_000,
    }
    assert_ledger_adds_up()


def test_each_of_two_identical_answers_costs_its_price(account: Account, settings: Any) -> None:
    settings.SMS_REPLY_PRICE = 250
    sent(account, by=factories.pool())
    arrive(answer("Oui"), answer("Oui"))
    assert list(Transfer.objects.filter(verb="charge").values_list("amount", flat=True)) == [250, 250]
    assert_ledger_adds_up()


def test_answers_are_free_where_their_price_is_zero(account: Account, settings: Any) -> None:
    settings.SMS_REPLY_PRICE = 0
    sent(account, by=factories.pool())
    assert arrive(answer()) == ["received"]
    assert not Transfer.objects.filter(verb="charge").exists()


def test_an_answer_that_nobodys_message_explains_costs_nobody_anything(account: Account) -> None:
    assert arrive(answer()) == ["unmatched"]
    assert balances(account) == FULL
    assert not Owed.objects.exists()


def test_an_answer_that_finds_no_credit_is_shown_and_owed_until_the_next_top_up(db: None) -> None:
    account = factories.account(millis=1_000)
    sent(account, by=factories.pool())
    arrive(answer())
    assert [row.text for row in queries.received(owner_of(account))] == ["Merci"]
    assert balances(account) == {"available": 0, "held": 0, "spent": 1_000}
    assert owed.total(account) == 1_000
    assert_ledger_adds_up()
    factories.grant(account, 5_000)
    assert balances(account) == {"available": 4_000, "held": 0, "spent": 2_000}
    assert owed.total(account) == 0
    assert_ledger_adds_up()


def test_an_answer_whose_price_cannot_be_written_comes_again_with_it(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent(account, by=factories.pool())
    before = balances(account)

    def die(*_args: Any, **_named: Any) -> None:
        raise OSError

    with monkeypatch.context() as patched:
        patched.setattr(ledger, "charge", die)
        assert arrive(answer()) == [""]
    assert not ReceivedMessage.objects.exists()
    assert arrive(now=LATER + timedelta(hours=2)) == ["received"]
    assert before["available"] - balances(account)["available"] == 1_000
    assert ReceivedMessage.objects.count() == 1


def test_what_one_member_has_read_is_unread_for_another(account: Account) -> None:
    other = factories.member(account, Member.Role.READER)
    sent(account, by=factories.pool())
    arrive(answer())
    reader = owner_of(account)
    for _time in range(2):
        marks.mark_read(reader, [received().pk])
    assert [queries.unread_count(person) for person in (reader, other)] == [0, 1]
    assert [row.unread for row in queries.received(other)] == [True]  # type: ignore[attr-defined]


def test_nobody_reads_the_messages_of_another_account(account: Account) -> None:
    sent(account, by=factories.pool())
    arrive(answer())
    mine = owner_of(account)
    theirs = factories.account()
    stranger = owner_of(theirs)
    marks.mark_read(stranger, [received().pk])
    assert queries.unread_count(mine) == 1
    assert not queries.received(stranger)
    assert threads.thread(theirs, PHONE).lines == []


def test_a_conversation_shows_what_was_sent_and_what_came_back_in_the_order_of_time(account: Account) -> None:
    sender = factories.pool()
    sent(account, by=sender, body="Prêt ?")
    arrive(answer("Oui"))
    sent(account, now=NOON + timedelta(minutes=1), by=sender, body="Parfait")
    lines = threads.thread(account, PHONE).lines
    assert [(line.outgoing, line.text) for line in lines] == [(True, "Prêt ?"), (False, "Oui"), (True, "Parfait")]
