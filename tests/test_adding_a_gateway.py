"""docs/adding-a-gateway.md, followed to the letter: its files, its environment, its commands.

The blocks of the document are written to a directory under the names that it gives them. Nothing is repaired here: a
block that is wrong fails the test.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.utils import timezone

from compose.models import GatewayEvent, Message, Route
from inbox.models import Received
from senders.models import Sender
from tests import factories
from tests.fixtures.databases import FreshDatabase
from tests.gateways.web import Answer, Asked, Web, web

DOCUMENT = Path(settings.BASE_DIR) / "docs" / "adding-a-gateway.md"
NAMED = re.compile(r"^\*\*`(?P<name>[\w.]+)`\*\*\n\n```\w+\n(?P<content>.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^```sh\n(?P<command>(?!export).*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def document() -> str:
    return DOCUMENT.read_text(encoding="utf-8")


@pytest.fixture
def files(document: str, tmp_path: Path) -> Path:
    """The directory with the document's files."""
    for found in NAMED.finditer(document):
        (tmp_path / found["name"]).write_text(found["content"], encoding="utf-8")
    return tmp_path


@pytest.fixture
def vendor() -> Iterator[Web]:
    """Pigeon itself, which takes every message."""

    def take(asked: Asked) -> Answer:
        return Answer(201, json.dumps({"id": f"p-{json.loads(asked.body)['ref']}"}).encode())

    with web() as server:
        server.does = take
        yield server


@pytest.fixture
def environ(files: Path, vendor: Web, fresh_database: FreshDatabase) -> dict[str, str]:
    """What the document exports; only where the files and the vendor are is another place here."""
    said = dict(re.findall(r"^export (\w+)=(.*)$", (files / "environment").read_text(encoding="utf-8"), re.MULTILINE))
    here = {
        "PYTHONPATH": str(files),
        "SMSMANAGER_GATEWAYS": str(files / "gateways.toml"),
        "PIGEON_URL": f"{vendor.url}/v1",
    }
    assert here.keys() < said.keys()
    return fresh_database.environ | said | here


