"""Links and contact details in a text: operators drop a message from a short number that carries one.

Pure. A link is what a phone makes one of: an address with its scheme or `www.`, or a bare name that ends in a known
top-level domain. Texts are written in a hurry, so a full stop without a space (`etc.Merci`) is told from a link by
what follows it. Numbers are found by ``phonenumbers``.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from phonenumbers import PhoneNumberMatcher

_EMAIL: Final = re.compile(r"[\w.+-]{1,64}@(?:[^\W_][\w-]{0,62}\.)+[^\W\d_]{2,24}")
_ADDRESS: Final = re.compile(r"(?:\b[a-z][a-z0-9+-]{1,9}://|\bwww\.)[^\s<>\"«»“”]+", re.IGNORECASE)
_DOTTED: Final = re.compile(r"[^\W_][\w-]{0,62}(?:\.[^\W_][\w-]{0,62}){1,9}")
_PATH: Final = re.compile(r"[/?][^\s<>\"«»“”]*")
# More than these are not looked for: finding one takes as long as reading many pages.
_MOST_NUMBERS: Final = 10
_CLOSING: Final = ".,;:!?…)]}'’*_"

# Top-level domains of texts that are sent here (IANA, root zone database). Nothing else begins or ends a sentence
# with these, so they end a name however they are written.
_CLEAR: Final = re.compile(
    "alsace|asso|biz|bzh|ch|cloud|com|corsica|edu|eu|fr|gouv|gov|lu|ly|mobi|net|nl|org|ovh|pf|pt|tv|uk|wf|xyz|yt"
)
# Words too: they end a name in small letters, or in capitals like the whole name; not like a new sentence.
_IN_ONE_CASE: Final = re.compile(
    "ai|app|art|at|be|beauty|best|bio|blog|cafe|cc|center|club|co|de|deals|dev|email|es|events|fit|fm|gd|gg|gl|gp|gy|"
    "health|host|info|ink|io|it|life|link|live|mq|nc|news|online|page|paris|pro|promo|re|rent|restaurant|rip|sale|"
    "salon|shop|site|social|space|store|studio|tech|top|tours|travel|vip|web|website|work|world|ws|zone"
)
# Short words of French and English: these end a name only when a path follows, as in wa.me/33612345678.
_WITH_A_PATH: Final = re.compile("am|as|ca|do|id|in|is|la|ma|me|mu|my|no|pm|se|si|so|st|to|us|vu")


def contact_details(text: str, country: str) -> list[str]:
    """The links, e-mail addresses and telephone numbers in `text`, as they stand there, in their order.

    `country` (ISO 3166-1) is that of telephone numbers without a country code. Of these the first ten.
    """
    found: list[tuple[int, str]] = []
    # What was found is not looked through again: the digits of a link are no telephone number.
    for pattern in (_EMAIL, _ADDRESS):
        found += [(match.start(), match[0].rstrip(_CLOSING)) for match in pattern.finditer(text)]
        text = pattern.sub(_blank, text)
    names = list(_names(text))
    rest = list(text)
    for start, name in names:
        rest[start : start + len(name)] = " " * len(name)
    numbers = islice(PhoneNumberMatcher("".join(rest), country), _MOST_NUMBERS)
    found += [*names, *((match.start, match.raw_string) for match in numbers)]
    return [words for _start, words in sorted(found)]


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _names(text: str) -> Iterator[tuple[int, str]]:
    """The names of hosts with their paths, and where each begins."""
    end = 0
    for match in _DOTTED.finditer(text):
        name = _name(match[0], text, match.start()) if match.start() >= end else ""
        if name:
            end = match.start() + len(name)
            yield match.start(), name


def _name(dotted: str, text: str, start: int) -> str:
    """The name, with its path, that the dotted words at `start` begin with; "" when they are none."""
    labels = dotted.split(".")
    for last in range(len(labels) - 1, 0, -1):
        name = ".".join(labels[: last + 1])
        path = _PATH.match(text, start + len(name))
        ending, before = labels[last], labels[last - 1]
        if not any(map(str.isalpha, before)):
            continue
        in_one_case = ending.islower() or name.isupper()
        kind = ending.lower()
        if (
            _CLEAR.fullmatch(kind)
            or (in_one_case and _IN_ONE_CASE.fullmatch(kind))
            or (in_one_case and _WITH_A_PATH.fullmatch(kind) and path is not None and path[0][0] == "/")
        ):
            return (name + (path[0] if path else "")).rstrip(_CLOSING)
    return ""
