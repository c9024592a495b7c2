"""`manage.py check --deploy` refuses each unsafe production setting by its name."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from tests.fixtures.databases import child_environ

SAFE = {
    "SMSMANAGER_MODE": "production",
    "SMSMANAGER_SECRET_KEY": "vL0r7mYx1nQ9bT4kWc6sZ2pJ8dHf3gRaUeXoNiKqMtBySwVz5C",
    "SMSMANAGER_ALLOWED_HOSTS": "sms.example.org",
    "REDIS_URL": "redis://redis.example.org:6379/0",
    "DATABASE_URL": "postgres://sms:secret@db.example.org/sms",
    "SMSMANAGER_EMAIL_HOST": "smtp.example.org",
    "SMPP_PASSWORD": "of-the-operator",
}


GATEWAYS = """
[default]
backend = "smpp"
options = { host = "smpp.example.net", system_id = "bakery", password = { env = "SMPP_PASSWORD" } }
"""


def check(tmp_path: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    """`manage.py check --deploy` with the safe settings and these changes to them."""
    return run(tmp_path, str(Path(settings.BASE_DIR) / "manage.py"), "check", "--deploy", **changes)


def run(tmp_path: Path, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """Python with these arguments, in the environment of a safe installation with these changes to it."""
    (tmp_path / "gateways.toml").write_text(GATEWAYS)
    inherited = {name: value for name, value in child_environ().items() if not name.startswith("SMSMANAGER_")}
    paths = {"SMSMANAGER_DATA_DIR": str(tmp_path / "data"), "SMSMANAGER_GATEWAYS": str(tmp_path / "gateways.toml")}
    environ = inherited | SAFE | paths | changes
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=settings.BASE_DIR,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_safe_production_installation_passes_without_a_word(tmp_path: Path) -> None:
    done = check(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "no issues" in done.stdout


@pytest.mark.parametrize(
    ("changes", "code", "name"),
    [
        ({"SMSMANAGER_SECRET_KEY": ""}, "smsmanager.E001", "SMSMANAGER_SECRET_KEY is not set"),
        ({"SMSMANAGER_SECRET_KEY": "short"}, "smsmanager.E007", "SMSMANAGER_SECRET_KEY is shorter"),
        ({"SMSMANAGER_DEBUG": "yes"}, "smsmanager.E002", "SMSMANAGER_DEBUG"),
        ({"SMSMANAGER_ALLOWED_HOSTS": ""}, "smsmanager.E003", "SMSMANAGER_ALLOWED_HOSTS is empty"),
        ({"SMSMANAGER_ALLOWED_HOSTS": "*"}, "smsmanager.E004", "SMSMANAGER_ALLOWED_HOSTS allows every"),
        ({"REDIS_URL": ""}, "smsmanager.E005", "REDIS_URL"),
        ({"DATABASE_URL": ""}, "smsmanager.E006", "DATABASE_URL"),
        ({"DATABASE_URL": "sqlite:////tmp/sms.sqlite3"}, "smsmanager.E006", "DATABASE_URL"),
    ],
)
def test_an_unsafe_production_setting_is_refused_by_its_name(
    tmp_path: Path, changes: dict[str, str], code: str, name: str
) -> None:
    if changes.get("DATABASE_URL"):
        changes = {"DATABASE_URL": f"sqlite:///{tmp_path / 'sms.sqlite3'}"}
    done = check(tmp_path, **changes)
    assert done.returncode == 1
    assert code in done.stderr
    assert name in done.stderr


def test_production_without_https_is_warned_about_by_name(tmp_path: Path) -> None:
    done = check(tmp_path, SMSMANAGER_HTTPS="no")
    assert done.returncode == 0
    assert "smsmanager.W001" in done.stderr
    assert "SMSMANAGER_HTTPS" in done.stderr


def test_an_installation_whose_letters_reach_nobody_is_warned(tmp_path: Path) -> None:
    done = check(tmp_path, SMSMANAGER_EMAIL_HOST="")
    assert "smsmanager.W002" in done.stderr
    assert "SMSMANAGER_EMAIL_HOST" in done.stderr


@pytest.mark.parametrize(
    "name",
    [
        "SMSMANAGER_MODE",
        "SMSMANAGER_GATEWAY",
        "SMSMANAGER_GATEWAYS",
        "SMSMANAGER_PUBLIC_URL",
        "SMSMANAGER_BREAKER_FAILURES",
        "SMSMANAGER_DEBUG",
        "SMSMANAGER_VALIDITY_HOURS",
        "SMSMANAGER_REPLY_PRICE",
        "SMSMANAGER_TIME_ZONE",
        "SMSMANAGER_TWINS",
        "SMSMANAGER_COMMERCIAL_WINDOW",
        "SMSMANAGER_COMMERCIAL_WINDOWS",
    ],
)
def test_a_variable_that_makes_no_sense_is_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    done = check(tmp_path, **{"SMSMANAGER_GATEWAYS": "", name: "two days"})
    assert done.returncode == 1
    (said,) = done.stderr.splitlines()
    assert said.startswith(f"{name} must be ")
    assert "'two days'" in said


@pytest.mark.parametrize("name", ["LEASE_SECONDS", "VALIDITY_HOURS", "UNCONFIRMED_DAYS", "READY_BEAT_SECONDS"])
def test_a_time_that_is_none_is_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    for value in ("0", "-5"):
        done = check(tmp_path, **{f"SMSMANAGER_{name}": value})
        assert (done.returncode, done.stderr.strip()) == (1, f"SMSMANAGER_{name} must be 1 or more, not '{value}'.")


def test_what_the_checks_refuse_is_not_served_either(tmp_path: Path) -> None:
    def served(**changes: str) -> subprocess.CompletedProcess[str]:
        return run(tmp_path, "-c", "import smsmanager.wsgi", **changes)

    assert served().returncode == 0
    done = served(SMSMANAGER_SECRET_KEY="short", SMSMANAGER_ALLOWED_HOSTS="*")
    assert done.returncode == 1
    assert "SMSMANAGER_SECRET_KEY is shorter" in done.stderr
    assert "SMSMANAGER_ALLOWED_HOSTS allows every" in done.stderr


def test_production_that_sends_nothing_to_anybody_is_warned_of(tmp_path: Path) -> None:
    done = check(tmp_path, SMSMANAGER_GATEWAYS="")
    assert done.returncode == 0
    assert "smsmanager.W011" in done.stderr
    assert "SMSMANAGER_GATEWAYS names a file with real ones" in done.stderr


def test_a_gateway_whose_options_make_no_sense_stops_the_start_and_its_password_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text(GATEWAYS.replace("system_id", "sytem_id"))
    done = check(tmp_path, SMSMANAGER_GATEWAYS=str(tmp_path / "wrong.toml"))
    assert done.returncode == 1
    assert "smsmanager.E013" in done.stderr
    assert "sytem_id" in done.stderr
    assert SAFE["SMPP_PASSWORD"] not in done.stderr + done.stdout


def test_a_twin_that_cannot_be_used_is_refused_at_the_start(tmp_path: Path) -> None:
    done = check(tmp_path, SMSMANAGER_TWINS='{"→": "➔", "☎": "Tel"}')
    assert done.returncode == 1
    assert "smsmanager.E020" in done.stderr
    assert "SMSMANAGER_TWINS: The twin '➔' of '→' is not in the GSM alphabet." in done.stderr
    assert check(tmp_path, SMSMANAGER_TWINS='{"☎": "Tel"}').returncode == 0


def test_the_embedded_mode_needs_no_setting_at_all(tmp_path: Path) -> None:
    nothing = dict.fromkeys([*SAFE, "SMSMANAGER_GATEWAYS"], "")
    done = check(tmp_path, **nothing)
    assert done.returncode == 0
    assert "smsmanager." not in done.stderr
