"""Whose a received message is, and which message it answers.

    the gateway names the message      its reference, or our own id for it: where the provider picks the number itself,
                                       nothing else can tell
    a message left from this number    the last one before the answer was given, while its reply window lasted: that is
    to this recipient                  one account's, since no two use a number with a recipient at once (senders.pool)
    a virtual number                   its owner's
    later                              whoever wrote last from this short number to this recipient, or else holds it

The moment counts at which the answer was given, not that at which we come to it: meanwhile the number may have gone to
somebody else. Where a vendor's clock makes no sense of it, the last rule holds.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Case, When

from compose.models import Message
from senders import pool, queries
from senders.models import Sender

ANSWERABLE = (Sender.Kind.SHORT, Sender.Kind.VIRTUAL)


def matched(
    *, number: str, to: str, reference: str, message_id: str, gateway: str, at: datetime
) -> tuple[int | None, Message | None]:
    """The id of the account that `number` answered at `at` with a message to `to`, and the message it answers.

    Both are None when nothing explains it; the message alone when nobody knows which one it was.
    """
    named = _named(number=number, reference=reference, message_id=message_id, gateway=gateway)
    if named is not None:
        return named.account_id, named
    # Nobody answers what the operator refused.
    left = Message.objects.filter(originator=to, recipient=number, submission__sender__kind__in=ANSWERABLE)
    # What is being sent may be answered before the gateway's own answer is kept.
    left = left.annotate(left_at=Case(When(state=Message.State.SENDING, then=at), default="handed_over_at"))
    left = left.exclude(left_at=None).exclude(state=Message.State.FAILED).order_by("-left_at", "-pk")
    window = timedelta(hours=settings.SMS_REPLY_WINDOW_HOURS)
    answered = left.filter(left_at__lte=at, left_at__gte=at - window).first()
    if answered is not None:
        return answered.account_id, answered
    owner = queries.owner_of_virtual(to)
    if owner is not None:
        return owner, left.filter(account_id=owner).first()
    late = left.filter(submission__sender__kind=Sender.Kind.SHORT).first()
    if late is not None:
        return late.account_id, late
    return pool.holder(number=to, recipient=number), None


def _named(*, number: str, reference: str, message_id: str, gateway: str) -> Message | None:
    if reference:
        answered = Message.objects.filter(gateway=gateway, gateway_ref=reference).first()
        if answered is not None:
            return answered
    if message_id.isdecimal() and len(message_id) < 19:
        # The recipient, too: what the gateway echoes may be the id of another installation.
        return Message.objects.filter(gateway=gateway, pk=int(message_id), recipient=number).first()
    return None
