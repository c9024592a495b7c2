"""A gateway that has to be listened to: what it delivers is stored, and only then answered."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

from django.db import connection
from django.utils import timezone

from compose import routing
from compose.away import AWAY, let_go
from compose.gateways.base import Event
from compose.services import store_events

log = logging.getLogger(__name__)

# Seconds until the next attempt to store when the database is away; doubled each time up to the longest.
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0


@runtime_checkable
class Listening(Protocol):
    """A gateway with a connection that one process holds for what comes in."""

    def listen(self, stopped: Callable[[], bool]) -> Iterator[Sequence[Event]]:
        """What arrives until `stopped()`, offered again until it is acknowledged. Raises nothing for a lost peer."""

    def acknowledge(self, events: Sequence[Event]) -> None:
        """These are stored."""


class CannotListen(Exception):
    """There is no gateway of this name, or none that is listened to. The text says which there are."""


def names() -> list[str]:
    """The names of the gateways that a process has to listen to."""
    return [name for name in routing.names() if routing.gateway(name).capabilities.listens]


def found(name: str) -> Listening:
    """The gateway of this name. Raises CannotListen."""
    if name not in routing.names():
        raise CannotListen(f"There is no gateway {name!r}; SMS_GATEWAYS has: {', '.join(routing.names())}.")
    gateway = routing.gateway(name)
    if not (gateway.capabilities.listens and isinstance(gateway, Listening)):
        raise CannotListen(f"The gateway {name!r} is not listened to; what it has to say comes another way.")
    return gateway


def listen(name: str, *, stopped: Callable[[], bool], then: Callable[[], None]) -> None:
    """Store what the gateway `name` delivers, answer it, and call `then`, until `stopped()`.

    Two processes may do it at once: an event is stored once for its key. Raises CannotListen.
    """
    gateway = found(name)
    refused: set[str] = set()
    for events in gateway.listen(stopped):
        fresh = [event for event in events if event.key not in refused]
        stored = _stored(name, fresh, refused, stopped)
        if stored:
            gateway.acknowledge(stored)
            then()


def _stored(name: str, events: list[Event], refused: set[str], stopped: Callable[[], bool]) -> list[Event]:
    """Store these, waiting for a database that is away, and return those that are stored.

    One that the database refuses goes into `refused`, unanswered, and does not stand before the others.
    """
    wait = FIRST_WAIT
    while events:
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        try:
            store_events(name, events, now=timezone.now())
        except AWAY as error:
            log.warning("The database does not answer (%s); what %s delivered waits", type(error).__name__, name)
            let_go()
            if not _waited(wait, stopped):
                return []
            wait = min(wait * 2, LONGEST_WAIT)
        except Exception:
            # DatabaseError for what the database refuses, and whatever an event of a gateway's class is not fit for.
            if len(events) > 1:
                return [one for event in events for one in _stored(name, [event], refused, stopped)]
            log.exception("An event of %s cannot be stored: %s", name, events[0].key)
            refused.add(events[0].key)
            return []
        else:
            return events
    return []


def _waited(seconds: float, stopped: Callable[[], bool]) -> bool:
    """Wait, and say whether to go on."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and not stopped():
        time.sleep(0.1)
    return not stopped()
