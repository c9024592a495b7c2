"""Kannel for real: what its bearerbox gives to the operator's centre, and what comes back through our door.

Beside it what the recorded cases (tests/gateways/cases/kannel.json) cannot say.
"""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.http import HttpResponse
from django.test import Client, override_settings
from django.utils import timezone

from compose import routing
from compose.gateways.base import Accepted, BadConfiguration, Outcome, Unsupported
from compose.gateways.kannel import KannelGateway
from compose.models import GatewayEvent, Message
from compose.segments import segment
from credits.models import Account
from inbox import services
from inbox.models import Received
from tests import factories
from tests.dispatching import dispatch_due
from tests.fixtures import tool
from tests.fixtures.instances import until
from tests.gateways.kannels import Kannel, kannel
from tests.gateways.peers import outgoing
from tests.gateways.smsc import SECONDS, Smsc, delivery, smsc
from tests.gateways.web import Answer, Asked, Web, web
from tests.tooling import tools

KEY = "opens the door %A & more/+"
PHONE = "+33612345678"
State = Message.State


class Door:
    """Our door as Kannel reaches it: a loopback server whose calls the test's own thread hands to Django.

    So they are in the test's transaction; the threads of the server only wait.
    """

    def __init__(self, server: Web) -> None:
        self.server = server
        self.calls: queue.Queue[tuple[Asked, queue.Queue[Answer]]] = queue.Queue()
        self.answers: list[int] = []
        self.broken = 0
        self.closed = False
        server.does = self._wait

    def _wait(self, asked: Asked) -> Answer:
        answer: queue.Queue[Answer] = queue.Queue()
        self.calls.put((asked, answer))
        while not (self.closed or self.server.ending.is_set()):
            with contextlib.suppress(queue.Empty):
                return answer.get(timeout=0.05)
        return Answer()

    def pump(self) -> None:
        """Hand what was called to Django, and its answers back."""
        while True:
            try:
                asked, answer = self.calls.get_nowait()
            except queue.Empty:
                return
            if self.broken:
                self.broken -= 1
                answer.put(Answer(503))
                continue
            parts = urlsplit(asked.target)
            got: HttpResponse = Client().generic(  # type: ignore[assignment]
                asked.method, parts.path, asked.body, QUERY_STRING=parts.query
            )
            self.answers.append(got.status_code)
            answer.put(Answer(got.status_code, got.content, {"Content-Type": got["Content-Type"]}))

    def until(self, look: Callable[[], object], otherwise: str) -> None:
        """Pump until `look()` is true."""

        def pumped() -> object:
            self.pump()
            return look()

        until(pumped, SECONDS, otherwise)


@pytest.fixture(scope="module")
def server() -> Iterator[Web]:
    """Where Kannel calls us."""
    with web() as made:
        yield made


@pytest.fixture(scope="module")
def centre() -> Iterator[Smsc]:
    """The operator's centre, to which Kannel is bound."""
    with smsc() as made:
        yield made


@pytest.fixture(scope="module")
def running(server: Web, centre: Smsc) -> Iterator[Kannel]:
    """Kannel, with its connection to the centre."""
    tool(tools.kannel)
    key = "opens+the+door+%%25A+%%26+more%%2F%%2B"
    with kannel(centre.port, door=f"{server.url}/gateways/default/received?key={key}&") as made:
        centre.wait_for(lambda: centre.connected, "Kannel did not bind")
        yield made


@pytest.fixture
def door(server: Web, running: Kannel, db: None) -> Iterator[Door]:
    """The installation's only gateway is KannelGateway, with KEY for its door."""
    configured = {
        "default": {
            "BACKEND": "compose.gateways.kannel.KannelGateway",
            "OPTIONS": running.options | {"errors": {"027": "absent"}},
            "DOOR": {"key": KEY},
        }
    }
    with override_settings(SMS_GATEWAYS=configured, SMS_PUBLIC_URL=server.url):
        routing.gateway.cache_clear()
        made = Door(server)
        yield made
        made.closed = True
    routing.gateway.cache_clear()


