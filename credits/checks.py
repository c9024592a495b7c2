"""The system check of the ledger's triggers (`manage.py check --database default`; `migrate` runs it too)."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections

from credits import triggers


@register(Tags.database)
def ledger_is_append_only(*, databases: Sequence[str] | None = None, **_rest: Any) -> list[CheckMessage]:
    """Say which trigger of the ledger is missing. A database without the table yet has none to miss."""
    problems: list[CheckMessage] = []
    for alias in databases or []:
        connection = connections[alias]
        if triggers.TABLE not in connection.introspection.table_names():
            continue
        problems += [
            Error(
                f"The ledger of database {alias!r} lacks its trigger {name}: lines could be changed.",
                # Without --skip-checks this very error would stop it.
                hint="Run `manage.py migrate --skip-checks`, which makes the triggers again.",
                id="credits.E001",
            )
            for name in sorted(triggers.missing(connection))
        ]
    return problems
