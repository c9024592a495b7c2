"""Modules that hold a rig each: those of tests/gateways/rigs/, or any from outside."""

import importlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from compose.gateways.base import Gateway
from tests.gateways.case_files import Cases, load_cases
from tests.gateways.rig import Rig

HOUSE: Final = Path(__file__).parent


class RigModule:
    """A module that holds a rig. Raises ValueError when it is none."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.name = module.__name__
        found = getattr(module, "GATEWAY", None)
        if not (isinstance(found, type) and issubclass(found, Gateway)):
            raise ValueError(f"{self.name}: GATEWAY names no class of gateways")
        if not callable(getattr(module, "rig", None)):
            raise ValueError(f"{self.name}: there is no function rig()")
        self.gateway: type[Gateway] = found
        self.fixtures: Sequence[str] = getattr(module, "FIXTURES", ())

    @property
    def short_name(self) -> str:
        return self.name.rpartition(".")[2]

    @property
    def options(self) -> dict[str, Any]:
        """Options that make a gateway whose peer need not exist."""
        options = getattr(self.module, "OPTIONS", None)
        assert isinstance(options, dict), f"{self.name}: OPTIONS is no mapping of the options that make its gateway"
        return options

    @property
    def secrets(self) -> list[str]:
        """The values that OPTIONS has for the options that the class declares as secrets."""
        return [self.options[name] for name in sorted(self.gateway.SECRETS) if name in self.options]

    def rig(self) -> AbstractContextManager[Rig]:
        """A fresh rig, for the length of a block."""
        made: AbstractContextManager[Rig] = self.module.rig()
        return made

    def cases(self) -> Cases:
        """The recorded cases; none when there is no file."""
        path: Path = getattr(self.module, "CASES", HOUSE / "cases" / f"{self.short_name}.json")
        return load_cases(path) if path.exists() else Cases()


def rig_modules(*names: str) -> Iterator[RigModule]:
    """The rigs in the modules of these dotted names; without names, those of tests/gateways/rigs/."""
    found = names or [
        f"tests.gateways.rigs.{path.stem}"
        for path in sorted((HOUSE / "rigs").glob("*.py"))
        if not path.stem.startswith("_")
    ]
    for name in found:
        yield RigModule(importlib.import_module(name))
