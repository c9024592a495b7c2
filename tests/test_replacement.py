"""The twins of characters that the GSM alphabet lacks: nothing lost, nothing that would read as something else."""

import json
import unicodedata

import pytest
from django.test import override_settings
from hypothesis import example, given
from hypothesis import strategies as st

from compose.accents import composed
from compose.replacement import TWINS, problems, replaced, twins, twins_json
from compose.segments import segment
from compose.twins import BEHIND, problem
from smsmanager.checks import twins_can_be_used

ALPHABET = {chr(code) for code in range(0x10000) if segment(chr(code)).encoding == "gsm7"}
# What interferes with what: digits and raised digits, letters and accents, strokes, joiners, invisible ones, emoji.
TOUCHY = (
    "09１²½°₂℃n efiAΩ=é" + "ﬁœç̀’…→ə" + "\u0301\u0308\u0323\u0336\u0338" + "\u200b\u00ad\u200d\ufe0f\u20e3\u202a😀𝗕й"
)
texts = st.one_of(
    st.text(),
    st.text(alphabet=st.sampled_from(TOUCHY)),
    st.text(alphabet=st.sampled_from(sorted({*TWINS, *TOUCHY, "a", " ", "7"}))),
)


# All that may be put in another order, and the few that fall apart into such.
MARKS = [chr(code) for code in range(0x20000) if unicodedata.combining(chr(code))] + list("\u0f73\u0f75\u0f81")


def in_gsm(text: str) -> bool:
    return segment(text).encoding == "gsm7"


def test_a_twin_stands_for_a_character_that_the_alphabet_lacks_and_is_itself_in_it() -> None:
    for key, twin in [*TWINS.items(), *BEHIND.items()]:
        assert problem(key[-1], twin) == "", ascii(key)
        assert set(twin) <= ALPHABET
        assert key[-1] in TWINS


@given(texts)
def test_replacing_again_changes_nothing(text: str) -> None:
    once = replaced(text)
    assert replaced(once) == once


@given(st.text(alphabet=st.sampled_from(sorted(ALPHABET))))
def test_what_the_alphabet_has_is_left_as_it_is(text: str) -> None:
    assert replaced(text) == text


@given(texts)
def test_a_text_is_in_the_alphabet_afterwards_unless_a_character_without_a_twin_is_there(text: str) -> None:
    after = replaced(text)
    left = {character for character in after if character not in ALPHABET}
    struck = any("\u0335" <= character <= "\u0338" for character in after)
    assert struck or not left & TWINS.keys()


@given(texts)
@example("A\u00ad\u0308")
def test_each_letter_and_each_character_without_a_twin_is_still_there(text: str) -> None:
    # A mark behind an invisible character falls to the letter before that when it goes: that is another letter then.
    seen = "".join(c for c in text if unicodedata.category(c) != "Cf")
    stays = [c for c in unicodedata.normalize("NFC", seen) if c.isalnum() and c in ALPHABET]
    after = iter(replaced(text))
    assert all(any(c == found for found in after) for c in stays)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("L’été à «\u00a0l’Œuvre\u202f», c’est…", "L'été à \" l'OEuvre \", c'est..."),
        ("„Straße“ – ‚so‘ — ‹x›", "\"Straße\" - 'so' - 'x'"),
        ("“quoted” ‘quoted’ ‟ ″5′ `", "\"quoted\" 'quoted' \" \"5' '"),
        ("ç Ç ê â î ô û ë ï ÿ œ æ", "c Ç e a i o u e i y oe æ"),
        ("À È É Ê Ë Î Ï Ô Ù Û Ç Œ", "A E É E E I I O U U Ç OE"),
        ("¿Qué día, señor? ¡Sí, mamá! 1º 2ª", "¿Qué dia, señor? ¡Si, mama! 1o 2a"),
        ("Zażółć gęślą jaźń", "Zazolc gesla jazn"),
        ("Příliš žluťoučký kůň", "Prilis zlutoucky kun"),
        ("árvíztűrő tükörfúrógép", "arviztürö tükörfurogép"),
        ("Ștefan Țară ğış İı", "Stefan Tara gis Ii"),
        ("ﬁn ﬂeur oﬃce ﬀ ĳ ŉ ſ ẞ", "fin fleur office ff ij 'n s ß"),
        ("e\u0301 a\u0300 u\u0308 c\u0327 n\u0303", "é à ü c ñ"),
        ("a\u0301 q\u0303 ﬁ\u0301", "a q fi"),
        ("a\u2003b\u2009c\u200ad\u3000e\tf\u2028g\u2029h\u000bi", "a b c d e f\ng\nh\ni"),
        ("a\u200bb\u00adc\ufeffd\u2060e\u200cf\u200dg\u200eh", "abcdefgh"),
        ("\u202a+33\u00a06\u202c \u20661\u2069", "+33 6 1"),
        ("co‑op 1‒2 −5 a―b ⁃ • ▪ ·", "co-op 1-2 -5 a-b - - - ."),
        ("← → ↔ ⇒ ➔ ≤ ≥ ≠ ± × ÷ ≈", "<- -> <-> => -> <= >= =/= +/- x / ~"),
        ("© ® ™ © \ufe0f № ℅ µg ½ l", "(c) (r) (tm) (c)  No c/o ug 1/2 l"),
        ("m² m³ CO₂ n°5 N° H₂O", "m2 m3 CO2 no5 No H2O"),
        ("10² 10¹² 10⁻³ １０² 10₂", "10^2 10^12 10^-3 10^2 10_2"),
        ("2½ kg, ¾ l", "2 1/2 kg, 3/4 l"),
        ("20°C 20℃ 5 °C", "20 degC 20 degC 5 degC"),
        ("10\u2060² 10\u200d²", "10^2 10^2"),
        ("₽100 ₹5 5₣ 50¢ £5 €5 ¥5", "RUB100 INR5 5F 50c £5 €5 ¥5"),
        ("𝗕𝗼𝗻𝗷𝗼𝘂𝗿 Ｖｅｎｔｅ Ⅳ 1ᵉʳ ① ❷", "Bonjour Vente IV 1er (1) (2)"),
        ("∆ Ω K Å", "Δ Ω K Å"),
        ("", ""),
    ],
)
def test_what_people_paste_becomes_what_they_meant(text: str, expected: str) -> None:
    assert replaced(text) == expected
    assert in_gsm(expected)


