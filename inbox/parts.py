"""Received messages of several parts: put together from the table, never in memory.

A stored message is a part when its `raw["part"]` says so: `reference`, `number` (from 1) and `of`; beside it
`octets` (hexadecimal) and `data_coding`, where the gateway has them (3GPP TS 23.040 §9.2.3.24). Parts belong together
that say the same of gateway, writer, number written to, reference and number of parts, within SMS_PARTS_HOURS: a phone
uses a reference again. They come in any order, twice, and to several processes at once; each is placed in a
transaction of its own, in which nobody else places a part of the same.

    the same octets at the same place, within the hours      a repetition: nothing happens
    others at a place that is taken already                  the reference is used again: the older message is shown
                                                             with its gaps, and a new one begins
    the last that was missing                                the message is shown
    some are missing when the hours are over                 it is shown with its gaps
    one that comes after that                                is shown by itself

So a second message that uses the reference of a first within the hours, and has a part in common with it octet by
octet at the same place, is shown with a gap there: nothing tells that part from a repetition.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import connection

from compose.foreign import storable
from compose.gateways.smpp.encoding import text_of
from compose.models import GatewayEvent
from inbox import restored
from inbox.models import LongMessage, Part, Received

# Stands where parts are missing.
GAP: Final = "[…]"
MOST_PARTS: Final = 255
# The column of a reference; one of a phone has 8 or 16 bits.
MOST_REFERENCE: Final = 2**31 - 1
# How many messages with the same reference are looked at for a repetition.
MOST_NEAR: Final = 8


@dataclass(frozen=True, kw_only=True)
class Whole:
    """What is to be shown: the text of a message, the event that it counts as, and how many parts are missing.

    `late`: a part of a message that was shown, and paid, without it. `caused_already`: see inbox/restored.py.
    """

    event: GatewayEvent
    text: str
    at: datetime
    answers: str
    missing: int
    late: bool = False
    caused_already: bool = False


Show = Callable[[Whole], Received]


def place_of(event: GatewayEvent) -> tuple[dict[str, Any], int] | None:
    """Which message this is a part of, and its place there; None for a whole message."""
    said = event.payload
    part = said["raw"].get("part") if isinstance(said["raw"], dict) else None
    if not isinstance(part, dict):
        return None
    reference, number, of = (part.get(name) for name in ("reference", "number", "of"))
    if not (type(reference) is type(number) is type(of) is int):
        return None
    if not (1 <= number <= of <= MOST_PARTS and of > 1 and 0 <= reference <= MOST_REFERENCE):
        return None
    return {
        "gateway": event.gateway,
        "number": said["number"][:32],
        "to": said["to"][:32],
        "reference": reference,
        "of": of,
    }, number


def add(event: GatewayEvent, *, now: datetime, show: Show) -> str:
    """Put a part in its place, in the running transaction, and show what that completes; returns the result's word.

    Call it with an event for which `place_of` is not None. `show` makes the received message.
    """
    found = place_of(event)
    assert found is not None
    mine, place = found
    _nobody_else(mine)
    window = timedelta(hours=settings.SMS_PARTS_HOURS)
    stored = event.stored_at
    # One whose hours are over may have a late part for as long again.
    near = LongMessage.objects.filter(**mine, latest_at__gte=stored - 2 * window, began_at__lte=stored + window)
    known = list(near.select_related("received").order_by("-pk")[:MOST_NEAR])
    taken = {
        part.message_id: part for part in Part.objects.filter(message__in=known, place=place).select_related("event")
    }
    for one in known:
        if one.pk in taken and stored - one.latest_at <= window and _content(taken[one.pk].event) == _content(event):
            return "repeated"
    message = LongMessage.objects.filter(**mine, closed_at=None).first()
    if message is not None:
        over = max(message.latest_at, stored) - min(message.began_at, stored) > window
        if over or message.pk in taken:
            _close(message, now=now, show=show)
            known = [message if one.pk == message.pk else one for one in known]
            message = None
    if message is None:
        if known and known[0].pk not in taken and known[0].received is not None and known[0].received.missing:
            Part.objects.create(message=known[0], place=place, event=event)
            show(_alone(event, place, known[0].of))
            return "received"
        message = LongMessage.objects.create(**mine, began_at=stored, latest_at=stored)
    Part.objects.create(message=message, place=place, event=event)
    if message.parts.count() == message.of:
        return _close(message, now=now, show=show)
    message.began_at, message.latest_at = min(message.began_at, stored), max(message.latest_at, stored)
    message.save(update_fields=["began_at", "latest_at"])
    return "part"


def overdue(now: datetime, most: int) -> list[int]:
    """The ids of at most so many messages whose missing parts are waited for no longer."""
    begun = now - timedelta(hours=settings.SMS_PARTS_HOURS)
    waiting = LongMessage.objects.filter(closed_at=None, began_at__lte=begun).order_by("began_at")
    return list(waiting.values_list("pk", flat=True)[:most])


def give_up(pk: int, *, now: datetime, show: Show) -> bool:
    """Show this message with its gaps, in the running transaction; False when it is shown already."""
    found = LongMessage.objects.get(pk=pk)
    _nobody_else({name: getattr(found, name) for name in ("gateway", "number", "to", "reference", "of")})
    message = LongMessage.objects.filter(pk=pk, closed_at=None).first()
    if message is None:
        return False
    _close(message, now=now, show=show)
    return True


def _nobody_else(mine: Mapping[str, Any]) -> None:
    """Wait until nobody else places a part of these messages; holds to the end of the transaction.

    There may be no row yet that could be locked. SQLite needs nothing: a transaction that writes is the only one.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [json.dumps(mine, sort_keys=True)])


