"""Received messages of several parts: whole however their parts come, and never lost."""

import contextlib
import itertools
import random
import threading
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction
from django.utils import translation
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from compose.gateways.base import Received
from compose.gateways.smpp.encoding import text_of
from compose.models import GatewayEvent
from compose.segments import segment
from compose.services import store_events
from credits import ledger
from credits.models import Account, Owed, Transfer
from inbox import parts, services
from inbox.models import LongMessage, Part
from inbox.models import Received as ReceivedMessage
from tests import factories
from tests.events import LATER, PHONE, sent
from tests.factories import assert_ledger_adds_up, at
from tests.fixtures.databases import FreshDatabase
from tests.gateways_for_tests import scripted_gateway
from tests.pages import browser_of
from tests.threads import at_once

TO = "38111"
_keys = itertools.count(1)


@pytest.fixture
def account(db: None) -> Account:
    """An account with 100 credits that has written to PHONE from TO."""
    made = factories.account()
    with scripted_gateway():
        sent(made, by=factories.pool())
    return made


@dataclass(frozen=True)
class Cut:
    """A part as a gateway stores it: what it says alone, its octets, and its place."""

    octets: bytes
    coding: int
    number: int
    of: int
    reference: int = 7
    to: str = TO
    alphabet: str = "gsm"

    def event(self, key: str = "") -> Received:
        part = {"reference": self.reference, "number": self.number, "of": self.of}
        return Received(
            key=key or f"part-{next(_keys)}",
            number=PHONE,
            to=self.to,
            text=text_of(self.octets, self.coding, self.alphabet),
            at=LATER,
            raw={"part": part, "octets": self.octets.hex(), "data_coding": self.coding},
        )


def cut(text: str, **said: Any) -> list[Cut]:
    """The parts of a text as a phone cuts it: none ends inside a character."""
    made = segment(text)
    coding = 0 if made.encoding == "gsm7" else 8
    return [Cut(octets, coding, number, made.count, **said) for number, octets in enumerate(made.octets, start=1)]


def cut_every(octets: bytes, coding: int, size: int, **said: Any) -> list[Cut]:
    """The same for a phone that cuts wherever it likes."""
    pieces = [octets[start : start + size] for start in range(0, len(octets), size)]
    return [Cut(piece, coding, number, len(pieces), **said) for number, piece in enumerate(pieces, start=1)]


def come(*cuts: Cut, now: datetime = LATER, applied: bool = True) -> None:
    """These are stored, and applied unless a test does that itself."""
    with time_machine.travel(now, tick=False):
        store_events("default", [one.event() for one in cuts], now=now)
    if applied:
        services.apply_waiting(clock=at(now))


def texts() -> list[str]:
    return list(ReceivedMessage.objects.order_by("pk").values_list("text", flat=True))


def results() -> list[str]:
    return list(GatewayEvent.objects.order_by("pk").values_list("result", flat=True))


LONG = "L'été à Orléans : 12 € [tout compris] " * 12 + "Merci"
EMOJI = "Très bien 😀👍🏽 " * 12


# Whole, however the parts come


@pytest.mark.parametrize("text", [LONG, EMOJI, "中" * 67 + "😀" + "中" * 66, "a" * 152 + "€" + "b" * 152])
def test_the_parts_of_a_text_become_the_text(account: Account, text: str) -> None:
    made = cut(text)
    assert len(made) > 1
    come(*made[:-1])
    assert texts() == []
    come(made[-1])
    assert texts() == [text]
    found = ReceivedMessage.objects.get()
    assert (found.account, found.number, found.to, found.missing) == (account, PHONE, TO, 0)
    assert found.answers is not None
    assert results() == ["part"] * (len(made) - 1) + ["received"]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 133])
def test_a_character_that_straddles_two_parts_is_one_character(account: Account, size: int) -> None:
    octets = "é😀中👍🏽".encode("utf-16-be")
    if size < len(octets):
        come(*cut_every(octets * 12 if size == 133 else octets, 8, size))
        assert texts() == ["é😀中👍🏽" * (12 if size == 133 else 1)]


