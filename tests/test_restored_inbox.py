"""After a back-up was restored: what received messages caused, and may have caused already, is not done again."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.core.management import call_command

from compose.models import Message, OptOut
from compose.services import store_events
from credits import letters
from credits.models import Account, Letter
from inbox import hook_deliveries, reactions, services
from inbox.models import LongMessage, Reaction, Received
from senders.models import Sender
from tests import factories
from tests.dispatching import dispatch_due
from tests.events import LATER, PHONE, about, answer, arrive, sent
from tests.factories import at
from tests.gateways_for_tests import ScriptedGateway, scripted_gateway
from tests.pages import browser_of, read, sentence
from tests.test_parts import Cut, cut
from tests.test_reactions import ADDRESS, SAYS, URL, VIRTUAL, Phonebook, came, wants

HOUR = timedelta(hours=1)
RESTORED = LATER + HOUR
LONG = "L'été à Orléans : 12 € [tout compris] " * 6


@pytest.fixture(autouse=True)
def gateway(counters: None) -> Iterator[ScriptedGateway]:
    with scripted_gateway() as made:
        yield made


@pytest.fixture
def account() -> Account:
    """An account with a virtual number that wants everything done."""
    made = factories.account()
    factories.sender(made, VIRTUAL, kind=Sender.Kind.VIRTUAL)
    wants(made, forward_to="a@example.org", url=URL, says=SAYS)
    Letter.objects.all().delete()
    return made


def restore(**said: str) -> None:
    with time_machine.travel(RESTORED, tick=False):
        call_command("after_restore", **said)


def go_on(phonebook: Phonebook) -> None:
    """All that an installation does by itself."""
    services.apply_waiting(clock=at(RESTORED))
    reactions.do_waiting(clock=at(RESTORED))
    hook_deliveries.call_waiting(clock=at(RESTORED), call=phonebook)
    dispatch_due(clock=at(RESTORED))
    letters.send_waiting(clock=at(RESTORED))


def kept(*cuts: Cut) -> None:
    """Stored, and not applied yet."""
    with time_machine.travel(LATER, tick=False):
        store_events("default", [one.event() for one in cuts], now=LATER)


def test_what_waits_to_be_done_is_left_out(
    account: Account, gateway: ScriptedGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    came()
    restore()
    assert "caused: answer: 1, call: 1, email: 1. 0 received SMS that wait" in capsys.readouterr().out
    phonebook = Phonebook()
    go_on(phonebook)
    assert (gateway.sent, phonebook.calls, mail.outbox) == ([], [], [])
    assert set(Reaction.objects.values_list("state", "reason")) == {("left_out", "restored")}
    page = read(browser_of(factories.owner(account)).get(ADDRESS))
    assert "it may have been done after that was made" in sentence(page)


def test_a_call_that_was_under_way_is_left_out(account: Account) -> None:
    came()
    hook_deliveries._taken(LATER)
    restore()
    row = Reaction.objects.get(kind="call")
    assert (row.state, row.claim, row.leased_until) == ("left_out", None, None)


def test_the_confirmation_of_a_stop_is_left_out(account: Account, gateway: ScriptedGateway, settings: Any) -> None:
    settings.SMS_STOP_CONFIRMATION = "Vous ne recevrez plus de SMS."
    came("STOP")
    restore()
    go_on(Phonebook())
    assert gateway.sent == []
    assert Reaction.objects.get(kind="confirmation").reason == "restored"


def test_what_was_done_stays_done_and_what_comes_later_is_done(account: Account, gateway: ScriptedGateway) -> None:
    came()
    reactions.do_waiting(clock=at(LATER))
    restore()
    assert Reaction.objects.get(kind="answer").state == "done"
    came(number="+33698765432", now=RESTORED)
    go_on(Phonebook())
    assert [one.recipient for one in gateway.sent] == ["+33698765432"]


def test_what_was_received_after_the_old_installation_stopped_is_done(
    account: Account, gateway: ScriptedGateway
) -> None:
    came()
    restore(stopped_at=(LATER - timedelta(seconds=1)).isoformat())
    go_on(Phonebook())
    assert [one.recipient for one in gateway.sent] == [PHONE]


def test_a_message_that_was_stored_and_not_shown_is_shown_and_heeded_and_causes_nothing(
    account: Account, gateway: ScriptedGateway, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.SMS_STOP_CONFIRMATION = "Vous ne recevrez plus de SMS."
    with time_machine.travel(LATER, tick=False):
        store_events("default", [answer("STOP", to=VIRTUAL)], now=LATER)
    restore()
    assert "caused: none. 1 received SMS that wait" in capsys.readouterr().out
    go_on(Phonebook())
    assert Received.objects.get().account == account
    assert OptOut.objects.get().number == PHONE
    assert (gateway.sent, Reaction.objects.count()) == ([], 0)


def test_a_report_that_was_stored_and_not_applied_is_applied(account: Account) -> None:
    message = sent(account, to="06 98 76 54 32")
    with time_machine.travel(LATER, tick=False):
        store_events("default", [about(message, "delivered")], now=LATER)
    restore()
    go_on(Phonebook())
    message.refresh_from_db()
    assert message.state == Message.State.DELIVERED


def test_a_long_message_that_is_shown_with_its_gaps_causes_nothing(account: Account) -> None:
    """The old installation had its other parts after the back-up."""
    first, *_rest = cut(LONG, to=VIRTUAL)
    kept(first)
    services.apply_waiting(clock=at(LATER))
    assert LongMessage.objects.get().closed_at is None
    restore()
    services.apply_waiting(clock=at(LATER + timedelta(days=9)))
    assert Received.objects.get().missing
    assert not Reaction.objects.exists()


def test_a_long_message_that_is_whole_by_a_part_that_came_after_the_restore_causes_what_is_wanted(
    account: Account,
) -> None:
    first, *rest = cut(LONG, to=VIRTUAL)
    kept(first)
    restore()
    with scripted_gateway():
        arrive(*[one.event() for one in rest], now=RESTORED)
    assert Received.objects.get().text == LONG
    assert Reaction.objects.filter(state="waiting").count() == 3


def test_all_parts_of_which_were_stored_before_cause_nothing(account: Account) -> None:
    kept(*cut(LONG, to=VIRTUAL))
    restore()
    go_on(Phonebook())
    assert Received.objects.get().text == LONG
    assert not Reaction.objects.exists()


def test_more_received_messages_than_are_marked_in_one_statement(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inbox.restored.BATCH", 2)
    with time_machine.travel(LATER, tick=False):
        store_events("default", [answer(f"{n}", to=VIRTUAL) for n in range(5)], now=LATER)
    restore()
    go_on(Phonebook())
    assert (Received.objects.count(), Reaction.objects.count()) == (5, 0)
