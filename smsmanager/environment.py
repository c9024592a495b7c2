"""What the environment says, read in one place, before Django is there.

Plain Python: the settings module and the process supervisor both use it.
"""

import hashlib
import json
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Collection
from pathlib import Path
from zoneinfo import ZoneInfo

# sun_path of sockaddr_un holds 108 bytes with its closing NUL (unix(7)).
LONGEST_SOCKET_PATH = 107
# How a variable says yes and no, in lower case.
YES, NO = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})


class BadEnvironment(Exception):
    """A variable of the environment is missing or makes no sense; the text says which and what to do."""


def text(name: str, default: str = "") -> str:
    """The variable `name` without surrounding space, or `default` when it is unset or empty."""
    return os.environ.get(name, "").strip() or default


def choice(name: str, allowed: Collection[str], default: str) -> str:
    """The variable `name`, one of `allowed`; raises BadEnvironment for anything else."""
    value = text(name, default)
    if value not in allowed:
        raise BadEnvironment(f"{name} must be one of {', '.join(allowed)}, not {value!r}.")
    return value


def flag(name: str, default: bool) -> bool:
    """The variable `name` as yes or no; raises BadEnvironment for anything else."""
    value = text(name).lower()
    if not value:
        return default
    if value in YES:
        return True
    if value in NO:
        return False
    raise BadEnvironment(f"{name} must be yes or no, not {value!r}.")


def number(name: str, default: int, *, least: int = 1) -> int:
    """The variable `name` as a whole number, which is `least` or more; raises BadEnvironment for anything else."""
    value = text(name)
    if not value:
        return default
    try:
        found = int(value)
    except ValueError:
        raise BadEnvironment(f"{name} must be a whole number, not {value!r}.") from None
    if found < least:
        raise BadEnvironment(f"{name} must be {least} or more, not {value!r}.")
    return found


def zone(name: str, default: str) -> str:
    """The variable `name`, a time zone by its name in the IANA database; raises BadEnvironment for anything else."""
    value = text(name, default)
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        # An unknown name, one that leads out of the database, and one of a folder in it such as "Europe".
        raise BadEnvironment(f"{name} must be the name of a time zone such as Europe/Paris, not {value!r}.") from None
    return value


def amount(name: str, default: int) -> int:
    """The variable `name`, an amount of credits such as 1, 0.5 or 0,125, in thousandths; `default` is in thousandths.

    Raises BadEnvironment for anything else.
    """
    value = text(name)
    if not value:
        return default
    match = re.fullmatch(r"([0-9]{1,9})(?:[.,]([0-9]{1,3}))?", value)
    if match is None:
        raise BadEnvironment(f"{name} must be credits with at most three decimals, such as 0.5, not {value!r}.")
    return int(match[1]) * 1000 + int((match[2] or "").ljust(3, "0"))


def words(name: str, default: tuple[str, ...] = ()) -> list[str]:
    """The variable `name` as a list separated by commas."""
    return [word.strip() for word in text(name).split(",") if word.strip()] or list(default)


def table(name: str) -> dict[str, str | None]:
    """The variable `name`: a JSON object of texts (or null), or the path of a file that holds one.

    Raises BadEnvironment for anything else.
    """
    value = text(name)
    if not value:
        return {}
    try:
        found = json.loads(value if value.startswith("{") else Path(value).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadEnvironment(
            f"{name} must be a JSON object or the path of a file with one, not {value!r}: {error.strerror}."
        ) from None
    except ValueError as error:
        # UnicodeDecodeError and JSONDecodeError are both.
        raise BadEnvironment(f"{name} must be a JSON object; what it holds is not JSON: {error}.") from None
    if not isinstance(found, dict) or not all(isinstance(one, str | None) for one in found.values()):
        raise BadEnvironment(f"{name} must be a JSON object whose values are texts or null.")
    return found


def private_directory(path: Path) -> Path:
    """Make `path` a directory that only this user may enter, and return it.

    Raises BadEnvironment when it is a link or belongs to somebody else: in a shared temporary
    directory another user could have put it there; and when it is a directory that everybody may write to,
    such as /tmp itself, which is not ours to close.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not is_own_directory(path):
        raise BadEnvironment(f"{path} is not a directory of this user; remove it or choose another one.")
    if path.lstat().st_mode & (stat.S_ISVTX | stat.S_IWOTH):
        raise BadEnvironment(f"{path} is open to everybody; choose a directory of its own for the data.")
    if stat.S_IMODE(path.lstat().st_mode) != 0o700:
        path.chmod(0o700)
    return path


def is_own_directory(path: Path) -> bool:
    """Whether `path` is a directory that belongs to this user; a link to one is not."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()


def broker_socket(data_dir: Path) -> Path:
    """Where the embedded broker listens: in `data_dir`, or in a short temporary path when that is too long.

    Every process of the installation computes the same path from the same data directory.
    """
    preferred = data_dir / "broker" / "broker.sock"
    if len(os.fsencode(preferred)) <= LONGEST_SOCKET_PATH:
        return preferred
    return _temporary("smsmanager", data_dir) / "broker.sock"


def turns_directory(data_dir: Path) -> Path | None:
    """Where workers of one machine, or of one container, take turns; None without a temporary directory.

    It is not in `data_dir`, which several machines may share.
    """
    try:
        return _temporary("smsmanager-turns", data_dir)
    except FileNotFoundError:
        return None


def _temporary(name: str, data_dir: Path) -> Path:
    """Raises FileNotFoundError where nothing may be written to."""
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"{name}-{os.getuid()}-{digest}"


def embedded_secret_key(data_dir: Path) -> str:
    """The key of an embedded installation: made at the first start, kept in a file only its user reads."""
    path = private_directory(data_dir) / "secret_key"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii").strip()
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(50))
    return path.read_text(encoding="ascii").strip()