def _close(message: LongMessage, *, now: datetime, show: Show) -> str:
    """Show the message as it is; returns the result's word."""
    found = {part.place: part.event for part in message.parts.select_related("event").order_by("place")}
    events = list(found.values())
    shown = show(
        Whole(
            event=events[0],
            text=storable(joined([found.get(place) for place in range(1, message.of + 1)])),
            # Of the last part: only then could anybody read it.
            at=max(datetime.fromisoformat(event.payload["at"]) for event in events),
            answers=next((event.payload["answers"] for event in events if event.payload["answers"]), ""),
            missing=message.of - len(found),
            # One part that came after the restore says that it was not whole before.
            caused_already=all(map(restored.caused_already, events)),
        )
    )
    message.closed_at, message.received = now, shown
    message.save(update_fields=["closed_at", "received"])
    return "received" if shown.account_id is not None else "unmatched"


def _alone(event: GatewayEvent, place: int, of: int) -> Whole:
    """A part by itself, with a mark on each side on which something is missing."""
    said = event.payload
    text = f"{f'{GAP} ' if place > 1 else ''}{said['text']}{f' {GAP}' if place < of else ''}"
    at = datetime.fromisoformat(said["at"])
    return Whole(
        event=event,
        text=text,
        at=at,
        answers=said["answers"],
        missing=of - 1,
        late=True,
        caused_already=restored.caused_already(event),
    )


def joined(events: Sequence[GatewayEvent | None]) -> str:
    """The text of parts in their order; None is a part that is missing, and GAP stands for one or more of them."""
    runs: list[list[GatewayEvent]] = []
    pieces: list[str] = []
    before: GatewayEvent | None = None
    for event in events:
        if event is not None and before is not None and _coding(before) == _coding(event):
            runs[-1].append(event)
        elif event is not None or before is not None or not runs:
            # A part in another alphabet, the first after a gap, or (an empty run) a gap.
            runs.append([event] if event is not None else [])
        before = event
    for number, run in enumerate(runs):
        left, right = " " if number else "", " " if number + 1 < len(runs) else ""
        pieces.append(_text(run) if run else f"{left}{GAP}{right}")
    return "".join(pieces)


def _text(run: Sequence[GatewayEvent]) -> str:
    """The text of parts that follow each other in the same alphabet, read from all their octets together.

    So a character of which half ends one part and half begins the next is one. What a gateway's alphabet 0 means is
    not written down beside the octets: it is that in which each part reads as it was read when it came.
    """
    texts: list[str] = [event.payload["text"] for event in run]
    octets = [_octets(event) for event in run]
    coding = _coding(run[0])
    if len(run) == 1 or coding is None or any(each is None for each in octets):
        return "".join(texts)
    known = [each for each in octets if each is not None]
    for alphabet in ("gsm", "latin-1"):
        if [storable(text_of(each, coding, alphabet)) for each in known] == texts:
            return text_of(b"".join(known), coding, alphabet)
    return "".join(texts)


def _octets(event: GatewayEvent) -> bytes | None:
    written = event.payload["raw"].get("octets")
    try:
        return bytes.fromhex(written) if isinstance(written, str) else None
    except ValueError:
        return None


def _coding(event: GatewayEvent) -> int | None:
    coding = event.payload["raw"].get("data_coding")
    return coding if type(coding) is int and 0 <= coding <= 0xFF else None


def _content(event: GatewayEvent) -> tuple[int | None, bytes | str]:
    """What tells a part from another at the same place."""
    octets = _octets(event)
    return _coding(event), event.payload["text"] if octets is None else octets
