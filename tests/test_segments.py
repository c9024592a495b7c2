"""The segment engine against 3GPP TS 23.038 and 23.040, against itself, and against another engine."""

import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sms_toolkit.messages.profiling import profile_message

from compose.segments import (
    MAX_PARTS,
    Segmentation,
    TooLong,
    final_text,
    normalise_newlines,
    segment,
    stop_clause,
)

# Written out a second time, row by row as the standard prints it, so that a slip in one table shows.
BASIC_ROWS = [
    "@£$¥èéùìòÇ\nØø\rÅå",
    "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ",
    " !\"#¤%&'()*+,-./",
    "0123456789:;<=>?",
    "¡ABCDEFGHIJKLMNO",
    "PQRSTUVWXYZÄÖÑÜ§",
    "¿abcdefghijklmno",
    "pqrstuvwxyzäöñüà",
]
BASIC = "".join(BASIC_ROWS)
EXTENSION = {0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]"}
EXTENSION |= {0x40: "|", 0x65: "€"}
ONE_SEPTET = BASIC.replace("\x1b", "")
GSM = ONE_SEPTET + "".join(EXTENSION.values())
# Backquote, lower case and no-break spaces; what only looks like a character of the alphabet (Ohm, Ångström, increment,
# sharp S, Greek letters that Latin ones look like); marks that show nothing.
NOT_GSM = "`çêâîôûëïœ’«»…–—\u00a0\u202f\u2126\u212b\u2206ẞΑΒαω\u0301µ\u00ad\u200b\ufeff\ufe0f\ufffd\U0010ffff中😀"

# A busy machine must not turn a slow example into a failure.
untimed = settings(deadline=None)

gsm_texts = st.text(st.sampled_from(GSM + "€[]^" * 8), max_size=700)
ucs2_texts = st.text(st.sampled_from("中é😀a👍🏽\u202f€œ"), min_size=1, max_size=320).map(lambda text: text + "ç")
any_texts = st.one_of(gsm_texts, ucs2_texts, st.text(max_size=400))
whole_texts = any_texts.map(lambda text: text.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "replace"))


def decode(result: Segmentation) -> str:
    """Read the octets as a phone does, part by part, with the test's own table."""
    return "".join(decode_part(result.encoding, part) for part in result.octets)


def decode_part(encoding: str, part: bytes) -> str:
    if encoding == "ucs2":
        return part.decode("utf-16-be")
    text, septets = "", iter(part)
    for septet in septets:
        text += EXTENSION[next(septets)] if septet == 0x1B else BASIC[septet]
    return text


def units_of(result: Segmentation, part: bytes) -> int:
    return len(part) if result.encoding == "gsm7" else len(part) // 2


# Lengths


@pytest.mark.parametrize(
    ("text", "encoding", "count"),
    [
        ("€" * 80, "gsm7", 1),
        ("€" * 81, "gsm7", 2),
        ("]" * 153, "gsm7", 3),
        ("a" * 152 + "€" + "a" * 152, "gsm7", 3),
        ("😀" * 35, "ucs2", 1),
        ("😀" * 36, "ucs2", 2),
        ("中" * 66 + "😀" + "中" * 66, "ucs2", 3),
        ("a" * 160, "gsm7", 1),
        ("a" * 161, "gsm7", 2),
        ("a" * 306, "gsm7", 2),
        ("a" * 307, "gsm7", 3),
        ("中" * 70, "ucs2", 1),
        ("中" * 71, "ucs2", 2),
        ("中" * 134, "ucs2", 2),
        ("中" * 135, "ucs2", 3),
        ("a" * 158 + "€", "gsm7", 1),
        ("a" * 159 + "€", "gsm7", 2),
        ("中" * 68 + "😀", "ucs2", 1),
        ("中" * 69 + "😀", "ucs2", 2),
    ],
)
def test_the_known_faults_of_other_engines_and_the_boundaries_are_right(text: str, encoding: str, count: int) -> None:
    result = segment(text)
    assert (result.encoding, result.count) == (encoding, count)


def test_an_escape_pair_never_straddles_two_parts() -> None:
    result = segment("a" * 152 + "€" + "a" * 152)
    assert result.parts == ("a" * 152, "€" + "a" * 151, "a")


