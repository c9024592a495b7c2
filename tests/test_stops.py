"""STOP: whose lists a received message puts its writer on, why, and what else comes of it."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from compose import doubts, optouts
from compose.gateways.base import OutcomeUnknown, Received, Rejected
from compose.models import GatewayEvent, Message, OptOut
from compose.services import cancel, store_events
from credits.models import Account
from inbox import reactions, services
from inbox.models import Reaction
from inbox.models import Received as ReceivedMessage
from senders.models import Sender
from tests import factories
from tests.dispatching import dispatch_due
from tests.events import LATER, PHONE, about, answer, arrive, sent
from tests.factories import NOON, at
from tests.gateways_for_tests import ScriptedGateway, raising, scripted_gateway
from tests.pages import Element, browser_of, read

CLAUSE = "36111"


@pytest.fixture
def account(db: None) -> Account:
    return factories.account()


@pytest.fixture(autouse=True)
def gateway() -> Iterator[ScriptedGateway]:
    with scripted_gateway() as made:
        yield made


@pytest.fixture(autouse=True)
def other_short_numbers(db: None) -> None:
    """None of them is the number of the clause."""
    factories.pool(commercial=("36211",), other=("38111",))


def listed(account: Account) -> set[str]:
    return set(optouts.listed(account).values_list("number", flat=True))


def virtual(account: Account, number: str = "+33937000001") -> Sender:
    return factories.sender(account, number, kind=Sender.Kind.VIRTUAL)


# Answered to a number


def test_stop_answered_to_a_short_number_is_for_the_account_that_wrote(account: Account) -> None:
    other = factories.account()
    message = sent(account, by=factories.pool(), commercial=True)
    arrive(answer("Stop, merci !", to=message.originator))
    row = OptOut.objects.get()
    assert (row.account, row.number, row.source, row.message) == (account, PHONE, OptOut.Source.ANSWER, message)
    assert (row.note, row.created_by) == (f"“Stop, merci !” → {message.originator}", None)
    assert listed(other) == set()


def test_of_two_accounts_with_the_same_recipient_each_loses_its_own(account: Account) -> None:
    factories.pool(commercial=("36211", "36212"))
    other = factories.account()
    mine, theirs = (sent(one, by=factories.pool(), commercial=True) for one in (account, other))
    arrive(answer("Bonjour", to=mine.originator), answer("STOP", to=theirs.originator))
    assert (listed(account), listed(other)) == (set(), {PHONE})


def test_stop_to_a_virtual_number_counts_without_any_message_before(account: Account) -> None:
    virtual(account)
    arrive(answer("ARRET", to="+33937000001"))
    row = OptOut.objects.get()
    assert (row.account, row.message) == (account, None)


def test_stop_that_the_vendor_matched_by_its_reference_needs_no_number(account: Account) -> None:
    message = sent(account, commercial=True)
    arrive(answer("stop", to="", answers=f"ref-{message.pk}"))
    row = OptOut.objects.get()
    assert (row.account, row.message, row.note) == (account, message, "“stop”")


@pytest.mark.parametrize("text", ["Ne vous arrêtez pas", "stopover", "Merci", "Je passe à l'arrêt de bus"])
def test_what_is_no_stop_changes_no_list(account: Account, text: str) -> None:
    message = sent(account, by=factories.pool(), commercial=True)
    arrive(answer(text, to=message.originator))
    assert not OptOut.objects.exists()


def test_stop_three_times_is_one_row_and_keeps_its_first_cause(account: Account) -> None:
    first = sent(account, by=factories.pool(), commercial=True)
    arrive(*(answer("STOP", to=first.originator) for _time in range(3)))
    row = OptOut.objects.get()
    assert (row.message, ReceivedMessage.objects.count()) == (first, 3)


def test_the_next_commercial_message_leaves_the_number_out_and_what_waits_is_not_sent(account: Account) -> None:
    message = sent(account, by=factories.pool(), commercial=True)
    waiting = factories.message(account, commercial=True, deferred_to=NOON + timedelta(hours=1))
    arrive(answer("STOP", to=message.originator))
    dispatch_due(clock=at(NOON + timedelta(hours=1)))
    factories.assert_message(waiting, Message.State.FAILED, "opted_out")
    both = factories.submission(account, to=f"{PHONE}, +33612345679", commercial=True, now=LATER)
    assert (both.recipients, both.excluded) == (1, 1)


def test_who_is_taken_off_and_says_stop_again_is_on_the_list_again(account: Account) -> None:
    message = sent(account, by=factories.pool(), commercial=True)
    arrive(answer("STOP", to=message.originator))
    row = OptOut.objects.get()
    optouts.take_off(account, row.pk, by=factories.owner(account), reason="Called and asked for it.")
    arrive(answer("STOP", to=message.originator))
    assert (OptOut.objects.count(), listed(account)) == (2, {PHONE})


@pytest.mark.parametrize("text", ["START", "REPRENDRE", "UNSTOP", "Finalement oui, merci"])
def test_start_takes_nobody_off_by_itself(account: Account, text: str) -> None:
    message = sent(account, by=factories.pool(), commercial=True)
    arrive(answer("STOP", to=message.originator), answer(text, to=message.originator))
    assert listed(account) == {PHONE}


def test_a_text_of_which_parts_are_missing_is_no_request_by_its_words(account: Account, settings: Any) -> None:
    message = sent(account, by=factories.pool(), commercial=True)
    part = Received(
        key="part",
        number=PHONE,
        to=message.originator,
        text="STOP",
        at=LATER,
        raw={"part": {"reference": 1, "number": 1, "of": 2}},
    )
    assert arrive(part) == ["part"]
    services.apply_waiting(clock=at(LATER + timedelta(hours=settings.SMS_PARTS_HOURS + 1)))
    assert ReceivedMessage.objects.get().missing == 1
    assert not OptOut.objects.exists()


def test_a_report_that_says_blocked_is_no_request(account: Account) -> None:
    message = sent(account, commercial=True)
    arrive(about(message, "blocked", reason="blocked"))
    assert not OptOut.objects.exists()


def test_stop_from_what_is_no_telephone_number_is_shown_and_changes_no_list(account: Account) -> None:
    virtual(account)
    arrive(Received(key="name", number="INFO", to="+33937000001", text="STOP", at=LATER))
    assert ReceivedMessage.objects.get().account == account
    assert not OptOut.objects.exists()


# Sent to the number of the clause


def test_stop_to_the_number_of_the_clause_counts_for_each_account_whose_clause_came(account: Account) -> None:
    other, silent = factories.account(), factories.account()
    messages = [sent(one, commercial=True) for one in (account, other)]
    sent(silent, to="+33612345679", commercial=True)
    assert arrive(answer("STOP", to=CLAUSE))[-1] == "unmatched"
    assert {(row.account_id, row.message_id, row.number) for row in OptOut.objects.all()} == {
        (message.account_id, message.pk, PHONE) for message in messages
    }
    came = ReceivedMessage.objects.get()
    assert (came.account, came.text) == (None, "STOP")


def test_of_several_messages_with_the_clause_the_last_is_named_as_the_cause(account: Account) -> None:
    sent(account, commercial=True)
    last = sent(account, commercial=True, now=NOON + timedelta(minutes=1))
    arrive(answer("STOP", to=CLAUSE), now=NOON + timedelta(minutes=2))
    assert OptOut.objects.get().message == last


@pytest.mark.parametrize(("days", "counts"), [(29.9, True), (30.1, False)])
def test_a_clause_can_be_answered_for_thirty_days(account: Account, days: float, counts: bool) -> None:
    sent(account, commercial=True)
    later = NOON + timedelta(days=days)
    arrive(Received(key="late", number=PHONE, to=CLAUSE, text="STOP", at=later), now=later)
    assert listed(account) == ({PHONE} if counts else set())


def test_what_had_no_clause_is_not_answered_there(account: Account) -> None:
    sent(account)
    sent(factories.account(), by=factories.pool(), commercial=True)
    arrive(answer("STOP", to=CLAUSE))
    assert not OptOut.objects.exists()


def test_what_did_not_reach_the_phone_is_not_answered_there(account: Account, gateway: ScriptedGateway) -> None:
    waiting = factories.message(account, commercial=True, deferred_to=NOON + timedelta(hours=1))
    cancelled = factories.message(account, commercial=True, deferred_to=NOON + timedelta(hours=1), body="Other")
    cancel(account, [cancelled.pk], by=factories.owner(account), now=NOON)
    gateway.script = lambda chunk: [Rejected("no") for _one in chunk]
    refused = factories.message(account, commercial=True)
    dispatch_due(clock=at(NOON))
    states = [Message.objects.get(pk=one.pk).state for one in (waiting, cancelled, refused)]
    assert states == ["scheduled", "cancelled", "failed"]
    arrive(answer("STOP", to=CLAUSE))
    assert not OptOut.objects.exists()


@pytest.mark.parametrize("choice", [doubts.send_again, doubts.give_up])
def test_what_may_have_reached_the_phone_is_answered_there_whatever_a_person_said_of_it(
    account: Account, gateway: ScriptedGateway, choice: Callable[..., doubts.Decided]
) -> None:
    """Above all one that is about to leave again: it would go to somebody who has asked for no more."""
    gateway.script = raising(OutcomeUnknown("the line broke"))
    message = factories.message(account, commercial=True)
    dispatch_due(clock=at(NOON))
    assert choice([message.pk], by=factories.owner(account), now=NOON).changed == 1
    arrive(answer("STOP", to=CLAUSE))
    assert listed(account) == {PHONE}
    dispatch_due(clock=at(LATER))
    assert len(gateway.sent) == 1


def test_a_text_to_the_number_of_the_clause_that_is_no_stop_changes_no_list(account: Account) -> None:
    sent(account, commercial=True)
    arrive(answer("Merci", to=CLAUSE))
    assert not OptOut.objects.exists()


def test_where_the_vendor_names_no_number_a_stop_counts_for_the_clause(account: Account) -> None:
    sent(account, commercial=True)
    silent = factories.account()
    arrive(answer("Merci", to=""))
    assert listed(account) == set()
    arrive(answer("STOP", to=""))
    assert (listed(account), listed(silent)) == ({PHONE}, set())


def test_the_number_of_the_clause_may_be_one_of_the_pool_as_well(account: Account) -> None:
    factories.pool(commercial=(CLAUSE,), other=())
    Sender.objects.filter(account=None).update(status=Sender.Status.ENABLED)
    from senders.models import ShortNumber

    ShortNumber.objects.exclude(number=CLAUSE).delete()
    other = factories.account()
    short = sent(account, by=factories.pool(), commercial=True)
    assert short.originator == CLAUSE
    sent(other, commercial=True)
    arrive(answer("STOP", to=CLAUSE))
    assert (listed(account), listed(other)) == ({PHONE}, {PHONE})


# What a vendor says itself


def said(opt_out: str, text: str, *, to: str) -> Received:
    return Received(key=f"{opt_out}-{text}", number=PHONE, to=to, text=text, at=LATER, raw={"opt_out": opt_out})


def test_what_the_vendor_calls_a_stop_is_one_whatever_its_words(account: Account) -> None:
    virtual(account)
    arrive(said("stop", "BASTA", to="+33937000001"))
    assert listed(account) == {PHONE}


def test_what_the_vendor_calls_a_start_is_no_stop(account: Account) -> None:
    virtual(account)
    arrive(said("start", "STOP", to="+33937000001"))
    assert listed(account) == set()


def test_a_stop_that_the_vendor_fetched_counts_for_the_clause(account: Account) -> None:
    """Its number of the clause may be another than ours: what it says itself is enough."""
    sent(account, commercial=True)
    arrive(said("stop", "STOP", to="36180"))
    assert listed(account) == {PHONE}


def test_what_the_raw_event_holds_is_believed_only_when_it_is_one_of_two_words(account: Account) -> None:
    virtual(account)
    events = [
        Received(key=f"odd-{number}", number=PHONE, to="+33937000001", text="Bonjour", at=LATER, raw={"opt_out": odd})
        for number, odd in enumerate(["", "STOP", None, True, ["stop"], {"stop": 1}])
    ]
    assert arrive(*events) == ["received"] * len(events)
    assert not OptOut.objects.exists()


# Together with the message


def test_a_message_that_is_applied_again_after_a_failure_is_heeded_once(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = sent(account, by=factories.pool(), commercial=True)

    def fail(*_args: Any, **_named: Any) -> None:
        raise RuntimeError("for the test")

    with monkeypatch.context() as broken:
        broken.setattr(reactions, "queue", fail)
        assert arrive(answer("STOP", to=message.originator)) == [""]
        # All or nothing: the list goes with the message.
        assert not OptOut.objects.exists()
        assert not ReceivedMessage.objects.exists()
    services.apply_waiting(clock=at(LATER + timedelta(hours=2)))
    assert (OptOut.objects.count(), ReceivedMessage.objects.count()) == (1, 1)


def test_the_stop_list_leads_to_the_message_that_was_answered(account: Account) -> None:
    message = sent(account, by=factories.pool(), commercial=True)
    arrive(answer("Stop, merci !", to=message.originator))
    page = read(browser_of(factories.owner(account)).get(reverse("optouts")))
    assert "Answered STOP" in page.one("main").text
    assert "“Stop, merci !”" in page.one("main").text
    assert page.one("main").all("a", href=reverse("message", args=[message.pk]))


def conversation_of(account: Account, came: ReceivedMessage) -> Element:
    return read(browser_of(factories.owner(account)).get(reverse("conversation", args=[came.pk])))


def test_the_conversation_shows_which_answer_put_the_number_on_the_list(account: Account) -> None:
    message = sent(account, by=factories.pool(), commercial=True)
    arrive(answer("Bonjour", to=message.originator), answer("STOP", to=message.originator))
    arrive(answer("STOP", to=message.originator))
    _greeting, stop, again = ReceivedMessage.objects.order_by("pk")
    page = conversation_of(account, again)
    [note] = [one for one in page.all("a") if one.text == "This answer put the number on the STOP list"]
    assert note.attributes["id"] == f"stopped-{stop.pk}"
    assert "is on the STOP list since" in page.one(id="stop-state").text
    reached = read(browser_of(factories.owner(account)).get(note.attributes["href"]))
    assert "“STOP”" in reached.one("main").text


def test_the_conversation_says_that_the_number_was_taken_off_since(account: Account) -> None:
    message = sent(account, by=factories.pool(), commercial=True)
    arrive(answer("STOP", to=message.originator))
    optouts.take_off(account, OptOut.objects.get().pk, by=factories.owner(account), reason="Called and asked for it.")
    page = conversation_of(account, ReceivedMessage.objects.get())
    assert "This answer put the number on the STOP list; it was taken off on" in page.one(id="thread").text
    assert page.one(id="stop-state").text == ""


def test_a_conversation_says_nothing_of_a_list_of_another_account(account: Account) -> None:
    """A STOP to the number of the clause belongs to nobody's conversation; each account sees its own list."""
    other = factories.account()
    virtual(account)
    sent(other, commercial=True)
    arrive(answer("Bonjour", to="+33937000001"), answer("STOP", to=CLAUSE))
    came = ReceivedMessage.objects.get(account=account)
    assert (listed(account), listed(other)) == (set(), {PHONE})
    assert conversation_of(account, came).one(id="stop-state").text == ""
    sent(account, by=factories.sender(account, "BoulMartin"), commercial=True)
    arrive(answer("STOP", to=CLAUSE))
    assert "is on the STOP list since" in conversation_of(account, came).one(id="stop-state").text


