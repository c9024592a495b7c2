"""Several threads at once, each on a database connection of its own; for tests with the fixture `fresh_database`."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from django.db import connection, connections

# Far longer than anything here takes: a test that hangs ends with a sentence.
DEADLINE = 60.0


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Begin all calls together and return what each returned, or the exception that it raised, in their order."""
    start = threading.Barrier(len(calls))
    results: list[Any] = [None] * len(calls)

    def run(number: int, call: Callable[[], Any]) -> None:
        try:
            start.wait(DEADLINE)
            results[number] = call()
        except Exception as error:  # noqa: BLE001  (it is the result)
            results[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair, daemon=True) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert not any(thread.is_alive() for thread in threads), "a thread did not end"
    return results


def until_waiting(writers: int) -> None:
    """Return when so many connections wait for a lock on PostgreSQL."""
    end = time.monotonic() + DEADLINE
    waiting = 0
    with connection.cursor() as cursor:
        while waiting < writers:
            assert time.monotonic() < end, f"only {waiting} of {writers} wait for a lock"
            # A transaction sees one moment of this view unless it asks for another.
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            [waiting] = cursor.fetchone()
            time.sleep(0.01)
