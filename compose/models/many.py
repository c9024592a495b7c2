"""Many keys as one parameter of a statement; `pk__any=[…]` is `pk__in` so, however many they are.

A thousand placeholders cost the driver more to write than the database to read, and so do the elements of an array.
"""

from collections.abc import Iterable
from typing import Any

from django.db.models import BigAutoField, ForeignKey, Lookup

# The condition that a column is one of them.
AMONG = {"postgresql": "{} = ANY(%s::bigint[])", "sqlite": "{} IN (SELECT value FROM json_each(%s))"}


def parameter(keys: Iterable[int], vendor: str) -> str:
    """The keys as the engine reads them."""
    numbers = ",".join(map(str, map(int, keys)))
    return f"{{{numbers}}}" if vendor == "postgresql" else f"[{numbers}]"


@BigAutoField.register_lookup
@ForeignKey.register_lookup
class Any_(Lookup):
    """Whether a key is one of these, which are plain numbers."""

    lookup_name = "any"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        left, params = self.process_lhs(compiler, connection)
        return AMONG[connection.vendor].format(left), (*params, parameter(self.rhs, connection.vendor))