def run(command: str, environ: dict[str, str]) -> str:
    """Run a command of the document in a checkout, as it is written there, and return what it printed."""
    words = shlex.split(command)
    program = {"python": [sys.executable], "pytest": [sys.executable, "-m", "pytest"]}[words[0]]
    done = subprocess.run(
        [*program, *words[1:]],
        cwd=settings.BASE_DIR,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def test_the_checks_of_the_installation_pass(document: str, environ: dict[str, str]) -> None:
    (check,) = [found["command"] for found in COMMAND.finditer(document) if "manage.py" in found["command"]]
    printed = run(check, environ)
    assert "no issues" in printed
    assert environ["PIGEON_TOKEN"] not in printed


@pytest.mark.parametrize("missing", ["PIGEON_TOKEN", "PYTHONPATH"])
def test_the_checks_name_what_is_missing(document: str, environ: dict[str, str], missing: str) -> None:
    (check,) = [found["command"] for found in COMMAND.finditer(document) if "manage.py" in found["command"]]
    token = environ["PIGEON_TOKEN"]
    del environ[missing]
    with pytest.raises(AssertionError) as found:
        run(check, environ)
    assert (missing if missing != "PYTHONPATH" else "pigeon_gateway") in str(found.value)
    assert token not in str(found.value)


# What a worker and the web server do, in one process of the installation that the document describes.
SEND = """
from tests.dispatching import dispatch_due
dispatch_due()
"""
HEAR = """
import json, os
from django.test import Client
for target, said in json.loads(os.environ["CALLS"]):
    answer = Client().post(target, json.dumps(said), "application/json", headers={"host": "127.0.0.1"})
    print(target.partition("?")[0], answer.status_code)
from inbox.tasks import collect
collect()
"""


def test_a_message_leaves_and_its_report_and_an_answer_come_back(
    document: str, environ: dict[str, str], vendor: Web
) -> None:
    account = factories.account()
    name = factories.sender(account)
    number = factories.sender(account, factories.mobile(900_000), kind=Sender.Kind.VIRTUAL).value
    message = factories.message(account, by=name, now=timezone.now())
    run(f"python manage.py shell -c {shlex.quote(SEND)}", environ)
    (asked,) = vendor.asked
    sent = json.loads(asked.body)
    message.refresh_from_db()
    assert (asked.path, asked.headers["authorization"]) == ("/v1/messages", f"Bearer {environ['PIGEON_TOKEN']}")
    assert (sent["to"], sent["text"]) == (message.recipient, message.submission.text)
    assert (message.state, message.gateway_ref) == (Message.State.ACCEPTED, f"p-{message.pk}")

    tell = urlsplit(sent["tell"])
    (door,) = re.findall(r"`(https://\S+/received\?\S+)`", document)
    received = door.removeprefix(environ["SMSMANAGER_PUBLIC_URL"])
    at = "2026-11-23T09:00:00+01:00"
    answer = {"id": "i-1", "from": message.recipient, "to": number, "text": "Oui", "at": at}
    environ["CALLS"] = json.dumps(
        [
            [f"{tell.path}?{tell.query}", {"id": message.gateway_ref, "state": "arrived", "at": at}],
            [received, answer],
            [f"{received}-and-wrong", answer | {"id": "i-2"}],
        ]
    )
    printed = run(f"python manage.py shell -c {shlex.quote(HEAR)}", environ).splitlines()
    assert [line for line in printed if line.startswith("/gateways")] == [
        "/gateways/default/report 200",
        "/gateways/default/received 200",
        "/gateways/default/received 403",
    ]
    message.refresh_from_db()
    assert message.state == Message.State.DELIVERED
    keys = set(GatewayEvent.objects.values_list("key", flat=True))
    assert keys == {
        "received-i-1",
        f"report-p-{message.pk}-arrived",
    }
    assert [found.text for found in Received.objects.all()] == ["Oui"]


def test_beside_another_gateway_a_route_leads_to_it(files: Path, environ: dict[str, str], vendor: Web) -> None:
    toml = files / "gateways.toml"
    text = toml.read_text(encoding="utf-8").replace("[default", "[pigeon")
    toml.write_text(f'[default]\nbackend = "console"\n\n{text}', encoding="utf-8")
    message = factories.message(factories.account(), now=timezone.now())
    Route.objects.create(gateway="pigeon")
    run(f"python manage.py shell -c {shlex.quote(SEND)}", environ)
    message.refresh_from_db()
    assert (message.state, message.gateway) == (Message.State.ACCEPTED, "pigeon")
    assert urlsplit(json.loads(vendor.asked[0].body)["tell"]).path == "/gateways/pigeon/report"


def test_the_contract_suite_passes_on_it(document: str, files: Path) -> None:
    (suite,) = [found["command"] for found in COMMAND.finditer(document) if "pytest" in found["command"]]
    environ = os.environ | {"PYTHONPATH": str(files)}
    printed = run(f"{suite.strip()} -p no:cacheprovider -n0 -q", environ)
    recorded = json.loads((files / "pigeon_cases.json").read_text(encoding="utf-8"))
    assert re.search(r"\d+ passed in", printed)
    assert "skipped" not in printed
    ran = int(re.findall(r"(\d+) passed", printed)[0])
    assert ran > 15 + len(recorded["answers"]) + len(recorded["inward"])


def test_the_contract_suite_fails_when_the_class_of_the_document_is_wrong(document: str, files: Path) -> None:
    (suite,) = [found["command"] for found in COMMAND.finditer(document) if "pytest" in found["command"]]
    module = files / "pigeon_gateway.py"
    text = module.read_text(encoding="utf-8")
    assert '"no_credit": (OutOfFunds, None)' in text
    module.write_text(text.replace("(OutOfFunds, None)", "(OutcomeUnknown, None)"), encoding="utf-8")
    with pytest.raises(AssertionError, match="1 failed"):
        run(f"{suite.strip()} -p no:cacheprovider -n0 -q -k recorded_answer", os.environ | {"PYTHONPATH": str(files)})


def test_the_document_names_every_file_it_is_followed_with(files: Path) -> None:
    assert {path.name for path in files.iterdir()} == {
        "pigeon_gateway.py",
        "gateways.toml",
        "environment",
        "pigeon_rig.py",
        "pigeon_cases.json",
    }
