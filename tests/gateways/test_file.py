"""The file gateway: a file that only its owner reads, whole lines from several processes, no line without room."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from compose.gateways.base import Accepted, BadConfiguration, NotSent
from compose.gateways.file import FileGateway
from tests.gateways.peers import outgoing

SENDER = """
import sys
from compose.gateways.file import FileGateway
from tests.gateways.peers import outgoing
made = FileGateway(path=sys.argv[1])
for number in range(40):
    made.send([outgoing(sys.argv[2] * 5000, id=f"{sys.argv[2]}{number}-{each}") for each in range(5)])
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "messages.jsonl"


def test_a_message_is_a_line_with_all_of_it(path: Path) -> None:
    message = outgoing("Bonjour\n« 😀 »\u2028fin", message_class="flash", commercial=True, validity=60)
    (outcome,) = FileGateway(path=str(path)).send([message])
    assert isinstance(outcome, Accepted)
    (line,) = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    said = json.loads(line)
    assert said.pop("at").endswith("+00:00")
    assert said == {
        "reference": outcome.reference,
        "id": message.id,
        "from": "Boulanger",
        "to": "+33612345678",
        "kind": "alphanumeric",
        "class": "flash",
        "commercial": True,
        "validity": 60,
        "text": "Bonjour\n« 😀 »\u2028fin",
    }
    assert "😀" in line


def test_half_a_character_is_no_reason_to_lose_the_message(path: Path) -> None:
    FileGateway(path=str(path)).send([outgoing("a\ud83d")])
    assert json.loads(path.read_bytes())["text"] == "a\ud83d"


def test_only_its_owner_may_read_the_file(path: Path) -> None:
    before = os.umask(0)
    try:
        FileGateway(path=str(path)).send([outgoing()])
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_is_in_the_file_stays(path: Path) -> None:
    path.write_text("{}\n")
    FileGateway(path=str(path)).send([outgoing()])
    FileGateway(path=str(path)).send([outgoing()])
    assert len(path.read_text().splitlines()) == 3


def test_lines_of_several_processes_do_not_mix(path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", SENDER, path, letter], env=os.environ) for letter in "ab"]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    texts = [json.loads(line)["text"] for line in path.read_text().splitlines()]
    assert sorted(texts) == ["a" * 5000] * 200 + ["b" * 5000] * 200


def test_a_folder_that_is_not_there_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="cannot be opened"):
        FileGateway(path=str(tmp_path / "none" / "messages.jsonl")).send([outgoing()])


def test_a_link_that_somebody_laid_there_is_not_followed(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadConfiguration):
        FileGateway(path=str(path)).send([outgoing()])
    assert not (tmp_path / "elsewhere").exists()


def test_a_line_without_room_is_taken_back_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = FileGateway(path=str(path))
    made.send([outgoing()])
    before = path.read_bytes()
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, octets: write(file, octets[:10]))
    (outcome,) = made.send([outgoing()])
    assert type(outcome) is NotSent
    assert path.read_bytes() == before


def test_a_disk_that_refuses_did_not_take_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    (outcome,) = FileGateway(path="/dev/full").send([outgoing()])
    assert type(outcome) is NotSent
