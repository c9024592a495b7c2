"""A test of a message, to the phone of who writes it: the same sender, text and type, at once and not commercial."""

import uuid
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from compose.numbers import Recipient, parse_recipient
from compose.planning import Draft, Refused
from credits.models import Member
from senders.models import Sender


class NoNumber(Refused):
    """The member has given no mobile number that can receive a test."""

    def __init__(self) -> None:
        super().__init__(
            None,
            _(
                "Nothing was sent: a test goes to your own mobile number, and you have not given it yet. "
                "Your message is kept."
            ),
        )


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What a test takes from the form."""

    sender: Sender
    body: str
    message_class: str
    request_key: uuid.UUID


def own_number(member: Member) -> Recipient | None:
    """The member's own number, None when there is none that can receive an SMS."""
    found = parse_recipient(member.mobile, member.account.country) if member.mobile else None
    return found if isinstance(found, Recipient) else None


def draft(member: Member, chosen: Chosen) -> Draft:
    """The draft of the test. Raises NoNumber.

    Its request key follows from the form's and from the content: a double click on the button sends one test,
    another text from the same page is another test, and neither is the message itself.
    """
    to = own_number(member)
    if to is None:
        raise NoNumber
    content = ["test", to.e164, str(chosen.sender.pk), chosen.message_class, chosen.body]
    return Draft(
        account=member.account,
        user=member.user,
        sender=chosen.sender,
        recipients=(to,),
        body=chosen.body,
        commercial=False,
        message_class=chosen.message_class,
        deferred_to=None,
        request_key=uuid.uuid5(chosen.request_key, "\0".join(content)),
    )
