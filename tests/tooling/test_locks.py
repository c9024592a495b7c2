"""The locks hold what pyproject.toml asks for, and the check would say so if they did not."""

import shutil
from pathlib import Path

import pytest

from tests.tooling import locks

FILES = ("pyproject.toml", "requirements.lock", "requirements-dev.lock")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A directory with the project's locks, to break."""
    for name in FILES:
        shutil.copy(locks.ROOT / name, tmp_path)
    return tmp_path


def test_the_locks_of_the_project_are_right() -> None:
    assert locks.problems(locks.ROOT) == []


def test_a_dependency_that_is_not_locked_is_named(copy: Path) -> None:
    text = (copy / "pyproject.toml").read_text()
    (copy / "pyproject.toml").write_text(text.replace("dependencies = [", 'dependencies = ["left-pad>=1",', 1))
    assert locks.problems(copy) == [
        "requirements.lock: left-pad of pyproject.toml is not locked.",
        "requirements-dev.lock: left-pad of pyproject.toml is not locked.",
    ]


def test_a_locked_version_outside_the_asked_range_is_named(copy: Path) -> None:
    text = (copy / "pyproject.toml").read_text()
    assert '"whitenoise>=' in text
    (copy / "pyproject.toml").write_text(text.replace('"whitenoise>=', '"whitenoise>=9', 1))
    assert len([line for line in locks.problems(copy) if "whitenoise" in line]) == 2


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://packages.example.org/simple",
        "--extra-index-url https://packages.example.org/simple",
        "--find-links wheels",
        "left-pad @ https://packages.example.org/left-pad-1.0.tar.gz",
    ],
)
def test_an_address_in_a_lock_is_refused(copy: Path, line: str) -> None:
    with (copy / "requirements.lock").open("a") as lock:
        lock.write(f"{line}\n")
    (problem,) = locks.problems(copy)
    assert "does not belong here" in problem


def test_a_pin_without_a_hash_is_refused(copy: Path) -> None:
    with (copy / "requirements-dev.lock").open("a") as lock:
        lock.write("left-pad==1.0\n")
    assert locks.problems(copy) == ["requirements-dev.lock: left-pad==1.0 has no SHA-256 hash."]


def test_the_two_locks_must_agree(copy: Path) -> None:
    text = (copy / "requirements-dev.lock").read_text()
    assert "asgiref==" in text
    (copy / "requirements-dev.lock").write_text(text.replace("asgiref==", "asgiref==9.", 1))
    assert locks.problems(copy) == ["requirements-dev.lock: asgiref is not at the version of requirements.lock."]
