"""npm's package `smpp` as a short message centre: tests/gateways/npm/smsc.js, run by Node."""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from tests.gateways.smsc import SECONDS
from tests.tooling.tools import ToolMissing

HERE: Final = Path(__file__).parent / "npm"
# Ignored by Git, and kept from one run to the next.
INSTALLED: Final = Path(__file__).parents[2] / "var" / "npm"
FILES: Final = ("package.json", "package-lock.json")


def npm() -> Path:
    """npm's program. Raises ToolMissing without it or without Node."""
    if not (found := shutil.which("npm")) or not shutil.which("node"):
        raise ToolMissing("Node and npm are not installed (Debian: apt-get install nodejs npm).")
    return Path(found)


def installed(program: Path) -> Path:
    """The folder in which the locked packages are, installed when they are not there yet, without their scripts.

    Raises ToolMissing when npm cannot get them.
    """
    locked = b"".join((HERE / name).read_bytes() for name in FILES)
    folder = INSTALLED / hashlib.sha256(locked).hexdigest()[:16]
    INSTALLED.mkdir(parents=True, exist_ok=True)
    with (INSTALLED / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of the processes of one run
        done = folder / "installed"
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for name in FILES:
                shutil.copy(HERE / name, folder)
            command: list[str | Path] = [program, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            made = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
            if made.returncode:
                raise ToolMissing(f"npm could not install the package smpp: {made.stderr}")
            done.touch()
    return folder


class NpmSmsc:
    """The running centre; `said` is what it printed, in order."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.said: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, name="npm-smsc", daemon=True)
        self._reader.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.wait_for("listening")[0]["port"])

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        """What it said of these kinds."""
        return [one for one in list(self.said) if one["is"] in kinds]

    def wait_for(self, kind: str, count: int = 1) -> list[dict[str, Any]]:
        """What it said of this kind, as soon as there are so many."""
        self.until(lambda: len(self.of(kind)) >= count, f"{kind} was not said {count} times")
        return self.of(kind)

    def until(self, what: Callable[[], object], message: str) -> None:
        """Wait until `what()` is true."""
        with self._changed:
            assert self._changed.wait_for(lambda: bool(what()), SECONDS), f"{message}: {self.said}"

    def do(self, order: str, **given: Any) -> None:
        """Tell it what to do, and wait until it is done."""
        done = len(self.of("done"))
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": order, **given}) + "\n")
        self.process.stdin.flush()
        self.wait_for("done", done + 1)

    def end(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(SECONDS)
        finally:
            self.process.kill()
            self._reader.join(SECONDS)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.said.append(json.loads(line))
                self._changed.notify_all()


@contextlib.contextmanager
def npm_smsc(folder: Path) -> Iterator[NpmSmsc]:
    """A centre for the length of the block; `folder` is that of `installed`."""
    environment = {"PATH": os.environ["PATH"], "NODE_PATH": str(folder / "node_modules")}
    with subprocess.Popen(
        ["node", HERE / "smsc.js"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        made = NpmSmsc(process)
        try:
            yield made
        finally:
            made.end()
