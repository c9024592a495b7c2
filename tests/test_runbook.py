"""docs/operations.md: what it tells people to type exists, and a restore is in the order that sends nothing twice."""

import re
from pathlib import Path

import yaml
from django.conf import settings
from django.core.management import get_commands

from tests.tooling import compose

ROOT = Path(settings.BASE_DIR)
RUNBOOK = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", RUNBOOK, re.MULTILINE | re.DOTALL)
SERVICES = yaml.safe_load((ROOT / compose.COMPOSE_FILE).read_text(encoding="utf-8"))["services"]


def block_with(words: str) -> str:
    """The one block of commands that has these words, its comments and line ends taken away."""
    (found,) = (block for block in BLOCKS if words in block)
    return re.sub(r"\\\n\s*", "", found)


def test_each_management_command_that_is_named_exists() -> None:
    named = set(re.findall(r"manage\.py ([a-z_]+)", RUNBOOK))
    assert {"verify_ledger", "after_restore", "createsuperuser"} <= named
    assert named <= set(get_commands())


def test_each_service_that_is_stopped_or_started_exists() -> None:
    text = "\n".join(BLOCKS).replace("\\\n", " ")
    named: set[str] = set()
    for words in re.findall(r"docker compose (?:stop|up|ps) ([a-z -]+)", text):
        named |= {word for word in words.split() if not word.startswith("-")}
    assert {"worker", "worker-bulk", "listener", "web"} <= named
    assert named <= set(SERVICES)


def test_a_restore_puts_in_doubt_what_may_have_left_before_anything_that_sends_starts() -> None:
    lines = block_with("pg_restore").splitlines()
    order = [
        "stop web worker worker-bulk listener beat",
        "pg_restore",
        "ANALYZE",
        "after_restore",
        "verify_ledger",
        "up",
    ]
    places = [next(number for number, line in enumerate(lines) if word in line) for word in order]
    assert places == sorted(places)
    # What is stopped is all that is made of our image and stays.
    stopped = lines[0].partition("#")[0].split()[3:]
    ours = {name for name, service in SERVICES.items() if "build" in service}
    assert set(stopped) == ours - {"migrate"}
    # Commands before the last line start none of them.
    for line in lines[1:-1]:
        assert " up " not in line
        assert "run" not in line.split() or "--no-deps" in line, line
    assert lines[-1] == "docker compose up --detach"


def test_the_volume_that_is_backed_up_can_be_put_back_for_the_user_of_the_processes() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    (user,) = re.findall(r"^USER (\w+)$", dockerfile, re.MULTILINE)
    assert f"--uid 10001 --user-group --no-create-home --home-dir /nonexistent {user}" in dockerfile
    assert f"`{user}` (10001)" in RUNBOOK
    assert "tar --create --directory /data . > data.tar" in block_with(
        "pg_dump --username smsmanager --format custom smsmanager > smsmanager.dump"
    )
    assert "run --rm --no-deps -T web tar --extract --directory /data < data.tar" in block_with("data.tar\ndocker")
    # Every capability is dropped: who changes owners has to be given those that this needs.
    assert all(service["cap_drop"] == ["ALL"] for service in SERVICES.values() if "build" in service)
    owner = block_with(f"chown -R {user}: /data")
    assert "--user root --cap-add CHOWN --cap-add DAC_OVERRIDE web" in owner