def test_an_escape_at_the_end_of_a_part_belongs_to_the_next(account: Account) -> None:
    octets = segment("12 € [ok]").octets[0]
    come(*cut_every(octets, 0, octets.index(0x1B) + 1))
    assert texts() == ["12 € [ok]"]


def test_an_alphabet_that_only_the_gateway_knows_is_read_as_it_was(account: Account) -> None:
    come(*cut_every("café à Orléans".encode("latin-1"), 0, 4, alphabet="latin-1"))
    assert texts() == ["café à Orléans"]


def test_parts_in_different_alphabets_are_read_each_in_its_own(account: Account) -> None:
    first, second = segment("Prix : 3 €").octets[0], "中😀".encode("utf-16-be")
    come(Cut(second[:3], 8, 2, 3), Cut(second[3:], 8, 3, 3), Cut(first, 0, 1, 3))
    assert texts() == ["Prix : 3 €中😀"]


def test_what_no_database_keeps_is_replaced(account: Account) -> None:
    come(*cut_every("a\0b\ud800".encode("utf-16-be", "surrogatepass"), 8, 3))
    assert texts() == ["a\ufffdb\ufffd"]


def test_parts_without_octets_are_joined_by_their_texts(account: Account) -> None:
    events = [
        Received(
            key=f"text-{number}",
            number=PHONE,
            to=TO,
            text=text,
            at=LATER + timedelta(seconds=number),
            raw={"part": {"reference": 300, "number": number, "of": 2}},
        )
        for number, text in ((2, "monde"), (1, "Bonjour "))
    ]
    store_events("default", events, now=LATER)
    services.apply_waiting(clock=at(LATER + timedelta(hours=1)))
    assert texts() == ["Bonjour monde"]
    assert ReceivedMessage.objects.get().received_at == LATER + timedelta(seconds=2)


NO_PARTS: list[Any] = [
    None,
    "1/2",
    {},
    {"reference": 1, "number": 3, "of": 2},
    {"reference": 1, "number": 0, "of": 2},
    {"reference": 1, "number": 1, "of": 1},
    {"reference": -1, "number": 1, "of": 2},
    {"reference": 2**40, "number": 1, "of": 2},
    {"reference": 1, "number": 1, "of": 999},
    {"reference": "1", "number": 1, "of": 2},
    {"reference": True, "number": 1, "of": 2},
]


@pytest.mark.parametrize("part", NO_PARTS, ids=str)
def test_what_is_no_part_is_a_message(account: Account, part: Any) -> None:
    event = Received(key="one", number=PHONE, to=TO, text="Oui", at=LATER, raw={"part": part, "octets": 5})
    store_events("default", [event], now=LATER)
    services.apply_waiting(clock=at(LATER + timedelta(hours=1)))
    assert texts() == ["Oui"]
    assert not LongMessage.objects.exists()


def test_writers_numbers_references_and_gateways_are_told_apart(account: Account) -> None:
    ours = cut(LONG)
    come(ours[0], *cut("x" * 400, reference=8)[:2], *cut("y" * 400, to="38112")[:1])
    with time_machine.travel(LATER, tick=False):
        store_events("another", [one.event() for one in ours[1:]], now=LATER)
    services.apply_waiting(clock=at(LATER))
    assert texts() == []
    come(*ours[1:])
    assert texts() == [LONG]


# Again, and again with the same reference


def test_a_part_that_comes_twice_changes_nothing_before_or_after_the_end(account: Account) -> None:
    made = cut(LONG)
    come(made[0], made[0], made[1], made[0])
    come(*made)
    come(*made, now=LATER + timedelta(hours=5))
    services.apply_waiting(clock=at(LATER + timedelta(days=5)))
    assert texts() == [LONG]
    assert not LongMessage.objects.filter(closed_at=None).exists()
    assert Counter(results()) == {"received": 1, "part": len(made) - 1, "repeated": 4 + len(made)}


