"""The connection of an SMPP gateway: ended in each state, silent, slow, refused, encrypted, shared, forked."""

import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from compose.gateways.base import Accepted, BadConfiguration, GatewayError, NotSent, OutcomeUnknown, Throttled
from compose.gateways.smpp import SmppGateway
from tests.fixtures.instances import until
from tests.gateways.peers import PASSWORD, gateway, outgoing
from tests.gateways.smsc import (
    BINDS,
    ENQUIRE_LINK,
    GENERIC_NACK,
    KILL,
    SECONDS,
    SILENT,
    UNBIND,
    Answer,
    Pdu,
    Smsc,
    pdu,
    smsc,
)

TLS = Path(__file__).parent / "tls"


@pytest.fixture
def centre() -> Iterator[Smsc]:
    """A stand-in that takes everything."""
    with smsc() as made:
        yield made


def kind(port: int, **options: Any) -> type:
    """The kind of outcome that one message has."""
    with gateway(port, **options) as made:
        (outcome,) = made.send([outgoing()])
    return type(outcome)


def until_sent(made: SmppGateway) -> None:
    """Send until a message is taken."""
    until(lambda: isinstance(made.send([outgoing()])[0], Accepted), SECONDS, "no message was taken")


# --- Ended in each state ---------------------------------------------------------------------------------


def test_without_a_peer_nothing_was_sent(centre: Smsc) -> None:
    port = centre.port
    with smsc() as other:
        gone = other.port
    assert kind(gone) is NotSent
    assert kind(port) is Accepted


def test_a_connection_that_ends_before_the_bind_sent_nothing(centre: Smsc) -> None:
    centre.accepts = False
    assert kind(centre.port) is NotSent
    centre.accepts, centre.bind_answer = True, KILL
    assert kind(centre.port) is NotSent
    assert centre.submissions == []


def test_a_connection_that_ends_after_the_bind_is_made_again(centre: Smsc) -> None:
    with gateway(centre.port) as made:
        assert type(made.send([outgoing()])[0]) is Accepted
        for _time in range(3):
            centre.kill()
            # Whether the end is noticed before or after the writing is a race that both sides may win.
            until_sent(made)
    assert len(centre.of(*BINDS)) >= 4


def test_a_connection_that_ends_before_the_answer_leaves_the_written_in_doubt_only(centre: Smsc) -> None:
    centre.submit_answer = lambda one: KILL if len(centre.submissions) == 3 else SILENT
    with gateway(centre.port, window=3) as made:
        outcomes = made.send([outgoing() for _each in range(5)])
    assert [type(outcome) for outcome in outcomes] == [OutcomeUnknown] * 3 + [NotSent] * 2


def test_answers_that_came_before_the_end_count(centre: Smsc) -> None:
    def answer(one: Pdu) -> Answer:
        return KILL if len(centre.submissions) == 3 else centre.take(one)

    centre.submit_answer = answer
    with gateway(centre.port, window=1) as made:
        outcomes = made.send([outgoing() for _each in range(4)])
    assert [type(outcome) for outcome in outcomes] == [Accepted, Accepted, OutcomeUnknown, NotSent]


def test_a_connection_that_ends_inside_an_answer_leaves_doubt(centre: Smsc) -> None:
    def half(one: Pdu) -> Answer:
        centre.write(pdu(0x80000004, one.sequence, b"17\0")[:13])
        centre._loop.call_later(0.05, centre._kill)
        return SILENT

    centre.submit_answer = half
    assert kind(centre.port) is OutcomeUnknown


def test_parts_that_were_not_written_are_sent_on_the_next_connection(centre: Smsc) -> None:
    def answer(one: Pdu) -> Answer:
        if one.connection == 1 and len(centre.submissions) == 2:
            centre._loop.call_later(0, centre._kill)
        return centre.take(one)

    centre.submit_answer = answer
    with gateway(centre.port, window=2) as made:
        (outcome,) = made.send([outgoing("a" * 153 * 4)])
    # The end raced the second answer: either way nothing is said to have stayed that may have left.
    assert type(outcome) in (Accepted, OutcomeUnknown)
    if isinstance(outcome, Accepted):
        assert {one.connection for one in centre.submissions} == {1, 2}


