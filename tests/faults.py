"""Processes that die between two statements: a fault point is the number of the statement before which it ends."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

# Transactions end by themselves when a process dies; what happens at their edges is the database's own affair.
EDGES = ("BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK", "COMMIT")


class Killed(BaseException):
    """The process ends here; nothing after it runs."""


@contextmanager
def killed_before(number: int) -> Iterator[None]:
    """End the process before its statement `number` (the first is 0); fewer statements come to their end."""
    left = number

    def execute(run: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        nonlocal left
        if not sql.lstrip().startswith(EDGES):
            if left == 0:
                raise Killed
            left -= 1
        return run(sql, params, many, context)

    with connection.execute_wrapper(execute):
        yield


def died(number: int, work: Callable[[], Any]) -> bool:
    """Do the work in a process that dies before its statement `number`; False when it ended before that."""
    try:
        with killed_before(number):
            work()
    except Killed:
        return True
    return False
