"""`manage.py up` with real processes: started, refused, broken, brought back, stopped, killed."""

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from smsmanager import demo, environment
from smsmanager.management.commands.up import DEFAULT_PORT, listening
from tests.fixtures.instances import (
    MANAGE,
    Running,
    installation,
    launch,
    output_file,
    processes_of,
    until,
    up_environ,
)

pytestmark = pytest.mark.processes
PROGRAMS = {"broker", "worker", "web", "beat"}


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One installation for the tests that leave it running; in a path with a space and an accent."""
    with installation(tmp_path_factory.mktemp("une société") / "data", "--port", "0") as instance:
        yield instance


def refused(*arguments: str, data_dir: Path, **environ: str) -> str:
    """Start where that must be refused, and return the sentence."""
    done = subprocess.run(
        [sys.executable, MANAGE, "up", *arguments],
        env=up_environ(data_dir, **environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def answers(url: str) -> bool:
    with urllib.request.urlopen(f"{url}/healthz", timeout=10) as response:  # noqa: S310  (http on the loopback)
        return bool(response.status == 200)


def client_of(data_dir: Path) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(environment.broker_socket(data_dir)))


def worker_replies(instance: Running) -> bool:
    """Whether the worker takes an order through the broker; it asks in a process of its own."""
    asked = "from smsmanager.celery import app; print(len(app.control.ping(timeout=2)))"
    done = subprocess.run(
        [sys.executable, MANAGE, "shell", "--no-imports", "-c", asked],
        env=instance.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout.strip() == "1"


def test_it_says_where_to_go_and_how_to_sign_in(up: Running) -> None:
    assert answers(up.url)
    assert f"Ready   {up.url}/" in up.printed()
    for name in demo.PEOPLE:
        assert f"  {name} " in up.printed()
    assert demo.PASSWORD in up.printed()
    assert "Ctrl-C stops everything" in up.printed()
    assert len({up.program(name).pid for name in PROGRAMS}) == len(PROGRAMS)


def test_only_this_user_reads_its_data(up: Running) -> None:
    for private in (up.data_dir, up.data_dir / "broker", up.data_dir / "logs"):
        assert private.stat().st_mode & 0o777 == 0o700
    assert environment.broker_socket(up.data_dir).stat().st_mode & 0o077 == 0


def test_the_broker_listens_on_no_port(up: Running) -> None:
    assert up.program("broker").net_connections(kind="inet") == []


def test_a_long_message_in_the_address_of_a_call_is_not_too_long_for_the_server(up: Running) -> None:
    # As Kannel tells a received message of 10 parts in UCS-2: each octet is three characters of the address.
    with pytest.raises(urllib.error.HTTPError) as answered:
        urllib.request.urlopen(f"{up.url}/gateways/nobody/received?text={'%00e' * 2000}", timeout=10)  # noqa: S310
    assert answered.value.code == 404
    assert "No gateway that is called has this name" in answered.value.read().decode()


def test_a_second_start_is_refused_and_names_the_first(up: Running) -> None:
    sentence = refused("--port", "0", data_dir=up.data_dir)
    assert f"already running at {up.url}/" in sentence
    assert f"process {up.process.pid}" in sentence
    assert answers(up.url)


def test_a_port_that_is_taken_is_refused(up: Running, tmp_path: Path) -> None:
    port = up.url.rpartition(":")[2]
    assert f"Port {port} cannot be had" in refused("--port", port, data_dir=tmp_path / "data")
    assert processes_of(tmp_path / "data") == []


def test_an_address_that_others_reach_is_refused_with_the_demonstration(up: Running, tmp_path: Path) -> None:
    sentence = refused(
        *("--host", "0.0.0.0", "--port", "0"),  # noqa: S104
        data_dir=tmp_path / "data",
        DATABASE_URL=f"sqlite:///{up.data_dir / 'smsmanager.sqlite3'}",
    )
    assert "demonstration users" in sentence
    assert processes_of(tmp_path / "data") == []


def test_a_broker_that_does_not_answer_is_named(tmp_path: Path) -> None:
    nowhere = f"unix://{tmp_path}/nothing.sock"
    assert "REDIS_URL does not answer" in refused(
        "--port", "0", "--no-demo", data_dir=tmp_path / "data", REDIS_URL=nowhere
    )
    assert processes_of(tmp_path / "data") == []


@pytest.mark.parametrize("name", ["worker", "web", "broker", "beat"])
def test_a_killed_child_is_brought_back(up: Running, name: str) -> None:
    before = up.program(name).pid
    os.kill(before, signal.SIGKILL)

    def after() -> int:
        found = [process.pid for process in up.processes() if process.ppid() == up.process.pid]
        return len(found) == len(PROGRAMS) and up.program(name).pid != before

    until(after, 30, f"{name} was not brought back")
    assert f"{name} was killed by SIGKILL; it is started again" in up.printed()
    until(lambda: client_answers(up.data_dir), 30, "the broker did not answer")
    until(lambda: worker_replies(up), 60, "the worker did not answer")
    assert answers(up.url)


def client_answers(data_dir: Path) -> bool:
    try:
        with client_of(data_dir) as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False


def test_ctrl_c_stops_in_order_and_the_queue_is_kept_for_the_next_start(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with installation(data_dir, "--port", "0", "--verbose", "--no-demo") as first:
        with client_of(data_dir) as client:
            client.rpush("kept", "nudge")
        tree = first.processes()
        assert len(tree) >= 1 + len(PROGRAMS)
        first.process.send_signal(signal.SIGINT)
        assert first.process.wait(60) == 0
        assert [process for process in tree if process.is_running()] == []
        assert processes_of(data_dir) == []
        assert not environment.broker_socket(data_dir).exists()
        assert "Stopping" in first.printed()
        assert first.printed().rstrip().endswith("Stopped.")
        # --verbose shows the logs as they come, so it shows the order of the ends.
        ends = ["Shutting down: Master", "worker: Warm shutdown", "User requested shutdown"]
        places = [first.printed().index(end) for end in ends]
        assert places == sorted(places)
    with installation(data_dir, "--port", "0", "--no-demo"), client_of(data_dir) as client:
        assert client.lrange("kept", 0, -1) == [b"nudge"]


def test_a_parent_killed_at_once_takes_everything_with_it(tmp_path: Path) -> None:
    # A path too long for a socket, so that the broker's lies in the temporary directory.
    data_dir = tmp_path / ("long" * 30) / "data"
    with installation(data_dir, "--port", "0", "--no-demo") as first:
        socket_path = environment.broker_socket(data_dir)
        assert data_dir not in socket_path.parents
        assert socket_path.exists()
        assert len(first.processes()) >= 1 + len(PROGRAMS)
        first.process.kill()
        first.process.wait()
        until(lambda: processes_of(data_dir) == [], 10, "children outlived their parent")
    # What a crash leaves (the socket, the text of the lock) does not keep the next start from its work.
    with installation(data_dir, "--port", "0", "--no-demo") as second:
        assert answers(second.url)
        second.process.send_signal(signal.SIGTERM)
        assert second.process.wait(60) == 0
    assert not socket_path.parent.exists()


def test_a_link_where_the_broker_should_listen_is_refused_and_left_alone(tmp_path: Path) -> None:
    data_dir = tmp_path / ("long" * 30) / "data"
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "broker.sock").touch()
    link = environment.broker_socket(data_dir).parent
    link.symlink_to(theirs)
    try:
        assert "is not a directory of this user" in refused("--port", "0", "--no-demo", data_dir=data_dir)
        assert link.is_symlink()
        assert (theirs / "broker.sock").exists()
    finally:
        link.unlink()


def test_a_program_that_cannot_start_ends_everything_and_shows_why(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    (data_dir / "broker" / "appendonlydir").mkdir(parents=True)
    (data_dir / "broker" / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
    sentence = refused("--port", "0", "--no-demo", data_dir=data_dir)
    assert "broker ended with exit code 1 while starting" in sentence
    assert "The last lines of" in sentence
    assert processes_of(data_dir) == []


def test_ctrl_c_during_the_start_is_clean(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    process = launch(data_dir, "--port", "0", "--no-demo", environ=up_environ(data_dir))
    until(lambda: "Data in" in output_file(data_dir).read_text(), 60, "it did not start")
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0, output_file(data_dir).read_text()
    assert processes_of(data_dir) == []


def test_it_stops_when_its_own_parent_is_killed_if_asked_to(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    # As under `make run`: the parent is a program that only waits.
    waits = "import subprocess, sys; subprocess.call(sys.argv[1:])"
    arguments = ["up", "--port", "0", "--no-demo", "--end-with-parent"]
    with output_file(data_dir).open("wb") as output:
        parent = subprocess.Popen(
            [sys.executable, "-c", waits, sys.executable, MANAGE, *arguments],
            env=up_environ(data_dir),
            stdout=output,
            stderr=output,
        )
    until(lambda: "Ready" in output_file(data_dir).read_text(), 60, "it was not ready")
    parent.kill()
    parent.wait()
    until(lambda: processes_of(data_dir) == [], 60, "it outlived its parent")
    assert output_file(data_dir).read_text().rstrip().endswith("Stopped.")


def test_without_a_given_port_the_next_free_one_is_taken(up: Running) -> None:
    with listening("127.0.0.1", None) as first, listening("127.0.0.1", None) as second:
        assert DEFAULT_PORT <= first.getsockname()[1] < second.getsockname()[1]
        assert second.family == socket.AF_INET
