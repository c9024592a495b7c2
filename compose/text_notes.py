"""What the compose page says about a text: the characters that make it longer, and what replacing them would save.

The page's JavaScript says the same at each key (static/js/replacement.js); this is for who has none.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from compose import segments
from compose.accents import composed
from compose.replacement import replaced

# No message is longer: the text is read no further.
LONGEST = segments.MAX_PARTS * segments.PART_SEPTETS
NO_BREAK_SPACES = "\u00a0\u202f\u2007"
# Unicode's general categories of what shows nothing by itself: control, format, unassigned, private use.
INVISIBLE = {"Cc", "Cf", "Cn", "Co"}


@dataclass(frozen=True)
class Special:
    """A character that makes a text longer: how it is named, how often it is there, and its twin."""

    name: str | Promise
    count: int
    twin: str


@dataclass(frozen=True)
class Proposal:
    """What replacing would save: SMS for each recipient, and millis in all (None while the price is not known).

    `before` is None when the text has more SMS than any message.
    """

    before: int | None
    after: int
    saved: int | None

    @property
    def fewer(self) -> bool:
        return self.before is None or self.after < self.before


@dataclass(frozen=True)
class TextNotes:
    """`special` are the characters that make a text longer, or those that the account replaces in it (`always`)."""

    always: bool
    special: tuple[Special, ...]
    proposal: Proposal | None


def notes(text: str, clause: str, *, always: bool, rates: int | None) -> TextNotes | None:
    """What there is to say about `text` (with LF ends, as typed), None for nothing.

    `clause` goes behind it; `rates` is what one SMS to each recipient costs in all (millis), None if unknown;
    `always` whether the account replaces the characters of a text by itself, where that makes it shorter.
    """
    if not text or len(text) > LONGEST:
        return None
    proposal = _proposal(text, clause, rates)
    if always and proposal is not None:
        return TextNotes(True, _special(_substituted(text)), None)
    found = _forced(text)
    return TextNotes(False, _special(found), proposal) if found else None


def shortened(text: str, clause: str) -> str:
    """What leaves for `text` where the account always replaces: the plain text, or `text` if that saves nothing."""
    return replaced(text) if len(text) <= LONGEST and _proposal(text, clause, None) is not None else text


def _forced(text: str) -> list[str]:
    """The characters outside the GSM alphabet, however long the text is."""
    slices = (text[start : start + segments.PART_UNITS] for start in range(0, len(text), segments.PART_UNITS))
    return [character for piece in slices for _index, character in segments.segment(piece).forced]


def _substituted(text: str) -> list[str]:
    """The characters that are others once the text is replaced."""
    whole = composed(text)
    others = {character for character in set(whole) if replaced(character) != character}
    return [character for character in whole if character in others]


def _special(found: Iterable[str]) -> tuple[Special, ...]:
    return tuple(Special(named(one), count, replaced(one)) for one, count in Counter(found).items())


def named(character: str) -> str | Promise:
    """A character as it can be seen: itself, or its name where it shows nothing."""
    if character in NO_BREAK_SPACES:
        return _("no-break space")
    if character == "\t":
        return _("tab")
    if character.isspace():
        return _("special space")
    category = unicodedata.category(character)
    if category in INVISIBLE:
        return _("invisible character")
    return f"◌{character}" if category.startswith("M") else character


def _proposal(text: str, clause: str, rates: int | None) -> Proposal | None:
    plain = replaced(text)
    if plain == text:
        return None
    before, after = _segments(text + clause), _segments(plain + clause)
    if after is None or not after.count:
        return None
    fewer = 0 if before is None else before.count - after.count
    # An emoji that stays keeps the message long: then plain quotation marks would save nothing. Twins of several
    # characters may even make it longer.
    if before is not None and (fewer < 0 or (fewer == 0 and after.encoding != "gsm7")):
        return None
    saved = None if rates is None or before is None else fewer * rates
    return Proposal(before.count if before else None, after.count, saved)


def _segments(text: str) -> segments.Segmentation | None:
    try:
        return segments.segment(text)
    except segments.TooLong:
        return None
