"""Texts of 300 characters, beside `smsutil.split` of PyPI."""

import random

import smsutil

from compose.segments import segment
from tests.bench import races

TEXTS = 2000
LENGTH = 300
LETTERS = "aaabcdddeeeeefghiiijklllmnnnoooppqrrrsssstttuuuvwxyz" + " " * 9 + "éèà,.'!0123456789\nABCDEFGHIJ"
# What is strewn into the letters of a text, how often, and the share of the kind in the mixed row, in tenths.
KINDS = {
    "GSM 7-bit": ("", 0, 5),
    "GSM 7-bit with € [ ]": ("€[]", 6, 2),
    "UCS-2, typographic French": ("’êœç«»", 12, 2),
    "UCS-2, with emoji": ("😀🎉", 3, 1),
}
# Texts of which smsutil is wrong. Sources: 3GPP TS 23.038 §6.2.1 and TS 23.040 §9.2.3.24.1.
ODD = {
    "the empty text": "",
    "ESC (U+001B), an escape code and no character": "Bonjour\x1b",
    "a lone surrogate": "Bonjour \ud83d",
    "a surrogate pair as two halves": "\ud83d\ude00" * 35,
}


def text(strewn: str, times: int, chance: random.Random) -> str:
    letters = chance.choices(LETTERS, k=LENGTH)
    for place in chance.sample(range(LENGTH), times):
        letters[place] = chance.choice(strewn)
    return "".join(letters)


def report() -> str:
    chance = random.Random(3)
    kinds = {
        name: [text(strewn, times, chance) for _ in range(TEXTS)] for name, (strewn, times, _share) in KINDS.items()
    }
    mixed = [one for name, texts in kinds.items() for one in texts[: TEXTS * KINDS[name][2] // 10]]
    rows = [(f"mixed: {_shares()}", mixed, 10.0), *((name, texts, None) for name, texts in kinds.items())]
    outcomes = []
    for name, texts, target in rows:
        for one in texts:
            assert [part.content for part in smsutil.split(one).parts] == list(segment(one).parts), one

        def ours(texts: list[str] = texts) -> None:
            for one in texts:
                segment(one)

        def theirs(texts: list[str] = texts) -> None:
            for one in texts:
                smsutil.split(one)

        race = races.Race(name=name, unit="texts", amount=len(texts), ours=ours, theirs=theirs, target=target)
        outcomes.append(races.run(race))
    return f"{races.table(outcomes)}\n\n{_wrong()}"


def _shares() -> str:
    return ", ".join(f"{share}0 % {name}" for name, (_strewn, _times, share) in KINDS.items())


def _wrong() -> str:
    lines = [
        "Both agree on the parts of every text above. They differ on these, here and smsutil:",
        "",
        "| text | here | smsutil.split | smsutil.encode |",
        "|---|---|---|---|",
    ]
    for name, odd in ODD.items():
        found = segment(odd)
        split = smsutil.split(odd)
        theirs = f"{len(split.parts)} SMS, {split.encoding}"
        try:
            encoded = "the same octets" if smsutil.encode(odd) == b"".join(found.octets) else "other octets"
        except UnicodeEncodeError:
            encoded = "an exception"
        lines.append(f"| {name} | {found.count} SMS, {found.encoding} | {theirs} | {encoded} |")
    return "\n".join(lines)
