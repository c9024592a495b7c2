"""A believable operator without a network: it takes messages, reports after seconds and answers short numbers.

What each number does stands in `compose.gateways.simulated`. What comes later (reports, answers) is kept in the
broker's store, a sorted set by the moment it is due, so that it survives the worker that sent the message; `poll`
returns what is due.
"""

import json
import math
import time
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast

import redis

from compose.gateways.base import Accepted, Capabilities, Event, Gateway, NotSent, Outcome, Outgoing, Received, Report
from compose.gateways.simulated import AT_ONCE, FIRST_TIME, behaviour, follows, share

COMING: Final = "smsmanager:simulator:coming"
# Followed by the id of a message that had its first attempt; kept for a day.
TRIED: Final = "smsmanager:simulator:tried:"
DAY: Final = 86_400


class SimulatorGateway(Gateway):
    """`redis_url` is the store; `answer` is the text that a phone sends back.

    Reports and answers come after `report_after` and `answer_after` seconds at the most, and sooner by up to the share
    `spread` of that; `failures` is the share of ordinary numbers that fail. Both are shares from 0 to 1, and the id of
    a message decides, so the same message has the same fate each time.
    """

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
        spread: float = 0.5,
        failures: float = 0.0,
    ) -> None:
        self.store = _store(redis_url)
        self.report_after = _number("report_after", report_after, math.inf)
        self.answer_after = _number("answer_after", answer_after, math.inf)
        self.spread = _number("spread", spread, 1)
        self.failures = _number("failures", failures, 1)
        if not isinstance(answer, str):
            raise TypeError("answer is a text.")
        self.answer = answer

    def send(self, chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        now = time.time()
        outcomes: list[Outcome] = []
        coming: dict[str, float] = {}
        try:
            for message in chunk:
                reference = str(uuid.uuid4())
                digits = behaviour(message, self.failures)
                outcome = self._outcome(message, digits, reference)
                outcomes.append(outcome)
                # What is in doubt is reported under our own id: the sender never learnt the operator's.
                if isinstance(outcome, Accepted) or digits in REPORTED_IN_DOUBT:
                    coming.update(self._what_follows(message, digits, reference, now))
            if coming:
                self.store.zadd(COMING, cast(Any, coming))
        except redis.RedisError as error:
            raise NotSent(f"the simulator's store does not answer: {type(error).__name__}") from error
        return outcomes

    def _outcome(self, message: Outgoing, digits: str, reference: str) -> Outcome:
        if digits in AT_ONCE:
            return AT_ONCE[digits]()
        if digits in FIRST_TIME and self.store.set(f"{TRIED}{message.id}", "1", nx=True, ex=DAY):
            return FIRST_TIME[digits]()
        return Accepted(reference)

    def _what_follows(self, message: Outgoing, digits: str, reference: str, now: float) -> Iterable[tuple[str, float]]:
        """The events that this message will cause, each with the moment it is due."""
        delays = {"report": self.report_after, "received": self.answer_after}
        sooner = 1 - self.spread * share(message.id, "sooner")
        for number, event in enumerate(follows(message, digits, reference, self.answer)):
            due = now + delays[event.kind] * sooner * event.after
            # The place makes an entry of its own of what is said twice.
            yield json.dumps({"is": event.kind, **event.said, "at": due, "nth": number}), due

    def poll(self) -> Iterable[Event]:
        for entry in cast(list[str], self.store.zrangebyscore(COMING, "-inf", time.time(), start=0, num=1000)):
            yield _event(entry)

    def acknowledge(self, events: Sequence[Event]) -> None:
        if events:
            self.store.zrem(COMING, *[event.raw["entry"] for event in events])


# Of the numbers that leave doubt, those that a report resolves.
REPORTED_IN_DOUBT: Final = frozenset({"0105", "0106"})


def _event(entry: str) -> Event:
    said: dict[str, Any] = json.loads(entry)
    said.pop("nth", None)
    at = datetime.fromtimestamp(said.pop("at"), UTC)
    kind = said.pop("is")
    raw = {"entry": entry, **said.pop("raw", {})}
    return Report(**said, at=at, raw=raw) if kind == "report" else Received(**said, at=at, raw=raw)


def _store(redis_url: str) -> redis.Redis:
    if not isinstance(redis_url, str):
        raise TypeError("redis_url is a text.")
    try:
        return redis.Redis.from_url(redis_url, decode_responses=True, socket_timeout=5, socket_connect_timeout=2)
    except ValueError:
        raise ValueError("redis_url is an address such as redis://host:6379/0.") from None


# The values come from the settings of an installation: no type checker has seen them.
def _number(name: str, value: object, most: float) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{name} is a number.")
    if not (0 <= value <= most and math.isfinite(value)):
        raise ValueError(f"{name} is a number from 0" + (f" to {most}." if math.isfinite(most) else " on."))
    return float(value)
