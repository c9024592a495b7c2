"""The page that asks before messages are changed: how many, what it means, what it does to credits.

As the administration asks (compose/admin_doubts.py): the first press of the button changes nothing and shows the page,
whose own button posts the same with `decide`. What is cancelled cannot be called back, so that is asked about even
where it is one message. Otherwise one is changed without a question: the button that does it says what it means, and
nothing else comes with it.

It has an address of its own, which the first press leads to: opened without a form that was posted it can be loaded
again and gone back to, although no cache keeps it (`lead_to`).

The answer holds for what was asked about. Of messages in doubt the page posts which they are, and no others are
decided; of messages that wait how many, and where they are more by then nothing is changed and the page asks again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.contrib import messages as notices
from django.db.models import Count, QuerySet, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, ngettext_lazy, npgettext_lazy

from compose.models import Message, Submission
from compose.paused_gateways import NONE_HELD, Held

# The field with which the page's own button says that it was read, and that with the number which it named.
DECIDE, SHOWN = "decide", "shown"
# What may be asked about; the first three as the buttons of the pages name them.
CONFIRM, SEND_AGAIN, GIVE_UP, CANCEL, SEND_NOW = "confirm", "again", "give_up", "cancel", "now"


class Words(NamedTuple):
    """What becomes of the messages and of their price, and what the button says; whether it ends what waits.

    The first and the last agree with how many messages there are, their `count`.
    """

    means: Any
    price: Promise
    button: Any
    ends: bool = False


WORDS: dict[str, Words] = {
    CONFIRM: Words(
        ngettext_lazy(
            "It is taken for sent. A later report still says whether it was delivered.",
            "They are taken for sent. Later reports still say whether they were delivered.",
            "count",
        ),
        _("Credits paid"),
        ngettext_lazy("It was sent", "They were sent", "count"),
    ),
    SEND_AGAIN: Words(
        ngettext_lazy(
            "It leaves at once, or as soon as its hours permit. It may have left the first time: then its recipient "
            "gets it twice.",
            "They leave at once, or as soon as their hours permit. Some may have left the first time: their recipients "
            "get them twice.",
            "count",
        ),
        _("Credits that stay held, and are paid once"),
        ngettext_lazy("Send it again", "Send them again", "count"),
    ),
    GIVE_UP: Words(
        ngettext_lazy(
            "It is not sent again and costs nothing, even if the recipient got it. A later report changes nothing any "
            "more.",
            "They are not sent again and cost nothing, even if recipients got them. Later reports change nothing any "
            "more.",
            "count",
        ),
        _("Credits given back"),
        _("Give up and give the credits back"),
        ends=True,
    ),
    CANCEL: Words(
        ngettext_lazy(
            "It will not leave. To send it after all, write the message again.",
            "They will not leave. To send them after all, write the message again.",
            "count",
        ),
        _("Credits given back"),
        npgettext_lazy("after the question", "Cancel this message", "Cancel these messages", "count"),
        ends=True,
    ),
    SEND_NOW: Words(
        ngettext_lazy(
            "It leaves at once, or as soon as its hours permit. What has left cannot be called back.",
            "They leave at once, or as soon as their hours permit. What has left cannot be called back.",
            "count",
        ),
        _("Credits that stay held, and are paid once"),
        ngettext_lazy("Send this message now", "Send these messages now", "count"),
    ),
}
# What becomes of them while a sending is paused.
WHILE_PAUSED: dict[str, Any] = {
    SEND_AGAIN: ngettext_lazy(
        "Its sending is paused: it leaves when that is resumed. It may have left the first time: then its recipient "
        "gets it twice.",
        "Those of a paused sending wait until it is resumed; the others leave at once, or as soon as their hours "
        "permit. Some may have left the first time: their recipients get them twice.",
        "count",
    ),
    SEND_NOW: ngettext_lazy(
        "The sending is paused: it leaves when that is resumed, or as soon as its hours permit then.",
        "The sending is paused: they leave when it is resumed, or as soon as their hours permit then.",
        "count",
    ),
}
# What becomes of those that are sent now while a gateway is paused: one that carries all of them, or some.
ALL_HELD = ngettext_lazy(
    "The gateway is paused: it leaves when the gateway goes on, or as soon as its hours permit then.",
    "The gateway is paused: they leave when the gateway goes on, or as soon as their hours permit then.",
    "count",
)
SOME_HELD = _(
    "Those that go by a paused gateway leave when the gateway goes on; the others at once, or as soon as their hours "
    "permit."
)
# Why it is asked again.
MORE_WAIT = _("More messages wait now than you were asked about. Nothing was changed: please decide again.")


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

    Of one message `recipient` may be its number. `paused` says whether the sending of any of them is, and `held` which
    of those that are sent now wait for a paused gateway. Its button posts to the address of the page how many it named,
    and `again` besides; who does not want it goes back to the page `back`, whose name is `page`.
    """

    choice: str
    concerned: Concerned
    others: str
    back: str
    page: str
    again: Mapping[str, Sequence[str | int]] = field(default_factory=dict)
    paused: bool = False
    held: Held = NONE_HELD
    recipient: str = ""

    @property
    def title(self) -> str:
        count = self.concerned.total
        said = {
            CONFIRM: ngettext("Was %(count)s message sent?", "Were %(count)s messages sent?", count),
            SEND_AGAIN: ngettext("Send %(count)s message again?", "Send %(count)s messages again?", count),
            GIVE_UP: ngettext("Give up %(count)s message?", "Give up %(count)s messages?", count),
            CANCEL: ngettext("Cancel %(count)s message?", "Cancel %(count)s messages?", count),
            SEND_NOW: ngettext("Send %(count)s message now?", "Send %(count)s messages now?", count),
        }
        return said[self.choice] % {"count": number_format(count, force_grouping=True)}

    @property
    def words(self) -> Words:
        return WORDS[self.choice]

    @property
    def means(self) -> str:
        """What becomes of the messages."""
        if self.paused and self.choice in WHILE_PAUSED:
            return self._of_so_many(WHILE_PAUSED[self.choice])
        if self.held.waiting:
            return self._of_so_many(ALL_HELD) if self.held.all else str(SOME_HELD)
        return self._of_so_many(self.words.means)

    @property
    def button(self) -> str:
        """What its button says."""
        return self._of_so_many(self.words.button)

    def _of_so_many(self, said: Any) -> str:
        """The words, agreeing with how many messages are concerned."""
        return str(said % {"count": self.concerned.total})

    @property
    def fields(self) -> list[tuple[str, str | int]]:
        """What its form posts besides the button: each name with each of its values."""
        again = {SHOWN: [self.concerned.total], **self.again}
        return [(name, value) for name, values in again.items() for value in values]


