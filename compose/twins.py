"""What stands for a character that the GSM alphabet lacks: the table of twins. Plain Python, no Django.

Which twins are there, and which are not:

* A twin looks or reads like the character and means the same: quotes, dashes, dots, spaces, bullets, arrows,
  ligatures, letters without the accent that the alphabet lacks, currencies by their ISO 4217 code.
* A letter keeps the accent that the alphabet has (``ǖ`` is ``ü``, ``ǿ`` is ``ø``, and Hungarian ``ő`` is ``ö``);
  otherwise its base letter stays. Only Latin letters: Greek and Cyrillic letters have no twin, although some
  look like Latin ones, since half a word in each script can neither be searched nor read aloud.
* What would read as something else behind a digit or a letter has another twin there (``BEHIND``): ``m²`` is
  ``m2`` but ``10²`` is ``10^2`` and not ``102``, ``2½`` is ``2 1/2``, ``20 °C`` is ``20 degC`` but ``n°`` is ``no``.
* No twin: emoji, ``✓``, ``☆``, ``‰``, ``₤`` (which pound or lira?), characters that are struck through.
* Marks that steer what stands around them (joiners, directions, variations of emoji, accents on what is no
  letter) are noise in a text that is otherwise in the alphabet, and are taken out there. In other texts they
  carry meaning and stay.

Sources: the alphabet, 3GPP TS 23.038 §6.2.1; decompositions, the Unicode Character Database (UAX #15, forms C
and KC). ``static/js/twins.js`` does the same in the page; a browser test holds the two together.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

from compose.accents import composed
from compose.segments import segment

# Struck through, or "not": without the stroke the text would say the opposite. They hold their character back.
_STROKES: Final = "\u0335-\u0338"
_ACCENTS: Final = "\u0300-\u0334\u0339-\u036f"
_STEERING: Final = re.compile(f"[\u200c-\u200f\u061c\u202a-\u202e\u2066-\u2069\ufe0e\ufe0f\u20e3{_ACCENTS}]")
# Letters and digits that differ from the ordinary ones in their font only (Mathematical Alphanumeric Symbols).
_FONTS: Final = re.compile("[\U0001d400-\U0001d7ff]")
# Of the alphabet, and Latin ones that have no twin.
_LETTERS: Final = "A-Za-zÀ-ÖØ-öø-ɏΑ-Ω"
_ACCENTS_OF_LETTERS: Final = re.compile(f"(?<=[{_LETTERS}])[{_ACCENTS}]+")
# A longer twin makes the text longer than the alphabet makes it shorter.
LONGEST: Final = 12

_INVISIBLE: Final = "\u00ad\u034f\u180e\u200b\u2060\ufeff"
# The twin of each character of a row.
_SAME: Final = {
    " ": "\t\u00a0\u1680\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000",
    "\n": "\u000b\u0085\u2028\u2029",
    "'": "`´‘’‚‛′‵‹›ʹʻʼʽˈ❛❜",
    '"': "“”„‟″‶«»ʺ❝❞〝〞",
    "-": "‐‑‒–—―−⁃﹘﹣•‣◦▪■●◆➢➤",
    ".": "·‧∙⋅․",
    "*": "∗⁎★✱✶",
    "/": "⁄∕",
    "|": "¦∣",
    "~": "˜∼≈〜",
    "^": "ˆ",
    "_": "‗",
    ":": "∶",
    ">": "►▶▸",
    "<": "◄◀◂",
    "->": "→➔➙➜➝➞➡⟶",
    "<-": "←⬅⟵",
    "<->": "↔⟷",
    "=>": "⇒⟹",
    "<=>": "⇔⟺",
    "x": "×✕",
    "u": "µ",
    "l": "ℓł",
    "L": "Ł",
    "f": "ƒ",
    "c": "¢",
    "D": "ÐĐ",
    "d": "ðđ",
    "E": "Ə",
    "e": "ə",
    "H": "Ħ",
    "h": "ħ",
    "i": "ı",
    "k": "ĸ",
    "N": "Ŋ",
    "n": "ŋ",
    "T": "Ŧ",
    "t": "ŧ",
    "Ö": "Ő",
    "ö": "ő",
    "Ü": "Ű",
    "ü": "ű",
    "ß": "ẞ",
    "Δ": "∆",
    "Σ": "∑",
    "Π": "∏",
}
_EACH: Final = {
    "Œ": "OE",
    "œ": "oe",
    "Þ": "Th",
    "þ": "th",
    "ŉ": "'n",
    "…": "...",
    "‥": "..",
    "⋯": "...",
    "‴": "'''",
    "‼": "!!",
    "⁇": "??",
    "⁈": "?!",
    "⁉": "!?",
    "‽": "?!",
    "‖": "||",
    "±": "+/-",
    "÷": "/",
    "≤": "<=",
    "≥": ">=",
    "≠": "=/=",
    "ª": "a",
    "º": "o",
    "№": "No",
    "℅": "c/o",
    "℡": "TEL",
    "©": "(c)",
    "®": "(r)",
    "™": "(tm)",
    "℠": "(sm)",
    "℗": "(p)",
}
_DEGREES: Final = {"°": "deg", "℃": "degC", "℉": "degF"}
_CURRENCIES: Final = {
    "₡": "CRC",
    "₣": "F",
    "₦": "NGN",
    "₨": "Rs",
    "₩": "KRW",
    "₪": "ILS",
    "₫": "VND",
    "₭": "LAK",
    "₮": "MNT",
    "₱": "PHP",
    "₲": "PYG",
    "₴": "UAH",
    "₵": "GHS",
    "₸": "KZT",
    "₹": "INR",
    "₺": "TRY",
    "₼": "AZN",
    "₽": "RUB",
    "₾": "GEL",
    "₿": "BTC",
    "฿": "THB",
}
_RAISED: Final = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾"
_LOWERED: Final = "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎"
_FRACTIONS: Final = "¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"
_CIRCLED: Final = "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳"
_FILLED: Final = "❶❷❸❹❺❻❼❽❾❿"
# Blocks whose letters have their plain form as compatibility decomposition: Latin-1 to Latin Extended-B, modifier
# and phonetic letters (1ᵉʳ), Latin Extended Additional, Roman numerals, Latin ligatures, full-width forms.
_BLOCKS: Final = (
    *(range(0xC0, 0x250), range(0x2B0, 0x2B9), range(0x2E0, 0x2E4), range(0x1D2C, 0x1D6B), range(0x1E00, 0x1F00)),
    *(range(0x2071, 0x2072), range(0x207F, 0x2080), range(0x2160, 0x2180), range(0xFB00, 0xFB07)),
    *(range(0xFF01, 0xFF5F), range(0xFFE0, 0xFFE7)),
)


@cache
def in_alphabet(character: str) -> bool:
    """Whether the GSM alphabet has this character."""
    return segment(character).encoding == "gsm7"


def _written_out() -> dict[str, str]:
    """The twins that stand above, character by character."""
    table = dict.fromkeys(_INVISIBLE, "")
    table |= {character: twin for twin, characters in _SAME.items() for character in characters}
    table |= _EACH | _DEGREES | _CURRENCIES
    for raised in (_RAISED, _LOWERED):
        table |= {character: unicodedata.normalize("NFKC", character).replace("−", "-") for character in raised}
    table |= {character: _fraction(character) for character in _FRACTIONS}
    for numbers in (_CIRCLED, _FILLED):
        table |= {character: f"({number})" for number, character in enumerate(numbers, start=1)}
    return table


def _fraction(character: str) -> str:
    return unicodedata.normalize("NFKC", character).replace("⁄", "/")


def _with_letters(table: dict[str, str]) -> dict[str, str]:
    """The table, and the letters of the Latin blocks that it has no twin for but that decompose to one."""
    letters = {}
    for character in (chr(code) for block in _BLOCKS for code in block):
        if character not in table and not in_alphabet(character):
            plain = "".join(_plain(unicodedata.normalize("NFKC", character), table))
            if plain and all(map(in_alphabet, plain)):
                letters[character] = plain
    return table | letters


def _plain(text: str, table: dict[str, str]) -> Iterator[str]:
    """Each character of `text` as it is in the alphabet, with as many of its accents as the alphabet has."""
    for character in text:
        base, *accents = list(unicodedata.normalize("NFD", character))
        best = table.get(character) or table.get(base, base)
        for count in range(1, len(accents) + 1):
            composed = unicodedata.normalize("NFC", base + "".join(accents[:count]))
            if len(composed) == 1 and in_alphabet(composed):
                best = composed
        yield best


TWINS: Final[Mapping[str, str]] = _with_letters(_written_out())
# By a character and the one before it: "0" stands for any digit, "a" for any letter from A to Z.
BEHIND: Final[Mapping[str, str]] = (
    {f"0{character}": f"^{TWINS[character]}" for character in _RAISED}
    | {f"0{character}": f"_{TWINS[character]}" for character in _LOWERED}
    | {f"0{character}": f" {TWINS[character]}" for character in (*_FRACTIONS, *_DEGREES)}
    | {"a°": "o"}
)


def problem(character: str, twin: str | None) -> str:
    """What is wrong with an installation's own twin, as a sentence for its administrator; "" when nothing is.

    None as a twin takes the character out of the table.
    """
    if len(character) != 1:
        return f"{character!r} is not one character."
    if in_alphabet(character):
        return f"{character!r} is in the GSM alphabet and needs no twin."
    if "\ud800" <= character <= "\udfff":
        return f"{character!r} is half a character."
    if _composed(character) != character:
        return f"{character!r} is another form of {_composed(character)!r}, which is what is looked up."
    if twin is None or twin == character:
        return ""
    if len(twin) > LONGEST:
        return f"The twin {twin!r} of {character!r} is longer than {LONGEST} characters."
    if not all(map(in_alphabet, twin)):
        return f"The twin {twin!r} of {character!r} is not in the GSM alphabet."
    return ""


class Replacement:
    """The twins of an installation: the built-in table with `additions` over it.

    An addition with a `problem` changes nothing; None or the character itself takes a twin away. `table` has the
    twin of each character, and the twins of `BEHIND`.
    """

    def __init__(self, additions: Mapping[str, str | None]) -> None:
        changes = {character: twin for character, twin in additions.items() if not problem(character, twin)}
        table = {**TWINS, **changes}
        twins = {character: twin for character, twin in table.items() if twin is not None and twin != character}
        # What the installation says of a character holds wherever it stands.
        behind = {key: twin for key, twin in BEHIND.items() if key[-1] not in changes}
        self.table: Mapping[str, str] = MappingProxyType(twins | behind)
        invisible = _class(character for character, twin in twins.items() if not twin)
        visible = _class(character for character, twin in twins.items() if twin)
        self._invisible = re.compile(invisible)
        self._visible = re.compile(f"(?:(?<=(\\d))|(?<=([A-Za-z])))?({visible})(?![{_STROKES}])")

    def replaced(self, text: str) -> str:
        """The text with a twin for each character that has one. Doing it again changes nothing."""
        text = _composed(self._invisible.sub("", text))
        if _STEERING.search(text):
            bare = self._converted(_composed(_STEERING.sub("", text)))
            if all(map(in_alphabet, set(bare))):
                return bare
        return self._converted(text)

    def _converted(self, text: str) -> str:
        return _ACCENTS_OF_LETTERS.sub("", self._visible.sub(self._twin, text))

    def _twin(self, match: re.Match[str]) -> str:
        digit, letter, character = match.groups()
        before = "0" if digit else "a" if letter else ""
        return self.table.get(before + character) or self.table[character]


def _composed(text: str) -> str:
    """Accents composed with their letters, and letters of another font as the ordinary ones."""
    text = _FONTS.sub(lambda match: unicodedata.normalize("NFKC", match.group()), text)
    return composed(text)


def _class(characters: Iterable[str]) -> str:
    joined = re.escape("".join(characters))
    return f"[{joined}]" if joined else "(?!)"
