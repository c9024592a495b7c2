"""Which gateways carry a message, in which order, and the gateways themselves, made once a process from the settings.

The gateways are in a file (`settings.SMS_GATEWAYS`), the routes in a table: docs/adr/0009.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from django.conf import settings
from django.utils.module_loading import import_string

from compose.gateways.base import Gateway
from compose.models import Message, Route

log = logging.getLogger(__name__)

DEFAULT = "default"
# Seconds between two lines of the log about the same gateway, and when each was written last.
COMPLAIN_EVERY = 60.0
_complained: dict[str, float] = {}


class _Once:
    """As `functools.cache`, for threads too: of several that ask for a gateway at once, one makes it.

    A second one would have a connection of its own to the provider, and what it hears there nobody would ever ask for.
    """

    def __init__(self, make: Callable[[str], Gateway]) -> None:
        self._make = make
        self._made: dict[str, Gateway] = {}
        # The same thread may come again: a gateway's class may ask for another gateway.
        self._making = threading.RLock()

    def __call__(self, name: str) -> Gateway:
        found = self._made.get(name)
        if found is None:
            with self._making:
                found = self._made.get(name)
                if found is None:
                    found = self._made[name] = self._make(name)
        return found

    def cache_clear(self) -> None:
        """Forget the gateways that were made."""
        self._made.clear()


@_Once
def gateway(name: str) -> Gateway:
    """The gateway that `settings.SMS_GATEWAYS` names so. Raises KeyError for an unknown name.

    Raises what its class raises for options that make no sense (ValueError, TypeError) and ImportError without one.
    """
    wanted = settings.SMS_GATEWAYS[name]
    made = import_string(wanted["BACKEND"])(**wanted.get("OPTIONS", {}))
    if not isinstance(made, Gateway):
        raise TypeError(f"{wanted['BACKEND']} makes no Gateway")
    if settings.SMS_PUBLIC_URL:
        made.door = f"{settings.SMS_PUBLIC_URL}/gateways/{name}/"
    made.door_key = wanted.get("DOOR", {}).get("key", "")
    return made


def names() -> list[str]:
    """The names of all configured gateways."""
    return list(settings.SMS_GATEWAYS)


def backend(name: str) -> str:
    """The path of the gateway's class. Raises KeyError for an unknown name."""
    return str(settings.SMS_GATEWAYS[name]["BACKEND"])


class Wanted(NamedTuple):
    """What a message asks of a route and of a gateway."""

    account_id: int
    region: str
    sender_id: int
    kind: str
    message_class: str
    commercial: bool
    # The gateway that its virtual number belongs to, "" for any: no other one can send from it, whatever routes say.
    gateway: str = ""


def wanted_by(row: Message, *, gateway: str = "") -> Wanted:
    """What a message (with its submission and sender) asks of a route; `gateway` is that of its virtual number."""
    submission = row.submission
    return Wanted(
        account_id=row.account_id,
        region=row.region,
        sender_id=submission.sender_id,
        kind=submission.sender.kind,
        message_class=submission.message_class,
        commercial=submission.commercial,
        gateway=gateway,
    )


class Routes:
    """The routes as they are now, in their order: read once, asked for each message of a batch."""

    def __init__(self, rows: Iterable[Route]) -> None:
        configured = set(names())
        # Of a gateway that is not configured any more a route says nothing: a check names it.
        kept = [row for row in rows if row.enabled and row.gateway in configured]
        self.rows = sorted(kept, key=lambda row: (row.priority, -row.closeness, row.pk))
        self._known: dict[Wanted, tuple[str, ...]] = {}

    def candidates(self, wanted: Wanted) -> tuple[str, ...]:
        """The gateways that carry such a message, the first to be tried first; () when none carries it.

        Where no route fits, that is the one called "default". No query.
        """
        found = self._known.get(wanted)
        if found is None:
            carrying = (
                name
                for name in self.fitting(wanted)
                if carries(name, kind=wanted.kind, message_class=wanted.message_class)
            )
            found = self._known[wanted] = tuple(carrying)
        return found

    def fitting(self, wanted: Wanted) -> list[str]:
        """The gateways that routes name for such a message, whether or not they carry it; else "default".

        A message from a number of one gateway has that one.
        """
        if wanted.gateway:
            return [wanted.gateway]
        return list(dict.fromkeys(row.gateway for row in self.rows if _fits(row, wanted))) or [DEFAULT]

    def reachable(self, account_id: int | None = None) -> list[str]:
        """All gateways that some message of the account (of anybody, without one) could go by. No query."""
        mine = [row for row in self.rows if account_id is None or row.account_id in (None, account_id)]
        # A route that asks nothing of a message leaves nothing over for "default".
        rest = [] if any(not row.closeness for row in mine) else [DEFAULT]
        return list(dict.fromkeys([*(row.gateway for row in mine), *rest]))


def routes() -> Routes:
    """The routes of the installation: one query, and none where there is one gateway only."""
    if len(names()) == 1:
        return Routes(())
    return Routes(Route.objects.filter(enabled=True).order_by())


def candidates(wanted: Wanted) -> tuple[str, ...]:
    """The gateways for one such message, as `Routes.candidates`; for many messages read the routes once."""
    return routes().candidates(wanted)


def carries(name: str, *, kind: str = "", message_class: str = "") -> bool:
    """Whether the gateway declares this kind of sender and this type of SMS; "" is not asked for.

    One that cannot be made (its options are wrong) may carry anything: its messages wait until it is set right.
    """
    made = usable(name)
    if made is None:
        return True
    can = made.capabilities
    return (not kind or kind in can.sender_kinds) and (not message_class or message_class in can.classes)


def usable(name: str) -> Gateway | None:
    """The gateway, or None when it cannot be made from its settings; `manage.py check` says why."""
    try:
        return gateway(name)
    except Exception as error:  # noqa: BLE001  (somebody else's code; the other gateways must go on)
        # The kind only: a text could show an option. And not for each message and page that asks.
        if time.monotonic() - _complained.get(name, -COMPLAIN_EVERY) >= COMPLAIN_EVERY:
            _complained[name] = time.monotonic()
            log.error("The gateway %s cannot be made from its settings (%s)", name, type(error).__name__)
        return None


def _fits(row: Route, wanted: Wanted) -> bool:
    return (
        row.region in ("", wanted.region)
        and row.kind in ("", wanted.kind)
        and row.sender_id in (None, wanted.sender_id)
        and row.message_class in ("", wanted.message_class)
        and row.account_id in (None, wanted.account_id)
        and row.commercial in (None, wanted.commercial)
    )
