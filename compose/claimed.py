"""Due messages, read for a claim: without what a claim does not look at.

A thousand whole messages take longer to make than the database takes to find and lock them, most of it for their
moments. These have what dispatch needs; anything else is loaded when it is asked for, as with `QuerySet.only`.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from django.db import connection
from django.db.models import F, FloatField, Func, QuerySet
from django.db.models.base import ModelState

from compose.models import Message, Submission

_PLAIN = (
    "id",
    "submission_id",
    "account_id",
    "recipient",
    "region",
    "price",
    "state",
    "reason",
    "attempts",
    "gateway",
    "gateway_ref",
    "passed_over",
    "originator",
)
_MOMENTS = ("due_at", "valid_until")


class _Epoch(Func):
    """A moment in seconds since 1970: a number is read many times faster, and to the microsecond."""

    template = "EXTRACT(EPOCH FROM %(expressions)s)::float8"
    output_field = FloatField()

    def get_db_converters(self, connection: Any) -> list[Any]:
        """None: the driver gives a float already, and to make one of it again is a call for each row."""
        return []


def read(rows: QuerySet[Message]) -> list[Message]:
    """The messages of this query, which may lock them, with their submissions and senders. Two queries."""
    moment: Callable[[Any], datetime]
    if connection.vendor == "postgresql":
        rows = rows.annotate(**{f"{name}_epoch": _Epoch(F(name)) for name in _MOMENTS})
        found = list(rows.values_list(*_PLAIN, *(f"{name}_epoch" for name in _MOMENTS)))
        # Messages of a submission leave at one moment, so there are few of them.
        moment = cache(_of_epoch)
    else:
        found = list(rows.values_list(*_PLAIN, *_MOMENTS))
        moment = _as_it_is
    keys = {values[1] for values in found}
    # Not joined: messages of a batch share few submissions, and each of these is read and made once.
    submissions = Submission.objects.select_related("sender").in_bulk(list(keys))
    alias = connection.alias
    return [_made(values, submissions, moment, alias) for values in found]


def _made(
    values: tuple[Any, ...], submissions: Mapping[int, Submission], moment: Callable[[Any], datetime], alias: str
) -> Message:
    row = Message.__new__(Message)
    *plain, due_at, valid_until = values
    kept = row.__dict__
    kept.update(zip(_PLAIN, plain, strict=True))
    kept["due_at"], kept["valid_until"] = moment(due_at), moment(valid_until)
    # What is due has not been handed over (the constraint `message_scheduled_is_free`).
    kept["handed_over_at"] = None
    kept["_state"] = state = ModelState()
    state.db, state.adding = alias, False
    state.fields_cache = {"submission": submissions[kept["submission_id"]]}
    return row


def _of_epoch(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _as_it_is(found: datetime) -> datetime:
    return found
