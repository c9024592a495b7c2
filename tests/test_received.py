"""Received messages: whose they are, what they answer, and who has read them."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from compose import dispatch
from compose.gateways.base import Rejected
from credits.models import Account, Member
from inbox import queries, services
from inbox.models import Received as ReceivedMessage
from senders.models import Lease, Sender
from tests import factories
from tests.events import LATER, PHONE, answer, arrive, sent
from tests.factories import NOON, at
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


def test_a_virtual_number_that_two_accounts_have_belongs_to_neither(account: Account) -> None:
    for one in (account, factories.account()):
        factories.sender(one, "+33937000001", kind=Sender.Kind.VIRTUAL)
    assert arrive(answer(to="+33937000001")) == ["unmatched"]


def test_an_answer_answers_the_last_message_that_left(account: Account, gateway: ScriptedGateway) -> None:
    sender = factories.pool()
    early = factories.message(account, by=sender, body="one", deferred_to=NOON + timedelta(minutes=1))
    sent(account, by=sender, body="two")
    dispatch.dispatch_due(clock=at(NOON + timedelta(minutes=1)))
    gateway.script = lambda chunk: [Rejected("no")]
    factories.message(account, by=sender, body="refused")
    dispatch.dispatch_due(clock=at(NOON + timedelta(minutes=2)))
    factories.message(account, by=sender, body="still waits", deferred_to=NOON + timedelta(days=1))
    arrive(answer())
    assert received().answers == early


def test_a_message_that_nothing_explains_belongs_to_nobody_and_is_kept(account: Account) -> None:
    person = factories.owner(account)
    assert arrive(answer(), answer(to="BoulMartin")) == ["unmatched", "unmatched"]
    assert ReceivedMessage.objects.filter(account=None).count() == 2
    assert not queries.received(account, person)
    assert queries.unread_count(account, person) == 0


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


def test_what_one_member_has_read_is_unread_for_another(account: Account) -> None:
    sent(account, by=factories.pool())
    arrive(answer())
    reader, other = factories.owner(account), factories.member(account, Member.Role.READER).user
    for _time in range(2):
        services.mark_read(account, reader, [received().pk])
    assert [queries.unread_count(account, person) for person in (reader, other)] == [0, 1]
    assert [row.unread for row in queries.received(account, other)] == [True]  # type: ignore[attr-defined]


def test_nobody_reads_the_messages_of_another_account(account: Account) -> None:
    sent(account, by=factories.pool())
    arrive(answer())
    other = factories.account()
    services.mark_read(other, factories.owner(account), [received().pk])
    assert queries.unread_count(account, factories.owner(account)) == 1
    assert not queries.received(other, factories.owner(other))
    assert queries.conversation(other, PHONE) == []


def test_a_conversation_shows_what_was_sent_and_what_came_back_in_the_order_of_time(account: Account) -> None:
    sender = factories.pool()
    sent(account, by=sender, body="Prêt ?")
    arrive(answer("Oui"))
    sent(account, now=NOON + timedelta(minutes=1), by=sender, body="Parfait")
    lines = queries.conversation(account, PHONE)
    assert [(line.outgoing, line.text) for line in lines] == [(True, "Prêt ?"), (False, "Oui"), (True, "Parfait")]
