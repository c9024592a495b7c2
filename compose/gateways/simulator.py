"""A believable operator without a network: it takes messages, reports after seconds and answers short numbers.

What comes later (reports, replies) is kept in the broker's store, a sorted set by the moment it is due, so
that it survives the worker that sent the message; `poll` returns what is due.

The last four digits of the recipient choose what happens:

    0001  the number is refused as invalid              0005  reported not delivered, phone switched off
    0002  the operator cannot be reached (sent later)   0006  reported expired
    0003  the connection breaks after the hand-over     0007  taken, and never reported
    0004  refused as spam                               other: delivered; a message from a number is answered
"""

import json
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import redis

from compose.gateways.base import (
    Accepted,
    Capabilities,
    Event,
    Gateway,
    InvalidRecipient,
    NotSent,
    Outcome,
    OutcomeUnknown,
    Outgoing,
    Received,
    Rejected,
    Report,
)

COMING = "smsmanager:simulator:coming"

# Last four digits of the recipient -> what the operator says at once.
AT_ONCE: dict[str, Callable[[], Exception]] = {
    "0001": lambda: InvalidRecipient("simulated: no such number"),
    "0002": lambda: NotSent("simulated: connection refused"),
    "0003": lambda: OutcomeUnknown("simulated: connection lost"),
    "0004": lambda: Rejected("simulated: refused", reason="spam"),
}
# Last four digits -> status and reason of the report; None is silence.
REPORTED: dict[str, tuple[str, str] | None] = {
    "0005": ("undelivered", "absent"),
    "0006": ("expired", "absent"),
    "0007": None,
}


class SimulatorGateway(Gateway):
    """`redis_url` is the store; delays in seconds; `answer` is the text that a phone sends back."""

    capabilities = Capabilities(
        classes=frozenset({"standard", "flash", "sim"}),
        sender_kinds=frozenset({"short", "virtual", "alphanumeric", "numeric"}),
        reports=True,
        inbound=True,
        polls=True,
        batch_size=100,
    )

    def __init__(
        self,
        *,
        redis_url: str,
        report_after: float = 2.0,
        answer_after: float = 4.0,
        answer: str = "Bien reçu, merci !",
    ) -> None:
        self.store = redis.Redis.from_url(redis_url, decode_responses=True, socket_timeout=5, socket_connect_timeout=2)
        self.report_after = report_after
        self.answer_after = answer_after
        self.answer = answer

    def send(self, chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        now = time.time()
        outcomes: list[Outcome] = []
        coming: dict[str, float] = {}
        for message in chunk:
            digits = message.recipient[-4:]
            if digits in AT_ONCE:
                outcomes.append(cast(Outcome, AT_ONCE[digits]()))
                continue
            reference = str(uuid.uuid4())
            outcomes.append(Accepted(reference))
            coming.update(self._what_follows(message, reference, now))
        if coming:
            try:
                self.store.zadd(COMING, cast(Any, coming))
            except redis.RedisError as error:
                raise NotSent(f"the simulator's store does not answer: {type(error).__name__}") from error
        return outcomes

    def _what_follows(self, message: Outgoing, reference: str, now: float) -> Iterable[tuple[str, float]]:
        """The events that this message will cause, each with the moment it is due."""
        report = REPORTED.get(message.recipient[-4:], ("delivered", ""))
        if report is None:
            return
        status, reason = report
        due = now + self.report_after
        yield (
            json.dumps(
                {
                    "is": "report",
                    "key": f"report-{reference}",
                    "reference": reference,
                    "message_id": message.id,
                    "status": status,
                    "reason": reason,
                    "at": due,
                }
            ),
            due,
        )
        if status == "delivered" and message.sender_kind in {"short", "virtual"}:
            due = now + self.answer_after
            yield (
                json.dumps(
                    {
                        "is": "received",
                        "key": f"received-{reference}",
                        "number": message.recipient,
                        "to": message.originator,
                        "text": self.answer,
                        "at": due,
                    }
                ),
                due,
            )

    def poll(self) -> Iterable[Event]:
        for entry in cast(list[str], self.store.zrangebyscore(COMING, "-inf", time.time(), start=0, num=1000)):
            yield _event(entry)

    def acknowledge(self, events: Sequence[Event]) -> None:
        if events:
            self.store.zrem(COMING, *[event.raw["entry"] for event in events])


def _event(entry: str) -> Event:
    said: dict[str, Any] = json.loads(entry)
    at = datetime.fromtimestamp(said.pop("at"), UTC)
    kind = said.pop("is")
    if kind == "report":
        return Report(**said, at=at, raw={"entry": entry})
    return Received(**said, at=at, raw={"entry": entry})
