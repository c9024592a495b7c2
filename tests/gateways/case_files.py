"""The recorded cases of a gateway, read from JSON; rig.py says what a file of them holds."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from compose.gateways import base
from compose.gateways.base import Accepted, GatewayError, Outgoing
from tests.gateways.rig import outgoing

# The errors, and Accepted, by the names that cases use.
OUTCOMES: Final[dict[str, type[Accepted] | type[GatewayError]]] = {
    "Accepted": Accepted,
    **{
        name: found
        for name, found in vars(base).items()
        if isinstance(found, type) and issubclass(found, GatewayError) and found is not GatewayError
    },
}


@dataclass(frozen=True, kw_only=True)
class AnswerCase:
    """Messages, what the peer answers to them, and what must come of it."""

    name: str
    messages: tuple[Outgoing, ...]
    peer: Mapping[str, Any]
    outcomes: tuple[Mapping[str, Any], ...]
    sent: tuple[Mapping[str, Any], ...] = ()
    garbage: bool = False


@dataclass(frozen=True, kw_only=True)
class InwardCase:
    """What the peer says to us, and the events or the error that it is."""

    name: str
    said: Mapping[str, Any]
    events: tuple[Mapping[str, Any], ...] = ()
    raises: str = ""
    new_each_time: str = ""


@dataclass(frozen=True, kw_only=True)
class Cases:
    """A file of recorded cases."""

    answers: tuple[AnswerCase, ...] = ()
    inward: tuple[InwardCase, ...] = ()
    cannot: Mapping[str, str] = field(default_factory=dict)


def load_cases(path: Path) -> Cases:
    """Read a file of cases. Raises ValueError, with the case's name, for a member that is not known or missing."""
    return read_cases(path.name, json.loads(path.read_text(encoding="utf-8")))


def read_cases(where: str, said: Mapping[str, Any]) -> Cases:
    """The cases that the content of the file `where` says."""
    _only(where, said, {"cannot", "answers", "inward"})
    cases = Cases(
        answers=tuple(_answer_case(f"{where}: {one.get('name', '?')}", one) for one in said.get("answers", [])),
        inward=tuple(_inward_case(f"{where}: {one.get('name', '?')}", one) for one in said.get("inward", [])),
        cannot=said.get("cannot", {}),
    )
    for name, why in cases.cannot.items():
        if name not in OUTCOMES or not why.strip():
            raise ValueError(f"{where}: cannot: {name} is no outcome of base.py, or has no sentence")
    for names in ([one.name for one in cases.answers], [one.name for one in cases.inward]):
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"{where}: two cases have the name {min(twice)}")
    return cases


def _answer_case(where: str, said: Mapping[str, Any]) -> AnswerCase:
    _only(
        where,
        said,
        {"name", "message", "messages", "peer", "outcome", "outcomes", "sent", "garbage"},
        {"name", "peer"},
    )
    several = "messages" in said
    if said.keys() & {"message", "messages", "outcome", "outcomes"} not in (
        {"messages", "outcomes"},
        {"message", "outcome"},
        {"outcome"},
    ):
        raise ValueError(f"{where}: it has either message and outcome, or the lists messages and outcomes")
    outcomes = tuple(said["outcomes"]) if several else (said["outcome"],)
    for one in outcomes:
        _only(where, one, {"is", "reference", "reason", "retry_after", "code", "detail"}, {"is"})
        if one["is"] not in OUTCOMES:
            raise ValueError(f"{where}: {one['is']} is no outcome of base.py")
    messages = tuple(outgoing(**one) for one in (said["messages"] if several else [said.get("message", {})]))
    if len(messages) != len(outcomes):
        raise ValueError(f"{where}: there are {len(messages)} messages and {len(outcomes)} outcomes")
    sent = said.get("sent", ())
    return AnswerCase(
        name=said["name"],
        messages=messages,
        peer=said["peer"],
        outcomes=outcomes,
        sent=tuple(sent) if isinstance(sent, list | tuple) else (sent,),
        garbage=said.get("garbage", False),
    )


def _inward_case(where: str, said: Mapping[str, Any]) -> InwardCase:
    _only(where, said, {"name", "said", "events", "raises", "new_each_time"}, {"name", "said"})
    if ("events" in said) == ("raises" in said):
        raise ValueError(f"{where}: it has either events or raises")
    if said.get("raises", "Forged") not in {"Forged", "Unreadable"}:
        raise ValueError(f"{where}: it raises Forged or Unreadable")
    for one in said.get("events", []):
        if one.get("is") not in {"report", "received"}:
            raise ValueError(f"{where}: an event is a report or received")
    return InwardCase(
        name=said["name"],
        said=said["said"],
        events=tuple(said.get("events", [])),
        raises=said.get("raises", ""),
        new_each_time=said.get("new_each_time", ""),
    )


def _only(where: str, said: Mapping[str, Any], allowed: set[str], wanted: set[str] | None = None) -> None:
    if foreign := said.keys() - allowed:
        raise ValueError(f"{where}: {min(foreign)} is not known")
    if missing := (wanted or set()) - said.keys():
        raise ValueError(f"{where}: {min(missing)} is missing")


def differences(wanted: Any, found: Any, where: str = "") -> list[str]:
    """What of `wanted` is not in `found`, a sentence each. Mappings may hold more, lists and values may not."""
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        return [
            sentence
            for name in wanted
            for sentence in differences(wanted[name], found.get(name, "nothing"), f"{where}{name}.")
        ]
    if isinstance(wanted, list | tuple) and isinstance(found, list | tuple) and len(wanted) == len(found):
        pairs = zip(wanted, found, strict=True)
        return [s for at, (one, other) in enumerate(pairs) for s in differences(one, other, f"{where}{at}.")]
    return [] if wanted == found else [f"{where.rstrip('.') or 'it'} is {found!r}, not {wanted!r}"]
