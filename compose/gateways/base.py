"""The interface of a gateway: plain Python, no Django, no models.

A gateway translates, it never decides. `send` answers for each message of a chunk what happened to it;
the errors below say whether the message may have left, and that alone decides what the caller does next:

    NotSent, Throttled               certainly did not leave: later again
    OutOfFunds, BadConfiguration     certainly did not leave: the operator of the installation is told, later again
    Rejected, InvalidRecipient, Unsupported      refused for good: failed, the credit is released
    OutcomeUnknown                   may have left: unconfirmed, never sent again by itself
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import urlencode


class GatewayError(Exception):
    """What became of a message that was not accepted. `reason` is one of the words of compose/reasons.py.

    `code` is the vendor's code when no table of the gateway has it: it is counted for the administrator.
    """

    reason = "unknown"

    def __init__(self, detail: str = "", *, reason: str | None = None, code: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code
        if reason is not None:
            self.reason = reason


class NotSent(GatewayError):
    """The message certainly did not leave: no connection, for instance."""

    reason = "gateway_unreachable"


class Throttled(NotSent):
    """The gateway wants fewer messages; `retry_after` in seconds."""

    reason = "throttled"

    def __init__(self, detail: str = "", *, retry_after: float = 1.0, code: str = "") -> None:
        super().__init__(detail, code=code)
        self.retry_after = retry_after


class OutOfFunds(NotSent):
    """The installation has no credit left at the provider."""

    reason = "out_of_funds"


class BadConfiguration(NotSent):
    """The provider refuses the installation's settings, such as its password."""

    reason = "bad_configuration"


class Rejected(GatewayError):
    """The gateway refused the message for good."""

    reason = "rejected"


class InvalidRecipient(Rejected):
    """The gateway knows that the number cannot receive."""

    reason = "invalid_recipient"


class Unsupported(Rejected):
    """The gateway cannot carry this message, for instance its class."""

    reason = "unsupported"


class OutcomeUnknown(GatewayError):
    """The message may have left: a read time-out, a broken connection, an unreadable answer."""

    reason = "outcome_unknown"


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """A message on its way. `id` is ours, `validity` in seconds, `text` final with its STOP clause."""

    id: str
    recipient: str
    originator: str
    sender_kind: str
    text: str
    message_class: str
    commercial: bool
    validity: int


@dataclass(frozen=True)
class Accepted:
    """The gateway took the message; `reference` is its name for it."""

    reference: str


Outcome = Accepted | GatewayError


@dataclass(frozen=True, kw_only=True)
class Report:
    """A delivery report. `status` is accepted, delivered, undelivered, expired, rejected, unknown or blocked.

    `message_id` is our own id where the vendor echoes it; `code` the vendor's code when no table has it.
    """

    key: str
    reference: str
    message_id: str = ""
    status: str
    reason: str = ""
    code: str = ""
    at: datetime
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Received:
    """A message that somebody sent to one of our numbers.

    `answers` is the reference of the message that it answers, when known; `message_id` our own id of that message,
    where the vendor echoes it. `to` is "" where the vendor does not say which of our numbers it was.
    `raw["opt_out"]` is "stop" or "start" where the vendor itself says that this is such a request.
    """

    key: str
    number: str
    to: str
    text: str
    at: datetime
    answers: str = ""
    message_id: str = ""
    raw: dict[str, Any] = field(default_factory=dict)


Event = Report | Received


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request at a gateway's door: what a vendor says by calling us.

    `url` is the whole address that was called, as the public sees it; `what` what follows the door in its path
    ("report", say); names in `headers` are in lower case; `query` and `form` keep every value of a name, in order.
    """

    method: str
    url: str
    what: str
    query: Mapping[str, Sequence[str]]
    form: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    body: bytes
    address: str


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What a call says, and the answer that the vendor waits for once the events are stored."""

    events: Sequence[Event] = ()
    answer: str = ""
    content_type: str = "text/plain; charset=utf-8"
    status: int = 200


class Forged(Exception):
    """The call does not come from the vendor: its signature is missing or wrong. Nothing of it is kept."""


class Unreadable(Exception):
    """The call comes from the vendor, and is not understood. It is kept as it is and shown to the administrator."""


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What a gateway can do; what it does not declare is refused before anything is sent.

    `polls`, `listens` and `called` say how reports and answers come: fetched, on a connection that one process holds,
    or by calls at the gateway's door. `signs`: `parse` itself proves where a call comes from, so the door needs no key.
    """

    classes: frozenset[str] = frozenset({"standard"})
    sender_kinds: frozenset[str] = frozenset({"alphanumeric"})
    reports: bool = False
    inbound: bool = False
    polls: bool = False
    listens: bool = False
    called: bool = False
    signs: bool = False
    batch_size: int = 1


class Gateway(ABC):
    """One way for messages to leave. Made once a process from `OPTIONS`, used from several threads.

    A constructor connects to nothing. It raises ValueError or TypeError for options that make no sense, with a text
    that names the option and never shows its value.
    """

    capabilities: Capabilities
    # The options that are secrets: they come from the environment and are shown nowhere.
    SECRETS: ClassVar[frozenset[str]] = frozenset()
    # Where the public reaches this gateway's door (ends with a slash), and the key that opens it. Set when the gateway
    # is made, from the settings; "" where the installation was not told its public address.
    door: str = ""
    door_key: str = ""

    @abstractmethod
    def send(self, chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        """Hand over the chunk (at most `batch_size`) and return an outcome for each, in its order.

        A GatewayError that is raised counts for every message of the chunk.
        """

    def poll(self) -> Iterable[Event]:
        """The reports and received messages that wait; they are offered again until acknowledged."""
        return ()

    def acknowledge(self, events: Sequence[Event]) -> None:
        """These events are stored: `poll` need not offer them again."""
        return

    def parse(self, call: Call) -> Heard:
        """What a call at our door says. Raises Forged and Unreadable; only for a gateway that declares `called`."""
        raise Unreadable("this gateway is not called")

    def door_to(self, what: str, **query: str) -> str:
        """The address at which the vendor tells us `what`, for instance "report"; "" where we have no public address.

        Values of `query` are escaped, so a vendor's placeholders are appended by the gateway itself.
        """
        if not self.door:
            return ""
        asked = {"key": self.door_key} if self.door_key else {}
        asked |= query
        return f"{self.door}{what}" + (f"?{urlencode(asked)}" if asked else "")
