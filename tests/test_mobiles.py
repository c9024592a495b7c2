"""Mobile numbers in plain spelling get the answers that the phonenumbers library gives."""

import random
from collections.abc import Iterator

import phonenumbers
import pytest
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumberDesc, PhoneNumberFormat, PhoneNumberType

from compose import mobiles, numbers, recipients
from compose.mobiles import mobile
from compose.recipients import parse_recipients

# Country codes that several regions share, transformed prefixes, leading zeros, several lengths, no trunk prefix.
COUNTRIES = (
    *("FR", "RE", "YT", "GP", "BL", "MF", "MQ", "GF", "BE", "DE", "GB", "JE", "GG", "IM", "IT", "VA", "FI", "AX"),
    *("NO", "SJ", "US", "CA", "DO", "JM", "BR", "MX", "AR", "CI", "CH", "ES", "PT", "LU", "MA", "SN", "RU", "KZ"),
    *("AU", "CX", "CN", "HU", "IN"),
)
TEXTS_OF_A_COUNTRY = 600
MOBILE = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}
KINDS = [getattr(PhoneNumberType, name) for name in ("MOBILE", "MOBILE", "MOBILE", "FIXED_LINE", "PAGER", "VOIP")]
SPELLINGS = (
    "{}",
    "{}",
    "{}",
    " {}",
    "{}.",
    "-{}",
    "- {}",
    "+{}",
    "00{}",
    "0{}",
    "{} ext 5",
    "{}#",
    "{};ext=5",
    "({})",
    "{}x",
    "{},",
)
GROUPING = (" ", ".", "-", "\u00a0", "\u202f", "\u2009", "/", "(", ")", "--", " +", "\n", "\u200b", "x", "٣", "３", "²")


def library(text: str, country: str) -> tuple[str, str] | None:
    """The library's own answer, None when it is not a mobile number of a region."""
    try:
        number = phonenumbers.parse(text, country or None)
    except NumberParseException:
        return None
    region = phonenumbers.region_code_for_number(number)
    if not phonenumbers.is_valid_number(number) or region is None or number.extension:
        return None
    if phonenumbers.number_type(number) not in MOBILE:
        return None
    return phonenumbers.format_number(number, PhoneNumberFormat.E164), region


def national_digits(country: str, chance: random.Random) -> str:
    """A number that begins as one of the country's does; valid or not."""
    kind = chance.choice(KINDS)
    example = phonenumbers.example_number_for_type(country, kind) or phonenumbers.example_number(country)
    assert example is not None
    digits = phonenumbers.national_significant_number(example)
    kept = chance.randrange(len(digits) + 1)
    digits = digits[:kept] + "".join(chance.choice("0123456789") for _ in digits[kept:])
    mishap = chance.randrange(12)
    place = chance.randrange(len(digits))
    if mishap == 0:  # one digit too few
        digits = digits[:place] + digits[place + 1 :]
    elif mishap == 1:  # one too many
        digits = digits[:place] + chance.choice("0123456789") + digits[place:]
    elif mishap == 2:  # one wrong
        digits = digits[:place] + chance.choice("0123456789") + digits[place + 1 :]
    elif mishap == 3:
        digits = chance.choice(("0", "00", "1", "15", "9")) + digits
    return digits


def spelt(country: str, chance: random.Random) -> str:
    """A number of the country as a person, or nobody, would write it."""
    digits = national_digits(country, chance)
    code = str(phonenumbers.country_code_for_region(country))
    prefix = phonenumbers.ndd_prefix_for_region(country, True) or ""
    text = chance.choice(
        (f"+{code}{digits}", f"+{code} {digits}", prefix + digits, digits, code + digits, f"00{code}{digits}")
    )
    if chance.random() < 0.1:
        text = f"+{code}{prefix}{digits}"
    if chance.random() < 0.1:  # dialled through a carrier, or two numbers run together
        text = (
            prefix
            + chance.choice(("", "15", "22", "291"))
            + chance.choice(("", national_digits(country, chance)))
            + digits
        )
    for _ in range(chance.choice((0, 0, 0, 1, 2, 4))):
        place = chance.randrange(1, len(text) + 1)
        text = text[:place] + chance.choice((" ", " ", *GROUPING)) + text[place:]
    return chance.choice(SPELLINGS).format(text) if chance.random() < 0.3 else text