def test_a_surrogate_pair_never_straddles_two_parts() -> None:
    result = segment("中" * 66 + "😀" + "中" * 66)
    assert result.parts == ("中" * 66, "😀" + "中" * 65, "中")


@pytest.mark.parametrize(
    ("filler", "pair", "each"),
    [("a", "€", 153), ("é", "^", 153), *(("中", pair, 67) for pair in "\U00010000😀\U00050000\U0010ffff")],
)
def test_a_pair_on_each_side_of_the_end_of_every_part_stays_whole(filler: str, pair: str, each: int) -> None:
    full, tail = filler * each, filler * 10
    for number in range(1, MAX_PARTS):
        before = (full,) * (number - 1)
        last = filler * (each - 2) + pair
        assert segment(full * (number - 1) + last + tail).parts == (*before, last, tail), number
        short = filler * (each - 1)
        assert segment(full * (number - 1) + short + pair + tail).parts == (*before, short, pair + tail), number
        assert segment(full * number + pair + tail).parts == (*before, full, pair + tail), number


@pytest.mark.parametrize(("filler", "pair", "each"), [("a", "€", 153), ("中", "😀", 67)])
def test_all_255_parts_may_end_one_unit_short(filler: str, pair: str, each: int) -> None:
    text = filler * (each - 1) + (pair + filler * (each - 3)) * (MAX_PARTS - 1)
    result = segment(text)
    assert result.count == MAX_PARTS
    assert result.units == (each - 1) * MAX_PARTS
    assert segment(text + filler).count == MAX_PARTS
    with pytest.raises(TooLong):
        segment(text + pair)


def test_the_empty_text_has_no_part() -> None:
    result = segment("")
    assert (result.encoding, result.count, result.parts, result.octets) == ("gsm7", 0, (), ())
    assert (result.used, result.left, result.limit, result.units, result.forced) == (0, 160, 160, 0, ())
    assert result.udh(1) == ()


def test_used_and_left_speak_of_the_last_part() -> None:
    result = segment("a" * 152 + "€" + "a" * 152)
    assert (result.limit, result.used, result.left, result.units) == (153, 1, 152, 306)
    alone = segment("prix 10 €")
    assert (alone.limit, alone.used, alone.left, alone.units) == (160, 10, 150, 10)
    emoji = segment("😀" * 36)
    assert (emoji.limit, emoji.used, emoji.left, emoji.units) == (67, 6, 61, 72)


def test_255_parts_are_split_and_256_are_refused() -> None:
    assert segment("a" * 153 * MAX_PARTS).count == MAX_PARTS
    assert segment("中" * 67 * MAX_PARTS).count == MAX_PARTS
    assert segment("]" * 76 * MAX_PARTS).count == MAX_PARTS
    assert segment("😀" * 33 * MAX_PARTS).count == MAX_PARTS
    for text in (
        "a" * (153 * MAX_PARTS + 1),
        "]" * (76 * MAX_PARTS + 1),
        "中" * (67 * MAX_PARTS + 1),
        "😀" * (33 * MAX_PARTS + 1),
        "\ud83d" * (67 * MAX_PARTS + 1),
        "中" * 10**6,
    ):
        with pytest.raises(TooLong, match="255 SMS"):
            segment(text)


# Alphabet


@pytest.mark.parametrize("character", ONE_SEPTET)
def test_a_character_of_the_basic_table_takes_one_septet(character: str) -> None:
    result = segment(character)
    assert result.octets == (bytes([BASIC.index(character)]),)


@pytest.mark.parametrize(("code", "character"), EXTENSION.items())
def test_a_character_of_the_extension_table_takes_an_escape_and_a_code(code: int, character: str) -> None:
    assert segment(character).octets == (bytes([0x1B, code]),)


@pytest.mark.parametrize("character", NOT_GSM)
def test_one_character_outside_the_alphabet_turns_the_whole_text_to_ucs2(character: str) -> None:
    result = segment(f"abc{character}def")
    assert result.encoding == "ucs2"
    assert result.forced == ((3, character),)
    assert result.octets == (f"abc{character}def".encode("utf-16-be"),)


