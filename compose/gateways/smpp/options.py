"""What an SMPP gateway is told in `OPTIONS`, checked when the gateway is made."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from compose.gateways.smpp import statuses

CHOICES: Final[dict[str, tuple[Any, ...]]] = {
    "bind": ("separate", "transceiver"),
    "class_coding": ("general", "f0", "subunit"),
    "standard_class": (None, 1),
    "long_messages": ("udh", "sar", "payload"),
    "validity": ("relative", "absolute", "none"),
    "answer_ids": ("text", "hex", "decimal"),
    "receipt_ids": ("text", "hex", "decimal"),
    "received_alphabet": ("gsm", "latin-1"),
}
ABOVE_ZERO: Final = (
    "window",
    "connect_timeout",
    "answer_timeout",
    "queue_timeout",
    "enquire_every",
    "throttle_pause",
    "retry_first",
    "retry_longest",
)
YES_OR_NO: Final = ("tls", "tls_verify", "receipts", "unflagged_receipts")
TEXTS: Final = ("host", "tls_ca", "tls_server_name", "tls_certificate", "tls_key", "receipt_time_zone")
# Type of number and numbering plan of each kind of originator (SMPP 3.4 §5.2.5 and §5.2.6).
ORIGINATORS: Final[dict[str, tuple[int, int]]] = {
    "short": (3, 0),
    "virtual": (1, 1),
    "alphanumeric": (5, 0),
    "numeric": (1, 1),
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """All options with their defaults; docs/gateways.md says what each is for. Times are in seconds.

    Raises ValueError, which names the option and never shows its value, for one that makes no sense.
    """

    host: str
    system_id: str
    password: str = field(repr=False)
    port: int = 2775
    bind: str = "separate"
    system_type: str = ""
    address_range: str = ""
    address_range_type: tuple[int, int] = (0, 0)
    tls: bool = False
    tls_verify: bool = True
    tls_ca: str = ""
    tls_server_name: str = ""
    tls_certificate: str = ""
    tls_key: str = ""
    window: int = 10
    rate: float = 0
    connect_timeout: float = 10
    answer_timeout: float = 20
    queue_timeout: float = 10
    enquire_every: float = 30
    throttle_pause: float = 1
    retry_first: float = 1
    retry_longest: float = 60
    service_type: str = ""
    originators: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    recipient_type: tuple[int, int] = (1, 1)
    class_coding: str = "general"
    standard_class: int | None = None
    long_messages: str = "udh"
    validity: str = "relative"
    receipts: bool = True
    statuses: Mapping[int, str] = field(default_factory=dict)
    answer_ids: str = "text"
    receipt_ids: str = "text"
    receipt_errors: Mapping[str, str] = field(default_factory=dict)
    receipt_time_zone: str = ""
    unflagged_receipts: bool = False
    received_alphabet: str = "gsm"

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices or isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} is one of {', '.join(map(str, choices))}.")
        for name in ABOVE_ZERO:
            if not _is_number(getattr(self, name)) or not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} is a number above zero.")
        if not _is_number(self.rate) or not 0 <= self.rate < math.inf:
            raise ValueError("rate is a number of messages per second, or 0 for no limit.")
        if not _is_whole(self.window):
            raise ValueError("window is a whole number of messages.")
        for name in YES_OR_NO:
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} is True or False.")
        for name in TEXTS:
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name} is a text.")
        # C-octet strings: ASCII without NUL. The standard's lengths are left to the peer, many allow more.
        for name in ("system_id", "password", "system_type", "address_range", "service_type"):
            value = getattr(self, name)
            if not (isinstance(value, str) and value.isascii() and "\0" not in value):
                raise ValueError(f"{name} is a text of ASCII characters.")
        for name in ("host", "system_id"):
            if not getattr(self, name):
                raise ValueError(f"{name} cannot be empty.")
        if not (_is_whole(self.port) and 0 < self.port < 65536):
            raise ValueError("port is a number from 1 to 65535.")
        for name in ("originators", "statuses", "receipt_errors"):
            if not isinstance(getattr(self, name), Mapping):
                raise ValueError(f"{name} is a mapping.")
        if set(self.originators) - set(ORIGINATORS):
            raise ValueError(f"originators names kinds of sender: {', '.join(ORIGINATORS)}.")
        pairs = [("originators", pair) for pair in self.originators.values()]
        pairs += [(name, getattr(self, name)) for name in ("recipient_type", "address_range_type")]
        for name, pair in pairs:
            if not _is_type(pair):
                raise ValueError(f"{name}: a type of address is two numbers from 0 to 255: type, numbering plan.")
        object.__setattr__(self, "statuses", _statuses(self.statuses))
        if not all(isinstance(each, str) for pair in self.receipt_errors.items() for each in pair):
            raise ValueError("receipt_errors maps codes to words of compose/reasons.py, both texts.")
        try:
            ZoneInfo(self.receipt_time_zone or "UTC")
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError("receipt_time_zone is the name of a time zone, such as Europe/Paris.") from None

    def originator_type(self, kind: str) -> tuple[int, int]:
        """Type of number and numbering plan for an originator of this kind."""
        return self.originators.get(kind, ORIGINATORS[kind])

    @property
    def peer(self) -> str:
        """The peer's name for logs."""
        return f"{self.system_id}@{self.host}:{self.port}"


# The values come from the settings of an installation: no type checker has seen them.
def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _statuses(given: Mapping[Any, Any]) -> dict[int, str]:
    """The codes as numbers; in a file of settings they are texts, such as "0x4C7" or "1223"."""
    found: dict[int, str] = {}
    for code, word in given.items():
        try:
            number = int(code, 0) if isinstance(code, str) else code
        except ValueError:
            number = ""
        if not _is_whole(number) or not isinstance(word, str) or not statuses.is_word(word):
            raise ValueError("statuses maps numbers to one of " + ", ".join(statuses.WORDS) + ".")
        found[number] = word
    return found


def _is_type(pair: object) -> bool:
    """Whether this is a type of number and a numbering plan."""
    return (
        isinstance(pair, tuple | list) and len(pair) == 2 and all(_is_whole(each) and 0 <= each <= 255 for each in pair)
    )
