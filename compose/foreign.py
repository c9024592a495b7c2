"""What others wrote (vendors, operators, phones), as every database keeps it and every page can show it."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

# The column of a message's reference.
LONGEST_REFERENCE: Final = 80
# No SMS is older than the first one, nor younger than a clock or a time zone that is wrong makes it.
FIRST_SMS: Final = datetime(1992, 12, 3, tzinfo=UTC)
AHEAD: Final = timedelta(days=1)


def storable(value: Any) -> Any:
    """The value with U+FFFD for NUL and lone surrogates: a phone can send them, and PostgreSQL keeps neither.

    One such text would otherwise stand before everything that its gateway has to say.
    """
    if isinstance(value, str):
        if value.isascii() and "\0" not in value:
            return value
        return value.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {storable(name): storable(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [storable(member) for member in value]
    return value


def text(value: Any) -> str:
    """What should be a text, as one; "" for None."""
    return "" if value is None else str(storable(str(value)))


def reference(value: Any) -> str:
    """A gateway's name for a message as the column holds it: in an answer and in a report alike, so that they meet."""
    return text(value)[:LONGEST_REFERENCE]


def moment(said: datetime, *, now: datetime) -> datetime:
    """When something happened; `now` for a moment that cannot be. At the ends of the calendar no page could show it."""
    return said if said.tzinfo is not None and FIRST_SMS <= said <= now + AHEAD else now
