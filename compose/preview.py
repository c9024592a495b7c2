"""How a text arrives: its SMS with their clause, for the counter and the phone of the compose page.

They stand there whatever else is wrong with the form. The page's JavaScript draws the same at each key
(static/js/counter.js and preview.js); this is for who has none.
"""

from dataclasses import dataclass

from compose import segments

# A page of marks says nothing: then the text is simply in another script. As in static/js/preview.js.
MOST_MARKS = 60


@dataclass(frozen=True)
class Run:
    """A piece of the text: `mark` is "clause", "forced" (it makes the text longer) or ""."""

    text: str
    mark: str


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A text as it is sent. `used` and `left` are septets or UTF-16 code units of the last of its `parts`."""

    sender: str
    encoding: str
    parts: tuple[str, ...]
    used: int
    left: int
    runs: tuple[Run, ...]
    has_clause: bool


def preview(body: str, clause: str, *, sender: str) -> Preview | None:
    """How `body` (with LF ends) arrives with `clause` behind it; None for nothing and above 255 SMS."""
    if not body:
        return None
    try:
        found = segments.segment(body + clause)
    except segments.TooLong:
        return None
    return Preview(
        sender=sender,
        encoding=found.encoding,
        parts=found.parts,
        used=found.used,
        left=found.left,
        runs=_runs(found.text, len(clause), found.forced),
        has_clause=bool(clause),
    )


def _runs(text: str, clause: int, forced: tuple[tuple[int, str], ...]) -> tuple[Run, ...]:
    """The text in pieces, with its last `clause` characters and, unless they are many, the forced ones marked."""
    runs, start, end = [], 0, len(text) - clause
    for index, character in forced if len(forced) <= MOST_MARKS else ():
        runs += [Run(text[start:index], ""), Run(character, "forced")]
        start = index + 1
    runs += [Run(text[start:end], ""), Run(text[end:], "clause")]
    return tuple(run for run in runs if run.text)