def test_the_basic_table_has_127_characters_and_the_alphabet_is_nothing_else() -> None:
    assert len(set(ONE_SEPTET)) == 127
    # Every character of the basic plane, surrogates included, and some of each other plane.
    codes = [*range(0x10000), *range(0x10000, 0x110000, 0xFD)]
    accepted = {chr(code) for code in codes if segment(chr(code)).encoding == "gsm7"}
    assert accepted == set(GSM)


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA0)])
def test_of_the_controls_only_line_feed_carriage_return_and_form_feed_are_in_the_alphabet(code: int) -> None:
    result = segment(f"a{chr(code)}b")
    assert result.encoding == ("gsm7" if chr(code) in "\n\r\f" else "ucs2")
    assert result.units == 3 + (chr(code) == "\f")
    assert decode(result) == f"a{chr(code)}b"


def test_every_forcing_character_is_named_with_its_index() -> None:
    assert segment("l’été à Nîmes 😀").forced == ((1, "’"), (9, "î"), (14, "😀"))
    assert segment("😀😀ç€ΔA").forced == ((0, "😀"), (1, "😀"), (2, "ç"))
    assert segment("€[]{}\f^~|\\ΔΦΓΛΩΠΨΣΘΞ").forced == ()
    # Indexes of the text that is counted, in which the pair is one character and the half is replaced.
    assert segment("\ud83d\ude00a\ud83d").forced == ((0, "😀"), (2, "\ufffd"))


# Unusual text


def test_line_ends_count_as_given() -> None:
    assert segment("a\r\nb").units == 4
    assert segment("a\nb").units == 3
    assert segment("a" * 152 + "\r\n" + "a" * 10).parts == ("a" * 152 + "\r", "\n" + "a" * 10)


def test_a_combining_accent_counts_as_it_stands() -> None:
    composed, combined = segment("é" * 70), segment("e\u0301" * 70)
    assert (composed.encoding, composed.units, composed.count) == ("gsm7", 70, 1)
    assert (combined.encoding, combined.units, combined.count) == ("ucs2", 140, 3)
    assert combined.forced[0] == (1, "\u0301")


def test_right_to_left_text_keeps_the_order_in_which_it_is_written() -> None:
    text = "\u200fشكرا، رقمك 36111 שלום\u202c"
    result = segment(text)
    assert (result.encoding, result.parts, result.units) == ("ucs2", (text,), len(text))
    assert result.octets == (text.encode("utf-16-be"),)
    assert [character for _index, character in result.forced] == [
        character for character in text if character not in GSM
    ]


def test_a_family_of_emoji_counts_all_its_members_and_may_be_cut_between_them() -> None:
    family = "👨‍👩‍👧‍👦"
    assert segment(family).units == 11
    assert segment("🇫🇷").units == 4
    assert segment("👍🏽").units == 4
    result = segment("中" * 64 + family)
    assert result.parts == ("中" * 64 + "👨\u200d", "👩\u200d👧\u200d👦")
    assert decode(result) == "中" * 64 + family


@pytest.mark.parametrize("text", ["\ud83d", "a\ud83d", "a\ud83db", "\ude00a", "\ude00\ud83d"])
def test_a_lone_surrogate_is_replaced_by_one_unit_that_can_be_sent(text: str) -> None:
    result = segment(text)
    assert result.encoding == "ucs2"
    assert result.units == len(text)
    assert decode(result) == result.text == "".join("\ufffd" if c > "\ud7ff" else c for c in text)


def test_a_split_surrogate_pair_is_joined_to_its_character() -> None:
    assert segment("\ud83d\ude00").parts == ("😀",)


def test_newlines_become_line_feeds() -> None:
    assert normalise_newlines("a\r\nb\rc\nd\r\r\n") == "a\nb\nc\nd\n\n"


# STOP clause


def test_the_stop_clause_takes_eleven_septets_and_leaves_149_or_59() -> None:
    clause = stop_clause("36111")
    assert clause == "\nSTOP:36111"
    assert segment(clause).units == 11
    assert segment(final_text("a" * 149, clause)).count == 1
    assert segment(final_text("a" * 150, clause)).count == 2
    assert segment(final_text("中" * 59, clause)).count == 1
    assert segment(final_text("中" * 60, clause)).count == 2


