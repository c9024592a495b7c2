"""A thread that listens to a gateway, and shows what arrives."""

import contextlib
import threading
from collections.abc import Iterator

from compose.gateways.base import Event
from compose.gateways.smpp import SmppGateway
from tests.fixtures.instances import until
from tests.gateways.smsc import SECONDS


class Listener:
    """What a gateway that is listened to yields; while `storing` is False it is not acknowledged."""

    def __init__(self) -> None:
        self.storing = True
        self.stopping = False
        self.events: list[Event] = []
        self.offered: list[Event] = []
        self.trouble: BaseException | None = None

    def run(self, made: SmppGateway) -> None:
        """Listen until the block ends."""
        try:
            for events in made.listen(lambda: self.stopping):
                self.offered = list(events)
                if self.storing:
                    self.events += events
                    made.acknowledge(events)
        except Exception as error:
            self.trouble = error
            raise

    def wait_for(self, count: int) -> list[Event]:
        """The events, as soon as there are so many of them."""
        until(lambda: len(self.events) >= count, SECONDS, f"{len(self.events)} of {count} events came")
        return self.events


@contextlib.contextmanager
def listening(made: SmppGateway) -> Iterator[Listener]:
    """A thread that listens for the length of the block."""
    listener = Listener()
    thread = threading.Thread(target=listener.run, args=[made], name="listener")
    thread.start()
    try:
        yield listener
    finally:
        listener.stopping = True
        thread.join(SECONDS)
        assert not thread.is_alive()
        assert listener.trouble is None
