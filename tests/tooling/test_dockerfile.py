"""The Dockerfile: stages, a user that is not root, and nothing of the stage that builds but what it is made for."""

import re
from dataclasses import dataclass, field

import pytest

from tests.tooling import compose

DOCKERFILE = (compose.ROOT / "Dockerfile").read_text(encoding="utf-8")
# What the stages before the last one are there for: nothing else of them is in the image.
KEPT = [("packages", "/opt/venv")]
# What has no place in an image that runs: it is needed to build.
BUILDS = re.compile(r"\b(apt-get|apk|pip install|gcc|g\+\+|make|curl|git)\b")


@dataclass
class Stage:
    """What stands from one FROM to the next: the image it begins with, its name, its instructions."""

    image: str
    name: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def of(self, instruction: str) -> list[str]:
        """The arguments of each instruction of this kind, in their order."""
        return [rest for word, rest in self.instructions if word == instruction]


def stages(text: str) -> list[Stage]:
    """The stages of a Dockerfile (Dockerfile reference, "Format"); ARG before the first FROM is none of them."""
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    found: list[Stage] = []
    for line in filter(None, map(str.strip, re.sub(r"\\\n", " ", code).splitlines())):
        word, _space, rest = line.partition(" ")
        word, rest = word.upper(), " ".join(rest.split())
        if word == "FROM":
            image, *named = [part for part in rest.split() if not part.startswith("--")]
            found.append(Stage(image, named[1] if named else str(len(found))))
        elif found:
            found[-1].instructions.append((word, rest))
    return found


def copied(stage: Stage) -> list[tuple[str, str]]:
    """What the stage copies of other stages and images: whose, and each path."""
    found = []
    for rest in [*stage.of("COPY"), *stage.of("ADD")]:
        options = dict(part[2:].partition("=")[::2] for part in rest.split() if part.startswith("--"))
        *paths, _to = [part for part in rest.split() if not part.startswith("--")]
        found += [(options["from"], path) for path in paths if "from" in options]
    return found


def problems(text: str) -> list[str]:
    """Sentences about what is wrong with a Dockerfile; empty when nothing is."""
    *before, last = stages(text)
    found = []
    if not before:
        found.append("There is one stage: what builds the image stays in it.")
    if last.image in {stage.name for stage in before}:
        found.append(f"The last stage begins with {last.image}, and so has all of it.")
    user = (last.of("USER") or ["root"])[-1].partition(":")[0]
    if user in ("root", "0") or not re.fullmatch(r"[a-z0-9_-]+", user):
        found.append(f"Its processes run as {user}.")
    for stage, path in copied(last):
        if (stage, path) not in KEPT:
            found.append(f"It copies {path} of {stage}.")
    for rest in last.of("RUN"):
        if "--mount" in rest and "from=" in rest:
            found.append(f"A command of the last stage uses another one: {rest}")
        found += [f"The last stage builds, with {tool}." for tool in BUILDS.findall(rest)]
    return found


def test_the_image_has_nothing_that_builds_it_and_runs_as_nobody_in_particular() -> None:
    assert problems(DOCKERFILE) == []
    *_before, last = stages(DOCKERFILE)
    assert copied(last) == KEPT
    assert last.of("USER") == ["smsmanager"]


BAD = [
    ("\nUSER smsmanager\n", "\n", "Its processes run as root."),
    ("\nUSER smsmanager\n", "\nUSER smsmanager\nUSER 0:0\n", "Its processes run as 0."),
    ("\nUSER smsmanager\n", "\nUSER ${WHO}\n", "Its processes run as ${WHO}."),
    ("\n\nFROM python:3.13-slim\n", "\n", "There is one stage: what builds the image stays in it."),
    (
        "\n\nFROM python:3.13-slim\n",
        "\nFROM packages\n",
        "The last stage begins with packages, and so has all of it.",
    ),
    ("/opt/venv /opt/venv", "/opt/venv /root/.cache /opt/", "It copies /root/.cache of packages."),
    ("=packages /opt/venv", "=packages /opt", "It copies /opt of packages."),
    ("=packages /opt/venv", "=packages --chown=0:0 / ", "It copies / of packages."),
    ("=packages /opt/venv", "=python:3.13 /opt/venv", "It copies /opt/venv of python:3.13."),
    ("WORKDIR /app", "RUN apt-get \\\n    install gcc", "The last stage builds, with apt-get."),
    (
        "WORKDIR /app",
        "RUN --mount=from=packages,target=/mnt true",
        "A command of the last stage uses another one: --mount=from=packages,target=/mnt true",
    ),
]


@pytest.mark.parametrize(("old", "new", "problem"), BAD, ids=[problem for _old, _new, problem in BAD])
def test_what_would_make_the_image_larger_or_weaker_is_named(old: str, new: str, problem: str) -> None:
    assert old in DOCKERFILE
    assert problem in problems(DOCKERFILE.replace(old, new))
