"""What caused a ledger line, for people. What a kind means lives in rooms above; they register it here."""

from collections.abc import Callable

from django.utils.functional import Promise

Address = Callable[[str], str | None]
_kinds: dict[str, tuple[str | Promise, Address]] = {}


def register(kind: str, label: str | Promise, address: Address) -> None:
    """Say how ledger lines of this kind are named and where what caused them is shown."""
    _kinds[kind] = (label, address)


def label(kind: str, key: str) -> str:
    """The name of a cause, such as "Submission 12"; the bare kind when nobody registered it."""
    name, at = _kinds.get(kind, (kind, lambda _key: None))
    return f"{name} {key}" if at(key) else str(name)


def address(kind: str, key: str) -> str | None:
    """Where the cause is shown, None when it has no page."""
    return _kinds[kind][1](key) if kind in _kinds else None
