"""What caused a ledger line, for people. What a kind means lives in rooms above; they register it here."""

from collections.abc import Callable

from django.urls import NoReverseMatch
from django.utils.functional import Promise

Address = Callable[[str], str | None]
_kinds: dict[str, tuple[str | Promise, Address]] = {}


def register(kind: str, label: str | Promise, address: Address) -> None:
    """Say how ledger lines of this kind are named and where what caused them is shown."""
    _kinds[kind] = (label, address)


def label(kind: str, key: str) -> str:
    """The name of a cause, such as "Submission 12"; the bare kind when nobody registered it."""
    name = _kinds[kind][0] if kind in _kinds else kind
    return f"{name} {key}" if address(kind, key) else str(name)


def address(kind: str, key: str) -> str | None:
    """Where the cause is shown, None when it has no page, or its key is none of its kind."""
    try:
        return _kinds[kind][1](key) if kind in _kinds else None
    except (NoReverseMatch, ValueError):
        return None


def named(text: str) -> list[tuple[str, str]]:
    """The kinds whose name has `text` in it, with "", and those that `text` names with a key, with the key."""
    wanted = text.strip().casefold()
    found = []
    for kind, (name, _address) in _kinds.items():
        said = str(name).casefold()
        if wanted in said:
            found.append((kind, ""))
        elif wanted.startswith(f"{said} "):
            found.append((kind, text.strip()[len(said) :].strip()))
    return found
