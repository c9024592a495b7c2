"""What a person decides about messages that may have left: they were sent, they are sent again, or they are given up.

Nobody has to: a report that comes late resolves an unconfirmed message by itself, and one that is never resolved ends
as expired. What a late report does after one of these choices: docs/adr/0013.

Each verb locks the messages in the order of their keys and then looks at their state again, so a report, the sweeper, a
worker that answers late and a second click each find either an unconfirmed message or one that is none any more.
Locks are taken in the order of compose/claims.py: messages, then the ledger's books.
"""

import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction

from compose import failover, queues
from compose.changing import change_each, note_each
from compose.models import Message
from compose.reasons import SENT_AGAIN
from compose.settlement import Ending, end_holds
from credits.models import Account

State = Message.State

# Messages in one transaction: what waits for their locks waits for so many at the most.
BATCH = 500
# Words of compose/reasons.py.
SAID_SENT, GIVEN_UP = "said_sent", "given_up"
_FREED = (
    "state",
    "reason",
    "claim",
    "leased_until",
    "handed_over_at",
    "due_at",
    "valid_until",
    "passed_over",
)


class Decided(NamedTuple):
    """So many messages were `changed`; so many `others` were not in that doubt (any more) and are as they were."""

    changed: int
    others: int


class Seen(NamedTuple):
    """Of which doubt a person decides: messages of this `account` only, and none handed over after `until`.

    What was handed over later is in another doubt, which that person has not seen: an answer given twice, or long after
    the question, would send again what was sent again since. None: of any.
    """

    account: Account | None = None
    until: datetime | None = None


ANY = Seen()


def confirm(messages: Iterable[int], *, by: Any, now: datetime, seen: Seen = ANY) -> Decided:
    """They were sent: the messages with these keys are accepted, and their price is paid.

    What is not unconfirmed, or in another doubt than the one `seen`, is left alone: twice is harmless. A later report
    still says whether they were delivered.
    """
    return _decide(messages, seen, partial(_end, State.ACCEPTED, SAID_SENT, by, now))


def give_up(messages: Iterable[int], *, by: Any, now: datetime, seen: Seen = ANY) -> Decided:
    """Nobody will ever know: the messages have failed, and their price is given back. The rest is as for `confirm`.

    A later report changes nothing any more.
    """
    return _decide(messages, seen, partial(_end, State.FAILED, GIVEN_UP, by, now))


def send_again(messages: Iterable[int], *, by: Any, now: datetime, seen: Seen = ANY) -> Decided:
    """They were not sent: the messages return to the queue of their lane and are due at once. As for `confirm`.

    Their price stays held, and is paid once at the most. One whose validity is over gets a new one, which runs from
    `now`. What a claim looks at (a pause, the STOP list, the hours of commercial messages, routes) it looks at again.
    """
    lanes: set[bool] = set()
    decided = _decide(messages, seen, partial(_free, by, now, lanes))
    for bulk in sorted(lanes):
        queues.nudge(bulk=bulk)
    return decided


def _decide(messages: Iterable[int], seen: Seen, change: Callable[[Sequence[Message]], None]) -> Decided:
    asked = sorted(set(messages))
    changed = 0
    for start in range(0, len(asked), BATCH):
        with transaction.atomic():
            rows = _in_doubt(asked[start : start + BATCH], seen)
            change(rows)
        changed += len(rows)
    return Decided(changed, len(asked) - changed)


def _in_doubt(pks: Sequence[int], seen: Seen) -> list[Message]:
    """Those of the messages in the doubt `seen`, locked: whoever held one before is waited for and was heard."""
    found = Message.objects.select_for_update(no_key=True).filter(pk__in=pks, state=State.UNCONFIRMED)
    if seen.account is not None:
        found = found.filter(account=seen.account)
    if seen.until is not None:
        found = found.exclude(handed_over_at__gt=seen.until)
    return list(found.order_by("pk"))


def _end(state: Message.State, reason: str, by: Any, now: datetime, rows: Sequence[Message]) -> None:
    end_holds([Ending(row, state, reason, by=by) for row in rows], key=f"{reason}:{uuid.uuid4()}", now=now)


def _free(by: Any, now: datetime, lanes: set[bool], rows: Sequence[Message]) -> None:
    validity = timedelta(hours=settings.SMS_VALIDITY_HOURS)
    for row in rows:
        row.state, row.reason = State.SCHEDULED, SENT_AGAIN
        row.claim = row.leased_until = row.handed_over_at = None
        row.due_at = now
        if row.valid_until <= now:
            row.valid_until = now + validity
        failover.begin_again(row, now)
        lanes.add(row.bulk)
    change_each(rows, _FREED)
    note_each(rows, at=now, by=[by.pk if by is not None else None for _row in rows])
