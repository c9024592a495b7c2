"""What OVHcloud's codes mean: every table of this gateway.

Sources: OVHcloud, "Everything you need to know about SMS users", step 5 (the ptt codes and the DLR IDs), at
help.ovhcloud.com KB0051414; the API's own schema, eu.api.ovh.com/1.0/sms.json; the error codes that the vendor's `ovh`
client knows; texts of refusals as users of that client published them. OVHcloud has no list of the refusals of
`/jobs`, so they are known by words of their text, and one that has none of these is kept with its code and counted.
"""

import re
from collections.abc import Callable
from typing import Final

from compose.gateways.base import (
    BadConfiguration,
    GatewayError,
    InvalidRecipient,
    NotSent,
    OutcomeUnknown,
    OutOfFunds,
    Rejected,
    Unsupported,
)
from compose.gateways.calls import Reply, refusal

# `errorCode` of a refusal -> what it says of our settings.
BAD_CONFIGURATION: Final = {
    "INVALID_KEY": "the application key is not known there",
    "INVALID_CREDENTIAL": "the consumer key is not valid (any more)",
    "NOT_CREDENTIAL": "the consumer key does not exist",
    "NOT_GRANTED_CALL": "the consumer key has no right to this call",
    "INVALID_SIGNATURE": "the signature is refused: the application secret is wrong",
    "FORBIDDEN": "the account may not do this",
}
# The request was signed too long ago or in the future: our idea of the vendor's clock is wrong.
OUT_OF_TIME: Final = "QUERY_TIME_OUT"
# The service has run out, or waits for payment.
EXPIRED_STATUS: Final = 460

# Words in the text of a refusal -> what it is. The first that is found counts: what names one thing stands before what
# names many ("Sms sender … does not exists. Please create it first", "cannot send contact information with shortcode").
Refusal = Callable[[str], GatewayError]
REFUSALS: Final[tuple[tuple[re.Pattern[str], Refusal], ...]] = (
    (re.compile(r"blacklist"), lambda said: Rejected(said, reason="blocked")),
    (re.compile(r"contact information|\burls?\b|\blinks?\b"), lambda said: Rejected(said, reason="content")),
    (re.compile(r"\btemplates?\b"), lambda said: Rejected(said, reason="content")),
    (re.compile(r"\bsenders?\b"), lambda said: Rejected(said, reason="sender_refused")),
    (re.compile(r"\bcredits?\b|\bquota\b"), OutOfFunds),
    (re.compile(r"\breceivers?\b|\brecipients?\b|\bphone number"), InvalidRecipient),
    (re.compile(r"\btoo long\b"), Unsupported),
)

ADDRESS: Final = re.compile(r"https?://\S+")

CLASSES: Final = {"standard": "phoneDisplay", "flash": "flash", "sim": "sim"}
# "8bit" is the vendor's word for Unicode.
CODINGS: Final = {"gsm7": "7bit", "ucs2": "8bit"}

# ptt ("premium tracking technical") -> status and reason of a report.
PTT: Final[dict[int, tuple[str, str]]] = {
    1: ("accepted", ""),  # tried again because of the phone
    2: ("accepted", ""),  # tried again because of the operator
    3: ("accepted", ""),  # with the operator
    4: ("delivered", ""),
    5: ("undelivered", "unknown"),
    6: ("unknown", "unknown"),  # the operator never says
    8: ("expired", "unknown"),
    20: ("undelivered", "unknown"),  # undeliverable in its current form
    21: ("undelivered", "subscriber_credit"),
    23: ("undelivered", "barred"),
    24: ("undelivered", "absent"),
    25: ("undelivered", "operator_failure"),
    26: ("undelivered", "memory_full"),
    27: ("undelivered", "handset"),
    28: ("undelivered", "spam"),
    29: ("undelivered", "content"),
    33: ("undelivered", "content"),  # adult content behind a parental lock
    39: ("undelivered", "operator_failure"),
    73: ("undelivered", "ported"),
    74: ("undelivered", "roaming"),
    76: ("undelivered", "blocked"),
    202: ("undelivered", "blocked"),
}
# The DLR ID -> status, where the ptt says nothing. 16 is an error that is not billed: the operator never took it.
DLR: Final[dict[int, str]] = {
    0: "accepted",
    1: "delivered",
    2: "undelivered",
    4: "accepted",
    8: "accepted",
    16: "rejected",
}
NOT_BILLED: Final = 16


def state(ptt: int | None, dlr: int | None) -> tuple[str, str, str]:
    """Status, reason and unknown code of a report; None for a code that was not said, 0 for a ptt not known yet."""
    if ptt in PTT:
        status, reason = PTT[ptt]
        if dlr == NOT_BILLED and status != "delivered":
            return "rejected", reason or "unknown", ""
        return status, reason, ""
    status = DLR.get(dlr, "unknown") if dlr is not None else "unknown"
    reason = "" if status in {"accepted", "delivered"} else "unknown"
    if ptt:
        return status, reason, str(ptt)
    return status, reason, "" if dlr in DLR else f"dlr {dlr}"


def error(reply: Reply, said: str, code: str) -> GatewayError:
    """What a refusal is; `said` is the text of its body and `code` its errorCode or class, "" for none.

    A failure of theirs (5xx) leaves it open whether the message left.
    """
    if reply.status >= 500:
        return OutcomeUnknown(f"answered {reply.status}", code=code)
    if code in BAD_CONFIGURATION:
        return BadConfiguration(BAD_CONFIGURATION[code])
    if code == OUT_OF_TIME:
        return NotSent("the request was out of time: the clocks differ")
    if reply.status == EXPIRED_STATUS:
        return BadConfiguration(f"the service has expired: {said}")
    if reply.status not in {401, 429}:
        # An address of theirs in the text says nothing.
        plain = ADDRESS.sub("", said.lower())
        for words, refused in REFUSALS:
            if words.search(plain):
                return refused(said)
    found = refusal(reply, code="" if reply.status == 429 else f"{reply.status} {code}".strip())
    if found is None:
        return OutcomeUnknown(f"answered {reply.status} with an error")
    if said:
        found.detail = f"{found.detail}: {said}"
        found.args = (found.detail,)
    return found
