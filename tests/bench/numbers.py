"""100 000 numbers, beside a bare loop of `phonenumbers.parse`, `is_valid_number` and `format_number`."""

import random
import statistics
import time

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat

from compose.numbers import Recipient, parse_recipient
from compose.recipients import parse_recipients
from tests.bench import races

NUMBERS = 100_000
FLAWED = 20_000
PASTED = 10_000
# How mobile numbers begin and how many digits follow.
BEGINNINGS = {
    "FR": [("+336", 8), ("+337", 8)],
    "BE": [("+3247", 7), ("+3249", 7)],
    "DE": [("+49151", 8), ("+49160", 7), ("+49171", 7)],
    "GB": [("+4474", 8), ("+4477", 8), ("+4478", 8)],
}


def mobile(country: str, chance: random.Random) -> str:
    """A valid mobile number in international form."""
    while True:
        beginning, more = chance.choice(BEGINNINGS[country])
        text = beginning + "".join(chance.choices("0123456789", k=more))
        if phonenumbers.is_valid_number(phonenumbers.parse(text)):
            return text


def french(chance: random.Random) -> str:
    """The same in one of two French spellings: 06 12 34 56 78 or +33612345678."""
    text = mobile("FR", chance)
    if chance.random() < 0.5:
        return text
    digits = "0" + text.removeprefix("+33")
    return " ".join(digits[at : at + 2] for at in range(0, 10, 2))


def mistyped(chance: random.Random) -> str:
    """A French number that is wrong, or a fixed line."""
    text = french(chance)
    return chance.choice((text[:-1], text + "5", "01 43 " + text[-8:], "+331" + text[-8:].replace(" ", "")))


def bare(numbers: list[str]) -> list[str | None]:
    """What anybody would write first. Fixed lines are valid numbers to it."""
    found: list[str | None] = []
    for text in numbers:
        try:
            number = phonenumbers.parse(text, "FR")
        except NumberParseException:
            found.append(None)
            continue
        valid = phonenumbers.is_valid_number(number)
        found.append(phonenumbers.format_number(number, PhoneNumberFormat.E164) if valid else None)
    return found


def each(numbers: list[str]) -> list[str | None]:
    """What a recipient is made of, one by one."""
    found = (parse_recipient(text, "FR") for text in numbers)
    return [one.e164 if isinstance(one, Recipient) else None for one in found]


def report() -> str:
    chance = random.Random(4)
    mixed = [mobile(chance.choice(list(BEGINNINGS)), chance) for _ in range(NUMBERS)]
    at_home = [french(chance) for _ in range(NUMBERS)]
    flawed = [mistyped(chance) if chance.random() < 0.05 else one for one in at_home[:FLAWED]]
    outcomes = []
    for name, numbers, target in (
        ("France, Belgium, Germany and the United Kingdom mixed, as +CC…", mixed, 2.0),
        ("French, half 06 12 34 56 78 and half +336…", at_home, 10.0),
        ("the same, one in twenty mistyped or a fixed line", flawed, None),
    ):
        if numbers is not flawed:
            assert each(numbers) == bare(numbers)
        race = races.Race(
            name=name,
            unit="numbers",
            amount=len(numbers),
            ours=lambda numbers=numbers: each(numbers),  # type: ignore[misc]
            theirs=lambda numbers=numbers: bare(numbers),  # type: ignore[misc]
            target=target,
        )
        outcomes.append(races.run(race))
    field = "\n".join(at_home)
    assert [one.e164 for one in parse_recipients(field, "FR").valid] == list(dict.fromkeys(bare(at_home)))
    race = races.Race(
        name="the French ones as one pasted field, split and without duplicates",
        unit="numbers",
        amount=NUMBERS,
        ours=lambda: parse_recipients(field, "FR"),
        theirs=lambda: list(dict.fromkeys(bare(field.split("\n")))),
    )
    outcomes.append(races.run(race))
    return f"{races.table(outcomes)}\n\n{pasted(flawed[:PASTED])}"


def pasted(numbers: list[str]) -> str:
    """How long a person waits for a field of 10 000 numbers."""
    lines = [f"A pasted field of {PASTED} French numbers, one in twenty wrong, is read in:", ""]
    for name, field in (
        ("one on each line", "\n".join(numbers)),
        ("separated by spaces only, no space inside", " ".join(number.replace(" ", "") for number in numbers)),
    ):
        seconds = []
        for _ in range(races.RUNS):
            start = time.process_time()
            parse_recipients(field, "FR")
            seconds.append(time.process_time() - start)
        lines.append(f"- {statistics.median(seconds):.2f} s {name}")
    return "\n".join(lines)
