"""The answer written in a conversation: the compose form with its sender and recipient settled by the conversation."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from compose.forms import ComposeForm
from compose.models import MessageClass
from compose.moment_form import NOW
from compose.numbers import spaced
from compose.recipients import parse_recipients
from credits.models import Account, Member
from senders import queries as sender_queries
from senders.models import Lease, Sender, ShortNumber

# What the small form shows; complaints about anything else stand above it.
SHOWN = ("text", "not_commercial")


@dataclass(frozen=True)
class Route:
    """From where an answer leaves: the sender, None when there is none, and what the writer should know about it.

    `warns`: it is not the number that was answered.
    """

    sender: Sender | None
    sentence: str | Promise
    warns: bool = False


def route(account: Account, number: str, to: str, *, now: datetime) -> Route:
    """How an answer to `number`, which wrote to our number `to`, can leave."""
    if not parse_recipients(number, account.country).valid:
        return Route(None, _("This number cannot be answered: it is no mobile number."), warns=True)
    offered = sender_queries.offered(account)
    own = next((one for one in offered if one.can_be_answered and not one.is_pool and one.value == to), None)
    if own is not None:
        return Route(own, _("Leaves from %(number)s, which was answered.") % {"number": spaced(to)})
    pool = next((one for one in offered if one.is_pool), None)
    if pool is None:
        sentence = _("No number that can be answered is available in your account. Choose another sender.")
        return Route(None, sentence, warns=True)
    held = Lease.objects.filter(
        account=account,
        recipient=number,
        number__number=to,
        number__use=ShortNumber.Use.OTHER,
        number__enabled=True,
        until__gt=now,
    )
    if held.exists():
        return Route(pool, _("Leaves from the short number %(number)s, which was answered.") % {"number": to})
    if not to:
        sentence = _("It is not known which number was answered: your answer leaves from a short number.")
        return Route(pool, sentence, warns=True)
    sentence = _(
        "%(number)s is not kept for this conversation any more: your answer may leave from another short number."
    )
    return Route(pool, sentence % {"number": spaced(to)}, warns=True)


class ReplyForm(ComposeForm):
    """What a person writes in a conversation. After `is_valid()`, `plan` says what sending it would do."""

    # The key that makes a double click harmless did not come along.
    worn_out = False

    def __init__(
        self, posted: Any = None, *, member: Member, now: datetime, sender: Sender, number: str, **kwargs: Any
    ) -> None:
        data = None
        if posted is not None:
            # Who it goes to and from where is the conversation's, whatever was posted.
            data = {name: posted.get(name, "") for name in ("text", "request_key")}
            data |= {"sender": str(sender.pk), "recipients": number, "when": NOW}
            data |= {"message_class": MessageClass.STANDARD}
            if posted.get("not_commercial"):
                data["not_commercial"] = "on"
        kwargs["initial"] = {"not_commercial": True, **kwargs.get("initial", {})}
        super().__init__(data, member=member, now=now, senders=[sender], **kwargs)

    def full_clean(self) -> None:
        super().full_clean()
        self.worn_out = "request_key" in self.errors
        for name in set(self.errors) - {*SHOWN, NON_FIELD_ERRORS}:
            for error in self.errors.as_data()[name]:
                super().add_error(None, error)
            del self.errors[name]

    def complain(self, field: str | None, sentence: str | Promise) -> None:
        """Say why it was not sent: beside the field where that is shown."""
        self.add_error(field if field in SHOWN else None, str(sentence))
