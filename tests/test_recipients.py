"""What people type and paste as recipients."""

import pytest
from django.utils import translation
from hypothesis import given, settings
from hypothesis import strategies as st

from compose.numbers import REASONS, Recipient, WrongNumber, parse_recipient
from compose.recipients import MAX_RECIPIENTS, Recipients, TooManyRecipients, parse_recipients

# A busy machine must not turn a slow example into a failure.
untimed = settings(deadline=None)


def numbers(result: Recipients) -> list[str]:
    return [recipient.e164 for recipient in result.valid]


def codes(result: Recipients) -> list[str]:
    return [entry.code for entry in result.wrong]


TWO = ["+33612345678", "+33698765432"]


@pytest.mark.parametrize(
    "raw",
    [
        "06 12 34 56 78, +33 6 98 76 54 32",
        "0612345678;0698765432",
        "06 12 34 56 78\r\n06 98 76 54 32\r\n",
        "06.12.34.56.78\n06-98-76-54-32",
        "0612345678\t0698765432",
        "+33612345678 +33698765432",
        "+33612345678+33698765432",
        "0612345678 0698765432",
        "06 12 34 56 78 06 98 76 54 32",
        "+33 6 12 34 56 78 06 98 76 54 32",
        "+33 6 12 34 56 78 +33 6 98 76 54 32",
        "(+33) 6 12 34 56 78 (+33) 6 98 76 54 32",
        "00 33 6 12 34 56 78 00 33 6 98 76 54 32",
        "0033612345678 , , ;; 0033698765432,",
        "+33(0)6 12 34 56 78; 33698765432",
        "06\u00a012\u202f34\u200956\u00a078, 0698765432",
        "\u202a+33 6 12 34 56 78\u202c, \ufeff0698765432",
        "\"0612345678\",'0698765432'",
        "٠٦١٢٣٤٥٦٧٨، ０６９８７６５４３２",
        "612345678\n698765432",
    ],
)
def test_two_numbers_are_read_however_they_are_separated(raw: str) -> None:
    result = parse_recipients(raw, "FR")
    assert numbers(result) == TWO
    assert (result.wrong, result.duplicates) == ((), 0)


@pytest.mark.parametrize(
    ("raw", "e164", "region"),
    [
        ("+262 692 12 34 56", "+262692123456", "RE"),
        ("+262 639 01 23 45", "+262639012345", "YT"),
        ("+590 690 00 12 34", "+590690001234", "GP"),
        ("+594 694 20 12 34", "+594694201234", "GF"),
        ("+596 696 20 12 34", "+596696201234", "MQ"),
        ("+508 55 12 34", "+508551234", "PM"),
        ("+687 75 12 34", "+687751234", "NC"),
        ("+689 87 12 34 56", "+68987123456", "PF"),
        ("+1 809 234 5678", "+18092345678", "DO"),
        ("+1 (650) 253-0000", "+16502530000", "US"),
        ("+44 7400 123456", "+447400123456", "GB"),
        ("+39 312 345 6789", "+393123456789", "IT"),
        ("+225 01 23 45 67 89", "+2250123456789", "CI"),
    ],
)
def test_the_region_is_that_of_the_number_not_of_its_country_code(raw: str, e164: str, region: str) -> None:
    assert parse_recipients(raw, "FR").valid == (Recipient(e164, region, raw),)


@pytest.mark.parametrize(
    ("raw", "country", "e164"),
    [
        ("0692 12 34 56", "FR", "+262692123456"),
        ("0639 01 23 45", "FR", "+262639012345"),
        ("0690 00 12 34", "FR", "+590690001234"),
        ("0694 20 12 34", "MQ", "+594694201234"),
        ("06 12 34 56 78", "RE", "+33612345678"),
        ("06 12 34 56 78", "BL", "+33612345678"),
    ],
)
def test_france_and_its_overseas_departments_dial_each_other_in_ten_digits(raw: str, country: str, e164: str) -> None:
    assert numbers(parse_recipients(raw, country)) == [e164]


def test_a_national_number_is_one_of_the_accounts_country() -> None:
    assert numbers(parse_recipients("07400 123456", "GB")) == ["+447400123456"]
    assert numbers(parse_recipients("(650) 253-0000 (650) 253-0001", "US")) == [
        "+16502530000",
        "+16502530001",
    ]


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("", "empty"),
        (" ,;\n", "empty"),
        ("+", "characters"),
        ("abc", "characters"),
        ("Jean 06 12 34 56 78", "characters"),
        ("0612345678abc", "characters"),
        ("6.12E+08", "characters"),
        ("0612345678 ext 5", "characters"),
        ("*100#", "characters"),
        ("😀", "characters"),
        ("+33", "incomplete"),
        ("0033", "incomplete"),
        ("00", "incomplete"),
        ("+999123456789", "country_code"),
        ("06 12 34", "short"),
        ("+33 6 12 34", "short"),
        ("061234567890", "long"),
        ("+3361234567899", "long"),
        ("9" * 300, "long"),
        ("06 12 34 56 78 06 98", "long"),
        ("06 12 34 56 78 06 98 76 54", "long"),
        ("06 12 34 56 78 06 98 76 54 3", "ambiguous"),
        ("+33 2 99 99 99 99 99", "long"),
        ("06 12 34 56 7", "unassigned"),
        ("+44 7700 900123", "unassigned"),
        ("36111", "short_number"),
        ("3949", "short_number"),
        ("112", "short_number"),
        ("01 23 45 67 89", "fixed_line"),
        ("+33 2 99 12 34 56", "fixed_line"),
        ("0899 12 34 56", "premium_rate"),
        ("0820 12 34 56", "shared_cost"),
        ("0800 12 34 56", "toll_free"),
        ("09 12 34 56 78", "voip"),
        ("+870 773 111 632", "international"),
        ("+44 7640 123456", "pager"),
        ("+44 70 1234 5678", "personal"),
        ("+44 55 1234 5678", "company"),
    ],
)
def test_what_cannot_receive_an_sms_is_refused_with_a_sentence(raw: str, code: str) -> None:
    result = parse_recipients(raw, "FR")
    assert result.valid == ()
    assert [(entry.raw.strip(), entry.code) for entry in result.wrong] == [(raw.strip(), code)]
    assert result.wrong[0].reason == REASONS[code]