def test_a_peer_that_unbinds_is_bound_again(centre: Smsc) -> None:
    with gateway(centre.port) as made:
        assert type(made.send([outgoing()])[0]) is Accepted
        centre.write(pdu(UNBIND, 99))
        centre.wait_for(lambda: centre.of(UNBIND | 0x80000000))
        until_sent(made)
    assert [one.connection for one in centre.of(*BINDS)] == [1, 2]


def test_after_an_unbind_the_peer_still_answers_what_it_has(centre: Smsc) -> None:
    def leave(one: Pdu) -> Answer:
        centre.write(pdu(UNBIND, 99))
        return "5", 0.1

    centre.submit_answer = leave
    with gateway(centre.port, window=1) as made:
        outcomes = made.send([outgoing(), outgoing()])
    assert [type(outcome) for outcome in outcomes] == [Accepted, NotSent]


def test_closing_takes_leave(centre: Smsc) -> None:
    assert kind(centre.port) is Accepted
    centre.wait_for(lambda: not centre.connected)
    assert len(centre.of(UNBIND)) == 1


# --- Silent and slow -------------------------------------------------------------------------------------


def test_no_answer_leaves_the_message_in_doubt_and_the_connection_alive(centre: Smsc) -> None:
    centre.submit_answer = lambda one: SILENT if len(centre.submissions) == 1 else centre.take(one)
    with gateway(centre.port, answer_timeout=0.4) as made:
        (outcome,) = made.send([outgoing()])
        assert isinstance(outcome, OutcomeUnknown)
        assert outcome.detail == "no answer within 0.4 s"
        assert type(made.send([outgoing()])[0]) is Accepted
    assert {one.connection for one in centre.submissions} == {1}


def test_a_full_window_throttles_what_does_not_fit_in(centre: Smsc) -> None:
    centre.submit_answer = lambda _pdu: SILENT
    with gateway(centre.port, window=1, queue_timeout=0.3, answer_timeout=1.5) as made:
        outcomes = made.send([outgoing(), outgoing()])
    assert [type(outcome) for outcome in outcomes] == [OutcomeUnknown, Throttled]
    assert len(centre.submissions) == 1


def test_a_bind_without_an_answer_ends(centre: Smsc) -> None:
    centre.bind_answer = SILENT
    assert kind(centre.port, connect_timeout=0.3) is NotSent
    centre.wait_for(lambda: not centre.connected)


def test_a_peer_that_stops_inside_a_header_is_given_up_and_nothing_read_is_lost(centre: Smsc) -> None:
    def stall(one: Pdu) -> Answer:
        if one.connection > 1:
            return centre.take(one)
        # A whole answer, and the beginning of another PDU.
        centre.write(pdu(0x80000004, one.sequence, b"17\0") + pdu(ENQUIRE_LINK, 5)[:9])
        return SILENT

    centre.submit_answer = stall
    with gateway(centre.port, answer_timeout=0.4) as made:
        assert made.send([outgoing()])[0] == Accepted("17")
        centre.wait_for(lambda: not centre.connected)
        until_sent(made)


def test_a_pdu_may_come_octet_by_octet(centre: Smsc) -> None:
    def slowly(one: Pdu) -> Answer:
        octets = pdu(0x80000004, one.sequence, b"17\0") + pdu(ENQUIRE_LINK, 0x1234)
        for number, octet in enumerate(octets):
            centre._loop.call_later(0.005 * number, centre.write, bytes([octet]))
        return SILENT

    centre.submit_answer = slowly
    with gateway(centre.port) as made:
        assert made.send([outgoing()])[0] == Accepted("17")
        centre.wait_for(lambda: centre.of(ENQUIRE_LINK | 0x80000000))
    assert centre.of(ENQUIRE_LINK | 0x80000000)[0].sequence == 0x1234