@pytest.mark.parametrize("number", ["", "36 111", "36111a", "٣٦١١١"])
def test_a_stop_clause_without_a_number_made_of_digits_is_refused(number: str) -> None:
    with pytest.raises(ValueError, match="digits"):
        stop_clause(number)


def test_the_final_text_has_line_feeds_and_then_the_clause() -> None:
    assert final_text("a\r\nb", stop_clause("36111")) == "a\nb\nSTOP:36111"
    assert final_text("a\r\nb") == "a\nb"


# Header


def test_the_header_numbers_the_parts_and_repeats_the_reference() -> None:
    result = segment("a" * 161)
    assert result.udh(0xAB) == (bytes.fromhex("050003ab0201"), bytes.fromhex("050003ab0202"))
    assert segment("a" * 160).udh(0xAB) == ()
    assert len(segment("a" * 153 * 255).udh(0)) == 255


@pytest.mark.parametrize("reference", [-1, 256])
def test_a_reference_that_does_not_fit_one_octet_is_refused(reference: int) -> None:
    with pytest.raises(ValueError, match="0 to 255"):
        segment("a").udh(reference)


# Properties


@untimed
@given(whole_texts)
def test_the_parts_joined_give_the_text_back_and_so_do_the_octets(text: str) -> None:
    result = segment(text)
    assert "".join(result.parts) == result.text == text
    assert decode(result) == text
    assert tuple(decode_part(result.encoding, part) for part in result.octets) == result.parts


@untimed
@given(any_texts)
def test_no_part_is_over_its_limit_or_over_140_octets(text: str) -> None:
    result = segment(text)
    long = result.count > 1
    for part in result.octets:
        units = units_of(result, part)
        assert 0 < units <= result.limit
        if result.encoding == "gsm7":
            # Behind a header the septets start on a septet boundary: 6 octets are 48 bits, 7 septets 49.
            assert (units + 7 * long) * 7 <= 140 * 8
        else:
            assert units * 2 + 6 * long <= 140
    assert result.used + result.left == result.limit


@untimed
@given(any_texts)
def test_no_part_could_have_taken_the_next_character(text: str) -> None:
    result = segment(text)
    for part, following in zip(result.octets, result.parts[1:], strict=False):
        first = following[0]
        size = (2 if first in EXTENSION.values() else 1) if result.encoding == "gsm7" else 1 + (ord(first) > 0xFFFF)
        assert units_of(result, part) + size > result.limit


@untimed
@given(st.one_of(gsm_texts, ucs2_texts), st.text(st.sampled_from(GSM), min_size=1, max_size=5), st.floats(0, 1))
def test_more_characters_anywhere_never_lower_the_count(text: str, more: str, where: float) -> None:
    place = round(where * len(text))
    before = segment(text)
    for after in (segment(text + more), segment(text[:place] + more + text[place:])):
        assert before.encoding == after.encoding
        assert before.count <= after.count
        assert before.units < after.units


@untimed
@given(any_texts)
def test_a_text_is_ucs2_exactly_when_a_character_forces_it(text: str) -> None:
    result = segment(text)
    assert (result.encoding == "ucs2") == bool(result.forced)
    assert all(result.text[index] == character and character not in GSM for index, character in result.forced)


# Another engine


@pytest.mark.parametrize("seed", range(4))
def test_another_engine_finds_the_same_parts(seed: int) -> None:
    """sms-toolkit knows every character here; lone surrogates and the empty text are left out."""
    draw = random.Random(seed)
    alphabets = [GSM, GSM + "€€€[]" * 20, "中文😀👍é ", GSM + "😀"]
    lengths = [1, 69, 70, 71, 80, 81, 133, 134, 135, 152, 153, 154, 159, 160, 161, 305, 306, 307, 459, 460]
    for _ in range(150):
        text = "".join(draw.choices(draw.choice(alphabets), k=draw.choice(lengths) + draw.randint(-1, 1) or 1))
        profile = profile_message(text)
        result = segment(text)
        assert result.count == profile["num_segments"], text
        assert result.parts == tuple(part["message"] for part in profile["segments"]), text
        assert result.limit == profile["max_segment_size"], text


def test_the_engine_imports_no_django() -> None:
    """A gateway uses it, and gateways are plain Python."""
    script = "import sys, compose.segments; print([name for name in sys.modules if name.startswith('django')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
