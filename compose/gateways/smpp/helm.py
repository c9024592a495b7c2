"""Who runs the event loop of a session: the thread that sends, for so long as it waits for its answers.

Handing submissions to a thread of the loop's own, and being woken by it, costs two changes of thread for each chunk:
as much as the way to the peer and back. So the thread that comes first takes the helm. Those that come meanwhile hand
their batch to it and wait; when it has its answers, it gives the helm to one that has not. A keeper, which is a thread
too, has the helm when nobody sends, and gives it to the first who does.

Whoever has the helm may touch the link without the loop running, and nobody else may.
"""

import asyncio
import threading
from asyncio.events import _get_running_loop
from collections import deque
from collections.abc import Callable
from typing import Final

from compose.gateways.base import NotSent
from compose.gateways.smpp.batch import Batch

# Seconds without a sender until the keeper takes over; a peer that asks something meanwhile waits so long.
PAUSE: Final = 0.1
# Seconds that a thread may take to end.
LONGEST_END: Final = 15.0


class Helm:
    """A loop, and the threads that take turns in running it; `take` gives a batch to the link, at the helm."""

    def __init__(self, take: Callable[[Batch], None]) -> None:
        self.loop = asyncio.new_event_loop()
        self._take = take
        # Of the four below.
        self._lock = threading.Lock()
        self._taken = False
        self._used = False
        self._ended = False
        self._queue: deque[Batch] = deque()
        self._keeping = False
        self._wanted = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="smpp", daemon=True)
        self._keeper.start()

    # --- For the threads that send -------------------------------------------------------------------

    def take(self, batch: Batch) -> bool:
        """Take the helm for this batch, when nobody has it. Raises NotSent when all is over."""
        if _get_running_loop() is not None:
            return False  # A thread runs one loop at a time, and this one has its own.
        with self._lock:
            return self._take_it(batch)

    def take_or_follow(self, batch: Batch, seconds: float) -> bool:
        """Take the helm, or let whoever has it see to the batch; False when that has answered all of it.

        Waits at the most so many seconds. Raises NotSent when all is over.
        """
        batch.follows = _get_running_loop() is not None
        with self._lock:
            leads = not batch.follows and self._take_it(batch)
            if not leads:
                self._queue.append(batch)
        if leads:
            self._take(batch)
            return True
        self.loop.call_soon_threadsafe(self._hand, batch)
        if batch.follows:
            self._wanted.set()
        batch.wait(seconds)
        with self._lock:
            if batch in self._queue:
                self._queue.remove(batch)  # It is not to have the helm any more.
            return batch.promoted

    def steer(self, batch: Batch, seconds: float) -> None:
        """Run the loop until the batch has its answers, at the most so many seconds. Only with the helm."""
        loop = self.loop
        until = loop.time() + seconds
        guard = loop.call_at(until, loop.stop)
        while batch.left and loop.time() < until:
            loop.run_forever()
        guard.cancel()

    def leave(self) -> None:
        """Give the helm to somebody who waits, else to nobody."""
        with self._lock:
            for batch in list(self._queue):
                if not batch.left:
                    self._queue.remove(batch)
                elif not batch.follows:
                    self._queue.remove(batch)
                    batch.promote(self.loop.stop)
                    return
            self._taken, self._used = False, True
            if self._queue:
                self._wanted.set()

    # --- For any thread ------------------------------------------------------------------------------

    def run(self) -> None:
        """See to it that somebody runs the loop soon."""
        self._wanted.set()

    def end(self) -> None:
        """End the keeper, and the loop."""
        self._ended = True
        self._wanted.set()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._keeper.join(LONGEST_END)
        with self._lock:
            if not self._taken and not self._keeper.is_alive():
                self.loop.close()

    # --- Within --------------------------------------------------------------------------------------

    def _take_it(self, batch: Batch) -> bool:
        if self._ended:
            raise NotSent("the gateway was closed")
        if self._taken:
            return False
        self._taken = True
        batch.stop = self.loop.stop
        return True

    def _hand(self, batch: Batch) -> None:
        """The batch of another thread, in the loop."""
        self._take(batch)
        if self._keeping and batch.left and not batch.follows:
            self.loop.stop()

    def _keep(self) -> None:
        wanted = True
        while not self._ended:
            if self._nobody(wanted):
                self._keeping = True
                try:
                    self.loop.run_forever()
                finally:
                    self._keeping = False
                    self.leave()
            wanted = self._wanted.wait(PAUSE)
            self._wanted.clear()

    def _nobody(self, wanted: bool) -> bool:
        """Take the helm when it was free for a while, or when that is wanted."""
        with self._lock:
            free = not self._taken and (wanted or not self._used)
            self._used = False
            self._taken = self._taken or free
            return free
