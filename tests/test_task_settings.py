"""What happens to a Celery task: limits that stand in their order, and a database connection that is kept and works."""

import ast
import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import psycopg
import pytest
from celery import signals
from django.conf import settings
from django.db import connection

from compose.tasks import sweep
from smsmanager.celery import app
from tests.fixtures.databases import FreshDatabase, child_environ


def configured(data_dir: Path, **environ: str) -> dict[str, float]:
    """The limits in seconds, as Celery sees them in a process with this environment."""
    code = (
        "import json; from smsmanager.celery import app; from django.conf import settings as s; c = app.conf\n"
        "print(json.dumps({'lease': s.SMS_LEASE_SECONDS, 'soft': c.task_soft_time_limit, 'hard': c.task_time_limit,"
        " 'visibility': c.broker_transport_options['visibility_timeout']}))"
    )
    inherited = child_environ() | {"SMSMANAGER_DATA_DIR": str(data_dir)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=inherited | environ, capture_output=True, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("lease", ["", "20", "600"])
def test_each_limit_is_longer_than_what_it_waits_for(tmp_path: Path, lease: str) -> None:
    found = configured(tmp_path, SMSMANAGER_LEASE_SECONDS=lease)
    assert found["lease"] == int(lease or 120)
    # What dispatch begins last, after one and a half leases and two more of its own, has its time before it is ended.
    assert 3.5 * found["lease"] < found["soft"] < found["hard"] < found["visibility"]
    # Time for what the soft limit ended to be kept.
    assert found["hard"] - found["soft"] >= found["lease"]


def test_a_task_is_taken_when_a_process_is_free_and_acknowledged_when_it_is_done() -> None:
    # What makes that safe: no task has an argument, a result or a moment of its own.
    assert app.conf.task_acks_late
    assert app.conf.task_reject_on_worker_lost
    assert app.conf.task_ignore_result
    assert app.conf.worker_prefetch_multiplier == 1
    assert not app.conf.worker_cancel_long_running_tasks_on_connection_loss
    assert app.conf.broker_connection_max_retries is None
    for name, entry in app.conf.beat_schedule.items():
        assert set(entry) == {"task", "schedule", "options"}, name
        # An old tick is dropped: after an hour without a worker there are not thousands to be worked off.
        assert 0 < entry["options"]["expires"] <= 600, name


def test_the_tasks_of_each_tick_exist_and_go_to_a_queue_that_is_declared() -> None:
    app.loader.import_default_modules()
    declared = {queue.name for queue in settings.CELERY_TASK_QUEUES}
    assert settings.CELERY_TASK_DEFAULT_QUEUE in declared
    for entry in app.conf.beat_schedule.values():
        assert entry["task"] in app.tasks
    for name, route in settings.CELERY_TASK_ROUTES.items():
        assert name in app.tasks
        assert route["queue"] in declared


PACKAGES = ("compose", "inbox", "senders", "credits", "smsmanager")
MOMENTS = frozenset({"eta", "countdown"})


def moments_given_to_celery(code: str) -> list[int]:
    """The lines in which Celery is told to do something later.

    By a moment or a number of seconds, in a call or in a dictionary for one, or by `retry`, which has a countdown of
    its own.
    """
    found = []
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.keyword(arg=("eta" | "countdown")) | ast.Subscript(slice=ast.Constant("eta" | "countdown")):
                found.append(node.lineno)
            case ast.Dict(keys=keys):
                found += [key.lineno for key in keys if isinstance(key, ast.Constant) and key.value in MOMENTS]
            case ast.Call(func=ast.Attribute(attr="retry")):
                found.append(node.lineno)
    return sorted(found)


def test_no_task_waits_in_the_broker_for_its_moment() -> None:
    # There it would be lost with the broker, or come again with the visibility time-out: the schedule is in the table.
    sources = [file for package in PACKAGES for file in (settings.BASE_DIR / package).rglob("*.py")]
    assert len(sources) > 100
    found = {file: lines for file in sources if (lines := moments_given_to_celery(file.read_text(encoding="utf-8")))}
    assert found == {}


def test_a_moment_given_to_celery_would_be_seen() -> None:
    code = """
send.apply_async(args, eta=moment)
current_app.send_task(name, countdown=5, expires=60)
options = {"expires": 60, "eta": moment}
send.apply_async(args, **options)
options["countdown"] = 5
send.signature(args, options={"countdown": 5})
self.retry(exc=error)
current_app.send_task(name, expires=60, retry=False)
"""
    assert moments_given_to_celery(code) == [2, 3, 4, 6, 7, 8]


def test_a_task_has_the_connection_of_the_one_before_and_a_new_one_when_that_has_ended(
    fresh_database: FreshDatabase,
) -> None:
    # The stubs of Celery do not know it.
    worker = import_module("celery.fixups.django").DjangoWorkerFixup(app)
    assert worker.db_reuse_max

    def run() -> int:
        """As a worker's process runs a task: what Celery does around it, what we do, and a query."""
        worker.on_task_prerun(sender=sweep)
        signals.task_prerun.send(sender=sweep)
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        worker.on_task_postrun(sender=sweep)
        return id(connection.connection)

    assert run() == run() == run()
    if connection.vendor == "postgresql":
        before = connection.connection
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as another:
            another.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                [connection.settings_dict["NAME"]],
            )
        run()
        assert before.closed
        assert connection.connection is not before
