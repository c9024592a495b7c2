"""Is docker-compose.yml a compose file, and does it hold together? Needs no container engine.

check-jsonschema holds the file against the schema of the Compose Specification, which it carries. What a
schema cannot say is checked here: that names lead somewhere, that who is waited for can be waited for, that
every process is watched and restarted, that a service of several containers may have them, that each queue of
Celery has a worker which serves it, and that .env.example explains each variable.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE_FILE = "docker-compose.yml"
EXAMPLE = ".env.example"
# The Compose Specification, "Interpolation": $NAME, ${NAME}, ${NAME:-default}; $$ is a dollar.
VARIABLE = re.compile(r"(?<!\$)(?:\$\$)*\$\{?([A-Za-z_][A-Za-z0-9_]*)")
EXPLAINED = re.compile(r"^(?:# )?([A-Z][A-Z0-9_]*)=", re.MULTILINE)


def problems(root: Path, queues: Iterable[str] = ()) -> list[str]:
    """Sentences about what is wrong with the compose file in `root`; empty when nothing is.

    `queues` are those that Celery's tasks go to.
    """
    path = root / COMPOSE_FILE
    refusal = _refused_by_the_specification(path)
    if refusal:
        return [refusal]
    text = path.read_text(encoding="utf-8")
    document = yaml.safe_load(text)
    services: Mapping[str, Any] = document["services"]
    found: list[str] = []
    for name, service in services.items():
        found += [f"{name}: {problem}" for problem in _loose_ends(service, services, document)]
        found += [f"{name}: {problem}" for problem in _unwatched(name, service, services)]
        found += [f"{name}: {problem}" for problem in _not_alone(service)]
    found += _unserved(services, set(queues))
    explained = set(EXPLAINED.findall((root / EXAMPLE).read_text(encoding="utf-8")))
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for variable in sorted(set(VARIABLE.findall(code)) - explained):
        found.append(f"{EXAMPLE} does not explain {variable}.")
    return found


def _refused_by_the_specification(path: Path) -> str:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip() if done.returncode != 0 else ""


def _loose_ends(service: Any, services: Mapping[str, Any], document: Any) -> Iterable[str]:
    """What the service names and nobody defines."""
    for mount in service.get("volumes", []):
        source = mount.split(":")[0] if isinstance(mount, str) else mount.get("source", "")
        if re.match(r"\w", source) and source not in document.get("volumes", {}):
            yield f"the volume {source} is not defined."
    for network in service.get("networks", []):
        if network not in document.get("networks", {}):
            yield f"the network {network} is not defined."
    for other, condition in _awaited(service).items():
        if other not in services:
            yield f"waits for {other}, which is not defined."
        elif condition == "service_healthy" and not _watched(services[other]):
            yield f"waits for {other} to be healthy, which has no health check."


def _not_alone(service: Any) -> Iterable[str]:
    """What keeps a service that may have several containers from having them."""
    if "replicas" in service.get("deploy", {}) and "container_name" in service:
        yield "has a name of its own, so there can be one container only."


def _awaited(service: Any) -> dict[str, str]:
    """The services this one waits for, each with its condition."""
    awaited = service.get("depends_on", {})
    if isinstance(awaited, list):
        return dict.fromkeys(awaited, "service_started")
    return {name: how["condition"] for name, how in awaited.items()}


def _watched(service: Any) -> bool:
    check = service.get("healthcheck", {})
    return "test" in check and not check.get("disable", False)


def _unwatched(name: str, service: Any, services: Mapping[str, Any]) -> Iterable[str]:
    """What a process that stays must have: a restart policy and a health check."""
    if not service.get("restart"):
        yield "has no restart policy."
    ends_by_itself = any(_awaited(other).get(name) == "service_completed_successfully" for other in services.values())
    if not _watched(service) and not ends_by_itself:
        yield "has no health check."


def _unserved(services: Mapping[str, Any], queues: set[str]) -> Iterable[str]:
    """A queue that nobody serves: what goes there waits for ever, and nothing says so."""
    served: set[str] = set()
    for name, service in services.items():
        words = [str(word) for word in service.get("command", [])]
        if "celery" not in words or "worker" not in words:
            continue
        if "--queues" not in words:
            yield f"{name}: is a worker and does not say of which queues."
            continue
        own = set(words[words.index("--queues") + 1].split(","))
        served |= own
        if queues and own - queues:
            yield f"{name}: serves {', '.join(sorted(own - queues))}, where no task goes."
    for queue in sorted(queues - served):
        yield f"no worker serves the queue {queue}."


def queues_of_the_settings() -> set[str]:
    """Each queue that a task may go to, as Celery's settings have them."""
    from django.conf import settings

    routed = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()}
    return routed | {settings.CELERY_TASK_DEFAULT_QUEUE, *(queue.name for queue in settings.CELERY_TASK_QUEUES)}


def main() -> int:
    """Print the problems, one a line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "smsmanager.settings")
    found = problems(ROOT, queues_of_the_settings())
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