# The confirmation


def confirmations(gateway: ScriptedGateway) -> list[tuple[str, str, str]]:
    return [(one.originator, one.recipient, one.text) for one in gateway.sent if "noted" in one.text]


@pytest.fixture
def confirming(settings: Any) -> None:
    settings.SMS_STOP_CONFIRMATION = "{account}: noted, 50% less {noise}"


def go_on(now: Any = LATER) -> None:
    reactions.do_waiting(clock=at(now))
    dispatch_due(clock=at(now))


CONFIRMED = "Boulangerie Martin: noted, 50% less {noise}"


@pytest.mark.usefixtures("confirming")
def test_who_answers_stop_is_told_once_and_the_account_pays(account: Account, gateway: ScriptedGateway) -> None:
    message = sent(account, by=factories.pool(), commercial=True)
    before = factories.balances(account)
    arrive(answer("STOP", to=message.originator), answer("STOP", to=message.originator))
    go_on()
    # Not commercial, so from a number of that use; and to somebody on the STOP list.
    assert confirmations(gateway) == [("38111", PHONE, CONFIRMED)]
    spent = factories.balances(account)["spent"] - before["spent"]
    assert spent == 1_000 + 2 * 1_000
    factories.assert_ledger_adds_up()


@pytest.mark.usefixtures("confirming")
def test_from_a_virtual_number_the_confirmation_leaves_from_that_number(
    account: Account, gateway: ScriptedGateway
) -> None:
    virtual(account)
    arrive(answer("STOP", to="+33937000001"))
    go_on()
    assert confirmations(gateway) == [("+33937000001", PHONE, CONFIRMED)]


