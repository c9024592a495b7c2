"""The verbs of what goes out: submit and cancel. `plan` says beforehand what `submit` would do.

What else can be done with messages that wait is in `compose.scheduled`.
"""

import hashlib
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from compose import queues, scheduled
from compose.foreign import moment, reference, storable
from compose.gateways.base import Event, Received, Report
from compose.models import GatewayEvent, Message, Submission
from compose.planning import Draft, Plan, Refused, looked_at_again, plan
from compose.settlement import Ending, end_holds
from compose.storing import store_for_each
from compose.terms import Terms
from credits import ledger
from credits import queries as credit_queries
from credits.models import Account

State = Message.State
# The column of an event's key.
LONGEST_KEY = 160


class AlreadySent(Exception):
    """This request key was used by `submission`, for something else than what is asked now."""

    def __init__(self, submission: Submission) -> None:
        super().__init__(f"submission {submission.pk} used this key")
        self.submission = submission


def submit(
    draft: Draft, *, now: datetime, planned: Plan | None = None, replaces: scheduled.Replaced | None = None
) -> tuple[Submission, bool]:
    """Queue a message for each recipient and hold their price, all or nothing.

    `planned` is what `plan` said of this very draft a moment ago, when the caller has it: it is not worked out
    again, but what others may have changed since is looked at again in the transaction.
    `replaces` is a submission of the account none of whose messages has left: those that wait are cancelled in the
    same transaction, and what they held pays for the new ones.
    Returns the submission and whether it is new: the same draft with the same request key is sent once.
    Raises Refused, NotEnoughCredit, CannotReplace, or AlreadySent when the key was used for another draft.
    """
    if planned is not None and planned.draft is not draft:
        raise ValueError("this plan is of another draft")
    if replaces is not None and replaces.submission.account_id != draft.account.pk:
        raise ValueError("a submission replaces one of its own account")
    fingerprint = _fingerprint(draft)
    # A second click ends here: at the INSERT it would be an error in the database's log, with the text of the SMS.
    earlier = _earlier(draft, fingerprint)
    if earlier is not None:
        return earlier, False
    try:
        planned = planned or plan(draft, now=now)
        with transaction.atomic():
            again = looked_at_again(planned, now=now)
            if replaces is not None:
                scheduled.withdraw(replaces, by=draft.user, now=now)
            submission = _store(again, fingerprint)
            if replaces is not None:
                Submission.objects.filter(pk=replaces.submission.pk).update(replaced_by=submission)
    except (IntegrityError, Refused, ledger.NotEnoughCredit, scheduled.CannotReplace):
        # Two clicks at once: the unique key refuses this one, or the lock of what is replaced, or what the other one
        # left, such as too few credits.
        earlier = _earlier(draft, fingerprint)
        if earlier is None:
            raise
        return earlier, False
    return submission, True


def _earlier(draft: Draft, fingerprint: str) -> Submission | None:
    """The submission that this draft was sent by already. Raises AlreadySent where another draft used its key."""
    found = Submission.objects.filter(account=draft.account, request_key=draft.request_key).first()
    if found is not None and found.fingerprint != fingerprint:
        raise AlreadySent(found)
    return found


def _fingerprint(draft: Draft) -> str:
    """What makes two drafts the same: all that the person chose."""
    chosen = [
        str(draft.sender.pk),
        draft.body,
        str(draft.commercial),
        draft.message_class,
        str(draft.deferred_to),
        *sorted(recipient.e164 for recipient in draft.recipients),
    ]
    return hashlib.sha256("\0".join(chosen).encode("utf-8", "surrogatepass")).hexdigest()


