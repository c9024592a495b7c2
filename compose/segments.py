"""How a text becomes SMS parts: the only place that counts, so that counter, bill and wire agree.

Plain Python, no Django. Sources: 3GPP TS 23.038 §6.2.1 (GSM 7-bit default alphabet and its extension
table, UCS-2) and 3GPP TS 23.040 §9.2.3.24.1 (concatenation header with an 8-bit reference).

What happens to unusual text:

* CR and LF are characters of the GSM alphabet and count as they stand: CR LF is two septets, and a part may end
  between them. ``final_text`` turns line ends into LF first, so a browser's CR LF never reaches the bill.
* NUL and the other control characters except CR, LF and FF are not in the alphabet: they make the text
  UCS-2. ESC (U+001B) is an escape code, not a character, and makes it UCS-2 as well.
* Accents written as combining characters (``e`` + U+0301) are counted as they stand, which is UCS-2. Nothing is
  normalised here.
* Right-to-left text is UCS-2, counted and sent in the order in which it is written down. A direction mark is a
  character like another.
* An emoji made of several (a family joined by U+200D, a flag, a skin tone) is several characters. A part may end
  between two of them, never inside one; the phone joins the parts before it shows them.
* A lone surrogate is no text and cannot be encoded. It is replaced by U+FFFD, one code unit for one code
  unit, as a browser does when it submits a form (WHATWG Infra, "convert to scalar value string"). A high
  and a low surrogate that follow each other are one character. ``Segmentation.text`` is the result.
* The empty text has no part.

``static/js/segments.js`` is the same engine for the page; a browser test holds the two together.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

Encoding = Literal["gsm7", "ucs2"]

SINGLE_SEPTETS: Final = 160
PART_SEPTETS: Final = 153
SINGLE_UNITS: Final = 70
PART_UNITS: Final = 67
MAX_PARTS: Final = 255

_ESCAPE: Final = 0x1B

# Position = septet. The escape code's own place (0x1B) holds U+001B, which is taken out below.
_BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION: Final = {
    "\f": 0x0A,
    "^": 0x14,
    "{": 0x28,
    "}": 0x29,
    "\\": 0x2F,
    "[": 0x3C,
    "~": 0x3D,
    "]": 0x3E,
    "|": 0x40,
    "€": 0x65,
}

# The work is done in C, ten times as fast as anything that looks at each character: Latin-1 holds the alphabet except
# for € and ten Greek capitals, so a text becomes Latin-1, and a table of 256 places says what each character is.
_SHORT, _LONG, _FOREIGN = range(3)
_SEPTETS: Final = {character: bytes([septet]) for septet, character in enumerate(_BASIC) if septet != _ESCAPE} | {
    character: bytes([_ESCAPE, code]) for character, code in _EXTENSION.items()
}
_KINDS: Final = bytes(
    _LONG if chr(octet) in _EXTENSION else _SHORT if chr(octet) in _SEPTETS else _FOREIGN for octet in range(256)
)
# What takes the place of the others while a text is measured: a character of the same length.
_STAND_INS: Final = {
    character: "A" if len(septets) == 1 else "^" for character, septets in _SEPTETS.items() if ord(character) > 0xFF
}
# The same for the first octets of UTF-16BE: D8 to DB begin a surrogate pair (The Unicode Standard, section 3.9).
_KINDS_OF_UNITS: Final = bytes(_LONG if 0xD8 <= octet <= 0xDB else _SHORT for octet in range(256))
_BEGINS: Final = bytes([_LONG])
_BEGINS_AND_ENDS: Final = bytes([_LONG, _SHORT])

_WIRE: Final = {ord(character): septets.decode("latin-1") for character, septets in _SEPTETS.items()}
_FORCING: Final = re.compile(f"[^{re.escape(''.join(_SEPTETS))}]")
# These cut a text into parts of so many characters.
_RUNS: Final = {each: re.compile(f".{{1,{each}}}", re.DOTALL) for each in (PART_SEPTETS, PART_UNITS)}
_LINE_END: Final = re.compile("\r\n?")


class TooLong(ValueError):
    """The text needs more than the 255 parts that the concatenation header can number."""


@dataclass(frozen=True)
class Segmentation:
    """A text and its SMS parts.

    ``text`` is what was counted, ``parts`` joined. Units are septets for ``gsm7`` and UTF-16 code units for
    ``ucs2``.
    """

    text: str
    encoding: Encoding
    parts: tuple[str, ...]

    @cached_property
    def octets(self) -> tuple[bytes, ...]:
        """The user data of each part without its header.

        One septet per octet (unpacked, ESC = 0x1B) for ``gsm7``, UTF-16BE for ``ucs2``.
        """
        if self.encoding == "gsm7":
            return tuple([part.translate(_WIRE).encode("latin-1") for part in self.parts])
        return tuple([part.encode("utf-16-be") for part in self.parts])

    @property
    def count(self) -> int:
        """Number of SMS."""
        return len(self.parts)

    @property
    def limit(self) -> int:
        """Units that one part holds: 160 or 70 alone, 153 or 67 in a long message."""
        if self.encoding == "gsm7":
            return PART_SEPTETS if self.count > 1 else SINGLE_SEPTETS
        return PART_UNITS if self.count > 1 else SINGLE_UNITS

    @property
    def used(self) -> int:
        """Units used in the last part."""
        return len(self.octets[-1]) // self._octets_per_unit if self.octets else 0

    @property
    def left(self) -> int:
        """Units left in the last part."""
        return self.limit - self.used

    @property
    def units(self) -> int:
        """Units used in all parts; what stays empty at the end of a part is not in it."""
        return sum(map(len, self.octets)) // self._octets_per_unit

    @cached_property
    def forced(self) -> tuple[tuple[int, str], ...]:
        """The characters outside the GSM alphabet, each with its index in ``text`` (code points)."""
        if self.encoding == "gsm7":
            return ()
        return tuple((match.start(), match.group()) for match in _FORCING.finditer(self.text))

    def udh(self, reference: int) -> tuple[bytes, ...]:
        """The six octets of user data header of each part; empty when there are fewer than two.

        ``reference`` is 0 to 255, one value per message and recipient; another raises ValueError.
        Source: 3GPP TS 23.040 §9.2.3.24.1 (05 00 03, reference, parts in all, number of this part).
        """
        if not 0 <= reference <= 255:
            raise ValueError(f"A concatenation reference is 0 to 255, not {reference}.")
        if self.count < 2:
            return ()
        return tuple(bytes((0x05, 0x00, 0x03, reference, self.count, number)) for number in range(1, self.count + 1))

    @property
    def _octets_per_unit(self) -> int:
        return 1 if self.encoding == "gsm7" else 2


def segment(text: str) -> Segmentation:
    """Split ``text`` into SMS parts; the module's docstring says what becomes of unusual text.

    Raises TooLong above 255 parts.
    """
    # Every character takes one unit at least: a megabyte of text is refused before any work on it.
    if len(text) > MAX_PARTS * PART_SEPTETS:
        raise TooLong(_too_long())
    kinds = _kinds(text)
    if kinds is None:
        return _segment_ucs2(text)
    if _LONG not in kinds:
        return Segmentation(text, "gsm7", _slices(text, SINGLE_SEPTETS, PART_SEPTETS))
    units = kinds.replace(_BEGINS, _BEGINS_AND_ENDS)
    return Segmentation(text, "gsm7", _fill(text, units, SINGLE_SEPTETS, PART_SEPTETS))


def _kinds(text: str) -> bytes | None:
    """The kind of each character in the GSM alphabet, _SHORT or _LONG; None when the text has others."""
    # Of those outside Latin-1, the one that people write: no exception for it.
    if "€" in text:
        text = text.replace("€", _STAND_INS["€"])
    try:
        kinds = text.encode("latin-1").translate(_KINDS)
    except UnicodeEncodeError as error:
        character = text[error.start]
        if character not in _STAND_INS:
            return None
        return _kinds(text.replace(character, _STAND_INS[character]))
    return None if _FOREIGN in kinds else kinds


def _segment_ucs2(text: str) -> Segmentation:
    try:
        encoded = text.encode("utf-16-be")
    except UnicodeEncodeError:
        text = text.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "replace")
        encoded = text.encode("utf-16-be")
    if len(encoded) == 2 * len(text):
        return Segmentation(text, "ucs2", _slices(text, SINGLE_UNITS, PART_UNITS))
    return Segmentation(text, "ucs2", _fill(text, encoded[::2].translate(_KINDS_OF_UNITS), SINGLE_UNITS, PART_UNITS))


def _slices(text: str, alone: int, each: int) -> tuple[str, ...]:
    """The parts of a text in which every character takes one unit."""
    if len(text) <= alone:
        return (text,) if text else ()
    if len(text) > MAX_PARTS * each:
        raise TooLong(_too_long())
    return tuple(_RUNS[each].findall(text))


def _fill(text: str, units: bytes, alone: int, each: int) -> tuple[str, ...]:
    """The parts of a text in which some characters take two units, none ending inside such a character.

    ``units`` has _LONG for the first unit of such a character and _SHORT for every other unit.
    """
    total = len(units)
    if total <= alone:
        return (text,)
    parts = []
    start = begun = 0  # of the part, in units and in characters
    while start < total:
        end = start + each
        if end < total and units[end - 1] == _LONG:
            end -= 1
        length = end - start - units.count(_LONG, start, end)
        parts.append(text[begun : begun + length])
        start, begun = end, begun + length
    if len(parts) > MAX_PARTS:
        raise TooLong(_too_long())
    return tuple(parts)


def _too_long() -> str:
    return f"The text needs more than {MAX_PARTS} SMS, the most that one message can have."


def normalise_newlines(text: str) -> str:
    """CR LF and lone CR become LF; a browser submits CR LF where its own counter saw LF."""
    return _LINE_END.sub("\n", text)


def stop_clause(number: str) -> str:
    """The clause that tells how to opt out: LF, ``STOP:`` and the number, 11 septets with five digits.

    Raises ValueError when ``number`` is not made of digits 0 to 9.
    """
    if not (number.isascii() and number.isdigit()):
        raise ValueError(f"The opt-out number is made of digits, unlike {number!r}.")
    return f"\nSTOP:{number}"


def final_text(body: str, clause: str = "") -> str:
    """The one text that is counted, priced, previewed and sent: ``body`` with LF ends, then ``clause``."""
    return normalise_newlines(body) + clause