@pytest.fixture(autouse=True)
def _quiet_centre(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test begins with a centre that takes everything, and ends with all calls of Kannel answered."""
    yield
    if "centre" in request.fixturenames:
        found: Smsc = request.getfixturevalue("centre")
        found.submit_answer = found.take


@pytest.fixture
def account(db: None) -> Account:
    """An account with 100 credits."""
    return factories.account()


def send(account: Account, **typed: Any) -> Message:
    """A message that was handed to Kannel."""
    now = timezone.now()
    message = factories.message(account, now=now, **typed)
    dispatch_due(clock=timezone.now)
    message.refresh_from_db()
    return message


def reported(message: Message, status: str) -> Callable[[], bool]:
    """Whether a report of the message with this status is stored; reports of other tests' messages may come, too."""
    events = GatewayEvent.objects.filter(payload__reference=message.gateway_ref, payload__status=status)
    return events.exists


def receipt(reference: str, status: str, error: str = "000") -> bytes:
    text = (
        f"id:{reference} sub:001 dlvrd:001 submit date:2611230000 done date:2611230001 stat:{status} err:{error} text:x"
    )
    return delivery(message=text.encode(), esm_class=4)


def sent_to(centre: Smsc, count: int, already: int) -> list[bytes]:
    """The bodies of the next `count` submissions."""
    centre.wait_for(lambda: len(centre.submissions) >= already + count, f"the centre did not get {count} submissions")
    return [one.body for one in centre.submissions[already:]]


# --- There and back --------------------------------------------------------------------------------------


def test_a_message_goes_through_kannel_and_its_report_comes_back(door: Door, centre: Smsc, account: Account) -> None:
    before = len(centre.submissions)
    message = send(account, body="Bonjour €")
    assert message.state == State.ACCEPTED
    (body,) = sent_to(centre, 1, before)
    assert body.endswith(b"Bonjour \x1be")
    # The centre's own word that it took the message comes first, and changes nothing.
    door.until(reported(message, "accepted"), "the first report did not come")
    centre.deliver(receipt(centre.ids[-1], "DELIVRD"))
    door.until(reported(message, "delivered"), "the report did not come")
    services.apply_waiting(clock=timezone.now)
    message.refresh_from_db()
    assert message.state == State.DELIVERED
    assert set(door.answers) == {200}
    assert KEY not in str(list(GatewayEvent.objects.values()))


def test_a_failed_delivery_says_why(door: Door, centre: Smsc, account: Account) -> None:
    message = send(account)
    # A receipt that is faster than the centre's answer to the message finds nothing in Kannel that waits for it.
    door.until(reported(message, "accepted"), "the first report did not come")
    centre.deliver(receipt(centre.ids[-1], "UNDELIV", "027"))
    door.until(reported(message, "undelivered"), "the report did not come")
    services.apply_waiting(clock=timezone.now)
    message.refresh_from_db()
    assert (message.state, message.reason) == (State.UNDELIVERED, "absent")


def test_what_the_centre_refuses_is_given_back(door: Door, centre: Smsc, account: Account) -> None:
    before = factories.balances(account)
    centre.submit_answer = lambda pdu: 0x0B
    message = send(account)
    assert message.state == State.ACCEPTED
    door.until(reported(message, "rejected"), "the report did not come")
    services.apply_waiting(clock=timezone.now)
    message.refresh_from_db()
    assert (message.state, message.reason) == (State.UNDELIVERED, "invalid_recipient")
    assert factories.balances(account) == before
    factories.assert_ledger_adds_up()


def test_a_report_that_our_door_could_not_take_comes_again(door: Door, centre: Smsc, account: Account) -> None:
    door.broken = 1
    message = send(account)
    door.until(reported(message, "accepted"), "the first report did not come again")
    centre.deliver(receipt(centre.ids[-1], "DELIVRD"))
    door.until(reported(message, "delivered"), "the report did not come")
    services.apply_waiting(clock=timezone.now)
    message.refresh_from_db()
    assert message.state == State.DELIVERED


@pytest.mark.parametrize(
    ("bodies", "text"),
    [
        ([delivery(message=b"Oui \x05 2%+&=\x1be \x00")], "Oui é 2%+&=€ @"),
        ([delivery(message="Oui, 您好 😀".encode("utf-16-be"), data_coding=8)], "Oui, 您好 😀"),
        (
            [
                delivery(message=bytes([5, 0, 3, 9, 2, part]) + half, data_coding=8, esm_class=0x40)
                # The parts come in the wrong order, and an emoji lies across them.
                for part, half in ((2, b"\xde\x00\x00!"), (1, "Oui ".encode("utf-16-be") + b"\xd8\x3d"))
            ],
            "Oui 😀!",
        ),
        ([delivery(message=b"")], ""),
    ],
    ids=["GSM 7-bit", "UCS-2", "two parts", "empty"],
)
def test_an_answer_from_the_phone_is_in_the_inbox(
    door: Door, centre: Smsc, account: Account, bodies: list[bytes], text: str
) -> None:
    message = send(account, by=factories.pool())
    before = len(centre.submissions)
    for body in bodies:
        centre.deliver(body.replace(b"38123", message.originator.encode()))
    door.until(GatewayEvent.objects.filter(payload__number=PHONE).exists, "the answer did not come")
    services.apply_waiting(clock=timezone.now)
    found = Received.objects.get()
    assert (found.account, found.answers, found.number, found.to) == (account, message, PHONE, message.originator)
    assert found.text == text
    door.pump()
    assert len(centre.submissions) == before, "Kannel wrote to the phone by itself"


# --- On the wire -----------------------------------------------------------------------------------------

EMOJI = "".join(f"Bonjour 😀 numéro {number:02}. " for number in range(15))
# The body of a submit_sm up to its data_coding, and what follows it, are of no interest here.
GSM = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCXYZÄÖÑÜ§¿abcxyzäöñüà\f^{}\\[~]|€"


@pytest.mark.parametrize(
    ("text", "message_class", "coding"),
    [
        pytest.param(GSM, "standard", 0x00, id="the GSM alphabet"),
        pytest.param("Flash\nSTOP:36111", "flash", 0xF0, id="flash"),
        pytest.param("Sur la SIM", "sim", 0xF2, id="SIM"),
        pytest.param("« Noël »", "standard", 0x08, id="UCS-2"),
        pytest.param("您好", "flash", 0x18, id="flash in UCS-2"),
        pytest.param("您好", "sim", 0x1A, id="SIM in UCS-2"),
        pytest.param("a" * 152 + "€" + "a" * 152, "standard", 0x00, id="a pair where a part ends"),
        pytest.param(EMOJI, "standard", 0x08, id="five parts with emoji"),
    ],
)
def test_the_octets_are_those_that_were_counted(
    running: Kannel, centre: Smsc, text: str, message_class: str, coding: int
) -> None:
    split = segment(text)
    before = len(centre.submissions)
    outcomes = KannelGateway(**running.options).send([outgoing(text, message_class=message_class)])
    assert [type(outcome) for outcome in outcomes] == [Accepted]
    bodies = sent_to(centre, split.count, before)
    assert len(bodies) == split.count
    if split.count > 1:
        reference = bodies[0].partition(b"\x05\x00\x03")[2][0]
        payloads = [header + octets for header, octets in zip(split.udh(reference), split.octets, strict=True)]
    else:
        payloads = list(split.octets)
    head = b"\0\x05\0Boulanger\0\x01\x0133612345678\0"
    for body, payload in zip(bodies, payloads, strict=True):
        assert body.startswith(head)
        assert bytes([coding, 0, len(payload)]) + payload in body


def test_a_short_number_and_a_number_are_written_as_the_centre_expects_them(running: Kannel, centre: Smsc) -> None:
    made = KannelGateway(**running.options)
    for originator, kind, octets in (("38123", "short", b"38123\0"), ("+33937001234", "virtual", b"33937001234\0")):
        before = len(centre.submissions)
        made.send([outgoing(originator=originator, sender_kind=kind)])
        (body,) = sent_to(centre, 1, before)
        assert octets in body[:20]


def test_without_the_centre_kannel_queues_and_delivers_later(running: Kannel, centre: Smsc) -> None:
    before = len(centre.submissions)
    centre.accepts = False
    centre.kill()
    try:
        (outcome,) = KannelGateway(**running.options).send([outgoing("later")])
        assert isinstance(outcome, Accepted)
        assert len(centre.submissions) == before
    finally:
        centre.accepts = True
    (body,) = sent_to(centre, 1, before)
    assert body.endswith(b"later")


def test_a_wrong_password_is_a_wrong_setting_for_kannel_too(running: Kannel) -> None:
    (outcome,) = KannelGateway(**running.options | {"password": "another"}).send([outgoing()])
    assert type(outcome) is BadConfiguration
    assert "another" not in str(outcome)


# --- What it asks of Kannel ------------------------------------------------------------------------------


@pytest.fixture
def smsbox() -> Iterator[Web]:
    """A stand-in that takes everything."""
    with web() as made:
        made.does = lambda asked: Answer(202, b"0: Accepted for delivery")
        yield made


def asked_of(smsbox: Web, door: str = "", key: str = "", **options: Any) -> dict[str, str]:
    """The parameters with which one message is submitted."""
    made = KannelGateway(url=smsbox.url, username="shop", password="pw-of-shop", **options)
    made.door, made.door_key = door, key
    (outcome,) = made.send([outgoing(id="77", validity=90)])
    assert isinstance(outcome, Accepted)
    return {name: values[0] for name, values in smsbox.asked[-1].query.items()}


def test_each_submission_has_a_reference_of_its_own(smsbox: Web) -> None:
    made = KannelGateway(url=smsbox.url, username="shop", password="pw-of-shop")
    made.door = "https://sms.example.net/gateways/default/"
    message = outgoing()
    outcomes: list[Outcome] = [made.send([message])[0] for _attempt in range(2)]
    references = [outcome.reference for outcome in outcomes if isinstance(outcome, Accepted)]
    assert len(set(references)) == 2
    written = [parse_qs(urlsplit(asked.query["dlr-url"][0]).query)["ref"][0] for asked in smsbox.asked]
    assert written == references


def test_a_key_with_percent_signs_is_not_taken_for_escape_codes(smsbox: Web) -> None:
    said = asked_of(smsbox, door="https://sms.example.net/gateways/default/", key="50%A/ok")
    address, _ampersand, escapes = said["dlr-url"].partition("&type=")
    assert address.startswith("https://sms.example.net/gateways/default/report?key=50%%25A%%2Fok&ref=77-")
    assert escapes == "%d&said=%A&foreign=%F&smsc=%i&time=%T"


@pytest.mark.parametrize(
    ("door", "options"), [("", {}), ("https://sms.example.net/", {"reports": 0})], ids=["no door", "not wanted"]
)
def test_no_report_is_asked_for_where_none_can_come(smsbox: Web, door: str, options: dict[str, Any]) -> None:
    assert not {"dlr-url", "dlr-mask"} & asked_of(smsbox, door=door, **options).keys()


def test_the_options_are_passed_on(smsbox: Web) -> None:
    said = asked_of(smsbox, smsc="operator", account="bakery", priority=2, standard_class=1)
    expected = {"smsc": "operator", "account": "bakery", "priority": "2", "mclass": "1", "validity": "1"}
    assert said | expected == said


def test_validity_may_be_left_to_the_operator(smsbox: Web) -> None:
    assert not {"validity", "mclass", "smsc", "account", "priority"} & asked_of(smsbox, validity=False).keys()


def test_a_text_that_kannel_would_cut_short_is_not_sent(smsbox: Web) -> None:
    made = KannelGateway(url=smsbox.url, username="shop", password="pw-of-shop", max_parts=2)
    chunk = [outgoing("a" * 306), outgoing("a" * 307), outgoing("a" * 50_000)]
    assert [type(outcome) for outcome in made.send(chunk)] == [Accepted, Unsupported, Unsupported]
    assert len(smsbox.asked) == 1


def test_messages_of_a_chunk_are_submitted_at_once(smsbox: Web) -> None:
    together = threading.Barrier(3)

    def does(asked: Asked) -> Answer:
        together.wait(SECONDS)
        return Answer(202, b"0: Accepted for delivery")

    smsbox.does = does
    made = KannelGateway(url=smsbox.url, username="shop", password="pw-of-shop", at_once=3)
    assert made.capabilities.batch_size == 3
    assert {type(outcome) for outcome in made.send([outgoing() for _ in range(3)])} == {Accepted}
