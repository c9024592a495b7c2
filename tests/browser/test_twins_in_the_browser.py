"""The page's replacement, static/js/twins.js, against compose/twins.py in a real browser."""

import json
import random
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route

from compose.replacement import TWINS, replaced, twins

SCRIPTS = Path(__file__).resolve().parents[2] / "static" / "js"

pytestmark = pytest.mark.browser

PLAIN = "aZé 7,\n€Ω"
TOUCHY = (
    "09１²½°₂℃nefiAΩ=é" + "ﬁœç’…→ə≠" + "\u0301\u0308\u0323\u0336\u0338" + "\u200b\u00ad\u200d\ufe0f\u20e3\u202a😀𝗕й"
)


def generated_texts(count: int) -> list[str]:
    draw = random.Random(20_26)
    alphabets = [PLAIN + "".join(TWINS), TOUCHY, TOUCHY + PLAIN * 4, "".join(map(chr, range(0x370)))]
    return [
        *TWINS,
        *(f"{before}{character}" for before in "7a" for character in TWINS),
        *("".join(draw.choices(draw.choice(alphabets), k=draw.randint(0, 40))) for _ in range(count)),
    ]


def test_the_browser_and_the_server_replace_every_text_alike(page: Page) -> None:
    def serve(route: Route) -> None:
        script = SCRIPTS / route.request.url.rpartition("/")[2]
        if script.suffix == ".js":
            route.fulfill(body=script.read_text(encoding="utf-8"), content_type="text/javascript; charset=utf-8")
        else:
            route.fulfill(body="<!doctype html><title>twins</title>", content_type="text/html; charset=utf-8")

    texts = generated_texts(4000)
    page.route("**/*", serve)
    page.goto("http://localhost/")
    found = page.evaluate(
        """async (given) => {
            const [table, texts] = JSON.parse(given);
            const { replacing } = await import("/twins.js");
            const replaced = replacing(table);
            return JSON.stringify(texts.map(replaced));
        }""",
        json.dumps([dict(twins()), texts]),
    )
    for text, theirs in zip(texts, json.loads(found), strict=True):
        assert theirs == replaced(text), ascii(text)
