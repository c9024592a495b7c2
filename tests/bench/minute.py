"""Fifty thousand messages that are due in the same minute: how long after their moment the last one has left.

They come of several submissions, deferred to one moment. Workers and beat run as in production, on PostgreSQL, and an
SMSC answers at once. Moments are those of the database's clock.
"""

import os
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from tests.bench import stand
from tests.bench.smpp_ends import digest

MESSAGES = int(os.environ.get("BENCH_MINUTE_MESSAGES", "50000"))
SUBMISSIONS = int(os.environ.get("BENCH_MINUTE_SUBMISSIONS", "50"))
RUNS = int(os.environ.get("BENCH_MINUTE_RUNS", "5"))
TARGET = timedelta(minutes=1)
# Between the last submission and the moment: workers and beat do nothing then.
AHEAD = timedelta(seconds=8)


def report() -> str:
    return stand.elsewhere("minute")


def _run(there: stand.Stand) -> str:
    from tests import factories

    account = factories.account(millis=10**12)
    factories.sender(account)
    lines = ["| run | first handed over | last answer recorded | messages per second |", "|---|---:|---:|---:|"]
    for run in range(1, RUNS + 1):
        first, last = _once(there, account)
        assert first >= timedelta(0), "a message left early"
        rate = f"{MESSAGES / last.total_seconds():,.0f}".replace(",", " ")
        lines.append(f"| {run} | {first.total_seconds():.2f} s | {last.total_seconds():.1f} s | {rate} |")
    said = f"{MESSAGES} messages of {SUBMISSIONS} submissions, seconds after their moment (target: {TARGET.seconds} s)."
    return "\n".join([said, "", *lines, "", _proof()])


def _once(there: stand.Stand, account: Any) -> tuple[timedelta, timedelta]:
    """How long after the moment the first message was claimed, and the last answer kept."""
    from django.db.models import Max, Min
    from django.utils import timezone

    from compose.clock import database_now
    from compose.models import Transition
    from compose.services import submit
    from tests import factories

    there.forget()
    each, begun = MESSAGES // SUBMISSIONS, database_now()
    numbers = [factories.mobile(number) for number in range(MESSAGES)]
    # Far enough ahead for all of them to be stored; they are moved to their moment together, as a person moves them.
    due = timezone.now() + timedelta(hours=1)
    made = []
    for number in range(SUBMISSIONS):
        to = "\n".join(numbers[number * each : (number + 1) * each])
        made.append(submit(factories.draft(account, to=to, deferred_to=due), now=begun)[0])
    due = _moved(made)
    assert there.taken()[0] == 0
    time.sleep(max(0.0, (due - database_now()).total_seconds() - 0.2))
    # Just before the moment, none.
    assert there.taken()[0] == 0
    time.sleep(0.3)
    there.settled()
    assert there.taken() == (MESSAGES, MESSAGES, digest(number[1:] for number in numbers))
    said = Transition.objects.filter(message__submission__in=made).exclude(state="scheduled")
    found = said.aggregate(first=Min("at"), last=Max("at"))
    return found["first"] - due, found["last"] - due


def _moved(made: Sequence[Any]) -> datetime:
    """Move all of their messages to one moment a little ahead, which is returned."""
    from compose.clock import database_now
    from compose.models import Message, Submission

    due = database_now() + AHEAD
    Message.objects.filter(submission__in=made).update(due_at=due, send_at=due)
    Submission.objects.filter(pk__in=[one.pk for one in made]).update(deferred_to=due)
    return due


def _proof() -> str:
    """Each message is recorded as sent once, and the ledger adds up; else AssertionError."""
    from compose.models import Message
    from smsmanager.proof import prove

    assert not Message.objects.exclude(state=Message.State.ACCEPTED, attempts=1).exists()
    assert prove() == []
    return "None left before its moment, the SMSC took each number once, and the ledger adds up."


def main() -> None:
    with stand.installation() as there:
        there.work()
        print(_run(there))


if __name__ == "__main__":
    main()
