"""Texts that nobody writes: the automatic answer of an account, and the one confirmation of a STOP.

Two machines must not talk to each other for ever. So an account answers a number once a day at the most and MOST times
in WEEK, never what it said itself, never a number of this installation, and only phones. Each goes through `submit` as
any message: from the number that was answered where that can be, not commercial, and paid by the account.
"""

import logging
import unicodedata
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings

from compose.models import MessageClass, Submission
from compose.numbers import Recipient, parse_recipient
from compose.planning import Draft, Refused
from compose.services import submit
from credits.ledger import NotEnoughCredit
from credits.models import Account, Member
from inbox.models import Reaction, ReactionSettings, Received
from senders import queries as sender_queries
from senders.models import Sender, ShortNumber

log = logging.getLogger(__name__)
State = Reaction.State
WEEK, MOST = timedelta(days=7), 3
CONFIRMED_ONCE_IN: Final = timedelta(hours=24)
# Who wrote a day ago wonders about an answer "we are closed now".
LATE: Final = timedelta(days=1)
_NAMESPACE: Final = uuid.UUID("7b1f3a52-3c57-4f0e-9f55-1f7f4a3f1d10")


@dataclass(frozen=True)
class Outcome:
    """What came of a reaction: its state, why it was not done, and what was submitted."""

    state: str
    reason: str = ""
    detail: str = ""
    submission: Submission | None = None


def answer(row: Reaction, chosen: ReactionSettings, *, now: datetime) -> Outcome:
    """Send the account's automatic answer to who wrote, in the running transaction."""
    came = row.received
    if not chosen.answer:
        return Outcome(State.LEFT_OUT, "switched_off")
    if now - came.received_at > LATE:
        return Outcome(State.LEFT_OUT, "too_late")
    if _plain(chosen.answer) in _plain(came.text):
        return Outcome(State.LEFT_OUT, "said_by_us")
    said = Reaction.objects.filter(account=row.account_id, to=row.to, state=State.DONE, kind=Reaction.Kind.ANSWER)
    if said.filter(ended_at__gt=now - WEEK).count() >= MOST:
        return Outcome(State.LEFT_OUT, "too_many")
    return _send(row, chosen.answer, by=chosen.answer_by, now=now)


def confirm(row: Reaction, *, now: datetime) -> Outcome:
    """Tell who answered STOP, once, that no more will come, in the running transaction."""
    text = settings.SMS_STOP_CONFIRMATION.replace("{account}", row.account.name)
    if not text:
        return Outcome(State.LEFT_OUT, "switched_off")
    told = Reaction.objects.filter(account=row.account_id, to=row.to, state=State.DONE, kind=Reaction.Kind.CONFIRMATION)
    if told.filter(ended_at__gt=now - CONFIRMED_ONCE_IN).exists():
        return Outcome(State.LEFT_OUT, "confirmed_before")
    return _send(row, text, by=None, now=now)


def _send(row: Reaction, text: str, *, by: Any, now: datetime) -> Outcome:
    came = row.received
    to = parse_recipient(came.number, "")
    if not isinstance(to, Recipient) or _is_ours(to.e164):
        return Outcome(State.LEFT_OUT, "cannot_be_answered")
    sender = sender_for(row.account, came)
    if sender is None:
        return Outcome(State.LEFT_OUT, "no_sender")
    person = _in_whose_name(row.account, by)
    if person is None:
        return Outcome(State.LEFT_OUT, "nobody")
    draft = Draft(
        account=row.account,
        user=person,
        sender=sender,
        recipients=(to,),
        body=text,
        commercial=False,
        message_class=MessageClass.STANDARD,
        deferred_to=None,
        request_key=uuid.uuid5(_NAMESPACE, row.key),
    )
    try:
        submission, _new = submit(draft, now=now)
    except NotEnoughCredit:
        log.warning("The account %d has too few credits for an automatic message (%s)", row.account_id, row.kind)
        return Outcome(State.LEFT_OUT, "no_credit")
    except Refused as refused:
        return Outcome(State.LEFT_OUT, "refused", str(refused.sentence))
    return Outcome(State.DONE, submission=submission)


def sender_for(account: Account, came: Received) -> Sender | None:
    """From whom an answer to this message leaves: the virtual number or the short numbers that were answered."""
    offered = [sender for sender in sender_queries.offered(account) if sender.can_be_answered]
    if not came.to:
        # The vendor did not say which number it was; the message that was answered does.
        answered = came.answers.submission.sender_id if came.answers else None
        return next((sender for sender in offered if sender.pk == answered), None)
    own = next((sender for sender in offered if sender.value == came.to), None)
    if own is None and ShortNumber.objects.filter(number=came.to).exists():
        own = next((sender for sender in offered if sender.is_pool), None)
    return own


def _is_ours(number: str) -> bool:
    """Whether it is a number of an account of this installation: it would answer, too."""
    kinds = [Sender.Kind.VIRTUAL, Sender.Kind.NUMERIC]
    if sender_queries.virtual_numbers([number]):
        return True
    return Sender.objects.filter(kind__in=kinds, value=number, deleted_at=None).exists()


def _in_whose_name(account: Account, by: Any) -> Any:
    """The person who set the answer while they may still send, else the first owner; None when there is none."""
    members = Member.objects.filter(account=account, user__is_active=True).select_related("user").order_by("pk")
    wrote = next((member for member in members if by is not None and member.user_id == by.pk and member.may_send), None)
    chosen = wrote or next((member for member in members if member.may_manage), None)
    return chosen.user if chosen else None


def _plain(text: str) -> str:
    """The text as a machine that sends it back may have changed it: case, spaces and forms of characters."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