@pytest.mark.parametrize("length", [0, 15, 0x7FFFFFFF])
def test_a_length_that_no_pdu_has_ends_the_connection(centre: Smsc, length: int) -> None:
    with gateway(centre.port) as made:
        assert type(made.send([outgoing()])[0]) is Accepted
        centre.write(length.to_bytes(4, "big") + b"\0" * 12)
        centre.wait_for(lambda: centre.connected == 0)
        until_sent(made)


def test_enquire_link_keeps_a_quiet_connection_and_finds_a_dead_one(centre: Smsc) -> None:
    with gateway(centre.port, enquire_every=0.1, answer_timeout=0.4) as made:
        assert type(made.send([outgoing()])[0]) is Accepted
        centre.wait_for(lambda: len(centre.of(ENQUIRE_LINK)) >= 3)
        assert centre.connected == 1
        centre.enquire_answer = SILENT
        centre.wait_for(lambda: centre.connected == 0)


def test_an_unknown_command_is_told_so(centre: Smsc) -> None:
    with gateway(centre.port) as made:
        made.send([outgoing()])
        centre.write(pdu(0x0000AAAA, 77, b"what"))
        centre.wait_for(lambda: centre.of(GENERIC_NACK))
        (nack,) = centre.of(GENERIC_NACK)
        assert (nack.status, nack.sequence) == (0x03, 77)
        assert type(made.send([outgoing()])[0]) is Accepted


