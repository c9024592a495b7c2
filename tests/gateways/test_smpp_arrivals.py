"""What a peer delivers: texts, parts, repetitions; and that it is answered once it is stored, and not before."""

from collections.abc import Iterator
from typing import Any

import pytest
import smsutil

from compose.gateways.base import Accepted, Received, Report
from compose.gateways.smpp import SmppGateway
from compose.gateways.smpp.encoding import gsm_text
from compose.segments import segment
from tests.fixtures.instances import until
from tests.gateways.listeners import Listener, listening
from tests.gateways.peers import gateway, outgoing
from tests.gateways.smsc import BINDS, ENQUIRE_LINK, SECONDS, Smsc, delivery, pdu, smsc

RECEIPT = b"id:17 sub:001 dlvrd:001 submit date:2611241030 done date:2611241031 stat:DELIVRD err:000 text:"
DATA_SM, DATA_SM_RESP = 0x103, 0x80000103


@pytest.fixture
def centre() -> Iterator[Smsc]:
    with smsc() as made:
        yield made


@pytest.fixture
def made(centre: Smsc) -> Iterator[SmppGateway]:
    with gateway(centre.port) as one:
        yield one


@pytest.fixture
def listener(centre: Smsc, made: SmppGateway) -> Iterator[Listener]:
    """A listener that is bound."""
    with listening(made) as one:
        centre.wait_for(lambda: centre.of(*BINDS))
        yield one


def received(listener: Listener, centre: Smsc, **fields: Any) -> Received:
    """The event of one delivery."""
    before = len(listener.events)
    centre.deliver(delivery(**fields))
    event = listener.wait_for(before + 1)[before]
    assert isinstance(event, Received)
    return event


def test_a_listener_binds_as_receiver_or_as_transceiver(centre: Smsc) -> None:
    for bind in ("separate", "transceiver"):
        with gateway(centre.port, bind=bind) as made, listening(made):
            centre.wait_for(lambda: centre.connected)
            centre.wait_for(lambda: centre.of(*BINDS))
        centre.wait_for(lambda: not centre.connected)
    assert [one.command for one in centre.of(*BINDS)] == [0x01, 0x09]


TEXTS = [
    ("GSM", "@£ où? {5 €} ~\\|^[]", 0x00, None),
    ("GSM with a class", "Ça va, à 5 h?", 0x10, None),
    ("GSM, group F", "OK", 0xF1, None),
    ("UCS-2", "Ça coûte 5 € 🥐", 0x08, "utf-16-be"),
    ("UCS-2 with a class", "🥐", 0x18, "utf-16-be"),
    ("ASCII", "Stop", 0x01, "ascii"),
    ("Latin-1", "arrêt", 0x03, "latin-1"),
    ("Cyrillic", "стоп", 0x06, "iso8859_5"),
    ("Hebrew", "עצור", 0x07, "iso8859_8"),
]


@pytest.mark.parametrize(("name", "text", "coding", "codec"), TEXTS, ids=[each[0] for each in TEXTS])
def test_each_alphabet_is_read(
    listener: Listener, centre: Smsc, name: str, text: str, coding: int, codec: str | None
) -> None:
    octets = text.encode(codec) if codec else segment(text).octets[0]
    event = received(listener, centre, message=octets, data_coding=coding)
    assert event.text == text
    assert (event.number, event.to) == ("+33612345678", "38123")


def test_the_gsm_alphabet_is_read_as_others_write_it() -> None:
    characters = [*map(chr, range(0x3B0)), "€"]
    alphabet = "".join(each for each in characters if segment(each).encoding == "gsm7")
    assert len(alphabet) == 127 + 10
    assert gsm_text(smsutil.encode(alphabet)) == alphabet
    assert gsm_text(b"a\x1b") == "a"
    assert gsm_text(b"\x1b\x1bz") == " z"
    assert gsm_text(b"\x1bz\xff") == "z\ufffd"


def test_the_options_say_what_a_peer_means_by_its_default_alphabet(centre: Smsc) -> None:
    with gateway(centre.port, received_alphabet="latin-1") as made, listening(made) as listener:
        centre.wait_for(lambda: centre.of(*BINDS))
        assert received(listener, centre, message="arrêt @".encode("latin-1")).text == "arrêt @"


ADDRESSES = [
    ("33612345678", 1, "+33612345678"),
    ("+33612345678", 1, "+33612345678"),
    ("33612345678", 0, "+33612345678"),
    ("0033612345678", 0, "+33612345678"),
    ("0612345678", 2, "0612345678"),
    ("36105", 3, "36105"),
    ("36105", 0, "36105"),
    ("36105", 1, "36105"),
    ("Orange", 5, "Orange"),
    ("12345678", 5, "12345678"),
]


