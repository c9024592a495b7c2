"""The system check of the ledger's triggers (`manage.py check --database default`; `migrate` runs it too)."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor

from credits import triggers


@register(Tags.database)
def ledger_is_append_only(*, databases: Sequence[str] | None = None, **_rest: Any) -> list[CheckMessage]:
    """Say which trigger of the ledger is missing, or passed by. A database without its table yet has none to miss."""
    problems: list[CheckMessage] = []
    for alias in databases or []:
        missing = sorted(triggers.missing(connections[alias]))
        # The database of an older version lacks the newer triggers until `migrate` makes them: an error would stop it.
        waits = bool(missing) and _migrations_wait(connections[alias])
        kind, number, option = (Warning, "W001", "") if waits else (Error, "E001", " --skip-checks")
        problems += [
            kind(
                f"The ledger of database {alias!r} lacks its trigger {name}: what happened could be changed.",
                # Without --skip-checks the error itself would stop it.
                hint=f"Run `manage.py migrate{option}`, which makes the triggers again.",
                id=f"credits.{number}",
            )
            for name in missing
        ]
        if not triggers.stop_replacing(connections[alias]):
            problems.append(
                Error(
                    f"On database {alias!r} `INSERT OR REPLACE` passes the triggers of the ledger.",
                    hint="Put PRAGMA recursive_triggers=ON into the init_command of its OPTIONS.",
                    id="credits.E002",
                )
            )
    return problems


def _migrations_wait(connection: BaseDatabaseWrapper) -> bool:
    """Whether `migrate` has something to do on this database besides making triggers."""
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
