"""What an account does by itself when a message arrives: e-mails, calls, answers; once, and never in a loop."""

import hashlib
import hmac
import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.urls import reverse

from compose.gateways.base import Received
from compose.models import GatewayEvent, Submission
from credits import letters
from credits.models import Account, Letter, Member
from inbox import automatic_answers, hook_deliveries, hooks, reactions, services
from inbox.hook_deliveries import GIVE_UP, LEASE, PER_ACCOUNT, call_waiting, signature
from inbox.models import Reaction, ReactionSettings
from inbox.models import Received as ReceivedMessage
from inbox.tasks import react
from senders.models import Sender
from tests import factories
from tests.dispatching import dispatch_due
from tests.events import LATER, PHONE, answer, arrive, sent
from tests.factories import at
from tests.fixtures.databases import FreshDatabase
from tests.gateways_for_tests import ScriptedGateway, scripted_gateway
from tests.pages import browser_of, read, sentence
from tests.threads import at_once

VIRTUAL = "+33937000001"
URL = "https://hook.example.org/in"
SAYS = "Fermé jusqu'à lundi."


@pytest.fixture
def account(db: None) -> Account:
    """An account with a virtual number."""
    made = factories.account()
    factories.sender(made, VIRTUAL, kind=Sender.Kind.VIRTUAL)
    # Of the approval.
    Letter.objects.all().delete()
    return made


@pytest.fixture(autouse=True)
def gateway() -> Iterator[ScriptedGateway]:
    with scripted_gateway() as made:
        yield made


def wants(account: Account, *, forward_to: str = "", url: str = "", says: str = "") -> ReactionSettings:
    reactions.keep(account, forward_to=forward_to.split(), url=url, answer=says, by=factories.owner(account))
    return ReactionSettings.objects.get(account=account)


def came(text: str = "Bonjour", *, number: str = PHONE, now: datetime = LATER) -> ReceivedMessage:
    event = Received(key=str(uuid.uuid4()), number=number, to=VIRTUAL, text=text, at=now)
    arrive(event, now=now)
    return ReceivedMessage.objects.get(event__key=event.key)


def outcome() -> tuple[str, str]:
    row = Reaction.objects.get()
    return row.state, row.reason


