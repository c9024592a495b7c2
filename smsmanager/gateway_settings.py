"""The gateways of the installation as a TOML file says them, with secrets from the environment.

    [default]
    backend = "smpp"
    messages_per_second = 50

    [default.options]
    host = "smpp.example.net"
    system_id = "bakery"
    password = { env = "SMPP_PASSWORD" }

    [default.door]
    key = { env = "GATEWAY_DOOR_KEY" }
    addresses = ["192.0.2.0/24"]

Plain Python, read while the settings are made. No text here shows a value of an option.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from smsmanager.environment import BadEnvironment, text

# What a file may say in short; anything with a dot in it is the path of a class.
BACKENDS: Mapping[str, str] = {
    "console": "compose.gateways.console.ConsoleGateway",
    "file": "compose.gateways.file.FileGateway",
    "simulator": "compose.gateways.simulator.SimulatorGateway",
    "smpp": "compose.gateways.smpp.SmppGateway",
    "kannel": "compose.gateways.kannel.KannelGateway",
    "http": "compose.gateways.http.HttpGateway",
    "ovh": "compose.gateways.ovh.OvhGateway",
    "twilio": "compose.gateways.twilio.TwilioGateway",
}
# Those that send nothing to anybody.
FOR_DEVELOPMENT = frozenset({BACKENDS["console"], BACKENDS["file"], BACKENDS["simulator"]})
# What is surely the name of a variable (POSIX.1-2017, XBD 8.1) and hardly ever a password.
VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
FILE, SHORT, PUBLIC_URL = "SMSMANAGER_GATEWAYS", "SMSMANAGER_GATEWAY", "SMSMANAGER_PUBLIC_URL"


class Secret(str):
    """A text that came from the environment: what prints settings shows that it is there, and not what it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'********'"


def short_name(backend: str) -> str:
    """The short name of a backend; its path where it has none."""
    return next((name for name, path in BACKENDS.items() if path == backend), backend)


def gateways(*, redis_url: str, default: str) -> dict[str, dict[str, Any]]:
    """SMS_GATEWAYS: from the file that SMSMANAGER_GATEWAYS names, else the one that SMSMANAGER_GATEWAY says.

    `default` is the short name where neither is set. Raises BadEnvironment.
    """
    named, short = text(FILE), text(SHORT)
    if named and short:
        raise BadEnvironment(f"{FILE} and {SHORT} are both set; take one of them away.")
    if named:
        return read(Path(named), redis_url=redis_url)
    chosen, allowed = short or default, ("console", "simulator")
    if chosen not in allowed:
        raise BadEnvironment(f"{SHORT} must be {' or '.join(allowed)}, not {chosen!r}; any other one needs {FILE}.")
    return {"default": _entry(chosen, {}, redis_url)}


def read(path: Path, *, redis_url: str = "") -> dict[str, dict[str, Any]]:
    """The gateways that the file says. Raises BadEnvironment with a sentence for each kind of mistake in it."""
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadEnvironment(f"{FILE} must be the path of a TOML file, not {str(path)!r}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise BadEnvironment(f"{FILE}: {path} is not a text in UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        # The error says a place, and no more of the file than a character or the name of a key.
        raise BadEnvironment(f"{FILE}: {path} is not TOML: {error}.") from None
    if not said:
        raise BadEnvironment(f"{FILE}: {path} names no gateway.")
    return {name: _gateway(name, one, redis_url) for name, one in said.items()}


def public_url() -> str:
    """SMSMANAGER_PUBLIC_URL without a slash at its end, "" where it is not set. Raises BadEnvironment."""
    value = text(PUBLIC_URL).rstrip("/")
    if not value:
        return ""
    try:
        parts = urlsplit(value)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    else:
        fine = fine and not (parts.username or parts.query or parts.fragment or parts.path)
    if not fine:
        raise BadEnvironment(f"{PUBLIC_URL} must be an address such as https://sms.example.net, not {value!r}.")
    return value


def _gateway(name: str, said: Any, redis_url: str) -> dict[str, Any]:
    where = f"{FILE}: gateway {name!r}"
    if not isinstance(said, dict):
        raise BadEnvironment(f"{where} must be a table: write [{name}] above what belongs to it.")
    _only(said, {"backend", "messages_per_second", "options", "door"}, where)
    backend = said.get("backend")
    if not isinstance(backend, str) or not backend:
        raise BadEnvironment(f"{where} has no backend: one of {', '.join(BACKENDS)}, or the path of a class.")
    if "." not in backend and backend not in BACKENDS:
        raise BadEnvironment(
            f"{where}: there is no backend {backend!r}; there are {', '.join(BACKENDS)}, or the path of a class."
        )
    options, door = (_table(said, part, where) for part in ("options", "door"))
    entry = _entry(backend, options, redis_url)
    if "door" in said:
        _only(door, {"key", "addresses"}, f"{where}, door")
        if not isinstance(door.get("key", ""), str):
            raise BadEnvironment(f'{where}, door: key must be a text, from the environment: key = {{ env = "NAME" }}.')
        addresses = door.get("addresses", [])
        if not isinstance(addresses, list) or not all(isinstance(one, str) for one in addresses):
            raise BadEnvironment(f'{where}, door: addresses must be a list of texts such as ["192.0.2.0/24"].')
        entry["DOOR"] = door
    if "messages_per_second" in said:
        # Whether it makes sense is for the check, which sees those of a settings module too.
        entry["MESSAGES_PER_SECOND"] = said["messages_per_second"]
    return entry


def _entry(backend: str, options: dict[str, Any], redis_url: str) -> dict[str, Any]:
    path = BACKENDS.get(backend, backend)
    if path == BACKENDS["simulator"]:
        options = {"redis_url": Secret(redis_url), **options}
    return {"BACKEND": path, "OPTIONS": options}


def _only(said: Mapping[str, Any], allowed: set[str], where: str) -> None:
    unknown = sorted(set(said) - allowed)
    if unknown:
        raise BadEnvironment(
            f"{where}: {', '.join(unknown)} means nothing here; it may say {', '.join(sorted(allowed))}."
        )


def _table(said: Mapping[str, Any], part: str, where: str) -> dict[str, Any]:
    found = said.get(part, {})
    if not isinstance(found, dict):
        raise BadEnvironment(f"{where}: {part} must be a table.")
    return {key: _resolved(value, f"{where}, {part} {key}") for key, value in found.items()}


def _resolved(value: Any, where: str) -> Any:
    """The value with each `{ env = "NAME" }` in it replaced by what the environment says."""
    if isinstance(value, list):
        return [_resolved(one, where) for one in value]
    if not isinstance(value, dict):
        return value
    if set(value) != {"env"}:
        return {key: _resolved(one, where) for key, one in value.items()}
    variable = value["env"]
    if not isinstance(variable, str) or not variable or "\0" in variable or "=" in variable:
        raise BadEnvironment(f'{where}: env must be the name of a variable, such as {{ env = "SMPP_PASSWORD" }}.')
    found = os.environ.get(variable, "").strip()
    if not found:
        # Somebody may have written the secret itself where its variable belongs.
        named = f"the variable {variable}" if VARIABLE.fullmatch(variable) else "the variable that env names"
        raise BadEnvironment(f"{where}: {named} is not set in the environment.")
    return Secret(found)