@pytest.mark.parametrize(("address", "kind", "number"), ADDRESSES)
def test_an_address_is_written_as_everywhere(
    listener: Listener, centre: Smsc, address: str, kind: int, number: str
) -> None:
    assert received(listener, centre, source=address, source_type=kind, message=b"OK").number == number


PARTS = [
    ("UDH, 8 bits", 0x40, b"\x05\x00\x03\xa7\x03\x02", {}, {"reference": 0xA7, "of": 3, "number": 2}),
    ("UDH, 16 bits", 0x40, b"\x06\x08\x04\xa7\x01\x03\x02", {}, {"reference": 0xA701, "of": 3, "number": 2}),
    ("UDH with ports", 0x40, b"\x0b\x05\x04\x0b\x84\x23\xf0\x00\x03\xa7\x03\x02", {}, {"reference": 0xA7}),
    ("SAR", 0x00, b"", {0x020C: b"\xa7\x01", 0x020E: b"\x03", 0x020F: b"\x02"}, {"reference": 0xA701, "number": 2}),
]


@pytest.mark.parametrize(("name", "esm_class", "header", "parameters", "part"), PARTS, ids=[each[0] for each in PARTS])
def test_a_part_says_which_part_of_what_it_is(
    listener: Listener,
    centre: Smsc,
    name: str,
    esm_class: int,
    header: bytes,
    parameters: dict[int, bytes],
    part: dict[str, int],
) -> None:
    text = "le pain 🥐".encode("utf-16-be")
    fields: dict[str, Any] = {"esm_class": esm_class, "message": header + text, "data_coding": 8}
    event = received(listener, centre, parameters=parameters, **fields)
    assert part.items() <= event.raw["part"].items()
    assert (event.text, event.raw["octets"], event.raw["data_coding"]) == ("le pain 🥐", text.hex(), 8)
    # The same part again is the same event, for whoever stores it.
    again = received(listener, centre, parameters={**parameters, 0x1400: b"again"}, **fields)
    assert again.key == event.key


NO_PARTS = [
    b"\x05\x00\x03\xa7\x01\x01",  # one of one
    b"\x05\x00\x03\xa7\x02\x03",  # three of two
    b"\x05\x00\x03\xa7\x02\x00",  # none of two
    b"\x06\x05\x04\x0b\x84\x23\xf0",  # ports only
    b"\x02\x00\x09",  # longer than its header
]


@pytest.mark.parametrize("header", NO_PARTS)
def test_a_header_without_parts_is_left_out_of_the_text(listener: Listener, centre: Smsc, header: bytes) -> None:
    event = received(listener, centre, esm_class=0x40, message=header + b"OK")
    assert event.text == "OK"
    assert "part" not in event.raw


def test_a_header_that_is_longer_than_the_message_is_text(listener: Listener, centre: Smsc) -> None:
    assert received(listener, centre, esm_class=0x40, message=b"OK").text == "OK"


def test_a_text_may_be_a_payload_or_come_by_data_sm(listener: Listener, centre: Smsc) -> None:
    assert received(listener, centre, parameters={0x0424: b"a" * 3000}).text == "a" * 3000
    body = b"\0\x01\x01" + b"33612345678\0" + b"\x03\x01" + b"38123\0" + bytes([0, 0, 0]) + b"\x04\x24\x00\x02OK"
    number = centre.deliver(body, command=DATA_SM)
    (_first, event) = listener.wait_for(2)
    assert isinstance(event, Received)
    assert event.text == "OK"
    centre.wait_for(lambda: centre.answered(number, DATA_SM_RESP))


def test_a_delivery_is_answered_once_it_is_stored_and_not_before(listener: Listener, centre: Smsc) -> None:
    listener.storing = False
    number = centre.deliver(delivery(message=RECEIPT, esm_class=0x04))
    until(lambda: listener.offered, SECONDS, "nothing was offered")
    # The connection lives meanwhile, and what came later is answered: this was kept back, not forgotten.
    centre.write(pdu(ENQUIRE_LINK, 900))
    centre.wait_for(lambda: [one for one in centre.of(ENQUIRE_LINK | 0x80000000) if one.sequence == 900])
    assert centre.answered(number) == []
    listener.storing = True
    centre.wait_for(lambda: centre.answered(number))
    (answer,) = centre.answered(number)
    assert (answer.status, answer.body) == (0, b"\0")
    (report,) = listener.wait_for(1)
    assert isinstance(report, Report)
    assert (report.reference, report.status) == ("17", "delivered")


