"""The page's engine, static/js/segments.js, against compose/segments.py in a real browser."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route

from compose.segments import MAX_PARTS, TooLong, segment

SCRIPT = Path(__file__).resolve().parents[2] / "static" / "js" / "segments.js"

pytestmark = pytest.mark.browser

GSM = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./09:;<=>?¡AZÄÖÑÜ§¿azäöñüà"
EXTENSION = "\f^{}\\[~]|€"
FORCING = "`çêâîôûëïœ’«»…–—\u00a0\u202fµ\t\x00\x1b\u2028中文"
ASTRAL = "😀👍🏽🇫🇷𝄞"
LENGTHS = [0, 1, 2, 66, 67, 68, 69, 70, 71, 76, 77, 80, 81, 133, 134, 135, 152, 153, 154, 159, 160, 161, 201]
LENGTHS += [268, 305, 306, 307, 402, 458, 459, 460, 612, 1224]

Answer = list[Any]


def generated_texts(count: int) -> list[str]:
    draw = random.Random(20_26)
    alphabets = [
        GSM,
        GSM + EXTENSION * 6,
        EXTENSION,
        GSM + EXTENSION + FORCING,
        FORCING + ASTRAL * 8,
        ASTRAL,
        "".join(map(chr, range(0x250))),
    ]
    texts = []
    for _ in range(count):
        length = max(0, draw.choice(LENGTHS) + draw.choice([-1, 0, 0, 0, 1]))
        texts.append("".join(draw.choices(draw.choice(alphabets), k=length)))
    # Two-unit characters on and around every boundary.
    for length in LENGTHS:
        for pair, filler in (("€", "a"), ("😀", "中")):
            texts.append(filler * length + pair + filler * length)
            texts.append(pair * length)
    # All parts end one unit short.
    for filler, pair, each in (("a", "€", 153), ("中", "\U0010ffff", 67)):
        text = filler * (each - 1) + (pair + filler * (each - 3)) * (MAX_PARTS - 1)
        texts += [text + filler, text + pair]
    texts += [
        "a" * 153 * MAX_PARTS,
        "a" * (153 * MAX_PARTS + 1),
        "中" * 67 * MAX_PARTS,
        "中" * (67 * MAX_PARTS + 1),
    ]
    return texts


def answer(text: str) -> Answer:
    """What Python finds, with indexes in UTF-16 code units as the browser counts them."""
    try:
        result = segment(text)
    except TooLong:
        return ["too long"]
    widths = [0]
    for character in text:
        widths.append(widths[-1] + (2 if character > "\uffff" else 1))
    forced = [[widths[index], character] for index, character in result.forced]
    figures = [result.count, result.used, result.left, result.limit, result.units]
    return [result.encoding, list(result.parts), *figures, forced]


def answers_of_the_browser(page: Page, expression: str, argument: object) -> Any:
    """What the page's function answers; one JSON text each way, which is quicker than value by value."""

    def serve(route: Route) -> None:
        if route.request.url.endswith("/segments.js"):
            route.fulfill(body=SCRIPT.read_text(encoding="utf-8"), content_type="text/javascript; charset=utf-8")
        else:
            route.fulfill(body="<!doctype html><title>segments</title>", content_type="text/html; charset=utf-8")

    page.route("**/*", serve)
    page.goto("http://localhost/")
    return json.loads(page.evaluate(expression, json.dumps(argument)))


def test_the_browser_and_the_server_split_every_text_alike(page: Page) -> None:
    texts = generated_texts(4000)
    found = answers_of_the_browser(
        page,
        """async (given) => {
            const texts = JSON.parse(given);
            const { segment } = await import("/segments.js");
            return JSON.stringify(texts.map((text) => {
                const r = segment(text);
                if (r.tooLong) return ["too long"];
                return [r.encoding, r.parts, r.count, r.used, r.left, r.limit, r.units, r.forced];
            }));
        }""",
        texts,
    )
    assert len(found) == len(texts) >= 3000
    for text, theirs in zip(texts, found, strict=True):
        assert theirs == answer(text), ascii(text)


def test_the_browser_and_the_server_replace_the_same_lone_surrogates(page: Page) -> None:
    """The surrogates travel as numbers, so that no transport replaces them on the way."""
    texts = [
        "a\ud83d",
        "\ud83d\ud83d\ude00",
        "\ude00\ud83d",
        "a\ude00b\ud83dc" * 40,
        "😀\ud83d",
        "\ud83d\ude00" * 36,
    ]
    found = answers_of_the_browser(
        page,
        """async (given) => {
            const texts = JSON.parse(given);
            const { segment } = await import("/segments.js");
            return JSON.stringify(texts.map((units) => {
                const r = segment(String.fromCharCode(...units));
                return [r.encoding, r.parts, r.count, r.used, r.left, r.limit, r.units];
            }));
        }""",
        [[unit for character in text for unit in code_units(character)] for text in texts],
    )
    for text, theirs in zip(texts, found, strict=True):
        result = segment(text)
        figures = [result.count, result.used, result.left, result.limit, result.units]
        assert theirs == [result.encoding, list(result.parts), *figures], ascii(text)


def code_units(character: str) -> list[int]:
    octets = character.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(octets[start : start + 2]) for start in range(0, len(octets), 2)]
