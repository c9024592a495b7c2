"""Whether this worker was asked to stop: dispatch then finishes the chunk in its hands and begins nothing more.

Celery tells only the worker itself, and lets the task of each of its processes end first. One of dispatch goes on for
minutes while there is something to send, longer than anybody waits who stops a container; then it would be killed, and
a chunk left in doubt.
"""

import mmap

# One byte that the worker shares with the processes that it forks.
_asked = mmap.mmap(-1, 1)


def ask() -> None:
    """Begin nothing more, in this process and those that it forked; for the end of a worker."""
    _asked[0] = 1


def asked() -> bool:
    """Whether nothing more shall be begun here."""
    return _asked[0] == 1
