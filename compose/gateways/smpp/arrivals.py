"""What arrived and was not answered yet: an answer says that it is stored, so it comes after that.

The peer repeats what it got no answer for. The same octets again while the first wait, or soon after an answer
that reached nobody, are therefore a repetition: nothing else tells a received message from its repetition. A crash
between storing and answering forgets this; then a received message may be there twice, and none is lost.
"""

import hashlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from compose.gateways.base import Event
from compose.gateways.smpp import pdus, statuses
from compose.gateways.smpp.events import event_of
from compose.gateways.smpp.link import Link
from compose.gateways.smpp.options import Options

log = logging.getLogger(__name__)

# What waits to be stored; a peer that sends more is told to try again.
MOST_PENDING: Final = 1000
# How long, in seconds, the same octets are taken for a repetition after an answer that reached nobody.
REPEATED_WITHIN: Final = 300.0

# A delivery that waits for its answer: where it came from, its command and its sequence number.
Waiting = tuple[Link, int, int]


@dataclass
class Arrival:
    """An event and the deliveries that brought it."""

    event: Event
    unanswered: list[Waiting]


class Arrivals:
    """Filled by the loop's thread (`take`), emptied by another (`pending`, `stored`); `some` is set by each new one."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.some = threading.Event()
        self._lock = threading.Lock()
        # By a fingerprint of the octets: what waits, and the moment at which the answer for another was lost.
        self._pending: OrderedDict[str, Arrival] = OrderedDict()
        self._answer_lost: OrderedDict[str, float] = OrderedDict()

    def pending(self) -> list[Event]:
        """What arrived and is not known to be stored, oldest first."""
        with self._lock:
            return [arrival.event for arrival in self._pending.values()]

    def stored(self, events: Sequence[Event]) -> list[Waiting]:
        """Forget these, and return the deliveries that are to be answered now."""
        answered: list[Waiting] = []
        with self._lock:
            for event in events:
                fingerprint = event.raw.get("fingerprint", "")
                arrival = self._pending.pop(fingerprint, None)
                if arrival is None:
                    continue
                answered += arrival.unanswered
                if not any(link.open for link, _command, _sequence in arrival.unanswered):
                    self._answer_lost[fingerprint] = time.monotonic()
                    if len(self._answer_lost) > MOST_PENDING:
                        self._answer_lost.popitem(last=False)
        return answered

    def take(self, link: Link, command: int, sequence: int, body: bytes) -> None:
        """A deliver_sm or data_sm came in, and is kept or answered at once."""
        fingerprint = hashlib.sha256(body).hexdigest()
        waits = (link, command, sequence)
        with self._lock:
            known = self._pending.get(fingerprint)
            if known is not None:
                known.unanswered.append(waits)
                return
            lost_at = self._answer_lost.pop(fingerprint, None)
            full = len(self._pending) >= MOST_PENDING
        if lost_at is not None and time.monotonic() - lost_at < REPEATED_WITHIN:
            answer([waits])
            return
        if full:
            answer([waits], status=statuses.RX_T_APPN)
            return
        read: Callable[[bytes], pdus.Delivery]
        read = pdus.read_deliver_sm if command == pdus.DELIVER_SM else pdus.read_data_sm
        try:
            delivery = read(body)
        except pdus.Malformed as error:
            log.warning("%s delivered something unreadable: %s", self.options.peer, error)
            answer([waits], status=statuses.RX_P_APPN)
            return
        event = event_of(delivery, body, self.options, now=datetime.now(UTC))
        event.raw["fingerprint"] = fingerprint
        with self._lock:
            self._pending[fingerprint] = Arrival(event, [waits])
        self.some.set()


def answer(deliveries: Sequence[Waiting], *, status: int = statuses.ROK) -> None:
    """Answer deliveries (SMPP 3.4 §4.6.2: the message id in the answer is unused). In the loop's thread."""
    for link, command, sequence in deliveries:
        link.write(pdus.pdu(command | pdus.ANSWER, sequence, b"\0", status=status))
