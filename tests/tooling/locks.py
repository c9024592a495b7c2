"""Do the lock files hold what pyproject.toml asks for, for any registry, with hashes?"""

import re
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]


class Lock:
    """A requirements file with hashes, as uv writes it."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.problems: list[str] = []
        self.versions: dict[str, set[Version]] = {}
        # A pin and its hashes are one logical line, continued by backslashes.
        for line in path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
            if line.strip() and not line.startswith("#"):
                self._read(line.strip())

    def _read(self, line: str) -> None:
        pin, *hashes = re.split(r"\s+--hash=", line)
        if pin.startswith("-") or "://" in line:
            self.problems.append(f"{self.name}: an address or an option does not belong here: {pin}")
            return
        try:
            requirement = Requirement(pin)
        except InvalidRequirement as error:
            self.problems.append(f"{self.name}: {pin!r} is not a requirement ({error}).")
            return
        exact = [one.version for one in requirement.specifier if one.operator == "=="]
        if len(exact) != 1 or len(requirement.specifier) != 1:
            self.problems.append(f"{self.name}: {pin} does not name one version.")
            return
        if not hashes or not all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in hashes):
            self.problems.append(f"{self.name}: {pin} has no SHA-256 hash.")
        self.versions.setdefault(canonicalize_name(requirement.name), set()).add(Version(exact[0]))


def problems(root: Path) -> list[str]:
    """Sentences about what is wrong with the two locks below `root`; empty when nothing is."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    asked = list(project["project"]["dependencies"])
    for_tests = [entry for entry in project["dependency-groups"]["dev"] if isinstance(entry, str)]
    runtime, development = Lock(root / "requirements.lock"), Lock(root / "requirements-dev.lock")
    found = [*runtime.problems, *development.problems]
    for lock, wanted in ((runtime, asked), (development, asked + for_tests)):
        found += _unmet(lock, wanted)
    for name, versions in runtime.versions.items():
        if development.versions.get(name) != versions:
            found.append(f"{development.name}: {name} is not at the version of {runtime.name}.")
    return found


def _unmet(lock: Lock, wanted: Sequence[str]) -> list[str]:
    found = []
    for requirement in map(Requirement, wanted):
        versions = lock.versions.get(canonicalize_name(requirement.name), set())
        if not versions:
            found.append(f"{lock.name}: {requirement.name} of pyproject.toml is not locked.")
        found += [
            f"{lock.name}: {requirement.name} {version} is not {requirement.specifier}."
            for version in versions
            if not requirement.specifier.contains(version, prereleases=True)
        ]
    return found


def main() -> int:
    """Print the problems, one a line."""
    found = problems(ROOT)
    for line in found:
        print(line)
    if found:
        print("`make lock` brings the locks up to date.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