def named(submission: Submission) -> str:
    """The name of the page of a submission."""
    count = submission.recipients
    sentence = ngettext("Message to %(counter)s recipient", "Message to %(counter)s recipients", count)
    return sentence % {"counter": number_format(count, force_grouping=True)}


def page(request: HttpRequest, question: Question, *, section: str = "sent") -> HttpResponse:
    """The page that asks; nothing is changed."""
    return render(request, "compose/asked.html", {"question": question, "section": section})


class SeeOther(HttpResponseRedirect):
    """What was posted leads to a page that is opened by its address (RFC 9110, section 15.4.4)."""

    status_code = 303


def lead_to(request: HttpRequest, kept: Mapping[str, Any] | None = None, why: str | Promise = "") -> HttpResponse:
    """Lead from a button to the page that asks, at the same address with `kept` as its query.

    A browser does not go back to the answer to a form that no cache keeps. `why` says on the page why it is asked
    again.
    """
    if why:
        notices.warning(request, str(why))
    query = urlencode(kept or {}, doseq=True)
    return SeeOther(f"{request.path}?{query}" if query else request.path)


def answered(request: HttpRequest) -> bool:
    """Whether the button of the page that asks was pressed."""
    return DECIDE in request.POST


def agreed(request: HttpRequest) -> int:
    """To how many messages a person said yes: as many as the page had named, and without that page to one."""
    shown = request.POST.get(SHOWN, "") if answered(request) else ""
    return max(1, int(shown)) if shown.isascii() and shown.isdecimal() and len(shown) < 10 else 1


def staying(count: int) -> str:
    """What is said of so many messages of a submission that wait no more."""
    if not count:
        return ""
    sentence = ngettext(
        "%(counter)s other has left, is leaving or has ended, and stays as it is.",
        "%(counter)s others have left, are leaving or have ended, and stay as they are.",
        count,
    )
    return sentence % {"counter": number_format(count, force_grouping=True)}


def not_meant(count: int) -> str:
    """What is said of so many other messages of a submission of which one is asked about."""
    if not count:
        return ""
    sentence = ngettext(
        "%(counter)s other message of this sending is not concerned.",
        "%(counter)s other messages of this sending are not concerned.",
        count,
    )
    return sentence % {"counter": number_format(count, force_grouping=True)}