@pytest.mark.parametrize(
    "text",
    [
        "👨\u200d👩\u200d👧 👍🏽 ❤\ufe0f 🏳\ufe0f\u200d🌈 1\ufe0f\u20e3",
        "می\u200cخواهم",
        "שלום \u200f(1)\u200e!",
        "Καλημέρα, Москва, за\u0301мок, 中文",
        "1\u03360\u0336€ a\u0338",
        "≠\u0338 ✓ ☆ ‰ ₤ 5₤",
        "\x00\x1b\ud83d",
    ],
)
def test_what_has_no_honest_twin_is_left_with_the_marks_that_belong_to_it(text: str) -> None:
    assert replaced(text) == text


def test_a_character_with_a_twin_is_replaced_beside_one_without() -> None:
    assert replaced("C’est prêt 👍\u200d… \u202adix\u202c") == "C'est pret 👍\u200d... \u202adix\u202c"


def test_an_installation_adds_twins_changes_them_and_takes_them_away() -> None:
    with override_settings(SMS_TWINS={"😀": ":)", "→": ">>", "ç": None, "œ": "œ", "²": "(2)", "\u200b": None}):
        assert problems() == []
        assert replaced("😀 → ç œ ² 10² a\u200bb") == ":) >> ç œ (2) 10(2) a\u200bb"
        assert twins()["😀"] == ":)"
        assert "ç" not in twins()
        assert json.loads(twins_json())["→"] == ">>"
    assert replaced("😀 →") == "😀 ->"
    assert "😀" not in twins()


def test_an_installation_may_take_all_invisible_characters_away() -> None:
    with override_settings(SMS_TWINS=dict.fromkeys([character for character, twin in TWINS.items() if not twin])):
        assert replaced("a\u00adb’") == "a\u00adb'"


WRONG = {
    "é": "e",
    "ab": "c",
    "": "x",
    "→": "➔",
    "😀": "smile " * 3,
    "\u2126": "O",
    "𝗕": "B",
    "\ud83d": "x",
}


@pytest.mark.parametrize("character", WRONG)
def test_a_twin_that_makes_no_sense_is_refused_in_a_sentence_and_changes_nothing(character: str) -> None:
    before = dict(twins())
    with override_settings(SMS_TWINS={character: WRONG[character], "•": "*"}):
        (error,) = twins_can_be_used()
        assert error.id == "smsmanager.E020"
        assert error.msg.startswith("SMSMANAGER_TWINS: ")
        assert error.msg.endswith(".")
        assert dict(twins()) == before | {"•": "*"}


def test_the_table_of_the_page_is_the_table_and_cannot_end_its_script() -> None:
    text = twins_json()
    assert json.loads(text) == dict(twins())
    assert not set("<>&") & set(text)
    assert json.loads(text)["0²"] == "^2"
    assert twins_json() is text


def test_a_megabyte_of_accents_on_one_letter_is_composed() -> None:
    # Time with the square of the accents would be an hour.
    assert replaced("a" + "\u0301\u0323" * 250_000) == "a"


@given(st.lists(st.sampled_from(MARKS), min_size=30, max_size=80), st.text(max_size=3))
def test_long_runs_of_marks_are_composed_as_the_standard_says(marks: list[str], around: str) -> None:
    text = f"{around}e{''.join(marks)}{around}"
    assert composed(text) == unicodedata.normalize("NFC", text)


def test_no_mark_is_a_letter_or_a_space() -> None:
    # What the shortcut for texts without long runs rests upon.
    assert not [mark for mark in MARKS if mark.isalnum() or mark.isspace() or mark.isascii()]
