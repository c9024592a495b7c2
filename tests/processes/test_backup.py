"""A copy of a running installation's database, restored elsewhere, is whole: ledger, triggers and all."""

import os
import sqlite3
import subprocess
import sys
import uuid
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection

from compose.models import Message
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import NOON, at
from tests.fixtures import tool
from tests.fixtures.databases import FreshDatabase, child_environ, postgres_database
from tests.gateways_for_tests import scripted_gateway
from tests.tooling import tools

MANAGE = str(Path(settings.BASE_DIR) / "manage.py")
TAMPER = "from credits.models import Transfer; Transfer.objects.update(amount=1)"


def on(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A management command on the database at `url`."""
    environ = child_environ() | {"DATABASE_URL": url, "SMSMANAGER_DATA_DIR": str(settings.DATA_DIR)}
    command = [sys.executable, MANAGE, *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)


def program(name: str, *arguments: str, url: str) -> None:
    """One of PostgreSQL's own programs, on the server of `url`."""
    where = urlsplit(url)
    environ = os.environ | {
        "PGHOST": where.hostname or "",
        "PGPORT": str(where.port),
        "PGUSER": where.username or "",
        "PGPASSWORD": where.password or "",
    }
    done = subprocess.run(
        [tool(tools.postgres) / name, *arguments], env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def is_whole(url: str, messages: int) -> None:
    """The restored database proves its ledger, lacks no migration, and its triggers refuse what they refused before."""
    proof = on(url, "verify_ledger")
    assert proof.returncode == 0, proof.stdout + proof.stderr
    assert on(url, "migrate", "--check").returncode == 0
    counted = on(url, "shell", "--command", "from compose.models import Message; print(Message.objects.count())")
    assert counted.stdout.split()[-1] == str(messages)
    assert on(url, "shell", "--command", TAMPER).returncode != 0


@pytest.mark.processes
def test_a_dump_that_was_restored_into_a_new_database_is_whole(fresh_database: FreshDatabase, tmp_path: Path) -> None:
    account = factories.account()
    with scripted_gateway():
        factories.submission(account, to=20)
        dispatch_due(clock=at(NOON))
        factories.submission(account, to=5, body="Bonsoir")
    messages = Message.objects.count()
    if connection.vendor == "postgresql":
        name, dump = urlsplit(fresh_database.url).path[1:], tmp_path / "smsmanager.dump"
        program("pg_dump", "--format", "custom", "--file", str(dump), name, url=fresh_database.url)
        restored = f"restored_{uuid.uuid4().hex[:8]}"
        with postgres_database(restored) as url:
            orders = ["--dbname", restored, "--no-owner", "--exit-on-error"]
            program("pg_restore", *orders, str(dump), url=url)
            is_whole(url, messages)
    else:
        # What `sqlite3 FILE ".backup COPY"` does.
        original = connection.settings_dict["NAME"]
        with closing(sqlite3.connect(original)) as source, closing(sqlite3.connect(tmp_path / "copy.sqlite3")) as copy:
            source.backup(copy)
        is_whole(f"sqlite:///{tmp_path / 'copy.sqlite3'}", messages)


@pytest.mark.processes
def test_the_checks_before_the_first_migration_ask_for_no_table(django_db_setup: None, tmp_path: Path) -> None:
    with ExitStack() as stack:
        url = f"sqlite:///{tmp_path / 'empty.sqlite3'}"
        if settings.DATABASES["default"]["ENGINE"].endswith("postgresql"):
            url = stack.enter_context(postgres_database(f"empty_{uuid.uuid4().hex[:8]}"))
        # `migrate` runs these first, and a new installation has nothing but an empty database.
        done = on(url, "check", "--database", "default")
    assert done.returncode == 0, done.stderr
