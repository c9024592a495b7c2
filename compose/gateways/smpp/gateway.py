"""The gateway: messages become submissions, and their answers become one outcome for each message.

A message of several parts has one outcome, though its parts may differ:

    every part taken                              Accepted, under the id of the last part
    no part taken, and none in doubt              what was said of the first that was refused for good, else of the
                                                  first that did not leave
    some taken, others certainly did not leave    those are sent again for `answer_timeout`, for half a message is
                                                  of no use; what is still missing then is in doubt
    anything else                                 OutcomeUnknown: some of it has left or may have
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from compose.gateways.base import (
    Accepted,
    Capabilities,
    Event,
    Gateway,
    GatewayError,
    NotSent,
    Outcome,
    OutcomeUnknown,
    Outgoing,
    Throttled,
)
from compose.gateways.smpp import pdus
from compose.gateways.smpp.batch import Answer
from compose.gateways.smpp.options import Options
from compose.gateways.smpp.receipts import canonical
from compose.gateways.smpp.session import Session
from compose.gateways.smpp.submissions import Submissions

# How often, in seconds, a listener looks whether it is to stop.
LOOK = 0.25
# Between attempts to send what is missing of a message.
BETWEEN = 0.1
# Submissions that are written together; the peer begins with them while the next are made.
PIECE = 100


class SmppGateway(Gateway):
    """SMPP 3.4 with the options of `Options`; a connection is made when the first message leaves.

    With `bind="separate"` a process that sends binds as transmitter and `listen` as receiver; with "transceiver"
    both are transceivers, and what arrives in a process that sends is offered by `poll` there.
    """

    SECRETS = frozenset({"password"})

    def __init__(self, **options: Any) -> None:
        self.options = Options(**options)
        transceiver = self.options.bind == "transceiver"
        self.capabilities = Capabilities(
            classes=frozenset({"standard", "flash", "sim"}),
            sender_kinds=frozenset({"short", "virtual", "alphanumeric", "numeric"}),
            reports=self.options.receipts,
            inbound=True,
            polls=transceiver,
            listens=True,
            # What a crash leaves in doubt is a window.
            batch_size=self.options.window,
        )
        self._submissions = Submissions(self.options)
        self._sends = Session(self.options, pdus.BIND_TRANSCEIVER if transceiver else pdus.BIND_TRANSMITTER)
        self._listens = pdus.BIND_TRANSCEIVER if transceiver else pdus.BIND_RECEIVER
        self._listening: Session | None = None

    def send(self, chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        outcomes: list[Outcome | None] = [None] * len(chunk)
        # Of the messages that can be sent: their places in the chunk, and the submissions of each.
        places: list[int] = []
        parts: list[list[bytes]] = []
        said = self._sends.submit(self._pieces(chunk, outcomes, places, parts))
        form = self.options.answer_ids
        if len(said) == len(chunk) == len(parts) and all(type(answer) is str for answer in said):
            # What happens most often: each is a message in one part, and taken.
            return [Accepted(canonical(answer, form)) for answer in cast(list[str], said)]
        answers = _of_messages(said, parts)
        if not all(type(answer) is str for answer in said):
            self._complete(parts, answers)
        for place, each in zip(places, answers, strict=True):
            outcomes[place] = self._outcome(each)
        return [outcome for outcome in outcomes if outcome is not None]

    def _pieces(
        self, chunk: Sequence[Outgoing], outcomes: list[Outcome | None], places: list[int], parts: list[list[bytes]]
    ) -> Iterator[list[bytes]]:
        """The submissions of the chunk in pieces, as they are made; what cannot be sent gets its outcome here."""
        now = datetime.now(UTC)
        piece: list[bytes] = []
        for place, message in enumerate(chunk):
            try:
                bodies = self._submissions.bodies(message, now=now)
            except GatewayError as error:
                outcomes[place] = error
                continue
            places.append(place)
            parts.append(bodies)
            piece += bodies
            if len(piece) >= PIECE:
                yield piece
                piece = []
        if piece:
            yield piece

    def _complete(self, parts: list[list[bytes]], answers: list[list[Answer]]) -> None:
        """Send what is missing of messages that left in part, as long as it may be."""
        deadline = time.monotonic() + self.options.answer_timeout
        while missing := _missing(answers):
            if time.monotonic() > deadline:
                break
            time.sleep(BETWEEN)
            said = self._sends.submit([[parts[index][number] for index, number in missing]])
            for (index, number), answer in zip(missing, said, strict=True):
                answers[index][number] = answer

    def _outcome(self, answers: Sequence[Answer]) -> Outcome:
        """What became of a message, from the answers for its parts."""
        troubles = [
            (number, answer) for number, answer in enumerate(answers, start=1) if isinstance(answer, GatewayError)
        ]
        if not troubles:
            return Accepted(canonical(str(answers[-1]), self.options.answer_ids))
        # What is worst to be wrong about comes first: doubt, then a refusal for good, then what can be tried again.
        number, worst = min(troubles, key=lambda each: _severity(each[1]))
        if len(answers) == 1 or (len(troubles) == len(answers) and not isinstance(worst, OutcomeUnknown)):
            return worst
        taken = len(answers) - len(troubles)
        return OutcomeUnknown(f"{taken} of {len(answers)} parts were taken; part {number}: {worst.detail}")

    def poll(self) -> Iterable[Event]:
        return self._sends.arrivals.pending()

    def acknowledge(self, events: Sequence[Event]) -> None:
        self._sends.acknowledge(events)
        if self._listening is not None:
            self._listening.acknowledge(events)

    def listen(self, stopped: Callable[[], bool]) -> Iterator[Sequence[Event]]:
        """Bind and yield what arrives until `stopped()`; it is offered again until it is acknowledged.

        Connects again by itself, whatever happens to the connection.
        """
        self._listening = session = Session(self.options, self._listens, kept=True)
        try:
            session.start()
            while not stopped():
                session.arrivals.some.wait(LOOK)
                session.arrivals.some.clear()
                events = session.arrivals.pending()
                if events:
                    yield events
        finally:
            self._listening = None
            session.close()

    def close(self) -> None:
        """Take leave of the peer; the gateway sends no more."""
        self._sends.close()


def _of_messages(said: list[Answer], parts: list[list[bytes]]) -> list[list[Answer]]:
    """The answers for the parts of each message."""
    coming = iter(said)
    return [[next(coming) for _part in bodies] for bodies in parts]


def _missing(answers: list[list[Answer]]) -> list[tuple[int, int]]:
    """The parts that certainly did not leave of messages whose other parts were all taken: message and part."""
    return [
        (index, number)
        for index, said in enumerate(answers)
        if any(isinstance(answer, str) for answer in said)
        and all(isinstance(answer, str) or type(answer) in (NotSent, Throttled) for answer in said)
        for number, answer in enumerate(said)
        if not isinstance(answer, str)
    ]


def _severity(error: GatewayError) -> int:
    if isinstance(error, OutcomeUnknown):
        return 0
    return 2 if isinstance(error, NotSent) else 1
