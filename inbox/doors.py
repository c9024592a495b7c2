"""The doors of gateways: who is let in, what a call says, and how it is kept.

    admit      who calls? Before the body is read and before any query: the key and the address, all that is configured
    hear       what does it say? The gateway reads it (and proves its signature), the events are stored, and that is
               all: a worker applies them

What the vendor is answered decides what it does next. It calls again after an error, so an error is answered only
where calling again helps: 503 while the database is away, 403 for a call that is not the vendor's. A call that is not
understood today will not be understood tomorrow: it is kept as it is, shown to the administrator, and answered 200,
or a vendor would repeat it for days and then close the door on what is well. The same when a gateway's code fails.
"""

import hashlib
import ipaddress
import json
import logging
import secrets
import threading
import time
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.db import transaction

from compose import hiding, nudges, routing
from compose.away import AWAY, let_go
from compose.gateways.base import Call, Forged, Gateway, Heard, Unreadable
from compose.services import keep_unreadable, store_events

log = logging.getLogger(__name__)

# The parameter of the query, and the header, in which a vendor brings the key of its door.
KEY, KEY_HEADER = "key", "x-gateway-key"
# The headers that are kept of a call that nobody understood; among the others are secrets.
KEPT_HEADERS: Final = frozenset({"content-type", "content-length", "content-encoding", "accept", "user-agent", "date"})
# Seconds between two lines of the log about the same thing at the same door.
QUIET: Final = 60.0
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class NoDoor(Exception):
    """There is no gateway of this name, or none that is called."""


class Refused(Exception):
    """The call does not come from the vendor. Nothing of it is kept; the text says why, without what was said."""


class TryAgain(Exception):
    """The database is away: nothing is stored, and the vendor is to call again."""


@dataclass(frozen=True)
class Door:
    """A gateway that is called, by its name in the settings."""

    name: str
    gateway: Gateway

    @property
    def key(self) -> str:
        return self.gateway.door_key

    @property
    def addresses(self) -> Sequence[str]:
        """The networks from which it may be called; empty for anywhere."""
        found: Sequence[str] = settings.SMS_GATEWAYS[self.name].get("DOOR", {}).get("addresses", ())
        return found

    def secrets(self) -> list[str]:
        """What nothing that is kept or logged may show: the key, and the gateway's own secrets."""
        return hiding.secrets(self.name, self.gateway)


def at(name: str) -> Door:
    """The door of the gateway `name`. Raises NoDoor, and TryAgain while its settings make no gateway."""
    if name not in routing.names():
        raise NoDoor
    try:
        gateway = routing.gateway(name)
    except Exception as error:  # noqa: BLE001  (somebody else's code; what its vendor has to say must not be lost)
        what = (
            f"The gateway {name} cannot be made from its settings ({type(error).__name__}); it is asked to call again"
        )
        _lines.write(f"unmade {name}", logging.ERROR, what)
        raise TryAgain from None
    if not gateway.capabilities.called:
        raise NoDoor
    return Door(name, gateway)


def admit(door: Door, *, keys: Iterable[str], address: str) -> None:
    """Let the call pass when it fulfils all that the door asks for. Raises Refused.

    `keys` are those that it brought, `address` where it comes from, "" when that is not known. A door that asks for
    nothing is closed, unless the gateway proves by a signature who calls.
    """
    if not (door.key or door.addresses or door.gateway.capabilities.signs):
        raise Refused("its door has neither a key nor addresses, so nobody may call")
    if door.key and not any(_same(key, door.key) for key in keys):
        raise Refused("the key is missing or wrong")
    if door.addresses and not _within(address, door.addresses):
        raise Refused("the address is none of those that may call")


