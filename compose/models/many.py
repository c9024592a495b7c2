"""`pk__any=[…]`: as `pk__in`, with one parameter for all keys, however many they are.

A thousand placeholders cost the driver more to write than the database to read.
"""

import json
from typing import Any

from django.db.models import BigAutoField, ForeignKey, Lookup


@BigAutoField.register_lookup
@ForeignKey.register_lookup
class Any_(Lookup):
    """Whether a key is one of these, which are plain numbers."""

    lookup_name = "any"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        left, params = self.process_lhs(compiler, connection)
        keys = list(self.rhs)
        if connection.vendor == "postgresql":
            return f"{left} = ANY(%s)", (*params, keys)
        return f"{left} IN (SELECT value FROM json_each(%s))", (*params, json.dumps(keys))  # noqa: S608  (an expression of Django)