class Phonebook:
    """Takes calls in the place of the network; `does` says what becomes of each."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, bytes, dict[str, str]]] = []
        self.does: Callable[[], int] = lambda: 200

    def __call__(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        self.calls.append((url, body, headers))
        return self.does()

    @property
    def ids(self) -> list[str]:
        return [json.loads(body)["id"] for _url, body, _headers in self.calls]


def failing(reason: str, detail: str = "") -> Callable[[], int]:
    def fail() -> int:
        raise hooks.Failed(reason, detail)

    return fail


@pytest.fixture
def phonebook() -> Phonebook:
    return Phonebook()


# Together with the message


def test_what_is_to_be_done_is_written_with_the_message_and_once(account: Account) -> None:
    wants(account, forward_to="a@example.org b@example.org", url=URL, says=SAYS)
    received = came()
    assert sorted(Reaction.objects.values_list("kind", flat=True)) == ["answer", "call", "email", "email"]
    assert set(Reaction.objects.values_list("received", flat=True)) == {received.pk}
    services.apply_waiting(clock=at(LATER))
    assert Reaction.objects.count() == 4


def test_without_settings_nothing_is_done(account: Account) -> None:
    came()
    assert not Reaction.objects.exists()


def test_what_belongs_to_nobody_causes_nothing(account: Account) -> None:
    wants(account, forward_to="a@example.org", url=URL, says=SAYS)
    arrive(answer(to="38999"))
    assert not Reaction.objects.exists()


def test_the_settings_of_one_account_say_nothing_of_another(account: Account) -> None:
    wants(factories.account(), forward_to="a@example.org", url=URL, says=SAYS)
    came()
    assert not Reaction.objects.exists()


def test_a_worker_is_told_when_the_message_is_there(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("compose.nudges.after_commit_at_most_every_second", told.append)
    wants(account, url=URL)
    came()
    assert "inbox.tasks.react" in told


def test_one_that_fails_keeps_no_other_from_being_done_and_is_tried_again(
    account: Account, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wants(account, forward_to="a@example.org", says=SAYS)
    came()

    def fail(*_args: Any, **_named: Any) -> automatic_answers.Outcome:
        raise RuntimeError("for the test")

    with monkeypatch.context() as broken:
        broken.setattr(automatic_answers, "answer", fail)
        assert reactions.do_waiting(clock=at(LATER)) == 1
    waiting = Reaction.objects.get(state="waiting")
    assert (waiting.kind, waiting.look_at, waiting.tries) == ("answer", LATER + reactions.FIRST_RETRY, 1)
    assert reactions.do_waiting(clock=at(LATER + reactions.FIRST_RETRY)) == 1
    assert Reaction.objects.filter(state="done").count() == 2


def test_what_fails_for_a_day_is_given_up(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    wants(account, says=SAYS)
    came()

    def fail(*_args: Any, **_named: Any) -> automatic_answers.Outcome:
        raise RuntimeError("for the test")

    monkeypatch.setattr(automatic_answers, "answer", fail)
    reactions.do_waiting(clock=at(LATER + reactions.GIVE_UP))
    assert outcome() == ("given_up", "broken_off")


# By e-mail


def test_a_received_message_is_forwarded_once_to_each_address(account: Account, settings: Any) -> None:
    settings.SMS_PUBLIC_URL = "https://sms.example.net"
    settings.LANGUAGE_CODE = "en"
    wants(account, forward_to="a@example.org b@example.org")
    received = came("Je viendrai à 18 h\nà bientôt 100% sûr")
    for _time in range(2):
        reactions.do_waiting(clock=at(LATER))
    letters.send_waiting()
    assert sorted(one.to[0] for one in mail.outbox) == ["a@example.org", "b@example.org"]
    assert mail.outbox[0].subject == f"SMS from {PHONE} to Boulangerie Martin"
    text = str(mail.outbox[0].body)
    assert "Je viendrai à 18 h\nà bientôt 100% sûr" in text
    assert f"{PHONE} wrote to {VIRTUAL} on" in text
    assert f"https://sms.example.net{reverse('conversation', args=[received.pk])}" in text
    # As the clocks of the account show it.
    assert "12:00" in text or "noon" in text
    assert [type(one).__name__ for one in mail.outbox] == ["EmailMessage"] * 2


def test_without_a_public_address_the_letter_has_no_link(account: Account) -> None:
    wants(account, forward_to="a@example.org")
    came()
    reactions.do_waiting(clock=at(LATER))
    assert "http" not in Letter.objects.get().body


def test_nobody_writes_a_head_of_a_letter_with_a_message(account: Account) -> None:
    wants(account, forward_to="a@example.org")
    Account.objects.filter(pk=account.pk).update(name="B\r\nBcc: all@example.org")
    came("x\r\nBcc: all@example.org\r\n\r\nHello", number="+336\r\nBcc: all@b.c\x0b\x85")
    reactions.do_waiting(clock=at(LATER))
    assert letters.send_waiting() == 1
    (letter,) = mail.outbox
    assert letter.recipients() == ["a@example.org"]
    assert len(letter.subject.splitlines()) == 1
    head, _empty, _body = letter.message().as_string().partition("\n\n")
    assert not re.search(r"^bcc:", head, re.IGNORECASE | re.MULTILINE)


def test_an_address_that_was_taken_out_meanwhile_gets_nothing(account: Account) -> None:
    wants(account, forward_to="a@example.org")
    came()
    wants(account, forward_to="b@example.org")
    reactions.do_waiting(clock=at(LATER))
    assert outcome() == ("left_out", "switched_off")
    assert not Letter.objects.exists()


# By a call


def test_a_call_tells_all_of_the_message_and_is_signed(account: Account, phonebook: Phonebook) -> None:
    message = sent(account)
    chosen = wants(account, url=URL)
    arrive(
        Received(key="k", number=PHONE, to=VIRTUAL, text="Oui “là” 👍", at=LATER, answers=f"ref-{message.pk}"),
    )
    received = ReceivedMessage.objects.get()
    assert call_waiting(clock=at(LATER), call=phonebook) == 1
    ((url, body, headers),) = phonebook.calls
    assert url == URL
    assert json.loads(body) == {
        "id": f"received-{received.pk}",
        "number": PHONE,
        "to": VIRTUAL,
        "text": "Oui “là” 👍",
        "received_at": LATER.isoformat(),
        "answers": message.pk,
    }
    digest = hmac.new(chosen.secret.encode(), f"{int(LATER.timestamp())}.".encode() + body, hashlib.sha256).hexdigest()
    assert headers["X-SMS-Manager-Signature"] == f"t={int(LATER.timestamp())}, v1={digest}"
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert outcome() == ("done", "")


def test_a_call_that_succeeded_is_not_made_again(account: Account, phonebook: Phonebook) -> None:
    wants(account, url=URL)
    came()
    for later in (0, 1, 48):
        call_waiting(clock=at(LATER + timedelta(hours=later)), call=phonebook)
    assert len(phonebook.calls) == 1


def test_each_try_comes_later_with_the_same_id_and_body_until_a_day_is_over(
    account: Account, phonebook: Phonebook
) -> None:
    wants(account, url=URL)
    received = came()
    phonebook.does = failing("status", "503")
    now, waits = LATER, []
    while Reaction.objects.filter(state="waiting").exists():
        # A moment before it is due nothing happens.
        before = len(phonebook.calls)
        assert call_waiting(clock=at(now - timedelta(seconds=1)), call=phonebook) == 0
        assert len(phonebook.calls) == before
        call_waiting(clock=at(now), call=phonebook)
        row = Reaction.objects.get()
        if row.state == "waiting":
            waits.append((row.look_at - now).total_seconds())
            now = row.look_at
    assert set(phonebook.ids) == {f"received-{received.pk}"}
    assert len({body for _url, body, _headers in phonebook.calls}) == 1
    assert len({headers["X-SMS-Manager-Signature"] for _url, _body, headers in phonebook.calls}) == len(waits) + 1
    for number, waited in enumerate(waits):
        whole = min(30 * 2**number, 3 * 3600)
        assert 0.75 * whole <= waited <= 1.25 * whole
    assert len(waits) >= 12
    row = Reaction.objects.get()
    assert (row.state, row.reason, row.detail) == ("given_up", "status", "503")
    assert row.ended_at is not None
    assert timedelta(hours=19) < row.ended_at - LATER <= GIVE_UP


def test_the_pauses_of_calls_that_failed_together_differ() -> None:
    assert len({hook_deliveries.pause(3) for _time in range(20)}) > 10


def test_what_fails_at_first_is_done_at_last(account: Account, phonebook: Phonebook) -> None:
    wants(account, url=URL)
    came()
    phonebook.does = failing("no_connection")
    call_waiting(clock=at(LATER), call=phonebook)
    phonebook.does = lambda: 204
    assert call_waiting(clock=at(LATER + timedelta(minutes=1)), call=phonebook) == 1
    assert outcome()[0] == "done"


def test_an_error_of_ours_is_a_failure_and_its_words_are_not_logged(
    account: Account, phonebook: Phonebook, caplog: pytest.LogCaptureFixture
) -> None:
    secret = wants(account, url=URL).secret
    came()

    def fail() -> int:
        raise RuntimeError(f"{URL} {secret}")

    phonebook.does = fail
    call_waiting(clock=at(LATER), call=phonebook)
    assert Reaction.objects.get().tries == 1
    assert secret not in caplog.text


def test_an_address_that_was_taken_out_meanwhile_is_not_called(account: Account, phonebook: Phonebook) -> None:
    wants(account, url=URL)
    came()
    wants(account)
    call_waiting(clock=at(LATER), call=phonebook)
    assert (phonebook.calls, outcome()) == ([], ("left_out", "switched_off"))


def test_another_address_and_another_secret_count_from_the_next_try_on(account: Account, phonebook: Phonebook) -> None:
    first = wants(account, url=URL).secret
    came()
    phonebook.does = failing("unknown_host")
    call_waiting(clock=at(LATER), call=phonebook)
    wants(account, url="https://other.example.org/")
    second = reactions.renew_secret(account)
    assert first != second
    later = LATER + timedelta(minutes=1)
    phonebook.does = lambda: 200
    call_waiting(clock=at(later), call=phonebook)
    url, body, headers = phonebook.calls[-1]
    assert url == "https://other.example.org/"
    assert headers["X-SMS-Manager-Signature"] == signature(second, body, at=later)


def test_a_worker_that_dies_at_a_call_leaves_it_to_the_next_one_when_the_lease_ends(
    account: Account, phonebook: Phonebook
) -> None:
    wants(account, url=URL)
    came()
    (taken,) = hook_deliveries._taken(LATER)
    for moment in (LATER, LATER + LEASE - timedelta(seconds=1)):
        assert call_waiting(clock=at(moment), call=phonebook) == 0
    assert phonebook.calls == []
    assert call_waiting(clock=at(LATER + LEASE), call=phonebook) == 1
    assert phonebook.ids == [f"received-{taken.received_id}"]
    # The first one comes back from the dead: the outcome stands.
    assert not hook_deliveries._settled(taken, hooks.Failed("slow"), LATER + LEASE)
    assert outcome() == ("done", "")


def test_an_account_has_few_calls_under_way_and_another_has_its_turn(account: Account) -> None:
    other = factories.account()
    factories.sender(other, "+33937000002", kind=Sender.Kind.VIRTUAL)
    for one in (account, other):
        wants(one, url=URL)
    for number in range(5):
        came(f"Bonjour {number}")
    arrive(Received(key="other", number=PHONE, to="+33937000002", text="Bonjour", at=LATER), now=LATER)
    taken = hook_deliveries._taken(LATER)
    assert sorted(row.account_id for row in taken) == [account.pk] * PER_ACCOUNT + [other.pk]
    assert hook_deliveries._taken(LATER) == []


def test_after_a_failure_the_other_calls_of_the_account_rest_and_those_of_others_do_not(
    account: Account, phonebook: Phonebook
) -> None:
    assert wants(account, url=URL).rests_until is None
    for number in range(10):
        came(f"Bonjour {number}")
    phonebook.does = failing("slow")
    call_waiting(clock=at(LATER), call=phonebook)
    assert len(phonebook.calls) == PER_ACCOUNT
    call_waiting(clock=at(LATER + hook_deliveries.REST - timedelta(seconds=1)), call=phonebook)
    assert len(phonebook.calls) == PER_ACCOUNT
    phonebook.does = lambda: 200
    assert call_waiting(clock=at(LATER + timedelta(minutes=2)), call=phonebook) == 10


def test_a_turn_makes_all_calls_that_are_due(account: Account, phonebook: Phonebook) -> None:
    wants(account, url=URL)
    expected = [f"received-{came(f'Bonjour {number}').pk}" for number in range(5)]
    assert call_waiting(clock=at(LATER), call=phonebook) == 5
    assert sorted(phonebook.ids) == sorted(expected)


def test_no_transaction_is_open_while_a_call_lasts(fresh_database: FreshDatabase) -> None:
    """Another process writes to the account meanwhile; on SQLite an open transaction would keep it waiting."""
    with scripted_gateway():
        account = factories.account()
        factories.sender(account, VIRTUAL, kind=Sender.Kind.VIRTUAL)
        wants(account, url=URL)
        came()
        wrote: list[Any] = []

        def call(_url: str, _body: bytes, _headers: dict[str, str]) -> int:
            wrote.extend(at_once([lambda: wants(account, url=URL, says="Changed meanwhile").answer]))
            return 200

        assert call_waiting(clock=at(LATER), call=call) == 1
        assert wrote == ["Changed meanwhile"]


def test_two_workers_at_once_make_each_call_once(fresh_database: FreshDatabase) -> None:
    with scripted_gateway():
        account = factories.account()
        factories.sender(account, VIRTUAL, kind=Sender.Kind.VIRTUAL)
        wants(account, url=URL)
        for number in range(6):
            came(f"Bonjour {number}")
        phonebook = Phonebook()
        under_way: list[int] = []
        most: list[int] = []

        def call(*given: Any) -> int:
            under_way.append(1)
            most.append(len(under_way))
            time.sleep(0.02)
            under_way.pop()
            return phonebook(*given)

        results = at_once([lambda: call_waiting(clock=at(LATER), call=call)] * 4)
        assert sum(results) + call_waiting(clock=at(LATER), call=call) == 6
        assert len(phonebook.ids) == len(set(phonebook.ids)) == 6
        assert max(most) <= PER_ACCOUNT


def test_the_task_does_what_waits_and_reaches_no_private_address(account: Account) -> None:
    """The whole way with the real network: the name leads to the loopback, and the call is refused."""
    wants(account, forward_to="a@example.org")
    ReactionSettings.objects.update(url="https://localhost:9/in", secret="s")
    came(now=datetime.now(UTC))
    assert react() == 1
    row = Reaction.objects.get(kind="call")
    assert (row.state, row.reason, row.tries) == ("waiting", "private_address", 1)


# How a program verifies a call


def test_the_example_in_the_documents_verifies_a_call_and_refuses_others() -> None:
    text = (Path(__file__).parent.parent / "docs" / "reactions.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    named: dict[str, Any] = {}
    exec(code, named)  # noqa: S102  (it is our own document)
    verify: Callable[..., bool] = named["is_from_sms_manager"]
    now = datetime.now(UTC)
    body = b'{"id": "received-1"}'
    header = signature("whsec_secret", body, at=now)
    assert verify("whsec_secret", header, body)
    assert not verify("whsec_other", header, body)
    assert not verify("whsec_secret", header, body + b" ")
    assert not verify("whsec_secret", signature("whsec_secret", body, at=now - timedelta(minutes=6)), body)
    for broken in ("", "t=1", "v1=00", "t=x, v1=00", header.replace("v1", "v0")):
        assert not verify("whsec_secret", broken, body)


# With a text


def go_on(now: datetime = LATER) -> None:
    reactions.do_waiting(clock=at(now))
    dispatch_due(clock=at(now))


def said(gateway: ScriptedGateway) -> list[tuple[str, str, str]]:
    return [(one.originator, one.recipient, one.text) for one in gateway.sent]


def test_the_answer_leaves_from_the_number_that_was_written_to_and_is_paid(
    account: Account, gateway: ScriptedGateway
) -> None:
    wants(account, says=SAYS)
    before = factories.balances(account)["spent"]
    came()
    go_on()
    assert said(gateway) == [(VIRTUAL, PHONE, SAYS)]
    # The received message and the answer.
    assert factories.balances(account)["spent"] == before + 2_000
    row = Reaction.objects.get()
    assert row.state == "done"
    submission = Submission.objects.get()
    assert (row.submission, submission.commercial) == (submission, False)
    assert submission.created_by == factories.owner(account)
    factories.assert_ledger_adds_up()


def test_an_answer_to_a_short_number_leaves_from_the_pool(account: Account, gateway: ScriptedGateway) -> None:
    message = sent(account, by=factories.pool())
    wants(account, says=SAYS)
    arrive(answer(to=message.originator))
    go_on()
    assert said(gateway)[1:] == [(message.originator, PHONE, SAYS)]


def test_a_conversation_is_answered_once_a_day_of_the_accounts_own(account: Account, gateway: ScriptedGateway) -> None:
    wants(account, says=SAYS)
    # 23:30 and 00:30 in Paris.
    late = datetime(2026, 11, 24, 22, 30, tzinfo=UTC)
    for now in (LATER, LATER + timedelta(hours=1), late):
        came(f"Bonjour {now}", now=now)
        go_on(now)
    assert len(said(gateway)) == 1
    came("Another", number="+33612345679", now=late)
    go_on(late)
    assert len(said(gateway)) == 2
    came("Next day", now=late + timedelta(hours=1))
    go_on(late + timedelta(hours=1))
    assert len(said(gateway)) == 3


def test_two_messages_that_are_applied_at_once_have_one_answer(account: Account, gateway: ScriptedGateway) -> None:
    wants(account, says=SAYS)
    arrive(*(Received(key=f"k{number}", number=PHONE, to=VIRTUAL, text="Bonjour", at=LATER) for number in range(2)))
    go_on()
    assert len(said(gateway)) == 1


def test_two_machines_that_answer_each_other_come_to_an_end(account: Account, gateway: ScriptedGateway) -> None:
    """The other one writes back whatever it gets, with a counter in it, every day for two weeks."""
    wants(account, says=SAYS)
    for day in range(15):
        now = LATER + timedelta(days=day)
        came(f"Automatic answer number {day}", now=now)
        go_on(now)
    # Three in any seven days.
    days = [one.created_at for one in Reaction.objects.filter(state="done").order_by("pk")]
    assert all(later - first >= timedelta(days=7) for first, later in zip(days, days[3:], strict=False))
    assert len(days) <= 9
    assert Reaction.objects.filter(reason="too_many").count() == 15 - len(days)


@pytest.mark.parametrize("text", ["STOP", "stop merci", "Arrêt", "unsubscribe"])
def test_stop_is_never_answered(account: Account, gateway: ScriptedGateway, text: str) -> None:
    wants(account, says=SAYS)
    came(text)
    go_on()
    assert (said(gateway), Reaction.objects.count()) == ([], 0)


@pytest.mark.parametrize("declared", ["stop", "start"])
def test_what_a_vendor_acts_on_is_not_answered(account: Account, gateway: ScriptedGateway, declared: str) -> None:
    wants(account, says=SAYS)
    arrive(Received(key="k", number=PHONE, to=VIRTUAL, text="Hello", at=LATER, raw={"opt_out": declared}))
    assert not Reaction.objects.exists()


@pytest.mark.parametrize("text", [SAYS, f"  {SAYS.upper()} ", f"RE: {SAYS}", SAYS.replace(" ", "\n")])
def test_our_own_words_are_not_answered(account: Account, gateway: ScriptedGateway, text: str) -> None:
    wants(account, says=SAYS)
    came(text)
    go_on()
    assert (said(gateway), outcome()) == ([], ("left_out", "said_by_us"))


@pytest.mark.parametrize("number", ["36111", "INFO", "", "+3361", "+33123456789"])
def test_what_is_no_phone_is_not_answered(account: Account, gateway: ScriptedGateway, number: str) -> None:
    wants(account, says=SAYS)
    came(number=number)
    go_on()
    assert (said(gateway), outcome()) == ([], ("left_out", "cannot_be_answered"))


def test_another_number_of_this_installation_is_not_answered(account: Account, gateway: ScriptedGateway) -> None:
    other = factories.account()
    factories.sender(other, "+33612000009", kind=Sender.Kind.VIRTUAL)
    wants(account, says=SAYS)
    came(number="+33612000009")
    go_on()
    assert (said(gateway), outcome()) == ([], ("left_out", "cannot_be_answered"))


def test_what_reached_us_a_day_late_is_not_answered(account: Account, gateway: ScriptedGateway) -> None:
    wants(account, says=SAYS)
    event = Received(key="old", number=PHONE, to=VIRTUAL, text="Bonjour", at=LATER)
    arrive(event, now=LATER + timedelta(hours=25))
    go_on(LATER + timedelta(hours=25))
    assert outcome() == ("left_out", "too_late")


def test_without_credit_nothing_is_sent_and_the_page_says_so(gateway: ScriptedGateway, db: None) -> None:
    poor = factories.account(millis=1_500)
    factories.sender(poor, VIRTUAL, kind=Sender.Kind.VIRTUAL)
    wants(poor, says=SAYS)
    came()
    go_on()
    assert (said(gateway), outcome()) == ([], ("left_out", "no_credit"))
    page = read(browser_of(factories.owner(poor)).get(reverse("reactions")))
    assert "There were too few credits." in page.one("main").text


def test_a_sender_that_was_disabled_meanwhile_answers_nothing(account: Account, gateway: ScriptedGateway) -> None:
    wants(account, says=SAYS)
    Sender.objects.filter(value=VIRTUAL).update(status=Sender.Status.DISABLED)
    came()
    go_on()
    assert (said(gateway), outcome()) == ([], ("left_out", "no_sender"))


def test_who_set_the_answer_may_leave_the_account(account: Account, gateway: ScriptedGateway) -> None:
    second = factories.member(account, Member.Role.OWNER).user
    reactions.keep(account, forward_to=[], url="", answer=SAYS, by=second)
    Member.objects.filter(user=second).delete()
    came()
    go_on()
    assert Submission.objects.get().created_by == factories.owner(account)


def test_an_answer_is_submitted_once_though_its_worker_dies(
    account: Account, gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    wants(account, says=SAYS)
    came()

    def die(*_args: Any, **_named: Any) -> None:
        raise RuntimeError("for the test")

    with monkeypatch.context() as broken:
        broken.setattr(reactions, "end", die)
        reactions.do_waiting(clock=at(LATER))
    # Both or neither.
    assert not Submission.objects.exists()
    go_on(LATER + timedelta(minutes=5))
    assert len(said(gateway)) == 1


# The page


@pytest.fixture
def page(account: Account) -> Any:
    return browser_of(factories.owner(account))


ADDRESS = "/account/reactions/"


def post(browser: Any, **typed: str) -> Any:
    return browser.post(ADDRESS, {"forward_to": "", "url": "", "answer": "", **typed})


def test_what_an_owner_sets_is_kept_and_shown(account: Account, page: Any) -> None:
    post(page, forward_to="a@example.org, b@example.org\na@example.org", url=URL, answer=SAYS)
    fields = read(page.get(ADDRESS)).one("main").all("form")[0]
    assert fields.one("textarea", name="forward_to").text == "a@example.org b@example.org"
    assert fields.one("input", name="url").attributes["value"] == URL
    assert fields.one("textarea", name="answer").text == SAYS
    assert ReactionSettings.objects.get().answer_by == factories.owner(account)


def test_the_secret_is_shown_once_when_it_is_made(account: Account, page: Any) -> None:
    answered = post(page, url=URL)
    secret = ReactionSettings.objects.get().secret
    assert read(answered).one("code", id="secret").text == secret
    assert "no-store" in answered.headers["Cache-Control"]
    assert secret not in page.get(ADDRESS).content.decode()
    # Kept again, it stays and is not shown.
    assert secret not in post(page, url="https://other.example.org/").content.decode()
    assert ReactionSettings.objects.get().secret == secret
    renewed = read(page.post(ADDRESS, {"action": "renew"})).one("code", id="secret").text
    assert renewed == ReactionSettings.objects.get().secret != secret


def test_without_an_address_there_is_no_secret_to_renew(account: Account, page: Any) -> None:
    post(page, answer=SAYS)
    assert read(page.post(ADDRESS, {"action": "renew"})).all("code") == []
    assert ReactionSettings.objects.get().secret == ""


@pytest.mark.parametrize(
    ("field", "typed", "says"),
    [
        ("forward_to", "not an address", "“not” is not an e-mail address. Write it like name@example.org."),
        ("forward_to", "a@b.org,c", "“c” is not an e-mail address. Write it like name@example.org."),
        ("forward_to", "1@b.org 2@b.org 3@b.org 4@b.org 5@b.org 6@b.org", "These are more than five addresses."),
        ("url", "http://example.org/", "Only addresses that begin with https:// are called."),
        ("url", "javascript:alert(1)", "Only addresses that begin with https:// are called."),
        ("url", "https://localhost/", "The address leads into a private network, which is not called."),
        ("url", "https://redis:6379/", "The address leads into a private network, which is not called."),
        ("url", "https://10.0.0.1/", "The address leads into a private network, which is not called."),
        ("url", "https://[::1]/", "The address leads into a private network, which is not called."),
        ("url", "https://a:b@example.org/", "The address cannot be read."),
        ("answer", "à" * 161, "160"),
        ("answer", "€" * 81, "The answer is longer than one SMS"),
        ("answer", "中" * 71, "The answer is longer than one SMS"),
    ],
)
def test_what_makes_no_sense_is_refused_beside_its_field(page: Any, field: str, typed: str, says: str) -> None:
    answered = post(page, **{field: typed})
    assert answered.status_code == 422
    assert says in read(answered).error(field)
    assert not ReactionSettings.objects.exists()


@pytest.mark.parametrize("text", ["à" * 160, "€" * 80, "中" * 70])
def test_an_answer_of_one_sms_is_kept(page: Any, text: str) -> None:
    assert post(page, answer=text).status_code == 302
    assert ReactionSettings.objects.get().answer == text


def test_the_page_says_what_an_answer_costs(account: Account, page: Any) -> None:
    factories.rate("FR", 1_250)
    assert "costs in credits: 1.25 (France)" in sentence(read(page.get(ADDRESS)))


def test_the_page_says_what_was_not_done_and_why(account: Account, page: Any, phonebook: Phonebook) -> None:
    assert "Nothing: all that was wanted was done." in sentence(read(page.get(ADDRESS)))
    wants(account, url=URL)
    came()
    phonebook.does = failing("status", "503")
    call_waiting(clock=at(LATER), call=phonebook)
    assert "The server answered with an error. (503) It is tried again at" in sentence(read(page.get(ADDRESS)))
    call_waiting(clock=at(LATER + GIVE_UP), call=phonebook)
    assert "It was tried for a day and given up." in sentence(read(page.get(ADDRESS)))


def test_the_settings_of_the_account_lead_there(account: Account, page: Any) -> None:
    assert read(page.get(reverse("account_settings"))).all("a", href=ADDRESS)


def test_a_failing_reaction_stops_no_message(account: Account) -> None:
    """The settings of an account are spoilt behind its back: the message is there all the same."""
    wants(account, forward_to="a@example.org", url=URL, says=SAYS)
    ReactionSettings.objects.update(url="\x7f", forward_to="\n\n @ \n", secret="")
    came(now=datetime.now(UTC))
    assert GatewayEvent.objects.get().result == "received"
    assert react() >= 1
    assert Reaction.objects.get(kind="call").reason == "bad_address"