# --- Window and rate -------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [1, 4])
def test_no_more_than_the_window_is_outstanding(centre: Smsc, window: int) -> None:
    outstanding: list[int] = []
    now = [0]

    def slow(one: Pdu) -> Answer:
        now[0] += 1
        outstanding.append(now[0])

        def answered() -> None:
            now[0] -= 1

        # Just before the answer is written.
        centre._loop.call_later(0.019, answered)
        return str(len(outstanding)), 0.02

    centre.submit_answer = slow
    with gateway(centre.port, window=window) as made:
        threads = [threading.Thread(target=made.send, args=[[outgoing() for _each in range(4)]]) for _one in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert len(outstanding) == 20
    assert max(outstanding) == window


def test_threads_share_one_connection_and_each_gets_its_own_answers(centre: Smsc) -> None:
    centre.submit_answer = lambda one: (one.body.split(b"\0")[-1][-3:].decode("ascii"), 0.0)
    failures: list[str] = []

    def work(number: int) -> None:
        for turn in range(10):
            texts = [f"{number:01}{turn:01}{each:01}" for each in range(5)]
            said = made.send([outgoing(text) for text in texts])
            if [getattr(outcome, "reference", "") for outcome in said] != [text.lstrip("0") or "0" for text in texts]:
                failures.append(f"{number}: {said}")

    with gateway(centre.port) as made:
        threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert failures == []
    assert len(centre.submissions) == 200
    assert {one.connection for one in centre.submissions} == {1}


# --- The bind --------------------------------------------------------------------------------------------


def test_each_way_of_binding_is_used(centre: Smsc) -> None:
    assert kind(centre.port) is Accepted
    assert kind(centre.port, bind="transceiver") is Accepted
    transmitter, transceiver = centre.of(*BINDS)
    assert (transmitter.command, transceiver.command) == (0x02, 0x09)
    assert transmitter.body == b"shop\0" + PASSWORD.encode() + b"\0\0\x34\0\0\0"


def test_the_bind_says_what_the_options_say(centre: Smsc) -> None:
    kind(centre.port, system_type="VMA", address_range="^33", address_range_type=(1, 1))
    (bind,) = centre.of(*BINDS)
    assert bind.body == b"shop\0" + PASSWORD.encode() + b"\0VMA\0\x34\x01\x01^33\0"


@pytest.mark.parametrize(
    ("status", "expected"),
    [(0x0E, BadConfiguration), (0x0F, BadConfiguration), (0x0D, NotSent), (0x58, NotSent), (0x45, NotSent)],
)
def test_a_refused_bind_sent_nothing_and_says_whether_it_is_our_settings(
    centre: Smsc, status: int, expected: type[GatewayError]
) -> None:
    centre.bind_answer = status
    with gateway(centre.port) as made:
        (outcome,) = made.send([outgoing()])
    assert type(outcome) is expected
    assert f"0x{status:08X}" in outcome.detail
    assert PASSWORD not in str(outcome)


def test_between_attempts_messages_wait_and_the_peer_is_left_alone(centre: Smsc) -> None:
    centre.bind_answer = 0x0E
    with gateway(centre.port, retry_first=60.0, retry_longest=60.0) as made:
        outcomes = [made.send([outgoing()])[0] for _each in range(5)]
    assert {type(outcome) for outcome in outcomes} == {BadConfiguration}
    assert len(centre.of(*BINDS)) == 1


def test_after_the_wait_it_connects_again(centre: Smsc) -> None:
    centre.bind_answer = 0x0D
    with gateway(centre.port) as made:
        assert type(made.send([outgoing()])[0]) is NotSent
        centre.bind_answer = 0
        until_sent(made)


def test_a_closed_gateway_sends_nothing(centre: Smsc) -> None:
    with gateway(centre.port) as made:
        made.send([outgoing()])
        for _time in range(2):
            made.close()
            with pytest.raises(NotSent):
                made.send([outgoing()])
    assert len(centre.submissions) == 1


# --- TLS -------------------------------------------------------------------------------------------------


@pytest.fixture
def encrypted() -> Iterator[Smsc]:
    """A stand-in that speaks TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "certificate.pem", TLS / "key.pem")
    with smsc(tls=context) as made:
        yield made


def test_tls_carries_messages_to_a_peer_whose_certificate_is_trusted(encrypted: Smsc) -> None:
    ca = str(TLS / "certificate.pem")
    assert kind(encrypted.port, tls=True, tls_ca=ca) is Accepted
    assert kind(encrypted.port, tls=True, tls_ca=ca, tls_server_name="smsc.test") is Accepted
    assert kind(encrypted.port, tls=True, tls_verify=False) is Accepted
    assert len(encrypted.submissions) == 3


UNTRUSTED = [
    {},
    {"tls_ca": str(TLS / "certificate.pem"), "tls_server_name": "other.test"},
    {"tls_ca": "/nonexistent/ca.pem"},
]


@pytest.mark.parametrize("options", UNTRUSTED)
def test_tls_says_nothing_to_a_peer_that_it_does_not_trust(encrypted: Smsc, options: dict[str, Any]) -> None:
    assert kind(encrypted.port, tls=True, **options) is BadConfiguration
    assert encrypted.received == []


def test_tls_with_a_peer_that_does_not_speak_it_sends_nothing(centre: Smsc) -> None:
    centre.greeting = pdu(ENQUIRE_LINK, 1)
    assert kind(centre.port, tls=True, connect_timeout=2.0) is NotSent
    assert centre.of(*BINDS) == []


# --- Processes -------------------------------------------------------------------------------------------

FORK = """
import os, sys
from compose.gateways.base import Accepted
from compose.gateways.smpp import SmppGateway
from tests.fixtures.instances import until
from tests.gateways.peers import gateway, outgoing

with gateway(int(sys.argv[1])) as made:
    def sends():
        return isinstance(made.send([outgoing()])[0], Accepted)
    assert sends()
    child = os.fork()
    if not child:
        done = sends()
        made.close()
        os._exit(0 if done else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0, status
    assert sends()
"""


def test_a_process_that_forked_has_a_connection_of_its_own(centre: Smsc) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", FORK, str(centre.port)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=settings.BASE_DIR,
        env={**os.environ, "PYTHONPATH": str(settings.BASE_DIR)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert [one.connection for one in centre.submissions] == [1, 2, 1]