def test_without_the_setting_nobody_is_told(account: Account, gateway: ScriptedGateway) -> None:
    message = sent(account, by=factories.pool(), commercial=True)
    arrive(answer("STOP", to=message.originator))
    go_on()
    assert not Reaction.objects.exists()
    assert len(gateway.sent) == 1


@pytest.mark.usefixtures("confirming")
def test_stop_to_the_number_of_the_clause_is_confirmed_by_nobody(account: Account, gateway: ScriptedGateway) -> None:
    sent(account, commercial=True)
    arrive(answer("STOP", to=CLAUSE))
    go_on()
    assert (listed(account), confirmations(gateway)) == ({PHONE}, [])


@pytest.mark.usefixtures("confirming")
@pytest.mark.parametrize(("hours", "told"), [(23, 1), (25, 2)])
def test_a_number_is_not_told_twice_within_a_day(
    account: Account, gateway: ScriptedGateway, hours: int, told: int
) -> None:
    virtual(account)
    for now in (LATER, LATER + timedelta(hours=hours)):
        arrive(answer("STOP", to="+33937000001"), now=now)
        go_on(now)
        row = OptOut.objects.get(removed_at=None)
        optouts.take_off(account, row.pk, by=factories.owner(account), reason="For the test.")
    assert len(confirmations(gateway)) == told


