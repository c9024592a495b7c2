"""A message that was sent after its writer's session had ended: it goes through the sign-in and back into the form.

The browser carries it as far as the sign-in (nothing of somebody unknown is stored here); from there until the page is
asked for it is in the session of who signed in.
"""

from collections.abc import Mapping
from typing import Any, Final

from django.contrib.sessions.backends.base import SessionBase

from credits.made_in import FIELD

# What a person fills in; `draft`: of whom, for which account and instead of what; how many of that waited; the account
# of its page.
FIELDS: Final = (
    "sender", "recipients", "text", "not_commercial", "when", "date", "time", "message_class", "draft",
    "replaces_waiting", FIELD,
)  # fmt: skip
_SHELF: Final = "carried_over"


def carried(posted: Mapping[str, Any]) -> dict[str, str]:
    """What was written, field by field, in what a browser posted; empty when that is no message."""
    if not {"text", "recipients"} <= set(posted):
        return {}
    return {name: str(posted[name]) for name in FIELDS if name in posted}


def put_down(session: SessionBase, message: Mapping[str, str]) -> None:
    """Keep the message for the next look at the compose page."""
    session[_SHELF] = dict(message)


def taken_up(session: SessionBase, draft: str) -> dict[str, str]:
    """The message that was kept, once; empty when there is none, or when it is not the one with this name."""
    message: dict[str, str] = session.pop(_SHELF, {})
    return message if message.get("draft") == draft else {}
