"""STOP: what a received message does to the STOP lists, in the transaction that makes the message.

    answered to a number that an account writes from      that account's list
    sent to the number of the clause                      the list of each account whose commercial message with the
                                                          clause reached this phone within CLAUSE
    sent to a number that the vendor does not name        the same, when no account's message explains it
    neither                                               nobody's: the message is kept, as any that nobody expects

A vendor may say itself that a message is such a request, or the contrary (`raw["opt_out"]`, compose/gateways/base.py):
that counts more than the words. START takes nobody off a list: only an owner does, with a reason.
"""

import logging
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db.models import Q

from compose import optouts
from compose.doubts import GIVEN_UP
from compose.models import GatewayEvent, Message, OptOut
from compose.models.optouts import E164
from compose.reasons import SENT_AGAIN
from credits.models import Account
from inbox.models import Received, Stopped
from inbox.optout import is_stop
from senders.models import Sender
from senders.rules import gets_stop_clause

log = logging.getLogger(__name__)
# So long after a message its clause can be answered.
CLAUSE: Final = timedelta(days=30)
_LONGEST_NOTE: Final = OptOut._meta.get_field("note").max_length or 0
_E164: Final = re.compile(E164)


@dataclass(frozen=True)
class Stop:
    """What a received message asked for: `asked` for no more messages, `keyword` for anything that a vendor knows.

    `new`: by answering a number of the message's account it came onto that account's list, where it was not before.
    """

    asked: bool
    keyword: bool
    new: bool = False


def declared(event: GatewayEvent) -> str:
    """What the vendor itself says that the message asks for: "stop", "start", or "" when it says nothing."""
    raw = event.payload["raw"]
    said = raw.get("opt_out") if isinstance(raw, dict) else None
    return said if said in ("stop", "start") else ""


def heed(came: Received, *, declared: str) -> Stop:
    """Put who asks for it on the STOP lists concerned, in the running transaction. Doing it again changes nothing.

    A message of which parts are missing is no request by its words: what is missing may say the contrary.
    """
    asked = declared == "stop" or (not declared and not came.missing and is_stop(came.text))
    if not asked:
        return Stop(asked=False, keyword=bool(declared))
    if not _E164.match(came.number):
        log.warning("The received message %d asks for no more messages and comes from no telephone number", came.pk)
        return Stop(asked=True, keyword=True)
    causes: dict[int, Message | None] = {}
    # Where the vendor names no number, and no message of ours explains it, it may well be that of the clause.
    clause = came.to == settings.SMS_STOP_NUMBER or (came.account_id is None and (declared or not came.to))
    if clause:
        causes |= _clauses_that_reached(came.number, since=came.received_at - CLAUSE)
    if came.account_id is not None:
        causes[came.account_id] = came.answers or causes.get(came.account_id)
    accounts = Account.objects.in_bulk(causes)
    # In one order: two that concern the same accounts wait for each other instead of for each other's rows.
    added = {pk: _put(came, accounts[pk], causes[pk]) for pk in sorted(causes)}
    return Stop(asked=True, keyword=True, new=bool(came.account_id and added[came.account_id]))


def _put(came: Received, account: Account, cause: Message | None) -> bool:
    """Put the writer on the account's list, and keep that this message did it; whether it was not there before."""
    note = _note(came)
    if not optouts.opt_out(account, [came.number], source=OptOut.Source.ANSWER, note=note, message=cause):
        return False
    made = OptOut.objects.get(account=account, number=came.number, removed_at=None)
    Stopped.objects.create(received=came, opt_out=made)
    return True


def _clauses_that_reached(number: str, *, since: datetime) -> dict[int, Message]:
    """By account, the last message whose STOP clause went to this number since then.

    There is no upper bound: a vendor's clock may be wrong, and a STOP that is overlooked is worse than one too many.
    """
    with_clause = [kind for kind in Sender.Kind.values if gets_stop_clause(kind)]
    theirs = Message.objects.filter(
        recipient=number, submission__commercial=True, submission__sender__kind__in=with_clause
    ).order_by("handed_over_at", "pk")
    # One that a person gave up may have left; any other that failed or was cancelled has not.
    never = Q(state__in=[Message.State.FAILED, Message.State.CANCELLED]) & ~Q(reason=GIVEN_UP)
    sent = theirs.filter(handed_over_at__gte=since).exclude(never)
    # So may one that a person had sent again: until it leaves the second time, no hand-over stands at it.
    again = theirs.filter(transitions__reason=SENT_AGAIN, transitions__at__gte=since)
    # It may have reached the phone before the gateway's own answer is kept. Few are being sent at a time.
    leaving = theirs.filter(state=Message.State.SENDING, leased_until__isnull=False)
    return {message.account_id: message for message in [*leaving, *again, *sent]}


def _note(came: Received) -> str:
    """What was written, and to which number."""
    to = f" → {came.to}" if came.to else ""
    text = " ".join(came.text.split())
    room = _LONGEST_NOTE - len(to) - 2
    return f"“{text if len(text) <= room else text[: room - 1] + '…'}”{to}"
