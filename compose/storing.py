"""Messages to many recipients, stored in one statement.

All that messages of one submission with the same terms differ in is their recipient. A hundred thousand model
instances to say so cost ten times what the database needs to store them.
"""

import json
from collections.abc import Sequence
from typing import Any

from django.db import connection, models

from compose.models import Message

# What makes rows of a JSON array of texts, and the column of these rows.
_ROWS = {"postgresql": ("json_array_elements_text(%s::json) AS value", "value"), "sqlite": ("json_each(%s)", "value")}


def store_for_each(recipients: Sequence[str], pattern: Message) -> None:
    """Store a message like `pattern`, which is not stored itself, for each of `recipients` (E.164), in their order.

    Raises IntegrityError when a constraint of the table does not hold.
    """
    rows, value = _ROWS[connection.vendor]
    columns, chosen, params = [], [], []
    for field in Message._meta.concrete_fields:
        if field.primary_key:
            continue
        assert field.column is not None  # Every concrete field has one.
        columns.append(connection.ops.quote_name(field.column))
        if field.name == "recipient":
            chosen.append(value)
        else:
            chosen.append("%s")
            params.append(_in_the_database(field, pattern))
    table = connection.ops.quote_name(Message._meta.db_table)
    # Names of our own table and columns; every value is a parameter.
    statement = f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(chosen)} FROM {rows}"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(statement, [*params, json.dumps(list(recipients))])


def _in_the_database(field: models.Field, pattern: Message) -> Any:
    """The value of a field as the database takes it, as when Django stores the instance."""
    return field.get_db_prep_save(field.pre_save(pattern, add=True), connection=connection)
