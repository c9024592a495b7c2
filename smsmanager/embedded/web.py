"""gunicorn's configuration under `manage.py up` (`--config python:smsmanager.embedded.web`)."""

from pathlib import Path
from typing import Any

from smsmanager.embedded import child

worker_class = "gthread"
# The application is loaded once and shared by the workers' copies of memory.
preload_app = True
# Seconds that requests under way have to end when the server is stopped.
graceful_timeout = 5
# Kannel tells a received message in the address: a long one in UCS-2 needs six characters for each of its own. The
# largest that gunicorn can.
limit_request_line = 8190
# Its socket would lie in the home directory, shared by every installation of this user.
control_socket_disable = True
# A worker touches a file there to show that it lives: never on a disk that may be slow.
_memory = Path("/dev/shm")  # noqa: S108  (gunicorn makes an unlinked file of its own there)
worker_tmp_dir = str(_memory) if _memory.is_dir() else None


def post_fork(server: Any, worker: Any) -> None:
    """A worker ends with its master: a fork does not inherit the parent-death signal."""
    child.end_with(worker.ppid)
