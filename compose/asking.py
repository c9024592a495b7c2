"""The page that asks before many messages are changed at once: how many, what it means, what it does to credits.

As the administration asks (compose/admin_doubts.py): the first press of the button changes nothing and shows the page,
whose own button posts the same with `decide`. One message is changed without a question: the button that does it says
what it means, and nothing else comes with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from django.db.models import Count, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from compose.models import Message, Submission

# The field with which the page's own button says that it was read.
DECIDE = "decide"
# What may be asked about; the first three as the buttons of the pages name them.
CONFIRM, SEND_AGAIN, GIVE_UP, CANCEL = "confirm", "again", "give_up", "cancel"


class Words(NamedTuple):
    """What becomes of the messages and of their price, and what the button says; whether it ends what waits."""

    means: Promise
    price: Promise
    button: Promise
    ends: bool = False


WORDS: dict[str, Words] = {
    CONFIRM: Words(
        _("They are taken for sent. Later reports still say whether they were delivered."),
        _("Credits paid"),
        _("They were sent"),
    ),
    SEND_AGAIN: Words(
        _(
            "They leave at once, or as soon as their hours permit. Some may have left the first time: their recipients "
            "get them twice."
        ),
        _("Credits that stay held, and are paid once"),
        _("Send them again"),
    ),
    GIVE_UP: Words(
        _(
            "They are not sent again and cost nothing, even if recipients got them. Later reports change nothing any "
            "more."
        ),
        _("Credits given back"),
        _("Give up and give the credits back"),
        ends=True,
    ),
    CANCEL: Words(
        _("They will not leave. To send them after all, write the message again."),
        _("Credits given back"),
        _("Cancel these messages"),
        ends=True,
    ),
}


class Concerned(NamedTuple):
    """How many messages a choice concerns, and their price in millis."""

    total: int
    price: int


def concerned(messages: QuerySet[Message]) -> Concerned:
    """The messages of this query, counted as they are now; one query."""
    return Concerned(**messages.order_by().aggregate(total=Count("pk"), price=Sum("price", default=0)))


@dataclass(frozen=True, kw_only=True)
class Question:
    """Whether to do `choice` with the messages that are `concerned`; `others` says in a sentence what stays as it is.

    Its button posts to the address of the page, `again` besides; who does not want it goes back to the page `back`,
    whose name is `page`.
    """

    choice: str
    concerned: Concerned
    others: str
    back: str
    page: str
    again: Mapping[str, Sequence[str | int]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        count = self.concerned.total
        said = {
            CONFIRM: ngettext("Was %(count)s message sent?", "Were %(count)s messages sent?", count),
            SEND_AGAIN: ngettext("Send %(count)s message again?", "Send %(count)s messages again?", count),
            GIVE_UP: ngettext("Give up %(count)s message?", "Give up %(count)s messages?", count),
            CANCEL: ngettext("Cancel %(count)s message?", "Cancel %(count)s messages?", count),
        }
        return said[self.choice] % {"count": number_format(count, force_grouping=True)}

    @property
    def words(self) -> Words:
        return WORDS[self.choice]

    @property
    def fields(self) -> list[tuple[str, str | int]]:
        """What its form posts besides the button: each name with each of its values."""
        return [(name, value) for name, values in self.again.items() for value in values]


def named(submission: Submission) -> str:
    """The name of the page of a submission."""
    count = submission.recipients
    sentence = ngettext("Message to %(counter)s recipient", "Message to %(counter)s recipients", count)
    return sentence % {"counter": number_format(count, force_grouping=True)}


def page(request: HttpRequest, question: Question, *, section: str = "sent") -> HttpResponse:
    """The page that asks; nothing is changed."""
    return render(request, "compose/asked.html", {"question": question, "section": section})


def answered(request: HttpRequest) -> bool:
    """Whether the button of the page that asks was pressed."""
    return DECIDE in request.POST
