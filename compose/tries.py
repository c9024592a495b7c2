"""What the pages say of a message that is tried again: how often, why the last time failed, when next, until when."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from compose import failover, routing, story
from compose.models import Message, Transition
from compose.reasons import GATEWAY_PAUSED, RESTS, RESTS_UNTIL, SENT_AGAIN, sentence
from senders.rules import gateway_of

State = Message.State
# In these a message waits for its own moment, or a person moved it: nothing was tried in vain.
_NO_FAILURE = {"", "window", "moved"}


class Tries(NamedTuple):
    """The attempts of a message that is not sent yet.

    `made` of at most `most` were made; `why` and `detail` say why the last one failed, in the reader's language and in
    the gateway's words, "" while one is under way; `in_doubt` that nobody knows whether it did, and a person had the
    message sent again. The next one is at `next_at`, None while one is under way, the submission is paused or its
    gateway is (`gateway_paused`), and none is later than `until`.
    """

    made: int
    most: int
    why: str
    detail: str
    next_at: datetime | None
    until: datetime
    under_way: bool
    in_doubt: bool
    gateway_paused: bool

    @property
    def sentence(self) -> str:
        """Where the attempts stand, in the reader's language."""
        if not self.made:
            said = _("None yet, of at most %(most)d")
        elif self.in_doubt:
            said = _("Attempt %(number)d of at most %(most)d may have left")
        elif self.under_way:
            said = _("Attempt %(number)d of at most %(most)d is under way")
        else:
            said = _("Attempt %(number)d of at most %(most)d did not succeed")
        return said % {"number": self.made, "most": self.most}


def of(message: Message, transitions: Sequence[Transition]) -> Tries | None:
    """The tries of a message (with its submission and sender); `transitions` are its changes of state, oldest first.

    None when there is nothing to say: it is not tried any more, or not yet and for no reason of its own. The queries
    are those of `routing.routes`, and one for a virtual number.
    """
    waits = message.state == State.SCHEDULED and (message.attempts > 0 or message.reason not in _NO_FAILURE)
    under_way = message.state == State.SENDING and message.attempts > 1
    if not waits and not under_way:
        return None
    failed = None
    if waits:
        not_tried = story.given_back(transitions)
        tried = [one for number, one in enumerate(transitions) if number not in not_tried]
        failures = (one for one in reversed(tried) if one.state == State.SCHEDULED)
        failed = next((one for one in failures if one.reason not in _NO_FAILURE), None)
    held = message.submission.paused_at is not None
    gateway_paused = waits and not held and message.reason == GATEWAY_PAUSED
    wanted = routing.wanted_by(message, gateway=gateway_of(message.submission.sender))
    return Tries(
        made=message.attempts,
        most=failover.most_attempts(message, routing.candidates(wanted)),
        why=sentence(failed.reason) if failed else "",
        detail=failed.detail if failed else "",
        # Until its gateway goes on `due_at` is when it is looked at again, and no attempt.
        next_at=None if under_way or held or gateway_paused else message.due_at,
        until=message.valid_until,
        under_way=under_way,
        in_doubt=failed is not None and failed.reason == SENT_AGAIN,
        gateway_paused=gateway_paused,
    )


def why(message: Message) -> str:
    """Why the message is where it is, in the reader's language; "" when there is nothing to explain.

    One that was never tried says so, where its reason is that others were: then its gateway rests. While its
    submission is paused it waits for a person, and the gateway has no part in it: it may have gone on since.
    """
    waits = message.state == State.SCHEDULED
    if waits and message.reason == GATEWAY_PAUSED and message.submission.paused_at:
        return ""
    if not waits or message.attempts or message.reason != "gateway_unreachable":
        return message.reason_sentence
    if message.due_at is None or message.submission.paused_at:
        return ""
    if message.due_at <= timezone.now():
        return str(RESTS)
    return str(RESTS_UNTIL) % {"hour": date_format(timezone.localtime(message.due_at), "H:i:s")}
