"""Every check, in its order: what `make test` runs; `--fast` is `make check`.

All checks run even when one fails, so that one run tells everything. What needs a tool that is not here is
named at the end; with CI=true that is a failure.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from tests.tooling import postgres, tools

ROOT = Path(__file__).resolve().parents[2]
PYTHON = sys.executable
CHECK_LIMIT = 5 * 60  # seconds
TESTS_LIMIT = 25 * 60  # seconds
PATIENCE = 30  # seconds for a check to end by itself when it is told to
WORKERS = "2"

# What a production installation sets, for `check --deploy`; nothing listens at these addresses.
PRODUCTION = {
    "SMSMANAGER_MODE": "production",
    "SMSMANAGER_SECRET_KEY": "a-key-for-the-check-only-Zq8vR2mX7pL4wT9cB6nK3sH5jD1fG0yAuEiOxNbV",
    "SMSMANAGER_ALLOWED_HOSTS": "sms.example.org",
    "SMSMANAGER_CSRF_TRUSTED_ORIGINS": "https://sms.example.org",
    "SMSMANAGER_BEHIND_PROXY": "true",
    "SMSMANAGER_DEFAULT_FROM_EMAIL": "sms@example.org",
    "SMSMANAGER_EMAIL_HOST": "smtp.example.org",
    "DATABASE_URL": "postgres://smsmanager:password@db.example.org:5432/smsmanager",
    "REDIS_URL": "redis://redis.example.org:6379/0",
    "SMSMANAGER_GATEWAYS": str(ROOT / "tests" / "tooling" / "gateways.toml"),
    "SMPP_PASSWORD": "for-checks",
}
# The environment of whoever calls must not change what is checked.
FOREIGN = ("PYTEST_", "SMSMANAGER_", "CELERY_", "DJANGO_", "MYPY", "RUFF_", "DJLINT_", "LC_")
FOREIGN_NAMES = {
    "DATABASE_URL",
    "LANG",
    "LANGUAGE",
    "MAKEFLAGS",
    "MAKELEVEL",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "PYTHONWARNINGS",
    "REDIS_URL",
}


@dataclass(frozen=True)
class Check:
    """One command: its name, the tools it cannot do without, what it adds to the environment, its time."""

    name: str
    command: Sequence[str]
    fast: bool = False
    needs: Sequence[Callable[[], Path]] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    on_postgres: bool = False
    limit: int = CHECK_LIMIT  # seconds


@dataclass
class Outcome:
    """What became of the checks: what passed, what failed, and what was not run, with the reason."""

    passed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    not_run: list[tuple[str, str]] = field(default_factory=list)


def tests(name: str, *, on_postgres: bool) -> list[Check]:
    """pytest over everything; without a browser or a broker, over the rest, with the remainder named."""
    command = [PYTHON, "-m", "pytest", "-n", WORKERS, "--dist", "loadfile", "--durations", "10"]
    if on_postgres:
        # What uses no database was run on SQLite already.
        command += ["--database-only"]
    parts: dict[str, Callable[[], Path]] = {"browser": tools.chromium, "processes": tools.broker}
    without = [(marker, tool) for marker, tool in parts.items() if missing([tool])]
    if without:
        command += ["-m", " and ".join(f"not {marker}" for marker, _ in without)]
    base: list[Callable[[], Path]] = [tools.postgres] if on_postgres else []
    remainder = [
        Check(f"{name}: those marked `{marker}`", [PYTHON, "-m", "pytest", "-m", marker], needs=[*base, tool])
        for marker, tool in without
    ]
    return [*remainder, Check(name, command, needs=base, on_postgres=on_postgres, limit=TESTS_LIMIT)]


def all_checks() -> list[Check]:
    """The checks in their order: the quick ones first, the tests last."""
    tool = [PYTHON, "-m"]
    manage = [PYTHON, "manage.py"]
    return [
        Check("lint", [*tool, "ruff", "check", "."], fast=True),
        Check("layout of the code", [*tool, "ruff", "format", "--check", "."], fast=True),
        Check("types", [*tool, "mypy"], fast=True),
        Check("import contracts", [str(Path(PYTHON).with_name("lint-imports"))], fast=True),
        Check("templates", [*tool, "djlint", "--lint", "--quiet", "templates"], fast=True),
        Check("locks", [*tool, "tests.tooling.locks"], fast=True),
        Check("compose file", [*tool, "tests.tooling.compose"]),
        Check("migrations", [*manage, "makemigrations", "--check", "--dry-run"]),
        Check("system checks", [*manage, "check", "--fail-level", "WARNING"]),
        Check(
            "system checks in production",
            [*manage, "check", "--deploy", "--fail-level", "WARNING"],
            environment=PRODUCTION,
        ),
        Check(
            "static files in production",
            [*manage, "collectstatic", "--noinput"],
            environment=PRODUCTION,
        ),
        Check("translations", [*tool, "tests.tooling.translations", "check"], needs=[tools.gettext]),
        *tests("tests on SQLite", on_postgres=False),
        *tests("tests on PostgreSQL", on_postgres=True),
    ]


def missing(needs: Sequence[Callable[[], Path]]) -> str:
    """The sentences of the tools that are not here, or an empty string."""
    sentences = []
    for find in needs:
        try:
            find()
        except tools.ToolMissing as error:
            sentences.append(str(error))
    return " ".join(sentences)


def environment(check: Check, data_dir: Path) -> dict[str, str]:
    """The caller's environment without what would change the check, with a data directory of its own."""
    kept = {
        name: value for name, value in os.environ.items() if name not in FOREIGN_NAMES and not name.startswith(FOREIGN)
    }
    return {
        **kept,
        "LC_ALL": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "SMSMANAGER_DATA_DIR": str(data_dir),
        "SMSMANAGER_STATIC_ROOT": str(data_dir / "static"),
        **check.environment,
    }


