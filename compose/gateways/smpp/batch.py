"""What a thread gives to the session's loop, and how it learns what became of it."""

import threading
from collections.abc import Callable, Sequence

from compose.gateways.base import GatewayError

# The message id of a part that was taken, or what became of it instead.
Answer = str | GatewayError


class Batch:
    """Submissions that a thread hands over and waits for; more may be added until it waits.

    Only the thread that has the helm touches it, but for `wait`. The first `written` of the bodies were given to the
    connection; `left` have no answer.
    """

    __slots__ = ("_woken", "answers", "bodies", "expires", "follows", "left", "promoted", "stop", "written")

    def __init__(self, bodies: Sequence[bytes] = ()) -> None:
        self.bodies: list[bytes] = []
        self.answers: list[Answer | None] = []
        self.left = 0
        self.written = 0
        self.expires = 0.0
        # What ends the loop when all are answered; None when the thread waits for another that runs it.
        self.stop: Callable[[], None] | None = None
        self.promoted = False
        # Its thread cannot run the loop.
        self.follows = False
        # Held until all are answered: the plain lock is the quickest thing that another thread can wait for.
        self._woken = threading.Lock()
        self._woken.acquire()
        self.add(bodies)

    def add(self, bodies: Sequence[bytes]) -> None:
        """More submissions."""
        self.bodies += bodies
        self.answers += [None] * len(bodies)
        self.left += len(bodies)

    def answer(self, index: int, answer: Answer) -> None:
        """Note the one answer of a submission."""
        self.answers[index] = answer
        self.left -= 1
        if not self.left:
            self.done()

    def done(self) -> None:
        """All are answered."""
        if self.stop is not None:
            self.stop()
        else:
            self._woken.release()

    def promote(self, stop: Callable[[], None]) -> None:
        """Wake the thread to run the loop itself."""
        self.stop, self.promoted = stop, True
        self._woken.release()

    def wait(self, seconds: float) -> bool:
        """Wait until each has its answer, or until the thread is to run the loop; False after so many seconds."""
        return self._woken.acquire(timeout=seconds)

    def fail(self, error: GatewayError) -> None:
        """The same answer for each submission that has none and was not written, which now never will be."""
        for index in range(self.written, len(self.bodies)):
            self.written += 1
            self.answer(index, error)
