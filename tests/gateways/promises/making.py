"""Making a gateway from its options: it connects to nothing, refuses wrong options, and keeps secrets."""

import socket
import traceback
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Final
from unittest.mock import patch

from tests.gateways.rig_modules import RigModule
from tests.gateways.trial import Trial

# What no option is called, and what no text of an error may show.
UNKNOWN: Final = "brewing_method"
WRONG: Final = "zzwrongvalue"


def making_one_connects_to_nothing(module: RigModule) -> None:
    """The constructor asks nobody's address and opens no connection."""
    asked: list[str] = []

    def refuse(name: str) -> Any:
        def refused(*_given: Any, **_named: Any) -> Any:
            asked.append(name)
            raise OSError("the constructor of a gateway connects to nothing")

        return refused

    with ExitStack() as stack:
        for owner, name in (
            (socket.socket, "connect"),
            (socket.socket, "connect_ex"),
            (socket.socket, "sendto"),
            (socket, "getaddrinfo"),
            (socket, "create_connection"),
        ):
            stack.enter_context(patch.object(owner, name, refuse(name)))
        try:
            made = module.gateway(**module.options)
        except OSError as error:
            raise AssertionError(f"the constructor called {asked}") from error
    assert not asked, f"the constructor called {asked}"
    close = getattr(made, "close", None)
    if close is not None:
        close()


def wrong_options_are_named_and_not_shown(module: RigModule) -> None:
    """An unknown, missing or nonsensical option raises ValueError or TypeError with its name, without its value."""
    for name, options, must in _wrong(module.options):
        try:
            module.gateway(**options)
        except (TypeError, ValueError) as error:
            caught = error
        else:
            assert not must, f"a wrong {name} ({type(options.get(name)).__name__}) is taken"
            continue
        assert name in str(caught), f"the error for a wrong {name} does not name it"
        text = "".join(traceback.format_exception(caught))
        assert WRONG not in text, f"the error for a wrong {name} shows its value"
        assert not [secret for secret in module.secrets if secret in text], f"a wrong {name} shows a secret"


def _wrong(options: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """The name of an option, options in which it is wrong, and whether they must be refused."""
    yield UNKNOWN, {**options, UNKNOWN: WRONG}, True
    for name, value in options.items():
        # It may have a default.
        yield name, {other: options[other] for other in options if other != name}, False
        yield name, {**options, name: [WRONG] if isinstance(value, str) else WRONG}, True


def secrets_are_declared(trial: Trial) -> None:
    """Each secret option is one that the rig watches, and the rig's secrets are those that the gateway declares."""
    declared = set(trial.module.secrets)
    watched = set(trial.rig.secrets)
    assert declared <= watched, "the rig does not watch each option of SECRETS"
    assert bool(declared) == bool(watched), "the rig has secrets, and SECRETS names none of OPTIONS"