def test_every_reason_is_a_sentence() -> None:
    with translation.override("en"):
        for reason in REASONS.values():
            assert str(reason)[0].isupper()
            assert str(reason).endswith(".")


def test_without_a_country_a_national_number_is_refused_and_an_international_one_read() -> None:
    result = parse_recipients("0612345678, +33612345678", "")
    assert numbers(result) == ["+33612345678"]
    assert codes(result) == ["no_country"]
    assert codes(parse_recipients("0612345678", "ZZ")) == ["no_country"]


def test_duplicates_are_merged_and_counted_whatever_their_spelling() -> None:
    result = parse_recipients("06 12 34 56 78, +33612345678, 0033 6 12 34 56 78, 0698765432", "FR")
    assert numbers(result) == TWO
    assert result.duplicates == 2
    assert result.valid[0].raw == "06 12 34 56 78"


def test_wrong_numbers_keep_what_was_typed_beside_the_valid_ones() -> None:
    result = parse_recipients("0612345678, abc, 01 23 45 67 89, 0698765432", "FR")
    assert numbers(result) == TWO
    assert [(entry.raw, entry.code) for entry in result.wrong] == [
        ("abc", "characters"),
        ("01 23 45 67 89", "fixed_line"),
    ]


def test_a_mistake_in_one_of_two_whole_numbers_leaves_the_other_valid() -> None:
    result = parse_recipients("0612345678 06987654", "FR")
    assert numbers(result) == ["+33612345678"]
    assert [(entry.raw, entry.code) for entry in result.wrong] == [("06987654", "short")]


def test_spaces_that_can_be_read_in_two_ways_are_not_guessed() -> None:
    """German numbers have no fixed length: the third group could belong to either number."""
    raw = "089 65087 576 030 46311 246"
    result = parse_recipients(raw, "DE")
    assert result.valid == ()
    assert [(entry.raw, entry.code) for entry in result.wrong] == [(raw, "ambiguous")]


@pytest.mark.parametrize("separator", ["\n", " ", ", "])
@pytest.mark.parametrize("spelling", ["06{:08d}", "06 {:02d} {:02d} {:02d} {:02d}", "+336{:08d}"])
def test_ten_thousand_pasted_numbers_are_read(separator: str, spelling: str) -> None:
    def spell(number: int) -> str:
        pairs = [number // 100**place % 100 for place in (3, 2, 1, 0)]
        return spelling.format(*(pairs if " " in spelling else [number]))

    result = parse_recipients(separator.join(spell(10_000_000 + index) for index in range(10_000)), "FR")
    assert (len(result.valid), result.wrong, result.duplicates) == (10_000, (), 0)
    assert result.valid[-1].e164 == "+33610009999"


def test_more_than_the_greatest_number_of_recipients_is_refused_at_once() -> None:
    with pytest.raises(TooManyRecipients) as caught:
        parse_recipients("1\n" * (MAX_RECIPIENTS + 1), "FR")
    with translation.override("en"):
        assert f"{MAX_RECIPIENTS:,}" in str(caught.value.message)
    with pytest.raises(TooManyRecipients):
        parse_recipients("+1" * (MAX_RECIPIENTS + 1), "FR")


def test_more_digits_than_so_many_numbers_hold_are_refused_without_reading_them() -> None:
    with pytest.raises(TooManyRecipients):
        parse_recipients("0612345678 " * 200_000 + "0612", "FR")


@pytest.mark.parametrize("raw", ["1 " * 200_000, "0" * 500_000, "(" * 500_000, "a " * 200_000, "00 33 " * 50_000])
def test_a_megabyte_of_nonsense_is_answered_with_a_reason(raw: str) -> None:
    result = parse_recipients(raw, "FR")
    assert result.valid == ()
    assert len(result.wrong) == 1


def test_two_numbers_with_a_megabyte_of_spaces_between_them_are_read() -> None:
    # Time with the square of the spaces would be a day.
    result = parse_recipients("0612345678" + " " * 1_000_000 + "(+33698765432", "FR")
    assert numbers(result) == ["+33612345678", "+33698765432"]


def test_one_number_is_read_alone() -> None:
    assert parse_recipient("06 12 34 56 78", "FR") == Recipient("+33612345678", "FR", "06 12 34 56 78")
    wrong = parse_recipient("+33612345678 +33698765432", "FR")
    assert isinstance(wrong, WrongNumber)
    assert wrong.code == "characters"


@untimed
@given(
    st.text(max_size=60) | st.text(st.sampled_from("0123456789+ ()-./,;\n\"'\u00a0\u200e€a"), max_size=80),
    st.sampled_from(["FR", "RE", "US", "DE", "IT", "", "ZZ", "fr", "001"]),
)
def test_whatever_is_typed_gives_an_answer(raw: str, country: str) -> None:
    result = parse_recipients(raw, country)
    assert result.valid or result.wrong
    assert len(set(numbers(result))) == len(result.valid)
    for recipient in result.valid:
        assert parse_recipient(recipient.e164, country) == Recipient(recipient.e164, recipient.region, recipient.e164)
    for entry in result.wrong:
        assert entry.code in REASONS
