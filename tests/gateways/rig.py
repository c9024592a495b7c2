"""What the contract suite asks of every gateway's test rig.

A rig is a gateway, made with real options, and the peer it speaks to: a stand-in for the vendor on the loopback. Each
gateway has one module with

    GATEWAY = KannelGateway                 the class that this is the rig of
    OPTIONS = {"url": …, "password": …}     options that make one, JSON-able; the peer of these need not exist. The
                                            secrets in them are those of the rig, so `rig().secrets` holds them
    FIXTURES = ("broker",)                  pytest fixtures that must run first; leave it out when there are none
    CASES = Path(...)                       the recorded cases; leave it out for tests/gateways/cases/<module>.json

    @contextmanager
    def rig() -> Iterator[Rig]: ...         a fresh peer and a fresh gateway for each test; both end with the block

in tests/gateways/rigs/, or anywhere for a gateway from outside (docs/adding-a-gateway.md). `rig()` is entered for every
single test, so it should take milliseconds.

The cases are a JSON file:

    {
      "cannot": {"OutOfFunds": "Kannel knows nothing of the account's credit."},
      "answers": [
        {
          "name": "a sentence that says what happens",
          "message": {"text": "Bonjour"},            what differs from OUTGOING below
          "peer": {"status": 202, "body": "0: ok"},   given to Rig.answer: the rig's own format
          "outcome": {"is": "Accepted", "reference": "4711"},
          "sent": {"to": "+33612345678"}              what the peer must have received, if it matters
        },
        {
          "name": "an answer that nobody can read leaves the outcome open",
          "garbage": true,                            every networked gateway has at least one of these
          "peer": {"status": 200, "body": "<html>"},
          "outcome": {"is": "OutcomeUnknown"}
        }
      ],
      "inward": [
        {
          "name": "a report that it was delivered",
          "said": {"what": "report", "query": {"status": "1"}},    given to Rig.hear: the rig's own format
          "events": [{"is": "report", "reference": "4711", "status": "delivered"}]
        },
        {"name": "a call without a signature", "said": {"signed": false}, "raises": "Forged"}
      ]
    }

`outcome` has "is", the name of Accepted or of an error of compose/gateways/base.py (exactly that class), and any of
`reference`, `reason`, `retry_after`, `code`, `detail`. For a chunk of several messages a case has the lists `messages`,
`outcomes` and perhaps a list `sent` instead of `message`, `outcome` and `sent`. An event has "is", "report" or
"received", and any fields of it; of `raw`, too, only what is written is compared, and `at` is written in ISO 8601.
"cannot" lists the errors that no answer of this peer can cause, each with a sentence that says why; a break or a dead
peer, which the suite tries itself, is no answer. A case of "inward" whose repetition cannot be told from a second event
says why in "new_each_time": "…"; every other must give the same keys when it is played twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

from compose.gateways.base import Accepted, Event, Gateway, GatewayError, Outcome, Outgoing, Received, Throttled

# A sender of each kind, in the form in which compose hands it over.
ORIGINATORS: Final = {
    "short": "38123",
    "virtual": "+33937001234",
    "alphanumeric": "BAKERY",
    "numeric": "+33612000000",
}

# The message of a case, except for what it says itself.
OUTGOING: Final = Outgoing(
    id="1001",
    recipient="+33612345678",
    originator=ORIGINATORS["alphanumeric"],
    sender_kind="alphanumeric",
    text="Your bread is ready.",
    message_class="standard",
    commercial=False,
    validity=172_800,
)


class Rig(Protocol):
    """A gateway and its peer. Subclass it, so that `peerless` has its usual value.

    Until `answer` says otherwise, the peer takes every message and gives each a reference of its own.
    """

    name: str  # the gateway's short name
    gateway: Gateway  # made with real options against the rig's own peer on the loopback
    secrets: Sequence[str]  # texts that may appear in no outcome, event, raw record, log line or repr
    peerless: bool = False  # True for a gateway that speaks to nobody: it can neither break nor be down

    def answer(self, recorded: Mapping[str, Any]) -> None:
        """From now on the peer answers submissions like this: `peer` of a case, in the rig's own format."""
        raise AssertionError(f"{self.name} has no peer that answers")

    def received(self) -> list[dict[str, Any]]:
        """One entry for each message that the peer read, as decoded from the wire, oldest first; JSON-able.

        The parts of a long message are one entry, joined as a phone joins them. Each entry has at least

            "to"     the recipient in E.164, with its plus
            "from"   the sender in our form (E.164 with its plus, short number, name); "" where the vendor chooses it,
                     and then another member shows what it was asked for
            "text"   the whole text
            "class"  what the peer reads as the class, in its own words ("flash", 16, None): one value for each class
            "reference"  the name that the peer gave it, as in Accepted.reference; "" when it refused it or was silent

        and beside these any member that a case compares in its `sent`. A peerless gateway shows those that it keeps.
        """
        ...

    def break_after_reading(self) -> None:
        """The peer reads the next submission whole (it is in `received`) and closes without an answer."""
        raise AssertionError(f"{self.name} has no peer that closes")

    def down(self) -> None:
        """From now on nothing listens where the gateway wants to go, and no connection is left."""
        raise AssertionError(f"{self.name} has no peer that goes away")

    def hear(self, recorded: Mapping[str, Any]) -> list[Event]:
        """Play `said` of a case inward (a call at the door, a poll, a delivery) and return its events.

        Through the gateway's public interface, as the product does it: `parse`, or `poll` with `acknowledge`, or
        listening with `acknowledge`. Raises Forged and Unreadable as the gateway does. A gateway that is called has
        its `door` set by the rig and, where it does not sign, its `door_key`, which the `url` of the call has as well.
        """
        raise AssertionError(f"{self.name} hears nothing")


def outgoing(**differs: Any) -> Outgoing:
    """OUTGOING, except for what is given. A `sender_kind` without `originator` brings a sender of that kind."""
    if "sender_kind" in differs and "originator" not in differs:
        differs["originator"] = ORIGINATORS[differs["sender_kind"]]
    return replace(OUTGOING, **differs)


def told(thing: Outcome | Event) -> dict[str, Any]:
    """An outcome or event as the cases write it: JSON-able, with "is"."""
    if isinstance(thing, Accepted):
        return {"is": "Accepted", "reference": thing.reference}
    if isinstance(thing, GatewayError):
        said = {"is": type(thing).__name__, "reason": thing.reason, "code": thing.code, "detail": thing.detail}
        return said | ({"retry_after": thing.retry_after} if isinstance(thing, Throttled) else {})
    kind = "received" if isinstance(thing, Received) else "report"
    return {"is": kind} | vars(thing) | {"at": thing.at.isoformat()}
