"""Keyset paging: a page costs the same at any depth, because it begins where an index says, not after an offset."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from django.db.models import Model, Q, QuerySet

SIZE = 50
_NUMBER = re.compile(r"\+[0-9]{1,15}")
Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True)
class Page(Generic[Row]):
    """The rows of a page and the cursor of the next one, "" when this is the last."""

    rows: list[Row]
    cursor: str


def page(rows: QuerySet[Row, Any], *, by: str, cursor: str, newest_first: bool = True, size: int = SIZE) -> Page[Row]:
    """The page of `rows` after `cursor`, in the order of the moment `by` and the primary key.

    A cursor that makes no sense gives the first page: it came from an address that somebody edited.
    """
    sign, beyond = ("-", "lt") if newest_first else ("", "gt")
    start = _read(cursor)
    if start is not None:
        at, pk = start
        # The first condition is where the index begins; the second leaves out some of one moment.
        rows = rows.filter(Q(**{f"{by}__{beyond}e": at}), Q(**{f"{by}__{beyond}": at}) | Q(**{f"pk__{beyond}": pk}))
    found = list(rows.order_by(f"{sign}{by}", f"{sign}pk")[: size + 1])
    shown = found[:size]
    more = len(found) > size
    return Page(shown, _write(getattr(shown[-1], by), shown[-1].pk) if more else "")


def page_by_number(rows: QuerySet[Row, Any], *, by: str, cursor: str, size: int = SIZE) -> Page[Row]:
    """The page of `rows` after the number (E.164) `cursor`, in the order of the field `by`, in which each is once."""
    if _NUMBER.fullmatch(cursor):
        rows = rows.filter(**{f"{by}__gt": cursor})
    found = list(rows.order_by(by)[: size + 1])
    shown = found[:size]
    return Page(shown, getattr(shown[-1], by) if len(found) > size else "")


def _write(at: datetime, pk: int) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%S.%f}-{pk}"


def _read(cursor: str) -> tuple[datetime, int] | None:
    moment, _dash, pk = cursor.partition("-")
    try:
        at, number = datetime.strptime(moment, "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC), int(pk)
    except ValueError:
        return None
    # What fits no column is no cursor of ours.
    return (at, number) if 0 <= number < 2**63 else None
