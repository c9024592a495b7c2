"""What became of the numbers that somebody added to the STOP list, in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from compose.models import OptOut
from compose.number_lists import NumberList, WrongLine

MOST_SHOWN = 20


@dataclass(frozen=True)
class Report:
    """`lists` are what was read and `added` how many of their numbers are new, both by OptOut.Source.

    Every entry is told of: `new` + `already` + `wrong_count` is what the texts held.
    """

    lists: Mapping[str, NumberList]
    added: Mapping[str, int]

    @property
    def new(self) -> int:
        return sum(self.added.values())

    @property
    def already(self) -> int:
        """How many were on the list before, or stand twice in what was given."""
        return sum(len(found.numbers) + found.duplicates for found in self.lists.values()) - self.new

    @property
    def wrong_count(self) -> int:
        return sum(len(found.wrong) for found in self.lists.values())

    @cached_property
    def wrong(self) -> list[tuple[str, WrongLine]]:
        """The first of what was not understood, each with where it stands, in words."""
        shown: list[tuple[str, WrongLine]] = []
        for source, found in self.lists.items():
            name = _("Line %(number)d of the file") if source == OptOut.Source.IMPORT else _("Line %(number)d")
            room = MOST_SHOWN - len(shown)
            shown += [(name % {"number": one.line}, one) for one in found.wrong[:room]]
        return shown

    @property
    def not_shown(self) -> int:
        return self.wrong_count - len(self.wrong)

    @property
    def is_plain(self) -> bool:
        """Whether `sentence` says all: nothing was wrong, guessed or passed over."""
        return not self.wrong_count and not self.remarks

    @property
    def sentence(self) -> str:
        counted = ngettext(
            "%(count)d number was added to the list.", "%(count)d numbers were added to the list.", self.new
        )
        new = counted % {"count": self.new} if self.new else _("No number was added to the list.")
        if not self.already:
            return new
        already = ngettext(
            "%(count)d was on it already, or given twice, and stays as it was.",
            "%(count)d were on it already, or given twice, and stay as they were.",
            self.already,
        )
        return f"{new} {already % {'count': self.already}}"

    @property
    def to_correct(self) -> str:
        """What was typed and not understood, one a line: it goes back into the field."""
        typed = self.lists.get(OptOut.Source.MANUAL)
        return "\n".join(one.raw for one in typed.wrong) if typed else ""

    @property
    def file_is_to_correct(self) -> bool:
        found = self.lists.get(OptOut.Source.IMPORT)
        return bool(found and found.wrong)

    @cached_property
    def remarks(self) -> list[str]:
        """What was read in a way that the person may want to know of."""
        return [remark for found in self.lists.values() for remark in _remarks(found)]


def _remarks(found: NumberList) -> list[str]:
    remarks = []
    if found.header:
        name = found.header if len(found.header) <= 60 else f"{found.header[:59]}…"
        remarks.append(_("The first line, “%(line)s”, was taken for the names of the columns.") % {"line": name})
    if found.columns:
        sentence = ngettext(
            "The numbers were read from column %(columns)s; the others were left out.",
            "The numbers were read from columns %(columns)s; the others were left out.",
            len(found.columns),
        )
        remarks.append(sentence % {"columns": ", ".join(map(str, found.columns))})
    if found.restored:
        count = len(found.restored)
        lines = ", ".join(map(str, found.restored[:MOST_SHOWN])) + ("…" if count > MOST_SHOWN else "")
        sentence = ngettext(
            "%(count)d number had lost its first 0, as happens in a spreadsheet, and was read with it: line %(lines)s.",
            "%(count)d numbers had lost their first 0, as happens in a spreadsheet, and were read with it: "
            "lines %(lines)s.",
            count,
        )
        remarks.append(sentence % {"count": count, "lines": lines})
    return remarks
