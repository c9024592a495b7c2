"""What the simulated operator does with a message, and what the phone behind the number does. Plain data, no clock.

The last four digits of the recipient choose; any other number takes the message, reports it as delivered, and answers
once where it can. docs/gateways.md has the same table for people.

    at once    0001  no such number                      0101  throttled the first time, then taken
               0002  cannot be reached, ever             0102  out of funds the first time, then taken
               0003  breaks after the hand-over          0103  settings refused the first time, then taken
               0004  refused as spam                     0104  cannot carry this kind of message
                                                         0105  breaks after the hand-over, reported as delivered
                                                         0106  breaks after the hand-over, reported as never taken
    reports    0005  not delivered, phone switched off   0201  not delivered, memory full
               0006  expired                             0202  not delivered, number barred
               0007  never reported                      0203  blocked
                                                         0204  rejected: the operator never took it
                                                         0205  not delivered, the operator had a failure
                                                         0211  delivered, reported before the answer is in
                                                         0212  delivered, reported twice
                                                         0213  delivered, and afterwards on its way
    answers                                              0301  a long one, whose parts arrive in the wrong order
                                                         0302  STOP
                                                         0303  two, one upon the other
                                                         0304  none
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from compose.gateways.base import (
    BadConfiguration,
    GatewayError,
    InvalidRecipient,
    NotSent,
    OutcomeUnknown,
    Outgoing,
    OutOfFunds,
    Rejected,
    Throttled,
    Unsupported,
)
from compose.segments import segment

# Last four digits of the recipient -> what the operator says at once, each time.
AT_ONCE: Final[dict[str, Callable[[], GatewayError]]] = {
    "0001": lambda: InvalidRecipient("simulated: no such number"),
    "0002": lambda: NotSent("simulated: connection refused"),
    "0003": lambda: OutcomeUnknown("simulated: connection lost"),
    "0004": lambda: Rejected("simulated: refused", reason="spam"),
    "0104": lambda: Unsupported("simulated: this kind of message cannot be carried"),
    "0105": lambda: OutcomeUnknown("simulated: connection lost"),
    "0106": lambda: OutcomeUnknown("simulated: connection lost"),
}
# The same, for the first attempt of a message only.
FIRST_TIME: Final[dict[str, Callable[[], GatewayError]]] = {
    "0101": lambda: Throttled("simulated: too many messages", retry_after=2.0),
    "0102": lambda: OutOfFunds("simulated: no credit is left"),
    "0103": lambda: BadConfiguration("simulated: wrong password"),
}
DELIVERED: Final = ("delivered", "", 1.0)
# Last four digits -> reports: status, reason, and when, as a share of the delay of reports.
REPORTS: Final[dict[str, tuple[tuple[str, str, float], ...]]] = {
    "0003": (),
    "0005": (("undelivered", "absent", 1.0),),
    "0006": (("expired", "absent", 1.0),),
    "0007": (),
    "0106": (("rejected", "rejected", 1.0),),
    "0201": (("undelivered", "memory_full", 1.0),),
    "0202": (("undelivered", "barred", 1.0),),
    "0203": (("blocked", "blocked", 1.0),),
    "0204": (("rejected", "rejected", 1.0),),
    "0205": (("undelivered", "operator_failure", 1.0),),
    "0211": (("delivered", "", 0.0),),
    "0212": (DELIVERED, DELIVERED),
    "0213": (("delivered", "", 0.5), ("accepted", "", 1.0)),
}
# What befalls other numbers when the option `failures` wants some.
FAILING: Final = ("0005", "0005", "0006", "0201", "0202", "0001")
LONG_ANSWER, STOP, TWO_ANSWERS, NO_ANSWER = "0301", "0302", "0303", "0304"
SECOND_ANSWER: Final = "👍"
CAN_BE_ANSWERED: Final = frozenset({"short", "virtual"})
_CLAUSE: Final = re.compile(r"\bSTOP:? ?(?P<number>[0-9]{5})$")


@dataclass(frozen=True)
class Coming:
    """An event that a message will cause: the fields of it, and after how many of its delays."""

    kind: str
    after: float
    said: dict[str, Any] = field(default_factory=dict)


def behaviour(message: Outgoing, failures: float) -> str:
    """The last four digits, or those of a failure where the share `failures` (0 to 1) meets this message."""
    digits = message.recipient[-4:]
    chosen = digits in AT_ONCE or digits in FIRST_TIME or digits in REPORTS
    if chosen or digits in (LONG_ANSWER, STOP, TWO_ANSWERS, NO_ANSWER) or share(message.id, "fails") >= failures:
        return digits
    return FAILING[int(share(message.id, "how") * len(FAILING))]


def share(message_id: str, what: str) -> float:
    """A number from 0 to below 1: another for each message, and the same each time."""
    return int.from_bytes(hashlib.sha256(f"{what}:{message_id}".encode()).digest()[:6], "big") / 2**48


def follows(message: Outgoing, digits: str, reference: str, answer: str) -> Iterator[Coming]:
    """The reports and answers that this message causes, in the order in which they are due."""
    reports = REPORTS.get(digits, (DELIVERED,))
    for number, (status, reason, after) in enumerate(reports):
        said = {
            # The same report twice has the same key, so it counts once.
            "key": f"report-{reference}" + (f"-{number}" if reports[number] not in reports[:number] and number else ""),
            "reference": reference,
            "message_id": message.id,
            "status": status,
            "reason": reason,
        }
        yield Coming("report", after, said)
    if not any(status == "delivered" for status, _reason, _after in reports):
        return
    if to := _answered(message, digits):
        for number, (text, after, raw) in enumerate(_answers(message, digits, answer)):
            key = f"received-{reference}" + (f"-{number}" if number else "")
            received: dict[str, Any] = {"key": key, "number": message.recipient, "to": to, "text": text, "raw": raw}
            yield Coming("received", after, received)


def _answered(message: Outgoing, digits: str) -> str:
    """The number that the phone answers, "" where it cannot or does not."""
    if digits == NO_ANSWER:
        return ""
    if message.sender_kind in CAN_BE_ANSWERED:
        return message.originator
    # A name cannot be answered, but the number of its STOP clause can.
    clause = _CLAUSE.search(message.text) if message.commercial and digits == STOP else None
    return clause["number"] if clause else ""


def _answers(message: Outgoing, digits: str, answer: str) -> Iterator[tuple[str, float, dict[str, Any]]]:
    """Each text, when it arrives as a share of the delay of answers, and what the operator says beside it."""
    if digits == STOP:
        yield "STOP", 1.0, {}
    elif digits == TWO_ANSWERS:
        yield answer, 1.0, {}
        yield SECOND_ANSWER, 1.0, {}
    elif digits == LONG_ANSWER:
        yield from _in_parts(message, answer)
    else:
        yield answer, 1.0, {}


def _in_parts(message: Outgoing, answer: str) -> Iterator[tuple[str, float, dict[str, Any]]]:
    """A text of three parts or more, the last part first; each says which it is, as the parts of SMPP do."""
    text = answer or "…"
    while segment(text).count < 3:
        text = f"{text} {text}"
    whole = segment(text)
    reference = int(share(message.id, "reference") * 256)
    coding = 0 if whole.encoding == "gsm7" else 8
    numbered = list(enumerate(zip(whole.parts, whole.octets, strict=True), start=1))
    for place, (number, (part, octets)) in enumerate(reversed(numbered)):
        of = {"reference": reference, "number": number, "of": whole.count}
        yield part, 1.0 + place / 8, {"part": of, "octets": octets.hex(), "data_coding": coding}