def test_a_reference_that_is_used_again_begins_a_new_message(account: Account) -> None:
    first, second = cut(LONG), cut(LONG.upper())
    come(*first)
    come(second[-1], *first[:2], *second[:-1], now=LATER + timedelta(minutes=5))
    assert texts() == [LONG, LONG.upper()]


def test_the_same_text_a_day_later_is_another_message(account: Account) -> None:
    for hours in (0, 25):
        come(*cut(LONG), now=LATER + timedelta(hours=hours))
    assert texts() == [LONG, LONG]


def test_a_reference_used_again_before_all_was_there_shows_the_older_with_its_gap(account: Account) -> None:
    first, second = cut("a" * 400), cut("b" * 400)
    come(first[0], first[2])
    come(*second, now=LATER + timedelta(hours=1))
    assert texts() == ["a" * 153 + " […] " + "a" * 94, "b" * 400]


# Parts that never come


def test_what_is_there_is_shown_with_its_gap_when_the_hours_are_over(account: Account) -> None:
    made = cut("a" * 153 + "b" * 153 + "c" * 153 + "d" * 153 + "e" * 50)
    come(made[3])
    come(made[1], now=LATER + timedelta(hours=20))
    services.apply_waiting(clock=at(LATER + timedelta(hours=23, minutes=59)))
    assert texts() == []
    services.apply_waiting(clock=at(LATER + timedelta(hours=24)))
    assert texts() == [f"[…] {'b' * 153} […] {'d' * 153} […]"]
    found = ReceivedMessage.objects.get()
    assert found.missing == 3
    with translation.override("en"):
        assert found.missing_sentence == "3 SMS of this message are missing."
    assert found.account == account
    services.apply_waiting(clock=at(LATER + timedelta(hours=99)))
    assert len(texts()) == 1


def test_a_part_after_that_is_shown_by_itself_once_and_costs_nothing_more(account: Account) -> None:
    made = cut("a" * 153 + "b" * 153 + "c" * 20)
    come(made[0], made[2])
    services.apply_waiting(clock=at(LATER + timedelta(hours=24)))
    for minutes in (1, 9):
        come(made[1], now=LATER + timedelta(hours=24, minutes=minutes))
    assert texts() == [f"{'a' * 153} […] {'c' * 20}", f"[…] {'b' * 153} […]"]
    assert Transfer.objects.filter(verb="charge").count() == 1
    assert_ledger_adds_up()


def test_a_part_that_comes_late_and_before_anybody_looked_is_not_joined_with_what_is_too_old(account: Account) -> None:
    made = cut("a" * 153 + "b" * 20)
    come(made[0], applied=False)
    come(made[1], now=LATER + timedelta(hours=25))
    services.apply_waiting(clock=at(LATER + timedelta(hours=25)))
    assert texts() == [f"{'a' * 153} […]", f"[…] {'b' * 20}"]


def test_parts_that_came_in_time_are_joined_however_late_they_are_applied(account: Account) -> None:
    made = cut(LONG)
    come(made[1], made[0], applied=False)
    come(*made[2:], now=LATER + timedelta(hours=3), applied=False)
    services.apply_waiting(clock=at(LATER + timedelta(days=3)), size=1)
    assert texts() == [LONG]


def test_the_installation_says_how_long_parts_are_waited_for(account: Account, settings: Any) -> None:
    settings.SMS_PARTS_HOURS = 2
    come(cut(LONG)[0])
    services.apply_waiting(clock=at(LATER + timedelta(hours=2)))
    assert len(texts()) == 1


@pytest.mark.parametrize(("missing", "says"), [(0, ""), (1, "One SMS of this message is missing.")])
def test_a_message_says_what_of_it_is_missing(missing: int, says: str) -> None:
    with translation.override("en"):
        assert ReceivedMessage(missing=missing).missing_sentence == says


def test_the_page_says_what_is_missing(account: Account) -> None:
    come(*cut("a" * 400)[:2])
    services.apply_waiting(clock=at(LATER + timedelta(hours=24)))
    page = browser_of(factories.owner(account)).get("/received/").content.decode()
    assert "One SMS of this message is missing." in page