@pytest.mark.usefixtures("confirming")
def test_without_credit_nobody_is_told_and_the_stop_counts(db: None, gateway: ScriptedGateway) -> None:
    poor = factories.account(millis=0)
    virtual(poor)
    arrive(answer("STOP", to="+33937000001"))
    go_on()
    assert (listed(poor), gateway.sent) == ({PHONE}, [])
    row = Reaction.objects.get()
    assert (row.state, row.reason) == ("left_out", "no_credit")


# At the front doors of vendors


def test_what_twilio_calls_an_opt_out_is_one() -> None:
    from compose.gateways.twilio.gateway import _received

    base = {"MessageSid": "SM" + "0" * 32, "From": PHONE, "To": "+33937000001", "Body": "Basta"}
    assert _received({**base, "OptOutType": "STOP"}).raw["opt_out"] == "stop"
    assert _received({**base, "OptOutType": "START"}).raw["opt_out"] == "start"
    assert "opt_out" not in _received({**base, "OptOutType": "HELP"}).raw
    assert "opt_out" not in _received(base).raw


def test_a_number_on_the_blacklist_of_ovh_is_a_stop_to_the_clause(account: Account) -> None:
    from compose.gateways.ovh.arrivals import blacklisted

    sent(account, commercial=True)
    with time_machine.travel(LATER, tick=False):
        fetched = blacklisted({"number": "0033612345678", "dateCreation": LATER.isoformat()}, stop_number="36111")
    arrive(fetched)
    assert listed(account) == {PHONE}
    store_events("default", [fetched], now=LATER)
    assert GatewayEvent.objects.filter(kind="received").count() == 1


def test_a_stranger_does_not_see_the_list(account: Account) -> None:
    message = sent(account, by=factories.pool(), commercial=True)
    arrive(answer("STOP", to=message.originator))
    assert Client().get(reverse("optouts")).status_code == 302
