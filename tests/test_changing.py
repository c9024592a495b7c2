"""Messages changed together, and their changes of state noted together, are what Django would have stored."""

import uuid
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from compose.changing import change_each, note_each
from compose.models import Message, Transition
from tests import factories
from tests.factories import NOON

State = Message.State
FIELDS = ["state", "claim", "leased_until", "handed_over_at", "reason", "attempts", "gateway_ref", "passed_over"]


def waiting(many: int) -> list[Message]:
    """So many messages that wait."""
    return list(factories.submission(factories.account(millis=10**9), to=many).messages.order_by("pk"))


def by_django(rows: Sequence[Message], fields: list[str]) -> None:
    Message.objects.bulk_update(rows, fields)


def written(rows: Sequence[Message], write: Callable[[Sequence[Message], list[str]], Any]) -> list[dict[str, Any]]:
    """What stands in the table of messages that were all given values of their own, some of them the same."""
    for place, row in enumerate(rows):
        row.state, row.claim = State.SENDING, uuid.UUID(int=7)
        row.leased_until = NOON + timedelta(microseconds=place)
        row.handed_over_at = None if place % 2 else NOON
        row.reason, row.attempts, row.gateway_ref = "", 3, f'\'); -- %s "é€" \\u0041 {place}'
        row.passed_over = "a !b"
    write(rows, FIELDS)
    return list(Message.objects.filter(pk__in=[row.pk for row in rows]).order_by("pk").values(*FIELDS, "price"))


@pytest.mark.django_db
def test_what_is_changed_together_is_what_django_would_store() -> None:
    assert written(waiting(5), change_each) == written(waiting(5), by_django)


@pytest.mark.django_db
def test_what_is_the_same_for_all_is_changed_for_these_only() -> None:
    first, _second, third = waiting(3)
    for row in (first, third):
        row.reason = "window"
    change_each([first, third], ["reason"])
    assert list(Message.objects.order_by("pk").values_list("reason", flat=True)) == ["window", "", "window"]


@pytest.mark.django_db
def test_as_many_as_there_may_be_take_one_statement() -> None:
    rows = waiting(300)
    for row in rows:
        row.passed_over = str(row.pk)
    with CaptureQueriesContext(connection) as queries:
        change_each(rows, ["passed_over", "reason"])
        note_each(rows, at=NOON)
    assert len(queries) == 2
    assert all(pk == int(said) for pk, said in Message.objects.values_list("pk", "passed_over"))


@pytest.mark.parametrize("state", [State.ACCEPTED, State.SENDING])
@pytest.mark.django_db
def test_what_a_constraint_refuses_for_one_changes_none(state: State) -> None:
    rows = waiting(3)
    rows[0].reason, rows[2].state = "window", state
    with pytest.raises(IntegrityError), transaction.atomic():
        change_each(rows, ["state", "reason"])
    assert set(Message.objects.values_list("state", "reason")) == {("scheduled", "")}


@pytest.mark.django_db
def test_a_trigger_refuses_what_is_changed_together() -> None:
    account = factories.account()
    rows = list(factories.submission(account, to=2).messages.order_by("pk"))
    first, second = (factories.grant(account, 1_000) for _twice in range(2))
    for row in rows:
        row.state, row.hold_ended_by = State.ACCEPTED, first
    change_each(rows, ["state", "hold_ended_by"])
    rows[1].hold_ended_by = second
    with pytest.raises(IntegrityError, match="a hold ends once"), transaction.atomic():
        change_each(rows, ["hold_ended_by"])


@pytest.mark.django_db
def test_changes_of_state_are_noted_as_django_would_store_them() -> None:
    rows = waiting(3)
    person = factories.user()
    for place, row in enumerate(rows):
        row.state, row.reason, row.attempts = State.SENDING, ["", "crash"][place % 2], place
    by, details = [None, person.pk, None], ["", 'it said "%s" \\ é', ""]
    note_each(rows, at=NOON, details=details, by=by)
    noted = list(
        Transition.objects.order_by("pk").values("message", "at", "state", "reason", "detail", "attempt", "by")
    )
    Transition.objects.all().delete()
    Transition.objects.bulk_create(
        Transition(
            message=row, at=NOON, state=row.state, reason=row.reason, detail=detail, attempt=row.attempts, by_id=who
        )
        for row, detail, who in zip(rows, details, by, strict=True)
    )
    assert noted == list(
        Transition.objects.order_by("pk").values("message", "at", "state", "reason", "detail", "attempt", "by")
    )


@pytest.mark.django_db
def test_nobody_is_nothing(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        change_each([], ["state"])
        note_each([], at=NOON)
