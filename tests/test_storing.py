"""Many messages stored in one statement are what Django would have stored one by one."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from compose.models import Message, Submission
from compose.storing import store_for_each
from credits.models import Account
from tests import factories
from tests.factories import NOON, mobile


@pytest.fixture
def submission(db: None) -> Submission:
    """A submission with one message, to which others are added here."""
    account: Account = factories.account()
    return factories.submission(account)


def pattern(submission: Submission, **fields: Any) -> Message:
    return Message(
        submission=submission,
        account=submission.account,
        **{"region": "RE", "rate": 2_500, "price": 5_000, "send_at": NOON, "due_at": NOON}
        | {"valid_until": NOON + timedelta(hours=48, microseconds=7), "postponed_by": "window"}
        | fields,
    )


def stored(recipient: str) -> dict[str, Any]:
    """What the database holds of a message, without what tells it from its like."""
    row = Message.objects.filter(recipient=recipient).values().get()
    return {name: value for name, value in row.items() if name not in ("id", "recipient")}


def test_what_is_stored_for_each_is_what_django_would_store(submission: Submission) -> None:
    one = pattern(submission, recipient=mobile(1))
    one.save()
    store_for_each([mobile(2)], pattern(submission))
    assert stored(mobile(2)) == stored(mobile(1))


def test_they_are_stored_in_their_order(submission: Submission) -> None:
    numbers = [mobile(number) for number in (5, 3, 9, 1, 7)]
    store_for_each(numbers, pattern(submission))
    found = Message.objects.filter(region="RE").order_by("pk").values_list("recipient", flat=True)
    assert list(found) == numbers


def test_a_recipient_that_is_there_already_is_refused_by_the_database(submission: Submission) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        store_for_each([mobile(1), "+33612345678"], pattern(submission))
    assert submission.messages.count() == 1


def test_what_looks_like_sql_or_json_is_a_text_like_any_other(submission: Submission) -> None:
    strange = ["'); DROP --", '"],[%s%%', "\\u0041 é"]
    store_for_each(strange, pattern(submission))
    assert set(Message.objects.filter(region="RE").values_list("recipient", flat=True)) == set(strange)


def test_nobody_is_nothing(submission: Submission) -> None:
    store_for_each([], pattern(submission))
    assert submission.messages.count() == 1
