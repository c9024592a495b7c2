"""What a thread hands to the session's loop, and how it learns what became of it."""

import threading
from collections.abc import Sequence

from compose.gateways.base import GatewayError

# The message id of a part that was taken, or what became of it instead.
Answer = str | GatewayError


class Batch:
    """Submissions that a thread hands over together, and waits for."""

    __slots__ = ("_unanswered", "answers", "bodies", "expires", "left")

    def __init__(self, bodies: Sequence[bytes]) -> None:
        self.bodies = bodies
        self.answers: list[Answer | None] = [None] * len(bodies)
        self.left = len(bodies)
        self.expires = 0.0
        # Held until all are answered: the plain lock is the quickest thing that another thread can wait for.
        self._unanswered = threading.Lock()
        self._unanswered.acquire()

    def answer(self, index: int, answer: Answer) -> None:
        """Note the one answer of a submission."""
        self.answers[index] = answer
        self.left -= 1
        if not self.left:
            self._unanswered.release()

    def wait(self, seconds: float) -> bool:
        """Wait until each has its answer, and say whether that is so."""
        return self._unanswered.acquire(timeout=seconds)

    def fail(self, error: GatewayError) -> None:
        """The same answer for each submission that has none."""
        for index, answer in enumerate(self.answers):
            if answer is None:
                self.answer(index, error)
