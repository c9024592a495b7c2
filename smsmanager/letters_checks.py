"""The system check of who gets the letters to the administrators: `manage.py check --deploy --database default`."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Tags, Warning, register  # noqa: A004

from credits import letters


@register(Tags.database, deploy=True)
def letters_reach_somebody(*, databases: Sequence[str] | None = None, **_rest: Any) -> list[CheckMessage]:
    """Somebody is told of orders that wait and of a ledger that does not add up. Asks the database, where it may."""
    if not databases or letters.administrators():
        return []
    return [
        Warning(
            "Letters to the administrators (orders that wait, a ledger that does not add up) reach nobody: "
            "SMSMANAGER_ADMINS is empty, and no active superuser has an e-mail address.",
            hint="Set SMSMANAGER_ADMINS, or give a superuser an e-mail address in the administration, under Users.",
            id="smsmanager.W010",
        )
    ]