def run(check: Check) -> bool:
    """Run one check to its end, its output going where ours goes; whether it passed."""
    with contextlib.ExitStack() as stack:
        # A short name: the broker's socket lies in there, and its path may have 107 bytes.
        room = stack.enter_context(tempfile.TemporaryDirectory(prefix="sms-", ignore_cleanup_errors=True))
        variables = environment(check, Path(room))
        if check.on_postgres:
            variables["DATABASE_URL"] = stack.enter_context(postgres.cluster())
        child = subprocess.Popen(check.command, cwd=ROOT, env=variables, stdin=subprocess.DEVNULL)
        try:
            return child.wait(check.limit) == 0
        except subprocess.TimeoutExpired:
            print(f"This took more than {check.limit // 60} minutes and was ended.", flush=True)
            return False
        except KeyboardInterrupt:
            # The child got the Ctrl-C as well; it has the time to clean up behind itself.
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(PATIENCE)
            raise
        finally:
            if child.poll() is None:
                child.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(PATIENCE)
                child.kill()
                child.wait()


@contextlib.contextmanager
def heading(name: str) -> Iterator[None]:
    """The check's name before its output, the time it took after."""
    print(f"\n### {name}", flush=True)
    start = time.monotonic()
    yield
    print(f"### {name}: {time.monotonic() - start:.0f} s", flush=True)


def run_all(checks: Sequence[Check]) -> Outcome:
    """Run the checks one after the other."""
    outcome = Outcome()
    for check in checks:
        reason = missing(check.needs)
        if reason:
            outcome.not_run.append((check.name, reason))
            continue
        with heading(check.name):
            try:
                passed = run(check)
            except postgres.ClusterFailed as error:
                print(error, flush=True)
                passed = False
        (outcome.passed if passed else outcome.failed).append(check.name)
    return outcome


def report(outcome: Outcome, *, complete: bool) -> int:
    """Say what was not run and what failed; the exit code. `complete` makes a missing tool a failure."""
    print()
    for name, reason in outcome.not_run:
        print(f"NOT RUN: {name}. {reason}")
    for name in outcome.failed:
        print(f"FAILED: {name}")
    if outcome.not_run and complete:
        print("CI is set, so what was not run counts as a failure.")
    print(f"{len(outcome.passed)} checks are fine, {len(outcome.failed)} failed, {len(outcome.not_run)} were not run.")
    return 1 if outcome.failed or (outcome.not_run and complete) else 0


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main(arguments: Sequence[str]) -> int:
    """Run the checks that the arguments choose."""
    parser = argparse.ArgumentParser(prog="python -m tests.tooling.checks", description=__doc__)
    parser.add_argument("--fast", action="store_true", help="only lint, types and contracts")
    fast = parser.parse_args(arguments).fast
    complete = os.environ.get("CI", "").lower() in {"1", "true", "yes"}
    signal.signal(signal.SIGTERM, _end)
    try:
        outcome = run_all([check for check in all_checks() if check.fast or not fast])
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130
    return report(outcome, complete=complete)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
