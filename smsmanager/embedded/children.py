"""One program under the supervisor: its command, its log, its process group and its end."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from smsmanager.embedded import child

# A log longer than this (bytes) is moved to NAME.log.1; beside it there is never more than one older one.
LONGEST_LOG = 10 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run.

    `command` begins with the absolute path of a program. `ready` says whether it does its work yet,
    `ready_seconds` how long that may take, `stop_seconds` how long it may take to end when asked.
    """

    name: str
    command: Sequence[str]
    ready: Callable[[], bool] = lambda: True
    ready_seconds: float = 60
    stop_seconds: float = 10
    descriptors: Sequence[int] = ()


class Child:
    """A program that is started, perhaps several times, in a session and process group of its own.

    So Ctrl-C in the terminal reaches the supervisor alone, which then stops the children in order.
    """

    def __init__(self, program: Program, *, log_dir: Path, environ: Mapping[str, str]) -> None:
        self.program = program
        self.log = log_dir / f"{program.name}.log"
        self._environ = dict(environ)
        self._process: subprocess.Popen[bytes] | None = None
        self._code: int | None = None
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.1"))

    @property
    def name(self) -> str:
        return self.program.name

    def start(self) -> None:
        """Start the program. Only from the main thread: on Linux the child ends with the thread."""
        self._code = None
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", child.__file__, str(os.getpid()), *self.program.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environ,
                pass_fds=self.program.descriptors,
                start_new_session=True,
            )

    def ended(self) -> int | None:
        """The exit code of a program that has ended (minus the signal, if one killed it), else None.

        What it may have left behind in its group is killed.
        """
        if self._code is None and self._process is not None:
            code = self._process.poll()
            if code is not None:
                # Once: later the number of the group may be another's.
                self.kill()
                self._code = code
        return self._code

    @property
    def running(self) -> bool:
        return self._process is not None and self.ended() is None

    def ask_to_stop(self) -> None:
        """Send SIGTERM to the program itself, which ends its own children."""
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        """Send SIGKILL to the program and to everything in its group."""
        if self._process is None or self._code is not None:
            return
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            # Nobody is left in the group. (macOS answers EPERM when only a zombie is.)
            return

    def last_lines(self, count: int) -> list[str]:
        """The last `count` lines of its log."""
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - 16_384))
            return log.read().decode(errors="replace").splitlines()[-count:]

    def shorten_log(self) -> None:
        """Move a log that has grown too long to NAME.log.1 and begin again.

        The program keeps its file open for appending, so the text is copied and the file cut; a line
        written in between is lost.
        """
        if self.log.stat().st_size > LONGEST_LOG:
            shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
            os.truncate(self.log, 0)


class Follower:
    """Shows what a log receives, line by line, as `tail -F` does."""

    def __init__(self, log: Path, show: Callable[[str], None]) -> None:
        self._log, self._show = log, show
        self._seen = 0
        self._rest = b""

    def follow(self) -> None:
        """Show the lines that came since the last call."""
        size = self._log.stat().st_size if self._log.exists() else 0
        if size == self._seen:
            return
        with self._log.open("rb") as file:
            # Shorter than it was: it was moved aside and begun again.
            file.seek(self._seen if size > self._seen else 0)
            *lines, self._rest = (self._rest + file.read()).split(b"\n")
            self._seen = file.tell()
        for line in lines:
            self._show(line.decode(errors="replace"))
