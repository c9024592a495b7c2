"""What `make test` does with a check that fails and with a tool that is not there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tooling import checks, tools

FINE = [sys.executable, "-c", ""]
WRONG = [sys.executable, "-c", "raise SystemExit(3)"]


def absent() -> Path:
    raise tools.ToolMissing("The tool is not installed.")


def test_all_checks_run_even_when_one_fails(capfd: pytest.CaptureFixture[str]) -> None:
    outcome = checks.run_all([checks.Check("one", WRONG), checks.Check("two", FINE)])
    assert (outcome.failed, outcome.passed) == (["one"], ["two"])
    assert checks.report(outcome, complete=False) == 1
    assert "FAILED: one" in capfd.readouterr().out


def test_a_missing_tool_is_named_and_counts_as_a_failure_in_ci_only(
    capfd: pytest.CaptureFixture[str],
) -> None:
    outcome = checks.run_all([checks.Check("one", FINE, needs=[absent]), checks.Check("two", FINE)])
    assert outcome.not_run == [("one", "The tool is not installed.")]
    assert checks.report(outcome, complete=False) == 0
    assert checks.report(outcome, complete=True) == 1
    assert "NOT RUN: one. The tool is not installed." in capfd.readouterr().out


def test_a_check_that_hangs_is_ended(capfd: pytest.CaptureFixture[str]) -> None:
    assert not checks.run(checks.Check("endless", [sys.executable, "-c", "import time; time.sleep(60)"], limit=1))
    assert "was ended" in capfd.readouterr().out


def test_the_callers_environment_does_not_change_a_check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    foreign = ("PYTEST_ADDOPTS", "DATABASE_URL", "REDIS_URL", "SMSMANAGER_MODE", "DJANGO_SETTINGS_MODULE")
    for name in foreign:
        monkeypatch.setenv(name, "surprise")
    given = checks.environment(checks.Check("one", FINE), tmp_path)
    assert not set(foreign) & set(given)
    assert given["PATH"] == os.environ["PATH"]
    assert given["SMSMANAGER_DATA_DIR"] == str(tmp_path)


def test_without_a_browser_the_other_tests_run_and_the_remainder_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tools, "chromium", absent)
    remainder, rest = checks.tests("tests", on_postgres=False)
    assert rest.command[-2:] == ["-m", "not browser"]
    assert not checks.missing(rest.needs)
    assert checks.missing(remainder.needs) == "The tool is not installed."


def test_the_second_database_is_asked_by_every_test_that_has_one_and_by_no_other() -> None:
    def collected(*arguments: str) -> set[str]:
        command = [sys.executable, "-m", "pytest", "-n0", "--collect-only", "-q", "--no-header", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=checks.ROOT, check=False)
        return {line for line in done.stdout.splitlines() if "::" in line}

    pure, own, stored = "tests/test_segments.py", "tests/chaos/test_chaos.py", "tests/test_cancel.py"
    assert collected(pure) != set()
    assert collected(own) != set()
    assert collected("--database-only", pure, own, stored) == collected(stored) != set()
