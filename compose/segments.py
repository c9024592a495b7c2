"""How a text becomes SMS parts: the only place that counts, so that counter, bill and wire agree.

Plain Python, no Django. Sources: 3GPP TS 23.038 §6.2.1 (GSM 7-bit default alphabet and its extension
table, UCS-2) and 3GPP TS 23.040 §9.2.3.24.1 (concatenation header with an 8-bit reference).

What happens to unusual text:

* CR, LF and CR LF are characters of the GSM alphabet and count as they stand (CR LF is two septets).
  ``final_text`` turns line ends into LF first, so a browser's CR LF never reaches the bill.
* NUL and the other control characters except CR, LF and FF are not in the alphabet: they make the text
  UCS-2. ESC (U+001B) is an escape code, not a character, and makes it UCS-2 as well.
* Accents written as combining characters (``e`` + U+0301) are counted as they stand, which is UCS-2.
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
_ESCAPES: Final = range(_ESCAPE, _ESCAPE + 1)
_HIGH_SURROGATES: Final = range(0xD8, 0xDC)  # first octet of the pair's first unit, big-endian

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

# The work is done in C, ten times as fast as anything that looks at each character. Latin-1 holds the alphabet
# except for € and ten Greek capitals, so a text becomes Latin-1, and a table of 256 places gives the septets.
# An extension character is its code with the highest bit there, and what is not in the alphabet is _FOREIGN.
_FOREIGN: Final = 0xFF
_ESCAPED: Final = [(0x80 | code, bytes([0x80 | code]), bytes([_ESCAPE, code])) for code in _EXTENSION.values()]
_OCTETS: Final = {character: septet for septet, character in enumerate(_BASIC) if septet != _ESCAPE} | {
    character: 0x80 | code for character, code in _EXTENSION.items()
}
_FROM_LATIN_1: Final = bytes(_OCTETS.get(chr(octet), _FOREIGN) for octet in range(256))
# In a text that is known to be in the alphabet, those borrow the places of controls, which are not in it.
_BEYOND_LATIN_1: Final = [character for character in _OCTETS if ord(character) > 0xFF]
_BORROWED: Final = {character: chr(0x80 + place) for place, character in enumerate(_BEYOND_LATIN_1)}
_FROM_BORROWED: Final = (
    _FROM_LATIN_1[:0x80]
    + bytes(_OCTETS[character] for character in _BEYOND_LATIN_1)
    + _FROM_LATIN_1[0x80 + len(_BEYOND_LATIN_1) :]
)

# What is in a text that has one of those: they, and what is not in the alphabet at all.
_UNUSUAL: Final = re.compile("[^\0-\x7f\xa0-\xff]")
_FORCING: Final = re.compile(f"[^{re.escape(''.join(_OCTETS))}]")
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
            # None stands for characters outside the alphabet, of which there are none here.
            return tuple(filter(None, map(_septets, self.parts)))
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
    septets = _septets(text)
    return _segment_ucs2(text) if septets is None else _segment_gsm7(text, septets)


def _septets(text: str) -> bytes | None:
    """The text in the GSM alphabet, one septet per octet; None when it has other characters."""
    try:
        septets = text.encode("latin-1").translate(_FROM_LATIN_1)
    except UnicodeEncodeError as error:
        # Most often the first such character is foreign, and that is all there is to know.
        if text[error.start] not in _BORROWED:
            return None
        unusual = set(_UNUSUAL.findall(text))
        if not unusual <= _BORROWED.keys():
            return None
        for character in unusual:
            text = text.replace(character, _BORROWED[character])
        septets = text.encode("latin-1").translate(_FROM_BORROWED)
    if septets.isascii():
        return septets
    if _FOREIGN in septets:
        return None
    for code, mark, escaped in _ESCAPED:
        if code in septets:
            septets = septets.replace(mark, escaped)
    return septets


def _segment_gsm7(text: str, septets: bytes) -> Segmentation:
    if len(septets) == len(text):
        return Segmentation(text, "gsm7", _slices(text, SINGLE_SEPTETS, PART_SEPTETS))
    parts = []
    start = 0
    for part in _fill(septets, SINGLE_SEPTETS, PART_SEPTETS, 1, _ESCAPES):
        end = start + len(part) - part.count(_ESCAPE)
        parts.append(text[start:end])
        start = end
    return Segmentation(text, "gsm7", tuple(parts))


def _segment_ucs2(text: str) -> Segmentation:
    try:
        encoded = text.encode("utf-16-be")
    except UnicodeEncodeError:
        text = text.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "replace")
        encoded = text.encode("utf-16-be")
    if len(encoded) == 2 * len(text):
        return Segmentation(text, "ucs2", _slices(text, SINGLE_UNITS, PART_UNITS))
    parts = _fill(encoded, SINGLE_UNITS * 2, PART_UNITS * 2, 2, _HIGH_SURROGATES)
    return Segmentation(text, "ucs2", tuple([part.decode("utf-16-be") for part in parts]))


def _slices(text: str, alone: int, each: int) -> tuple[str, ...]:
    """The parts of a text in which every character takes one unit."""
    if len(text) <= alone:
        return (text,) if text else ()
    if len(text) > MAX_PARTS * each:
        raise TooLong(_too_long())
    return tuple([text[start : start + each] for start in range(0, len(text), each)])


def _fill(encoded: bytes, alone: int, each: int, half: int, leads: range) -> list[bytes]:
    """Fill parts one by one, never ending one inside a character.

    ``alone`` and ``each`` are the octets of a single SMS and of a part. A character of two halves is known
    by its first one: ``half`` octets of which the first is in ``leads``.
    """
    if len(encoded) <= alone:
        return [encoded]
    parts = []
    start = 0
    while start < len(encoded):
        end = start + each
        if end < len(encoded) and encoded[end - half] in leads:
            end -= half
        parts.append(encoded[start:end])
        start = end
    if len(parts) > MAX_PARTS:
        raise TooLong(_too_long())
    return parts


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
