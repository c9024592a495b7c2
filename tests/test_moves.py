"""The database itself makes no move of a message that the state machine does not have."""

from itertools import permutations
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction

from compose.models import Message, may_move
from credits.models import Account, Transfer
from tests import factories
from tests.factories import NOON

State = Message.State
PAIRS = list(permutations(State, 2))
# The way from the queue to each state.
WAYS: dict[State, tuple[State, ...]] = {
    State.SCHEDULED: (),
    State.SENDING: (State.SENDING,),
    State.UNCONFIRMED: (State.SENDING, State.UNCONFIRMED),
    State.ACCEPTED: (State.SENDING, State.ACCEPTED),
    State.DELIVERED: (State.SENDING, State.ACCEPTED, State.DELIVERED),
    State.UNDELIVERED: (State.SENDING, State.ACCEPTED, State.UNDELIVERED),
    State.EXPIRED: (State.SENDING, State.ACCEPTED, State.EXPIRED),
    State.FAILED: (State.SENDING, State.FAILED),
    State.CANCELLED: (State.CANCELLED,),
}


@pytest.fixture
def account(db: None) -> Account:
    return factories.account(millis=1_000_000)


def wanted(state: State, line: Transfer) -> dict[str, Any]:
    """The columns that the constraints want of a message in the state."""
    if state == State.SCHEDULED:
        return {"claim": None, "leased_until": None, "handed_over_at": None}
    if state == State.SENDING:
        return {"claim": uuid4(), "leased_until": NOON}
    if state == State.UNCONFIRMED:
        return {"claim": uuid4(), "handed_over_at": NOON}
    return {"hold_ended_by": line}


def change(message: Message, state: State, **columns: Any) -> None:
    with transaction.atomic():
        Message.objects.filter(pk=message.pk).update(state=state, **columns)


def brought_to(account: Account, state: State) -> tuple[Message, Transfer]:
    """A message in the state, and the line of its hold."""
    message = factories.message(account)
    line = Transfer.objects.latest("pk")
    for step in WAYS[state]:
        change(message, step, **wanted(step, line))
    return message, line


@pytest.mark.parametrize(("before", "after"), [pair for pair in PAIRS if not may_move(*pair)])
def test_a_move_that_there_is_not_is_refused_whatever_else_is_written(
    account: Account, before: State, after: State
) -> None:
    message, line = brought_to(account, before)
    for columns in ({}, wanted(after, line), wanted(after, line) | {"hold_ended_by": None}):
        with pytest.raises(IntegrityError):
            change(message, after, **columns)
    message.refresh_from_db()
    assert message.state == before


@pytest.mark.parametrize(("before", "after"), [pair for pair in PAIRS if may_move(*pair)])
def test_a_move_that_there_is_is_made(account: Account, before: State, after: State) -> None:
    message, line = brought_to(account, before)
    change(message, after, **wanted(after, line))
    message.refresh_from_db()
    assert message.state == after


def test_it_is_the_trigger_that_refuses_what_no_constraint_does(account: Account) -> None:
    message, _line = brought_to(account, State.DELIVERED)
    with pytest.raises(IntegrityError, match="a message makes no such move"):
        change(message, State.EXPIRED)
    on = " ON compose_message" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE" if on else "SELECT 1")
        cursor.execute(f"DROP TRIGGER compose_message_state_moves{on}")
    change(message, State.EXPIRED)
    message.refresh_from_db()
    assert message.state == State.EXPIRED
