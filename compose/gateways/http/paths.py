"""A place in JSON, written as the keys and numbers on the way to it: `messages.0.id`."""

from collections.abc import Iterable, Mapping
from typing import Any


def at(data: Any, path: str) -> Any:
    """What is there; None when nothing is. An empty path is the whole."""
    for step in path.split(".") if path else ():
        if isinstance(data, Mapping):
            data = data.get(step)
        elif isinstance(data, list) and step.isascii() and step.isdigit() and int(step[:9]) < len(data):
            data = data[int(step[:9])]
        else:
            return None
    return data


def text_at(data: Any, path: str) -> str:
    """What is there, as a text; "" for nothing, for a table and for a list."""
    return plain(at(data, path)) if path else ""


def plain(value: Any) -> str:
    """A value of JSON as a text that every database keeps: true and false in lower case, no NUL, no half characters."""
    if value is None or isinstance(value, Mapping | list):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    return str(value).encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "�")


def without(value: Any, secrets: Iterable[str]) -> Any:
    """The same JSON, with each text that holds one of these secrets replaced."""
    if isinstance(value, Mapping):
        return {plain(name): without(each, secrets) for name, each in value.items()}
    if isinstance(value, list):
        return [without(each, secrets) for each in value]
    if isinstance(value, str) and any(secret in value for secret in secrets):
        return "********"
    return plain(value) if isinstance(value, str | float) else value
