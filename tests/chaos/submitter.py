"""The process that submits: `python -m tests.chaos.submitter`, orders on its input, an answer to each on its output.

    {"submit": {…plan.Order…}}  ->  {"done": "submit", "number": 7, "submission": 12, "messages": 3}
    {"cancel": 7}               ->  {"done": "cancel", "number": 7, "messages": 2}
    {"pause": 7}, {"resume": 7}

A database that is away is asked again until it is back, as a person does who presses the button again: with the same
request key, so that what was kept is not submitted twice.
"""

import json
import sys
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import django
from django.utils import timezone

AGAIN = 0.1  # seconds
DEADLINE = 120.0
# More than any run costs.
MILLIS = 10**12
RUN = uuid.UUID("5a3c1f0e-0000-4000-8000-000000000000")


def text(number: int) -> str:
    """The text of a submission."""
    return f"Chaos {number}"


def surely(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `work` returns, as soon as the database lets it."""
    from django.db import InterfaceError, OperationalError, connection

    end = time.monotonic() + DEADLINE
    while True:
        try:
            return work()
        except (OperationalError, InterfaceError):
            if time.monotonic() > end:
                raise
            connection.close()
            time.sleep(AGAIN)


class Submitter:
    def __init__(self) -> None:
        from tests import factories

        self.account = factories.account(millis=MILLIS)
        self.sender = factories.sender(self.account)
        self.person = factories.owner(self.account)
        self.submissions: dict[int, Any] = {}

    def submit(self, order: dict[str, Any]) -> dict[str, Any]:
        from compose.numbers import Recipient
        from compose.planning import Draft
        from compose.services import submit
        from tests.factories import mobile

        number, numbers = order["number"], range(order["first"], order["first"] + order["many"])
        now = timezone.now()
        draft = Draft(
            account=self.account,
            user=self.person,
            sender=self.sender,
            recipients=[Recipient(mobile(each), "FR", "") for each in numbers],
            body=text(number),
            commercial=False,
            message_class="standard",
            deferred_to=now + timedelta(seconds=order["deferred"]) if order["deferred"] else None,
            request_key=uuid.uuid5(RUN, str(number)),
        )

        def once() -> dict[str, Any]:
            # The moment of the click, however long the database is away: one that is past would be refused.
            submission, _new = submit(draft, now=now)
            self.submissions[number] = submission
            return {"submission": submission.pk, "messages": submission.recipients}

        return {"done": "submit", "number": number} | surely(once)

    def cancel(self, number: int) -> dict[str, Any]:
        from compose.services import cancel_submission

        return self.change(number, "cancel", lambda one, now: cancel_submission(one, by=self.person, now=now))

    def pause(self, number: int) -> dict[str, Any]:
        from compose.scheduled import pause

        return self.change(number, "pause", lambda one, now: pause(one, by=self.person, now=now))

    def resume(self, number: int) -> dict[str, Any]:
        from compose.scheduled import resume

        return self.change(number, "resume", lambda one, now: resume(one, now=now))

    def change(self, number: int, verb: str, work: Callable[[Any, datetime], int]) -> dict[str, Any]:
        """Have the verb change the submission, which says how many messages that concerned."""

        def once() -> dict[str, Any]:
            return {"messages": work(self.submissions[number], timezone.now())}

        return {"done": verb, "number": number} | surely(once)


def main() -> None:
    """Serve orders until the input ends."""
    django.setup()
    submitter = Submitter()
    print(json.dumps({"done": "ready", "account": submitter.account.pk}), flush=True)
    for line in sys.stdin:
        [(verb, what)] = json.loads(line).items()
        print(json.dumps(getattr(submitter, verb)(what)), flush=True)


if __name__ == "__main__":
    main()
