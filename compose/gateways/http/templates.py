"""What a request says: texts with names in braces, which are filled with values and nothing else.

`{recipient}` is a value, `{{` and `}}` are braces. There are no expressions, attributes or formats, and a value that
is filled in is never looked at again. It is escaped for the place where it stands: quoted in an address, encoded by
the form or by JSON elsewhere.
"""

import string
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from compose.gateways import given

# A value is a text, or in JSON also a number or a boolean. None and "" are left out where they stand alone.
Value = str | int | float | bool | None


@dataclass(frozen=True)
class Template:
    """A text in pieces: each is a literal text and the name that follows it, "" for none."""

    pieces: tuple[tuple[str, str], ...]

    @property
    def names(self) -> set[str]:
        return {name for _literal, name in self.pieces if name}

    @property
    def alone(self) -> str:
        """The name that the whole template is, "" for anything else."""
        return self.pieces[0][1] if len(self.pieces) == 1 and not self.pieces[0][0] else ""

    def fill(self, values: Mapping[str, Value], *, escape: Callable[[str], str] = str) -> str:
        """The text with its values."""
        return "".join(literal + (escape(_written(values[name])) if name else "") for literal, name in self.pieces)


def template(option: str, said: Any, allowed: Collection[str]) -> Template:
    """Read a template. Raises ValueError and TypeError for what is none, and for a name that is not allowed."""
    if not isinstance(said, str):
        raise TypeError(f"{option} is a text.")
    try:
        parsed = list(string.Formatter().parse(said))
    except ValueError:
        raise ValueError(f"{option} has a brace without its partner; a brace itself is written twice.") from None
    pieces = []
    for literal, name, form, conversion in parsed:
        if name is not None and (form or conversion or name not in allowed):
            raise ValueError(
                f"{option} has a name in braces that there is not; there are {', '.join(sorted(allowed))}."
            )
        pieces.append((literal, name or ""))
    return Template(tuple(pieces))


def address(option: str, said: Any, allowed: Collection[str]) -> Template:
    """An address whose path and query may hold names. Raises ValueError and TypeError."""
    found = template(option, said, allowed)
    try:
        parts = urlsplit(said)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        fine = fine and "{" not in parts.netloc and "}" not in parts.netloc
    except ValueError:
        fine = False
    if not fine:
        raise ValueError(f"{option} is an address that begins with http:// or https:// and a host without braces.")
    return found


def in_address(text: str) -> str:
    """A value inside a path or a query (RFC 3986 §2.1)."""
    return quote(text, safe="")


@dataclass(frozen=True)
class Parameters:
    """Named templates, or a tree of them for JSON; anything but a text stands as it is."""

    tree: Any

    def fill(self, values: Mapping[str, Value]) -> Any:
        """The tree with its values, without the parameters that are a name alone and have no value."""
        return _filled(self.tree, values)


def parameters(option: str, said: Any, allowed: Collection[str], *, tree: bool) -> Parameters:
    """Read parameters; tables and lists in them only where `tree` is true. Raises ValueError and TypeError."""
    found = given.table(option, said)
    if not tree and any(isinstance(each, Mapping | list) for each in found.values()):
        raise TypeError(f"{option} holds tables and lists only in a body of JSON.")
    return Parameters({name: _read(f"{option}.{name}", each, allowed) for name, each in found.items()})


def _read(option: str, said: Any, allowed: Collection[str]) -> Any:
    if isinstance(said, str):
        return template(option, said, allowed)
    if isinstance(said, Mapping):
        return {name: _read(f"{option}.{name}", each, allowed) for name, each in said.items()}
    if isinstance(said, list):
        return [_read(option, each, allowed) for each in said]
    if isinstance(said, int | float):
        return said
    raise TypeError(f"{option} is a text, a number, true or false, a table or a list.")


_NOTHING = object()


def _filled(tree: Any, values: Mapping[str, Value]) -> Any:
    if isinstance(tree, Template):
        if tree.alone:
            value = values[tree.alone]
            return _NOTHING if value is None or value == "" else value
        return tree.fill(values)
    if isinstance(tree, dict):
        pairs = ((name, _filled(each, values)) for name, each in tree.items())
        return {name: each for name, each in pairs if each is not _NOTHING}
    if isinstance(tree, list):
        return [each for each in (_filled(one, values) for one in tree) if each is not _NOTHING]
    return tree


def written(fields: Mapping[str, Any]) -> dict[str, str]:
    """The parameters as a form or a query writes them."""
    return {name: _written(each) for name, each in fields.items()}


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
