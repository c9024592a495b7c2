"""What the environment says, and the directories that are ours."""

import stat
from pathlib import Path

import pytest

from smsmanager.environment import (
    LONGEST_SOCKET_PATH,
    BadEnvironment,
    amount,
    broker_socket,
    private_directory,
    table,
    zone,
)


def test_a_directory_of_the_installation_is_closed_to_others(tmp_path: Path) -> None:
    made = private_directory(tmp_path / "deep" / "data")
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    made.chmod(0o755)
    assert stat.S_IMODE(private_directory(made).stat().st_mode) == 0o700


def test_a_directory_that_everybody_may_write_to_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    with pytest.raises(BadEnvironment, match="open to everybody"):
        private_directory(shared)
    assert stat.S_IMODE(shared.stat().st_mode) == 0o1777


def test_a_link_instead_of_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "target")
    with pytest.raises(BadEnvironment, match="not a directory of this user"):
        private_directory(tmp_path / "data")


def test_the_socket_of_the_broker_always_has_a_path_that_can_be_bound(tmp_path: Path) -> None:
    near, far = tmp_path / "data", tmp_path / ("deep" * 40)
    assert broker_socket(far) == broker_socket(far) != broker_socket(near)
    assert len(str(broker_socket(far))) <= LONGEST_SOCKET_PATH


def test_a_table_stands_in_the_variable_or_in_a_file_that_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SMSMANAGER_TWINS", raising=False)
    assert table("SMSMANAGER_TWINS") == {}
    written = '{"→": "->", "ç": null}'
    (tmp_path / "twins.json").write_text(written, encoding="utf-8")
    for value in (written, f"  {written}\n", str(tmp_path / "twins.json")):
        monkeypatch.setenv("SMSMANAGER_TWINS", value)
        assert table("SMSMANAGER_TWINS") == {"→": "->", "ç": None}


@pytest.mark.parametrize("value", ["two days", "{", '{"a": 1}', '{"a": ["b"]}', "/", "{'a': 'b'}"])
def test_a_table_that_is_none_is_refused_in_one_sentence(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMSMANAGER_TWINS", value)
    with pytest.raises(BadEnvironment, match=r"^SMSMANAGER_TWINS must be a JSON object.*\.$"):
        table("SMSMANAGER_TWINS")


@pytest.mark.parametrize("content", [b"[]", b'"a"', b"\xff", b""])
def test_a_file_that_holds_no_table_is_refused_in_one_sentence(
    tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "twins.json").write_bytes(content)
    monkeypatch.setenv("SMSMANAGER_TWINS", str(tmp_path / "twins.json"))
    with pytest.raises(BadEnvironment, match=r"^SMSMANAGER_TWINS must be a JSON object.*\.$"):
        table("SMSMANAGER_TWINS")


@pytest.mark.parametrize(
    ("value", "millis"),
    [("", 1_000), ("0", 0), ("1", 1_000), (" 2 ", 2_000), ("0.5", 500), ("0,125", 125), ("12.05", 12_050)],
)
def test_an_amount_of_credits_is_read_in_thousandths(value: str, millis: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMSMANAGER_REPLY_PRICE", value)
    assert amount("SMSMANAGER_REPLY_PRICE", 1_000) == millis


@pytest.mark.parametrize("value", ["-1", "1.0005", "1e3", ".", "1.", ".5", "1 000", "nan", "٣", "9" * 10])
def test_an_amount_that_is_none_is_refused_in_one_sentence(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMSMANAGER_REPLY_PRICE", value)
    with pytest.raises(BadEnvironment, match=r"^SMSMANAGER_REPLY_PRICE must be credits .*\.$"):
        amount("SMSMANAGER_REPLY_PRICE", 1_000)


@pytest.mark.parametrize("value", ["", "Europe/Paris", "America/Martinique", "UTC"])
def test_a_time_zone_is_a_name_of_the_database(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMSMANAGER_TIME_ZONE", value)
    assert zone("SMSMANAGER_TIME_ZONE", "Europe/Paris") == (value or "Europe/Paris")


@pytest.mark.parametrize("value", ["Mars/X", "Europe", "../../etc/passwd", "/etc/localtime", "+01:00", "é"])
def test_a_time_zone_that_is_none_is_refused_in_one_sentence(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMSMANAGER_TIME_ZONE", value)
    with pytest.raises(BadEnvironment, match=r"^SMSMANAGER_TIME_ZONE must be the name of a time zone .*\.$"):
        zone("SMSMANAGER_TIME_ZONE", "Europe/Paris")
