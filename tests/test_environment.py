"""What the environment says, and the directories that are ours."""

import stat
from pathlib import Path

import pytest

from smsmanager.environment import LONGEST_SOCKET_PATH, BadEnvironment, broker_socket, private_directory


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
