"""Accents composed with their letters (form NFC of UAX #15), in time that grows with the text.

Pure. ``unicodedata`` puts the marks behind a letter in order by inserting each among those before it: a hundred
thousand marks that somebody posts on one letter would keep it busy for minutes.
"""

import re
import unicodedata
from itertools import groupby
from typing import Final

# No mark is a letter, a digit, a space or printable ASCII; no language puts so many marks on one letter.
_LONG_RUN: Final = re.compile(r"[^\w\s!-~]{32,}")


def composed(text: str) -> str:
    """`text` in form NFC."""
    return unicodedata.normalize("NFC", _LONG_RUN.sub(_in_order, text))


def _in_order(run: re.Match[str]) -> str:
    """The characters decomposed, and marks that follow each other in canonical order (The Unicode Standard, 3.11)."""
    apart = "".join(unicodedata.normalize("NFD", character) for character in run[0])
    groups = groupby(apart, key=lambda character: unicodedata.combining(character) > 0)
    return "".join("".join(sorted(group, key=unicodedata.combining)) for _are_marks, group in groups)
