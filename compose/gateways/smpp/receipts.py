"""Delivery receipts, as optional parameters and as text. Sources: SMPP 3.4 §5.2.28 (message_state),
§5.3.2.31 (network_error_code), Appendix B (the text, "SMSC vendor specific"), 3GPP TS 29.002 §7.6.1 (errors).

Every peer writes the text a little differently, so it is read with much patience: any case, `:` or `=`, spaces,
commas or line ends in between, fields missing or in another order. Nothing here raises for what a peer wrote.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from compose.gateways.smpp.pdus import MESSAGE_STATE, NETWORK_ERROR_CODE, RECEIPTED_MESSAGE_ID

# The word after "stat:" -> our status. What is not here is "unknown" and stays in the raw event.
WORDS: Final[dict[str, str]] = {
    "DELIVRD": "delivered",
    "DELIVERED": "delivered",
    "DLVRD": "delivered",
    "EXPIRED": "expired",
    "UNDELIV": "undelivered",
    "UNDELIVERABLE": "undelivered",
    "UNDELIVERED": "undelivered",
    "UNDELIVRD": "undelivered",
    "FAILED": "undelivered",
    "DELETED": "undelivered",
    "SKIPPED": "undelivered",
    "REJECTD": "rejected",
    "REJECTED": "rejected",
    "BLOCKED": "blocked",
    "ACCEPTD": "accepted",
    "ACCEPTED": "accepted",
    "ENROUTE": "accepted",
    "SCHEDULED": "accepted",
    "BUFFERED": "accepted",
    "BUFFERD": "accepted",
    "BUFFRED": "accepted",
    "ACKED": "accepted",
    "UNKNOWN": "unknown",
}
# message_state -> our status.
STATES: Final[dict[int, str]] = {
    0: "accepted",
    1: "accepted",
    2: "delivered",
    3: "expired",
    4: "undelivered",
    5: "undelivered",
    6: "accepted",
    7: "unknown",
    8: "rejected",
    9: "undelivered",
}
# network_error_code of a GSM network -> a word of compose/reasons.py.
GSM_ERRORS: Final[dict[int, str]] = {
    1: "barred",
    5: "barred",
    6: "absent",
    9: "barred",
    11: "barred",
    12: "barred",
    13: "barred",
    27: "absent",
    31: "absent",
    32: "memory_full",
    34: "operator_failure",
}
GSM_NETWORK: Final = 3
# The statuses of which a code says why.
FAILURES: Final = frozenset({"undelivered", "rejected", "blocked", "expired"})

_FIELD: Final = re.compile(
    r"\b(?P<name>id|sub(?:mit)?[ _]?date|done[ _]?date|stat(?:us)?|err(?:or)?)\s*[:=]\s*(?P<value>[^\s,;]*)",
    re.IGNORECASE,
)
_TEXT: Final = re.compile(r"\btext\s*[:=]", re.IGNORECASE)
_DIGITS: Final = re.compile(r"[0-9]{1,64}")
_HEX_DIGITS: Final = re.compile(r"[0-9A-Fa-f]{1,64}")
# Length of a date -> its form; the standard's has no seconds.
_DATES: Final = {10: "%y%m%d%H%M", 12: "%y%m%d%H%M%S", 14: "%Y%m%d%H%M%S"}
_NOT_OF_A_CODE: Final = re.compile(r"[^\w.+/-]", re.ASCII)
LONGEST_REFERENCE: Final = 80
LONGEST_CODE: Final = 20


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """A receipt as it was written: `id` and `error` are the peer's, `status` ours, `done` still without a zone.

    `unknown` is what no table here has: a word of a status ("stat:MARTIAN"), a state ("message_state:12"), or the error
    of a GSM network ("network_error_code:99").
    """

    id: str
    id_is_parameter: bool
    status: str
    error: str
    reason: str
    done: str
    unknown: str = ""


def read_receipt(text: str, parameters: Mapping[int, bytes]) -> Receipt | None:
    """The receipt that these octets hold; None when neither its id nor its status is there."""
    fields = _fields(text)
    given_id = parameters.get(RECEIPTED_MESSAGE_ID, b"").split(b"\0", 1)[0].decode("latin-1").strip()
    state = parameters.get(MESSAGE_STATE, b"")
    word = fields.get("stat", "").upper()
    status = STATES.get(state[0], "unknown") if state else "unknown"
    if status == "unknown":
        status = WORDS.get(word, "unknown")
    if not (given_id or fields.get("id") or state or "stat" in fields):
        return None
    network_error = _network_error(parameters.get(NETWORK_ERROR_CODE, b""))
    return Receipt(
        id=given_id or fields.get("id", ""),
        id_is_parameter=bool(given_id),
        status=status,
        error=fields.get("err", ""),
        reason=GSM_ERRORS.get(network_error, ""),
        done=fields.get("done", ""),
        unknown=_unknown(status, word, state, network_error),
    )


def _unknown(status: str, word: str, state: bytes, network_error: int) -> str:
    if status == "unknown" and word and word not in WORDS:
        return f"stat:{printable(word)}"
    if status == "unknown" and state and state[0] not in STATES:
        return f"message_state:{state[0]}"
    if status in FAILURES and network_error and network_error not in GSM_ERRORS:
        return f"network_error_code:{network_error}"
    return ""


def unknown_error(receipt: Receipt) -> str:
    """The code of a failure after "err:", such as "err:127"; "" when it says nothing, or nothing failed."""
    if receipt.status in FAILURES and receipt.error.strip("0"):
        return f"err:{printable(receipt.error)}"
    return ""


def printable(code: str) -> str:
    """What a peer wrote in the place of a code, fit to be shown and counted."""
    return _NOT_OF_A_CODE.sub("?", code)[:LONGEST_CODE]


def looks_like_receipt(text: str) -> bool:
    """Whether a text has the beginning and the fields of a receipt."""
    return text.lstrip()[:2].lower() == "id" and {"id", "stat", "err"} <= set(_fields(text))


def canonical(message_id: str, form: str) -> str:
    """One spelling for an id, so that the answer to a submission and its receipt name the same message.

    `form` is how the peer writes it there: "hex", "decimal", or "text" when both are alike. As text, zeros in front
    and the case of a number do not count either: many peers fill receipts up to ten digits.
    """
    if form != "hex" and message_id.isdecimal() and message_id[0] != "0" and len(message_id) <= 64:
        return message_id  # A plain number is most common, and the same in both forms.
    found = message_id.strip()
    if form == "hex" and _HEX_DIGITS.fullmatch(found):
        return str(int(found, 16))
    if form == "decimal" and _DIGITS.fullmatch(found):
        return str(int(found))
    if form == "text" and _HEX_DIGITS.fullmatch(found):
        return found.lstrip("0").lower() or "0"
    return found[:LONGEST_REFERENCE]


def done_at(done: str, zone: str) -> datetime | None:
    """The moment of "done date", which is in the peer's own time zone; None when it cannot be read."""
    form = _DATES.get(len(done))
    if form is None or not _DIGITS.fullmatch(done):
        return None
    try:
        return datetime.strptime(done, form).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _fields(text: str) -> dict[str, str]:
    """The fields of the text, under the names id, stat, err and done. Of two alike the first counts."""
    # What follows "text:" was written by the sender of the message, and may look like anything.
    end = _TEXT.search(text)
    found: dict[str, str] = {}
    for match in _FIELD.finditer(text, 0, end.start() if end else len(text)):
        name = match["name"].lower()
        if "date" in name:
            name = "done" if name.startswith("done") else "submit"
        elif name.startswith(("stat", "err")):
            name = name[:4] if name.startswith("stat") else "err"
        found.setdefault(name, match["value"])
    return found


def _network_error(code: bytes) -> int:
    """The error of a GSM network; 0 for none and for those of other networks."""
    if len(code) != 3 or code[0] != GSM_NETWORK:
        return 0
    return int.from_bytes(code[1:], "big")
