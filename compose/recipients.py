"""What a person typed or pasted as recipients, read into numbers.

Pure: no database, no request. ``compose.numbers`` reads each number; here a field is split into them.

Commas, semicolons, tabs and line ends separate numbers. A space may stand inside a number or between two:
``06 12 34 56 78`` is one number, ``0612345678 0698765432`` are two. Spaces are understood where there is
only one way to read them as valid numbers; where there are several, the person is asked for commas.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext_lazy as _

from compose.mobiles import mobile
from compose.numbers import (
    CHARACTERS,
    INVISIBLE,
    Recipient,
    WrongNumber,
    is_valid,
    lengths_beginning,
    parse_recipient,
    wrong,
)

MAX_RECIPIENTS: Final = 100_000

# 15 digits of E.164, an international prefix of two and a "(0)" that people write after the country code.
_MAX_DIGITS: Final = 18
# Fewer digits than this are never taken for a whole number beside others.
_WHOLE_NUMBER_DIGITS: Final = 7

_SEPARATORS: Final = re.compile("[,;\t\r\n\v\f\x85\u2028\u2029，；،؛]+")
# Of no width: to take the spaces along would be to look at them again from each of them.
_BEFORE_PLUS: Final = re.compile(r"(?<=[\d\s])(?=\(?[+＋])")


class TooManyRecipients(ValueError):
    """More entries than MAX_RECIPIENTS; nothing was read. ``message`` is the sentence for the person."""

    message = _(
        "More than 100,000 numbers were given, the most that one message can have. Nothing was sent. "
        "Split the list and send it in several times."
    )


@dataclass(frozen=True, slots=True)
class Recipients:
    """``valid`` and ``wrong`` in the order typed, each valid one once; ``duplicates`` were merged away."""

    valid: tuple[Recipient, ...]
    wrong: tuple[WrongNumber, ...]
    duplicates: int


def parse_recipients(raw: str, country: str) -> Recipients:
    """Read a field of numbers; a number without country code is one of ``country`` (ISO 3166, as in FR).

    A field with nothing in it gives one wrong entry, ``empty``. Time grows with the length of the field.
    Raises TooManyRecipients above MAX_RECIPIENTS entries, duplicates included.
    """
    valid: dict[str, Recipient] = {}
    refused: list[WrongNumber] = []
    duplicates = 0
    for outcome in read_entries(raw, country):
        if isinstance(outcome, WrongNumber):
            refused.append(outcome)
        elif outcome.e164 in valid:
            duplicates += 1
        else:
            valid[outcome.e164] = outcome
    if not valid and not refused:
        refused.append(wrong(raw, "empty"))
    return Recipients(tuple(valid.values()), tuple(refused), duplicates)


def read_entries(raw: str, country: str) -> Iterator[Recipient | WrongNumber]:
    """Each entry of a field in the order typed, duplicates included; nothing for a field with nothing in it.

    ``country`` as for ``parse_recipients``. Raises TooManyRecipients on the way, above MAX_RECIPIENTS entries.
    """
    chunks = [chunk for part in _SEPARATORS.split(raw) if (chunk := part.strip())]
    if len(chunks) > MAX_RECIPIENTS:
        raise TooManyRecipients
    entries = 0
    for chunk in chunks:
        for outcome in _outcomes(chunk, country):
            entries += 1
            if entries > MAX_RECIPIENTS:
                raise TooManyRecipients
            yield outcome


def _outcomes(chunk: str, country: str) -> Iterator[Recipient | WrongNumber]:
    """What the numbers of a text without separators other than spaces are."""
    plain = mobile(chunk, country)
    if plain is not None:
        # One number, as the looks at each space would find.
        yield Recipient(*plain, chunk)
        return
    for entry in _entries(chunk, country):
        yield entry if isinstance(entry, WrongNumber) else parse_recipient(entry, country)


# Where one number ends and the next begins


def _entries(chunk: str, country: str) -> Iterator[str | WrongNumber]:
    """The numbers of a text without separators other than spaces."""
    text = chunk.translate(INVISIBLE)
    if not CHARACTERS.fullmatch(text):
        yield chunk
        return
    for piece in _BEFORE_PLUS.split(text):
        if piece.strip(" ("):
            yield from _entries_of_piece(piece.strip(), country)


def _entries_of_piece(piece: str, country: str) -> Iterator[str | WrongNumber]:
    """The numbers of a text in which a + stands at the beginning or nowhere."""
    tokens = piece.split()
    digits = [sum(map(str.isdigit, token)) for token in tokens]
    if len(tokens) > 1 and sum(digits) > _MAX_DIGITS * MAX_RECIPIENTS:
        # However it is read, no number holds more digits: what follows need not look at megabytes.
        raise TooManyRecipients
    if len(tokens) == 1 or (sum(digits) <= _MAX_DIGITS and is_valid(piece, country)):
        yield piece
    elif min(digits) >= _WHOLE_NUMBER_DIGITS:
        yield from tokens
    elif groups := _only_way(tokens, digits, country):
        yield from groups
    elif sum(digits) <= _MAX_DIGITS:
        yield piece
    else:
        yield wrong(piece, "ambiguous")


def _only_way(tokens: list[str], digits: list[int], country: str) -> list[str]:
    """The tokens joined into valid numbers when there is exactly one way to do it, else an empty list.

    ``ways[end]`` counts the ways to read the first ``end`` tokens, up to two. A number has at most
    _MAX_DIGITS digits, so the work grows with the number of tokens only.
    """
    # People write digits in groups; single digits in a row have too many readings to try them all.
    if sum(digits) < 1.5 * len(tokens):
        return []
    ways = [1] + [0] * len(tokens)
    starts = [0] * (len(tokens) + 1)
    for start in range(len(tokens)):
        if not ways[start]:
            continue
        lengths = lengths_beginning(" ".join(tokens[start : start + 6]), country)
        total = 0
        for end in range(start + 1, len(tokens) + 1):
            total += digits[end - 1]
            if total > _MAX_DIGITS or end - start > _MAX_DIGITS:
                break
            if total in lengths and is_valid(" ".join(tokens[start:end]), country):
                ways[end] = min(2, ways[end] + ways[start])
                starts[end] = start
    if ways[-1] != 1:
        return []
    groups = []
    end = len(tokens)
    while end:
        groups.append(" ".join(tokens[starts[end] : end]))
        end = starts[end]
    return groups[::-1]
