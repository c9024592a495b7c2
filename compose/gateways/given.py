"""Options as a settings file gives them: each function refuses what is not of its kind with a ValueError.

The text of the error names the option and never shows its value, which may be a secret.
"""

from collections.abc import Mapping, Set
from typing import Any
from urllib.parse import urlsplit

from compose.gateways.base import Outgoing, Unsupported


def text(name: str, value: Any, *, empty: bool = False) -> str:
    """A text of printable ASCII characters, not empty unless it may be."""
    if not isinstance(value, str) or not value.isascii() or (value and not value.isprintable()):
        raise ValueError(f"{name} is a text of ASCII characters.")
    if not (value or empty):
        raise ValueError(f"{name} cannot be empty.")
    return value


def one_of(name: str, value: Any, choices: tuple[str, ...]) -> str:
    """One of these words."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} is one of {', '.join(choices)}.")
    return value


def flag(name: str, value: Any) -> bool:
    """Yes or no."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} is true or false.")
    return value


def whole(name: str, value: Any, least: int, most: int) -> int:
    """A whole number from `least` to `most`."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{name} is a whole number from {least} to {most}.")
    return value


def seconds(name: str, value: Any) -> float:
    """A time above nothing."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
        raise ValueError(f"{name} is a number of seconds above 0.")
    return value


def address(name: str, value: Any) -> str:
    """The address of an HTTP interface without query, and without a slash at its end."""
    try:
        parts = urlsplit(text(name, value))
        if parts.scheme in {"https", "http"} and parts.hostname and not (parts.query or parts.fragment):
            return str(value).rstrip("/")
    except ValueError:
        pass
    raise ValueError(f"{name} is an address that begins with https://.")


def number(name: str, value: Any, least: float, most: float) -> float:
    """A number from `least` to `most`."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{name} is a number from {least:g} to {most:g}.")
    return value


def texts(name: str, value: Any) -> dict[str, str]:
    """A table of texts by text."""
    if not isinstance(value, Mapping) or not all(isinstance(each, str) for pair in value.items() for each in pair):
        raise ValueError(f"{name} is a table of texts.")
    return dict(value)


def table(name: str, value: Any) -> dict[str, Any]:
    """A table of anything by text."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"{name} is a table.")
    return dict(value)


def some_of(name: str, value: Any, choices: tuple[str, ...]) -> frozenset[str]:
    """A list of these words."""
    if not isinstance(value, list | tuple | Set):
        raise ValueError(f"{name} is a list.")
    return frozenset(one_of(f"each of {name}", each, choices) for each in value)


def refuse_undeclared(message: Outgoing, classes: Set[str], sender_kinds: Set[str]) -> None:
    """Raise Unsupported for a message of a class or kind of sender that the gateway does not declare."""
    if message.message_class not in classes:
        raise Unsupported(f"messages of class {message.message_class} are not carried")
    if message.sender_kind not in sender_kinds:
        raise Unsupported(f"senders of kind {message.sender_kind} are not carried")