def texts(country: str) -> Iterator[str]:
    chance = random.Random(country)
    for _ in range(TEXTS_OF_A_COUNTRY):
        yield spelt(country, chance)


@pytest.mark.parametrize("country", COUNTRIES)
def test_an_answer_is_the_librarys_at_home_and_from_abroad(country: str) -> None:
    answered = 0
    for text in texts(country):
        for home in (country, "FR", ""):
            answer = mobile(text, home)
            if answer is not None:
                answered += 1
                assert answer == library(text, home), (text, home)
    # It is the ordinary number that is answered: this is no test of saying nothing.
    assert answered > TEXTS_OF_A_COUNTRY / 20


@pytest.mark.parametrize("country", COUNTRIES)
def test_a_field_reads_the_same_with_and_without_the_short_cut(country: str, monkeypatch: pytest.MonkeyPatch) -> None:
    typed = list(texts(country))[: TEXTS_OF_A_COUNTRY // 4]
    fields = [*typed, ", ".join(typed), *(" ".join(typed[at : at + 3]) for at in range(0, len(typed), 3))]
    found = [parse_recipients(field, country) for field in fields]
    for room in (numbers, recipients):
        monkeypatch.setattr(room, "mobile", lambda text, country: None)
    assert found == [parse_recipients(field, country) for field in fields]


def test_ordinary_mobile_numbers_of_every_country_take_the_short_cut() -> None:
    left = set()
    for region in phonenumbers.SUPPORTED_REGIONS:
        example = phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE)
        if example is not None:
            text = phonenumbers.format_number(example, PhoneNumberFormat.INTERNATIONAL)
            answer = mobile(text, "FR")
            if answer is None:
                left.add(region)
            else:
                assert answer == library(text, "FR")
    assert left == set()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "+33",
        "+0612345678",
        "++33612345678",
        "+33 (0)6 12 34 56 78",
        "+330612345678",
        "0033612345678",
        "06123456789",
        "0612345678 ext 5",
        "٠٦١٢٣٤٥٦٧٨",
        "０６１２３４５６７８",
        "06" + " " * 60 + "12345678",
        "01 23 45 67 89",
        "+33 1 23 45 67 89",
        "+870 773 111 632",
    ],
)
def test_what_is_not_plain_is_left_to_the_library(text: str) -> None:
    assert mobile(text, "FR") is None


def test_a_number_of_two_kinds_is_left_to_the_library() -> None:
    """No plan of today has such numbers; one of tomorrow may."""
    region = mobiles._compiled_region(
        PhoneMetadata(
            id="XX",
            general_desc=PhoneNumberDesc(national_number_pattern=r"6[0-8]\d{7,8}", possible_length=(9, 10)),
            mobile=PhoneNumberDesc(national_number_pattern=r"6\d{8,9}", possible_length=(9,)),
            premium_rate=PhoneNumberDesc(national_number_pattern=r"61\d{7}", possible_length=(9,)),
            leading_digits="6[0-5]",
            register=False,
        )
    )
    assert region.mobile.match("622345678")
    assert not region.mobile.match("612345678"), "premium rate comes first"
    assert not region.mobile.match("6223456789"), "too long for a mobile number"
    assert not region.mobile.match("692345678"), "no number of this plan"
    assert not region.mobile.match("662345678"), "a number of another region"


def test_a_country_that_does_not_exist_is_left_to_the_library() -> None:
    assert mobile("0612345678", "XX") is None
    assert mobile("0612345678", "") is None
    assert mobile("+33612345678", "XX") == ("+33612345678", "FR")