def test_what_is_delivered_again_while_it_waits_is_one_event(listener: Listener, centre: Smsc) -> None:
    listener.storing = False
    first = centre.deliver(delivery(message=b"OK"))
    until(lambda: listener.offered, SECONDS, "nothing was offered")
    second = centre.deliver(delivery(message=b"OK"))
    centre.write(pdu(ENQUIRE_LINK, 900))
    centre.wait_for(lambda: centre.of(ENQUIRE_LINK | 0x80000000))
    listener.storing = True
    centre.wait_for(lambda: centre.answered(first))
    centre.wait_for(lambda: centre.answered(second))
    assert len(listener.events) == 1


def test_a_person_may_write_the_same_word_twice(listener: Listener, centre: Smsc) -> None:
    keys = {received(listener, centre, message=b"OK").key for _time in range(2)}
    assert len(keys) == 2


def test_what_was_stored_without_its_answer_arriving_is_only_answered_when_it_comes_again(
    listener: Listener, centre: Smsc
) -> None:
    listener.storing = False
    centre.deliver(delivery(message=b"OK"))
    until(lambda: listener.offered, SECONDS, "nothing was offered")
    centre.kill()
    centre.wait_for(lambda: len(centre.of(*BINDS)) == 2)
    listener.storing = True
    listener.wait_for(1)
    again = centre.deliver(delivery(message=b"OK"))
    centre.wait_for(lambda: centre.answered(again))
    assert len(listener.events) == 1
    # Once more is another message.
    received(listener, centre, message=b"OK")


def test_a_listener_connects_again_whatever_happens(listener: Listener, centre: Smsc) -> None:
    for times in range(1, 4):
        centre.kill()
        until(lambda: len(centre.of(*BINDS)) > times, SECONDS, "no new bind")  # noqa: B023  (called here and now)
        received(listener, centre, message=f"{times}".encode())


def test_a_listener_waits_for_a_peer_that_is_not_there_yet(centre: Smsc) -> None:
    centre.bind_answer = 0x0E
    with gateway(centre.port) as made, listening(made) as listener:
        centre.wait_for(lambda: len(centre.of(*BINDS)) >= 3)
        centre.bind_answer = 0
        until(lambda: centre.connected, SECONDS, "not connected")
        count = len(centre.of(*BINDS))
        centre.wait_for(lambda: len(centre.of(*BINDS)) > count or centre.connected)
        until(lambda: _answered(centre), SECONDS, "the delivery was not answered")
        assert listener.events


def _answered(centre: Smsc) -> bool:
    """Whether a delivery that is made now is answered soon; it is not while the bind is still refused."""
    if not centre.connected:
        return False
    number = centre.deliver(delivery(message=b"OK"))
    until(lambda: centre.answered(number) or not centre.connected, SECONDS, "neither answered nor ended")
    return bool(centre.answered(number))


def test_a_malformed_delivery_is_refused_and_the_next_one_read(listener: Listener, centre: Smsc) -> None:
    number = centre.deliver(b"\0\x01\x01336")
    centre.wait_for(lambda: centre.answered(number))
    assert centre.answered(number)[0].status == 0x65
    assert received(listener, centre, message=b"OK").text == "OK"


def test_a_transceiver_that_sends_offers_what_arrives_until_it_is_acknowledged(centre: Smsc) -> None:
    with gateway(centre.port, bind="transceiver") as made:
        assert made.capabilities.polls
        assert list(made.poll()) == []
        assert isinstance(made.send([outgoing()])[0], Accepted)
        number = centre.deliver(delivery(message=RECEIPT, esm_class=0x04))
        until(lambda: list(made.poll()), SECONDS, "nothing arrived")
        (report,) = made.poll()
        assert centre.answered(number) == []
        made.acknowledge([report])
        centre.wait_for(lambda: centre.answered(number))
        assert list(made.poll()) == []


def test_too_much_that_waits_to_be_stored_is_to_come_again(listener: Listener, centre: Smsc) -> None:
    listener.storing = False
    numbers = [centre.deliver(delivery(message=f"{each}".encode())) for each in range(1001)]
    centre.wait_for(lambda: centre.answered(numbers[-1]))
    assert centre.answered(numbers[-1])[0].status == 0x64
    listener.storing = True
    centre.wait_for(lambda: centre.answered(numbers[-2]))
    assert len(listener.wait_for(1000)) == 1000
