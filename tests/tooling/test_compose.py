"""The compose file is right, and the checker would say so if it were not."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests.tooling import compose


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A directory with the project's compose file and example, to break."""
    for name in (compose.COMPOSE_FILE, compose.EXAMPLE):
        shutil.copy(compose.ROOT / name, tmp_path)
    return tmp_path


def change(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))


def test_the_compose_file_of_the_project_is_right() -> None:
    assert compose.problems(compose.ROOT, compose.queues_of_the_settings()) == []
    assert compose.queues_of_the_settings() == {"interactive", "bulk"}


def test_it_starts_every_part_and_keeps_what_must_outlive_a_container() -> None:
    document = yaml.safe_load((compose.ROOT / compose.COMPOSE_FILE).read_text())
    services = document["services"]
    assert set(services) >= {"migrate", "web", "worker", "worker-bulk", "beat", "listener", "postgres", "redis"}
    assert set(document["volumes"]) == {"data", "postgres", "redis"}
    for name, service in services.items():
        assert service.get("volumes"), f"{name} keeps nothing"
        if "build" in service:
            assert service["env_file"] == ".env", name
    # Web is restarted when it is dead, not when the broker is.
    assert "/healthz" in str(services["web"]["healthcheck"]["test"])


def test_how_many_workers_there_are_is_in_the_environment_and_outlives_the_next_start() -> None:
    services = yaml.safe_load((compose.ROOT / compose.COMPOSE_FILE).read_text())["services"]
    assert services["worker"]["deploy"]["replicas"] == "${WORKER_REPLICAS:-1}"
    assert services["worker-bulk"]["deploy"]["replicas"] == "${WORKER_BULK_REPLICAS:-1}"
    example = (compose.ROOT / compose.EXAMPLE).read_text()
    assert "\n# WORKER_REPLICAS=1\n" in example
    assert "\n# WORKER_BULK_REPLICAS=1\n" in example
    runbook = (compose.ROOT / "docs" / "operations.md").read_text()
    assert not re.search(r"--scale [a-z-]+=\d", runbook)
    # Two containers of one name cannot be, nor two that listen on one port of the machine.
    for name in ("worker", "worker-bulk"):
        assert not {"container_name", "ports"} & set(services[name])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("cap_drop:", "cap_dropp:", id="unknown key"),
        pytest.param("condition: service_healthy", "condition: service_heathy", id="unknown condition"),
        pytest.param("retries: 12", "retries: [12]", id="wrong type"),
        pytest.param("services:", "servces:", id="unknown section"),
        pytest.param("  redis:\n    image", "  web:\n    image", id="a service twice"),
        pytest.param("image: redis:8", "image: [redis", id="no YAML"),
    ],
)
def test_what_the_specification_does_not_know_is_refused(copy: Path, old: str, new: str) -> None:
    change(copy, compose.COMPOSE_FILE, old, new)
    (problem,) = compose.problems(copy)
    assert compose.COMPOSE_FILE in problem


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "      - postgres:/var/lib",
            "      - postgre:/var/lib",
            "postgres: the volume postgre is not defined.",
        ),
        (
            "    networks:\n      - inside\n    stop_grace_period: 30s",
            "    networks:\n      - backend",
            "redis: the",
        ),
        (
            "    redis:\n      condition: service_healthy",
            "    valkey:\n      condition: service_healthy",
            "valkey",
        ),
        (
            "test: [CMD, pg_isready",
            "disable: true\n      x-test: [CMD, pg_isready",
            "postgres: has no health",
        ),
        ("    image: redis:8", "    image: redis:8\n    environment: {A: '${REDIS_LIMIT}'}", "REDIS_LIMIT"),
        (
            "    deploy:\n      replicas: ${WORKER_REPLICAS:-1}",
            "    container_name: worker\n    deploy:\n      replicas: ${WORKER_REPLICAS:-1}",
            "worker: has a name of its own, so there can be one container only.",
        ),
        (
            "    shm_size: 256mb\n    stop_grace_period: 60s\n    restart: unless-stopped",
            "",
            "no restart policy",
        ),
    ],
)
def test_a_loose_end_is_named(copy: Path, old: str, new: str, problem: str) -> None:
    change(copy, compose.COMPOSE_FILE, old, new)
    assert any(problem in found for found in compose.problems(copy))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("--queues, bulk", "--queues, interactive", "no worker serves the queue bulk."),
        ("--queues, interactive", "--queues, 'interactive,slow'", "worker: serves slow, where no task goes."),
        ("--queues, interactive, ", "", "worker: is a worker and does not say of which queues."),
    ],
)
def test_a_queue_without_a_worker_is_named(copy: Path, old: str, new: str, problem: str) -> None:
    change(copy, compose.COMPOSE_FILE, old, new)
    assert problem in compose.problems(copy, compose.queues_of_the_settings())


def test_every_variable_that_the_settings_read_is_in_the_example_and_no_other() -> None:
    code = "\n".join(file.read_text() for file in sorted((compose.ROOT / "smsmanager").rglob("*.py")))
    read = set(re.findall(r"""["'](SMSMANAGER_[A-Z_]+|DATABASE_URL|REDIS_URL)["']""", code))
    explained = set(compose.EXPLAINED.findall((compose.ROOT / compose.EXAMPLE).read_text()))
    interpolated = set(compose.VARIABLE.findall((compose.ROOT / compose.COMPOSE_FILE).read_text()))
    assert read - explained == set()
    assert explained - read - interpolated == set()
