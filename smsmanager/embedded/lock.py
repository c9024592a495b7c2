"""One start per data directory.

The lock is flock(2): the kernel frees it with the process, however that ends, so there is no stale lock.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path


class Taken(Exception):
    """Another process holds the lock; the text says which and at what address."""


@contextlib.contextmanager
def hold(data_dir: Path) -> Iterator[Callable[[str], None]]:
    """Hold the lock of `data_dir`, an existing directory, for the length of the `with` block.

    Yields a function that notes the address at which this start answers; a second start reads it.
    Raises Taken when another process holds the lock.
    """
    # Not inheritable (PEP 446): a child that outlived its parent would keep the lock.
    descriptor = os.open(data_dir / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Taken(_sentence(file.read(), data_dir)) from None

        def note(address: str) -> None:
            file.seek(0)
            file.truncate()
            json.dump({"process": os.getpid(), "address": address}, file)
            file.flush()

        note("")
        yield note
        file.seek(0)
        file.truncate()


def _sentence(noted: str, data_dir: Path) -> str:
    try:
        holder = json.loads(noted)
    except json.JSONDecodeError:  # between its lock and its first note
        holder = {"process": "?", "address": ""}
    where = f"at {holder['address']}" if holder["address"] else "but still starting"
    return (
        f"The SMS manager is already running {where} (process {holder['process']}) "
        f"with the data of {data_dir}. Use that one, or stop it with Ctrl-C; "
        "for a second one choose another SMSMANAGER_DATA_DIR."
    )
