"""Which messages a question was about, as a page keeps it for the answer: their keys as spans, "812-1311,1400".

Those of a submission follow one another nearly all, so that a hundred thousand are a short text. Whoever posts it may
write anything into it: it only ever leaves keys out of those that somebody may decide about, and one that is longer
than any page makes is not read.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence

# A text has so many spans at the most: no submission has more messages.
MOST = 100_000
_SPAN = re.compile(r"([0-9]{1,18})(?:-([0-9]{1,18}))?")


def said(keys: Iterable[int]) -> str:
    """The keys as a text; "" for none. Those of the first MOST spans, when there are more."""
    spans: list[list[int]] = []
    for key in sorted(keys):
        if spans and spans[-1][1] == key - 1:
            spans[-1][1] = key
        elif len(spans) == MOST:
            break
        else:
            spans.append([key, key])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)


def among(keys: Sequence[int], text: str) -> list[int] | None:
    """Those of the keys that the text names, in their order; None when it names none at all or cannot be read.

    Where there are no keys it is not read.
    """
    if not keys:
        return []
    if text.count(",") >= MOST:
        return None
    spans: list[tuple[int, int]] = []
    for one in text.split(","):
        found = _SPAN.fullmatch(one)
        if found is None:
            return None
        spans.append((int(found[1]), int(found[2] or found[1])))
    spans.sort()
    firsts = [first for first, _last in spans]

    def named(key: int) -> bool:
        number = bisect_right(firsts, key)
        return number > 0 and key <= spans[number - 1][1]

    return [key for key in keys if named(key)]