def _store(planned: Plan, fingerprint: str) -> Submission:
    draft = planned.draft
    bulk = queues.is_bulk(len(planned.leaving))
    if bulk and (there := credit_queries.available(draft.account)) < planned.price:
        # The ledger would say so too, after all of them were stored.
        raise ledger.NotEnoughCredit(account_id=draft.account.pk, missing=planned.price - there)
    submission = Submission.objects.create(
        account=draft.account,
        created_by=draft.user,
        request_key=draft.request_key,
        fingerprint=fingerprint,
        sender=draft.sender,
        body=draft.body,
        text=planned.text,
        encoding=planned.segmentation.encoding,
        parts=planned.segmentation.count,
        commercial=draft.commercial,
        message_class=draft.message_class,
        deferred_to=draft.deferred_to,
        time_zone=draft.account.time_zone,
        recipients=len(planned.leaving),
        excluded=len(planned.excluded),
        price=planned.price,
    )
    validity = timedelta(hours=settings.SMS_VALIDITY_HOURS)
    recipients: dict[Terms, list[str]] = {}
    for one in planned.leaving:
        recipients.setdefault(one.terms, []).append(one.recipient.e164)
    gateways = queues.gateways_for(
        {terms.region for terms in recipients},
        account_id=draft.account.pk,
        sender=draft.sender,
        message_class=draft.message_class,
        commercial=draft.commercial,
    )
    for terms, numbers in recipients.items():
        leaves = terms.departure.at
        pattern = Message(
            submission=submission,
            account=draft.account,
            region=terms.region,
            rate=terms.rate,
            price=terms.price,
            gateway=gateways[terms.region],
            bulk=bulk,
            send_at=leaves,
            due_at=leaves,
            postponed_by="window" if terms.departure.postponed else "",
            valid_until=leaves + validity,
        )
        store_for_each(numbers, pattern)
    # Last: the books of the account are locked from here to the commit, and others of the account wait for them.
    ledger.hold(
        draft.account,
        planned.price,
        key=f"hold:{submission.pk}",
        cause=("submission", str(submission.pk)),
        by=draft.user,
    )
    queues.nudge(bulk=bulk)
    return submission


@transaction.atomic
def cancel(account: Account, messages: Iterable[int], *, by: Any, now: datetime) -> int:
    """Cancel those of the account's messages that wait, give their credits back, and return how many they were.

    Atomic against the claim: a message is either cancelled here or claimed there.
    """
    rows = scheduled.waiting(Message.objects.filter(account=account, pk__in=list(messages)))
    return _end_cancelled(rows, by=by, now=now)


@transaction.atomic
def cancel_submission(submission: Submission, *, by: Any, now: datetime, at_most: int | None = None) -> int:
    """Cancel all messages of the submission that still wait, and return how many they were.

    Raises `scheduled.MoreWait` when they are more than `at_most`.
    """
    rows = scheduled.waiting(submission.messages.all())
    if at_most is not None and len(rows) > at_most:
        raise scheduled.MoreWait(submission)
    return _end_cancelled(rows, by=by, now=now)


def _end_cancelled(rows: Sequence[Message], *, by: Any, now: datetime) -> int:
    end_holds([Ending(row, State.CANCELLED, "cancelled", by=by) for row in rows], key=f"cancel:{uuid.uuid4()}", now=now)
    return len(rows)


def store_events(gateway: str, events: Sequence[Event], *, now: datetime) -> None:
    """Keep what a gateway said, once for each key, before anything is done with it."""
    GatewayEvent.objects.bulk_create(
        (_event_row(gateway, event, now) for event in events), ignore_conflicts=True, batch_size=500
    )


def keep_unreadable(gateway: str, key: str, said: dict[str, Any], *, now: datetime) -> None:
    """Keep what a gateway said and nobody understood, once for its key, for the administrator; nothing applies it."""
    row = GatewayEvent(
        gateway=gateway,
        key=key,
        kind=GatewayEvent.Kind.UNREADABLE,
        payload=storable({"at": now.isoformat(), "raw": said}),
        look_at=now,
        applied_at=now,
        result="unreadable",
    )
    GatewayEvent.objects.bulk_create([row], ignore_conflicts=True)


def _event_row(gateway: str, event: Report | Received, now: datetime) -> GatewayEvent:
    payload: dict[str, Any] = {"at": moment(event.at, now=now).isoformat(), "raw": event.raw}
    if isinstance(event, Report):
        payload |= {
            "reference": reference(event.reference),
            "message_id": event.message_id,
            "status": event.status,
            "reason": event.reason,
            "code": event.code,
        }
        kind = GatewayEvent.Kind.REPORT
    else:
        payload |= {
            "number": event.number,
            "to": event.to,
            "text": event.text,
            "answers": reference(event.answers),
            "message_id": event.message_id,
        }
        kind = GatewayEvent.Kind.RECEIVED
    return GatewayEvent(gateway=gateway, key=_kept_key(event.key), kind=kind, payload=storable(payload), look_at=now)


def _kept_key(key: str) -> str:
    """The key as the column holds it: a longer one by its beginning and its hash."""
    kept: str = storable(key)
    if len(kept) <= LONGEST_KEY:
        return kept
    return f"{kept[:90]}-{hashlib.sha256(kept.encode()).hexdigest()}"
