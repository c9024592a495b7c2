"""Taking turns at the database: while somebody writes to few, work on many messages leaves a processor to them.

Two workers that claim and settle a thousand messages at a time keep two processors busy, themselves or PostgreSQL in
their name, and a message to one person takes twice as long beside them. So for as long as messages to few are being
written, as many of a machine (or container) work on many messages at a time as it has processors less one. While nobody
writes, they do not wait for each other.

It is a courtesy, and nothing rests on it: who does not get a turn goes on without. A turn is the lock of a file
(flock), which ends with the process that has it, whatever ends that. See docs/adr/0015.
"""

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import IO

from django.conf import settings
from django.db import connection
from django.utils import timezone

from compose import queues
from compose.models import Submission

# Somebody writes who has sent a message to few so short a time ago; of so many last submissions that is asked.
LATELY, LOOKED_AT = timedelta(seconds=3), 10
# Seconds: how long an answer to that holds, how long a turn is waited for, and how often it is looked for.
HOLDS, PATIENCE, LOOK_EVERY = 0.25, 2.0, 0.002

_asked = {"at": -HOLDS, "somebody": False}


@contextmanager
def taken(*, many: bool) -> Iterator[bool]:
    """Have a turn for the length of the block, where that is about many messages and somebody writes; outside any
    transaction. Whether it has one or needs none: False when others kept theirs for longer than PATIENCE.
    """
    if not many or _engine_has_one_writer() or not _somebody_writes():
        yield True
        return
    with ExitStack() as stack:
        files = [stack.enter_context(file) for file in _files()]
        end = time.monotonic() + PATIENCE
        while not (mine := not files or any(map(_lock, files))) and time.monotonic() < end:
            time.sleep(LOOK_EVERY)
        yield mine


def at_a_time() -> int:
    """How many may work on many messages at a time on this machine."""
    return max(1, (os.cpu_count() or 1) - 1)


def _engine_has_one_writer() -> bool:
    """SQLite: they wait for each other as it is."""
    return bool(connection.vendor == "sqlite")


def _somebody_writes() -> bool:
    """One query, by the key of the table; its answer is kept for a moment."""
    if time.monotonic() - _asked["at"] >= HOLDS:
        last = Submission.objects.order_by("-pk").values_list("recipients", "created_at")[:LOOKED_AT]
        since = timezone.now() - LATELY
        _asked["somebody"] = any(not queues.is_bulk(count) and written > since for count, written in last)
        _asked["at"] = time.monotonic()
    return bool(_asked["somebody"])


def _files() -> list[IO[str]]:
    """Opened anew each time: a lock belongs to whoever opened the file, so threads take turns as well."""
    folder = settings.SMS_TURNS_DIR
    if folder is None:
        return []
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            # Somebody else's, in a directory that all share: there are no turns. One of ours nobody else can replace.
            return []
        return [(folder / f"turn-{number}").open("a") for number in range(at_a_time())]
    except OSError:
        # A directory that nobody may write to: no turns.
        return []


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # A file system without such locks: no turns.
        return True
    return True
