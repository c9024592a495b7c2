"""What a text becomes when its characters outside the GSM alphabet are replaced by their twins.

The table is built in (`compose.twins`) and an installation may extend or shorten it: `settings.SMS_TWINS`, from
`SMSMANAGER_TWINS`. `static/js/twins.js` does the same in the page, from `twins_json` (or `twins` through json_script).
"""

import json
from collections.abc import Mapping
from functools import lru_cache

from django.conf import settings
from django.utils.safestring import SafeString, mark_safe

from compose.twins import TWINS, Replacement, problem

__all__ = ["TWINS", "problems", "replaced", "twins", "twins_json"]

# What Django escapes in JSON that stands in a page, and why: django.utils.html.json_script.
_IN_A_PAGE = {ord(character): f"\\u{ord(character):04X}" for character in "<>&"}


def twins() -> Mapping[str, str]:
    """What stands for each character that has a twin: the built-in table and the installation's own.

    A key of two characters has what stands for the second one behind a digit ("0") or a letter ("a").
    """
    return _made(_additions()).table


def replaced(text: str) -> str:
    """The body of a message with a twin for each character that has one; nothing that the alphabet has is changed.

    Accents are composed with their letters first (form NFC). Doing it again changes nothing.
    """
    return _made(_additions()).replaced(text)


def twins_json() -> SafeString:
    """`twins` as JSON, to stand as it is inside `<script type="application/json">`. Made once, then kept."""
    return _json(_additions())


def problems() -> list[str]:
    """What is wrong with the installation's own twins, a sentence for each that is wrong."""
    found = (problem(character, twin) for character, twin in settings.SMS_TWINS.items())
    return [sentence for sentence in found if sentence]


def _additions() -> tuple[tuple[str, str | None], ...]:
    return tuple(settings.SMS_TWINS.items())


@lru_cache(maxsize=4)
def _made(additions: tuple[tuple[str, str | None], ...]) -> Replacement:
    return Replacement(dict(additions))


@lru_cache(maxsize=4)
def _json(additions: tuple[tuple[str, str | None], ...]) -> SafeString:
    text = json.dumps(dict(_made(additions).table), ensure_ascii=False, separators=(",", ":"))
    # Nothing of it is a tag: the three characters that could make one are escaped.
    return mark_safe(text.translate(_IN_A_PAGE))  # noqa: S308