# What it costs


def test_an_answer_of_several_parts_costs_the_price_of_an_answer(account: Account) -> None:
    come(*cut(LONG))
    assert list(Transfer.objects.filter(verb="charge").values_list("amount", flat=True)) == [1_000]
    assert not Owed.objects.exists()
    assert_ledger_adds_up()


def test_a_process_that_dies_while_it_joins_leaves_nothing_half_done(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = cut(LONG)
    come(*made[:-1])

    def die(*_args: Any, **_named: Any) -> None:
        raise OSError

    with monkeypatch.context() as patched:
        patched.setattr(ledger, "charge", die)
        come(made[-1])
    assert (texts(), Part.objects.count()) == ([], len(made) - 1)
    services.apply_waiting(clock=at(LATER + timedelta(hours=2)))
    assert texts() == [LONG]


# Any order


@pytest.mark.usefixtures("db")
@hypothesis_settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_order_repetition_and_interleaving_gives_the_same_texts_once(data: st.DataObject) -> None:
    alphabet = st.characters(codec="utf-8", exclude_characters="\0")
    made: list[Cut] = []
    wanted = []
    for reference in (1, 2):
        text = data.draw(st.text(alphabet, min_size=2, max_size=9))
        octets = text.encode("utf-16-be")
        made += cut_every(octets, 8, data.draw(st.integers(1, len(octets) - 1)), reference=reference)
        wanted.append(text)
    again = data.draw(st.lists(st.sampled_from(made), max_size=4))
    order = data.draw(st.permutations([*made, *again]))
    looks = data.draw(st.lists(st.integers(0, len(order)), max_size=3))
    with transaction.atomic():
        for number, one in enumerate(order):
            come(one, now=LATER + timedelta(minutes=20 * number), applied=number in looks)
        for days in (3, 6):
            services.apply_waiting(clock=at(LATER + timedelta(days=days)))
        found, left = texts(), GatewayEvent.objects.filter(applied_at=None).count()
        transaction.set_rollback(True)
    assert sorted(found) == sorted(wanted)
    assert left == 0


# From several processes at once


@pytest.mark.parametrize("locked", [True, False])
def test_two_workers_that_apply_the_last_two_parts_at_once_make_one_message(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch, locked: bool
) -> None:
    """Without the lock neither sees the part of the other, and nobody joins them (SQLite has one writer anyway)."""
    made = cut("a" * 153 + "b" * 153 + "c" * 20)
    come(made[0])
    come(*made[1:], applied=False)
    both = threading.Barrier(2)
    original = Part.objects.create
    race = connection.vendor == "postgresql" and not locked

    def create(**named: Any) -> Part:
        row = original(**named)
        # Where one waits for the other's transaction, only one of them comes here; else both do, however late.
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(60.0 if race else 1.0)
        return row

    monkeypatch.setattr(Part.objects, "create", create)
    if not locked:
        monkeypatch.setattr(parts, "_nobody_else", lambda _mine: None)
    waiting = list(GatewayEvent.objects.filter(applied_at=None).order_by("pk").values_list("pk", flat=True))
    done = at_once([lambda pk=pk: services._apply_received(pk, LATER) for pk in waiting])  # type: ignore[misc]
    assert done == [True, True]
    assert texts() == ([] if race else ["a" * 153 + "b" * 153 + "c" * 20])


def test_many_parts_from_several_workers_at_once(fresh_database: FreshDatabase) -> None:
    wanted = [f"{number}" * 500 for number in range(6)]
    made = [one for reference, text in enumerate(wanted) for one in cut(text, reference=reference)]
    random.Random(1).shuffle(made)
    come(*made, *made[:9], applied=False)
    at_once([lambda: services.apply_waiting(clock=at(LATER), size=5)] * 4)
    while services.apply_waiting(clock=at(LATER)):
        pass
    assert sorted(texts()) == wanted
    assert not LongMessage.objects.filter(closed_at=None).exists()
