"""Kannel's bearerbox as a client of our stand-in SMSC, and what it writes there beside what our gateway writes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import smpp34

from compose.gateways.base import Accepted, Outgoing
from compose.gateways.kannel import KannelGateway
from tests.fixtures import tool
from tests.gateways.kannels import Kannel, kannel
from tests.gateways.peers import gateway, outgoing
from tests.gateways.smsc import BINDS, ENQUIRE_LINK, Smsc, delivery, smsc
from tests.gateways.test_smpp_octets import FIVE_PARTS
from tests.tooling import tools


@pytest.fixture(scope="module")
def centre() -> Iterator[Smsc]:
    """The stand-in."""
    with smsc() as made:
        yield made


@pytest.fixture(scope="module")
def running(centre: Smsc) -> Iterator[Kannel]:
    """Kannel, bound to the stand-in."""
    tool(tools.kannel)
    with kannel(centre.port) as made:
        centre.wait_for(lambda: centre.of(*BINDS), "Kannel did not bind")
        yield made


@dataclass(frozen=True)
class Part:
    """What of a submission both must say alike. (Kannel asks for a report only where it knows our door.)"""

    source: str
    destination: tuple[int, int, str]
    data_coding: int
    esm_class: int
    header: bytes
    octets: bytes


def parts_of(centre: Smsc, before: int) -> list[Part]:
    """The submissions since then; the reference of a long message is its sender's own affair."""
    found = []
    for one in centre.submissions[before:]:
        read: Any = smpp34.decode(one.octets)
        octets, header = read.short_message, b""
        if read.esm_class & 0x40:
            header = octets[1:3] + octets[4 : 1 + octets[0]]
            octets = octets[1 + octets[0] :]
        found.append(
            Part(
                source=read.source_addr,
                destination=(read.dest_addr_ton, read.dest_addr_npi, read.destination_addr),
                data_coding=read.data_coding,
                esm_class=read.esm_class & 0x40,
                header=header,
                octets=octets,
            )
        )
    return found


TEXTS = [
    ("Bonjour, à demain !", "standard"),
    ("@£$¥èéùìòÇ ΔΦΓΛΩΠΨΣΘΞ ÄÖÑÜ§¿äöñü", "standard"),
    ("1 € {a} [b] ~ | ^ \\", "standard"),
    ("à côté", "standard"),
    ("Pain 🥐", "standard"),
    ("Bonjour", "flash"),
    ("à côté", "flash"),
    ("Bonjour", "sim"),
    ("a" * 152 + "€" + "a" * 152, "standard"),
]


def both(centre: Smsc, running: Kannel, message: Outgoing) -> tuple[list[Part], list[Part]]:
    """What our gateway and what Kannel writes for the same message, in the order of the parts."""
    before = len(centre.submissions)
    # Kannel writes classes of the alphabet of GSM so; ours do when the options say it.
    with gateway(centre.port, class_coding="f0") as made:
        assert isinstance(made.send([message])[0], Accepted)
    ours = parts_of(centre, before)
    before = len(centre.submissions)
    assert isinstance(KannelGateway(**running.options).send([message])[0], Accepted)
    centre.wait_for(lambda: len(centre.submissions) >= before + len(ours), "Kannel sent less")
    return ours, sorted(parts_of(centre, before), key=lambda part: part.header)


@pytest.mark.parametrize(("text", "choice"), TEXTS, ids=[f"{choice}: {text[:12]}" for text, choice in TEXTS])
def test_kannel_and_our_gateway_write_the_same(centre: Smsc, running: Kannel, text: str, choice: str) -> None:
    ours, theirs = both(centre, running, outgoing(text, message_class=choice))
    assert theirs == ours


def test_kannel_writes_the_same_five_parts_but_for_emoji_that_it_cuts_in_two(centre: Smsc, running: Kannel) -> None:
    ours, theirs = both(centre, running, outgoing(FIVE_PARTS))
    assert [replace(part, octets=b"") for part in theirs] == [replace(part, octets=b"") for part in ours]
    assert b"".join(part.octets for part in theirs) == b"".join(part.octets for part in ours)
    # Ours can be read part by part, as a phone that has not all of them shows it.
    assert "".join(part.octets.decode("utf-16-be") for part in ours) == FIVE_PARTS
    assert any("\ufffd" in part.octets.decode("utf-16-be", "replace") for part in theirs)


def test_a_client_of_others_stays_bound_and_answers_what_the_stand_in_delivers(centre: Smsc, running: Kannel) -> None:
    (bind,) = {one.connection for one in centre.of(*BINDS) if one.command == 0x09}
    number = centre.deliver(delivery(message=b"OK"), connection=bind)
    centre.wait_for(lambda: centre.answered(number), "Kannel did not answer")
    assert centre.answered(number)[0].status == 0
    asked = centre.deliver(b"", command=ENQUIRE_LINK, connection=bind)
    centre.wait_for(lambda: centre.answered(asked, ENQUIRE_LINK | 0x80000000), "Kannel did not answer")
