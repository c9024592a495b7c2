"""Names that look like those of banks, authorities and others in whose name people are robbed.

Pure. Two names are compared as an eye on a small screen reads them: accents, case and punctuation away, look-alike
characters as one (Unicode Technical Standard #39 calls that a skeleton; here for the characters that a sender may
have, `senders.rules.NAME`).
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

_ALIKE: Final = str.maketrans(
    {
        "0": "o",
        "1": "l",
        "i": "l",
        "|": "l",
        "2": "z",
        "3": "e",
        "4": "a",
        "5": "s",
        "6": "b",
        "7": "t",
        "8": "b",
        "9": "g",
    }
)
_PAIRS: Final = (("rn", "m"), ("vv", "w"), ("nn", "m"))
# Words as they are set apart in a name: "BNP-Info", "InfoBNP", "Ameli2024".
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
# A word whose letters are set apart: "B.N.P. Info".
_SPACED: Final = re.compile(r"(?<![^\W_])[^\W_](?:[\W_]+[^\W_](?![^\W_]))+")
# A shorter one stands in too many innocent names.
_LONG_ENOUGH_INSIDE: Final = 5
_LONG_ENOUGH_FOR_A_SLIP: Final = 5
# A sender has 11 characters, so a long name is cut; so much of it is recognised.
_BEGINNING: Final = 6


def skeleton(name: str) -> str:
    """The name as it looks: small letters, look-alikes as one character, nothing else."""
    plain = unicodedata.normalize("NFKD", name).casefold().translate(_ALIKE)
    letters = "".join(one for one in plain if one.isalnum())
    for pair, one in _PAIRS:
        letters = letters.replace(pair, one)
    return letters


def resembled(name: str, protected: Iterable[str]) -> list[str]:
    """Those of the `protected` names that `name` could be taken for, in their order."""
    whole = skeleton(name)
    found = [*_WORD.findall(name), *re.split(r"\W|_", name), *_SPACED.findall(name)]
    words = {skeleton(word) for word in found}
    return [one for one in protected if _alike(whole, words, skeleton(one))]


def _alike(whole: str, words: set[str], other: str) -> bool:
    if not whole or not other:
        return False
    if whole == other or other in words:
        return True
    if len(other) >= _LONG_ENOUGH_INSIDE and other in whole:
        return True
    if len(whole) >= _BEGINNING and other.startswith(whole):
        return True
    return len(other) >= _LONG_ENOUGH_FOR_A_SLIP and _one_slip(whole, other)


def _one_slip(one: str, other: str) -> bool:
    """Whether one character was added, left out or changed, or two neighbours swapped."""
    if abs(len(one) - len(other)) > 1:
        return False
    same = next((at for at, (mine, theirs) in enumerate(zip(one, other, strict=False)) if mine != theirs), None)
    if same is None:
        return True
    rest, others = one[same:], other[same:]
    swapped = len(rest) >= 2 and len(others) >= 2 and rest[:2] == others[1::-1] and rest[2:] == others[2:]
    return rest[1:] == others[1:] or rest[1:] == others or rest == others[1:] or swapped
