"""Many messages changed, or their changes of state noted, in one statement.

What differs between the messages crosses to the database as rows of one JSON text, or as one array where it is the
key alone; what is the same for all of them is said once. Django's `bulk_update` says it with a branch of a CASE for
each message and field, which costs many times what the database needs for the change itself. Constraints and triggers
see the same either way.

SQLite has `UPDATE … FROM` since 3.33 (https://www.sqlite.org/lang_update.html), less than the ledger asks for.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, models

from compose.models import Message, Transition, many

# Rows of keys alone.
_KEYS = {
    "postgresql": "unnest(%s::bigint[]) AS given (c0)",
    "sqlite": "(SELECT value AS c0 FROM json_each(%s)) AS given",
}


def change_each(rows: Sequence[Message], fields: Iterable[str]) -> None:
    """Write these fields of the messages as they are in memory. The caller holds the locks of their rows.

    Raises IntegrityError when a constraint or a trigger refuses one of them; nothing is changed then.
    """
    if not rows:
        return
    values = _Values(len(rows))
    changes = [
        f"{_quoted(field.column)} = {values.of(field, [getattr(row, field.attname) for row in rows])}"
        for field in map(_field, fields)
    ]
    key = values.each(_field("id"), [row.id for row in rows])
    table = _quoted(Message._meta.db_table)
    if values.keys_only:
        # Not joined: the planner knows how many keys there are, and would rather read a whole small table.
        found = "WHERE " + many.AMONG[connection.vendor].format(f"{table}.id")
    else:
        found = f"FROM {values.rows} WHERE {table}.id = {key}"
    # Names of our own table and columns; every value is a parameter.
    values.execute(f"UPDATE {table} SET {', '.join(changes)} {found}")  # noqa: S608


def note_each(
    rows: Sequence[Message],
    *,
    at: datetime,
    reasons: Sequence[str] | None = None,
    details: Sequence[str] | None = None,
    by: Sequence[int | None] | None = None,
) -> None:
    """Note that each message came to the state that it has in memory: a Transition, with its number of attempts.

    `reasons` are the messages' own where none are given, `details` and `by` (keys of users) empty.
    """
    if not rows:
        return
    count = len(rows)
    noted: dict[str, Sequence[Any]] = {
        "message": [row.id for row in rows],
        "at": [at] * count,
        "state": [row.state for row in rows],
        "reason": reasons if reasons is not None else [row.reason for row in rows],
        "detail": details if details is not None else [""] * count,
        "attempt": [row.attempts for row in rows],
        "by": by if by is not None else [None] * count,
    }
    values = _Values(count)
    fields = {name: _field(name, Transition) for name in noted}
    # One column at least is of each row, so that there are as many lines as messages.
    chosen = [(values.each if name == "message" else values.of)(fields[name], column) for name, column in noted.items()]
    columns = ", ".join(_quoted(field.column) for field in fields.values())
    table = _quoted(Transition._meta.db_table)
    values.execute(f"INSERT INTO {table} ({columns}) SELECT {', '.join(chosen)} FROM {values.rows}")  # noqa: S608


class _Values:
    """The values of one statement: those that all rows share as parameters, the others as columns of `rows`."""

    def __init__(self, count: int) -> None:
        self._shared: list[Any] = []
        self._columns: list[tuple[models.Field, list[Any]]] = []
        self._count = count

    def of(self, field: models.Field, column: Sequence[Any]) -> str:
        """What stands for the value in the statement; ask in the order in which they stand there."""
        first = column[0]
        if all(value == first for value in column):
            self._shared.append(_adapted(field, first))
            return "%s"
        return self.each(field, column)

    def each(self, field: models.Field, column: Sequence[Any]) -> str:
        """As `of`, for what is never shared."""
        if len(column) != self._count:
            raise ValueError("a value for each row")
        self._columns.append((field, [_adapted(field, value) for value in column]))
        return f"given.c{len(self._columns) - 1}"

    @property
    def keys_only(self) -> bool:
        """Whether nothing but the key differs between the rows."""
        return len(self._columns) == 1

    @property
    def rows(self) -> str:
        """What the statement selects from; after all the values that it names."""
        if self.keys_only:
            return _KEYS[connection.vendor]
        if connection.vendor == "postgresql":
            # Typed by the columns themselves: what is too long for one is refused, as ever, and not cut.
            types = ", ".join(f"c{number} {field.db_type(connection)}" for number, (field, _) in self._numbered)
            return f"json_to_recordset(%s::json) AS given ({types})"
        chosen = ", ".join(f"json_extract(value, '$.c{number}') AS c{number}" for number, _ in self._numbered)
        return f"(SELECT {chosen} FROM json_each(%s)) AS given"  # noqa: S608

    @property
    def _numbered(self) -> Iterable[tuple[int, tuple[models.Field, list[Any]]]]:
        return enumerate(self._columns)

    def execute(self, statement: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement, [*self._shared, self._given()])

    def _given(self) -> str:
        """The rows as one parameter."""
        if self.keys_only:
            return many.parameter(self._columns[0][1], connection.vendor)
        names = [f"c{number}" for number, _ in self._numbered]
        columns = [column for _field, column in self._columns]
        rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
        # Moments and claims are texts in JSON: their own, which both engines read.
        return json.dumps(rows, default=str)


def _field(name: str, model: type[models.Model] = Message) -> models.Field:
    field = model._meta.get_field(name)
    assert isinstance(field, models.Field)
    return field


def _adapted(field: models.Field, value: Any) -> Any:
    """As Django stores it; for keys and other plain numbers and texts there is nothing to adapt."""
    if value is None or type(value) in _PLAIN:
        return value
    return field.get_db_prep_save(value, connection=connection)


_PLAIN = {int, str, bool}


def _quoted(name: str | None) -> str:
    assert name is not None  # Every table and concrete field has one.
    return connection.ops.quote_name(name)