def hear(door: Door, call: Call, *, now: datetime) -> Heard:
    """What the call says, stored; returns what the vendor is to be answered.

    Raises Refused for a wrong signature and TryAgain when the database is away; nothing else.
    """
    try:
        heard = door.gateway.parse(call)
        if not isinstance(heard, Heard):
            raise TypeError(f"parse returned {type(heard).__name__}")
    except Forged:
        raise Refused("the signature is missing or wrong") from None
    except Unreadable as error:
        return _keep(door, call, str(error), now)
    except Exception as error:  # noqa: BLE001  (somebody else's code: whatever it is, the call is kept)
        _complain(door, f"failed on a call, which is kept:\n{hiding.without(traceback.format_exc(), door.secrets())}")
        return _keep(door, call, f"{type(error).__name__} in the gateway", now)
    if heard.events:
        try:
            # In a transaction, so that a statement that is refused leaves nothing behind.
            with transaction.atomic():
                store_events(door.name, heard.events, now=now)
        except AWAY as error:
            raise _away(door, error) from None
        except Exception as error:  # noqa: BLE001  (whatever is wrong with these events, the call is kept)
            _complain(door, f"made events that cannot be stored ({type(error).__name__}); the call is kept")
            return _keep(door, call, f"{type(error).__name__} when its events were stored", now)
        nudges.after_commit_at_most_every_second("inbox.tasks.collect")
    return heard


def refused(door: Door, why: Refused, address: str) -> None:
    """Write of a refused call to the log: a line at once, then one a minute for all that came since."""
    _lines.write(f"refused {door.name}", logging.WARNING, f"A call at the door of {door.name} from {address}: {why}")


def _complain(door: Door, what: str) -> None:
    _lines.write(f"failed {door.name}", logging.ERROR, f"The gateway {door.name} {what}")


def _away(door: Door, error: Exception) -> TryAgain:
    what = f"The database does not answer ({type(error).__name__}); {door.name} is asked to call again"
    _lines.write(f"away {door.name}", logging.WARNING, what)
    let_go()
    return TryAgain()


def _keep(door: Door, call: Call, why: str, now: datetime) -> Heard:
    """Keep a call that was not understood, without its secrets, once for what it says."""
    said: dict[str, Any] = {
        "why": why,
        "method": call.method,
        "what": call.what,
        "query": {name: list(values) for name, values in call.query.items()},
        "form": {name: list(values) for name, values in call.form.items()},
        "headers": {name: value for name, value in call.headers.items() if name in KEPT_HEADERS},
        "address": call.address,
    }
    try:
        said["body"] = call.body.decode()
    except UnicodeDecodeError:
        said["body_hex"] = call.body.hex()
    said = hiding.without(said, door.secrets())
    told = json.dumps([said[name] for name in sorted(said) if name not in ("address", "headers")])
    key = f"unreadable-{hashlib.sha256(told.encode()).hexdigest()}"
    try:
        with transaction.atomic():
            keep_unreadable(door.name, key, said, now=now)
    except AWAY as error:
        raise _away(door, error) from None
    return Heard()


def _same(given: str, wanted: str) -> bool:
    """Whether they are the same, in a time that does not tell how much of it is."""
    return secrets.compare_digest(given.encode("utf-8", "surrogatepass"), wanted.encode())


def _within(address: str, networks: Sequence[str]) -> bool:
    found = _address(address)
    if found is None:
        return False
    return any(found in ipaddress.ip_network(network, strict=False) for network in networks)


def _address(written: str) -> Address | None:
    """An address as servers and proxies write it: perhaps with a port, in brackets, or IPv4 in the form of IPv6."""
    written = written.strip()
    if written.startswith("["):
        written = written[1:].partition("]")[0]
    elif written.count(":") == 1:
        written = written.partition(":")[0]
    try:
        found = ipaddress.ip_address(written)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, ipaddress.IPv6Address) else found


class _Lines:
    """Lines of the log that a flood must not multiply: of each kind one at once, then one a minute with the number."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kinds: dict[str, tuple[float, int]] = {}

    def write(self, kind: str, level: int, line: str) -> None:
        now = time.monotonic()
        with self._lock:
            last, silent = self._kinds.get(kind, (-QUIET, 0))
            if now - last < QUIET:
                self._kinds[kind] = (last, silent + 1)
                return
            self._kinds[kind] = (now, 0)
        log.log(level, "%s%s", line, f" (and {silent} more since the line before)" if silent else "")


_lines = _Lines()
