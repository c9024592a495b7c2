"""What a `command_status` means for the message. Source: SMPP 3.4 §5.1.3, and SMPP 5.0 §4.7.6 from 0x100 on.

An answer with another status than zero says that this PDU was not taken, so most are refusals. The two in
which the peer says that something broke inside it are the exception: it may have broken after the message left.
A code that is not here, such as a vendor's own (0x400 to 0x4FF), is a refusal for good, kept by number; the
option `statuses` says better where it is known.
"""

from collections.abc import Mapping
from typing import Final

from compose.gateways.base import (
    BadConfiguration,
    GatewayError,
    InvalidRecipient,
    NotSent,
    OutcomeUnknown,
    OutOfFunds,
    Rejected,
    Throttled,
    Unsupported,
)

# Code -> the standard's name and what became of the message.
STATUSES: Final[dict[int, tuple[str, type[GatewayError]]]] = {
    0x00000001: ("ESME_RINVMSGLEN", Rejected),
    0x00000002: ("ESME_RINVCMDLEN", Rejected),
    0x00000003: ("ESME_RINVCMDID", Unsupported),
    0x00000004: ("ESME_RINVBNDSTS", NotSent),
    0x00000005: ("ESME_RALYBND", NotSent),
    0x00000006: ("ESME_RINVPRTFLG", Unsupported),
    0x00000007: ("ESME_RINVREGDLVFLG", Unsupported),
    0x00000008: ("ESME_RSYSERR", OutcomeUnknown),
    0x0000000A: ("ESME_RINVSRCADR", Rejected),
    0x0000000B: ("ESME_RINVDSTADR", InvalidRecipient),
    0x0000000C: ("ESME_RINVMSGID", Rejected),
    0x0000000D: ("ESME_RBINDFAIL", NotSent),
    0x0000000E: ("ESME_RINVPASWD", BadConfiguration),
    0x0000000F: ("ESME_RINVSYSID", BadConfiguration),
    0x00000014: ("ESME_RMSGQFUL", Throttled),
    0x00000015: ("ESME_RINVSERTYP", BadConfiguration),
    0x00000033: ("ESME_RINVNUMDESTS", Rejected),
    0x00000040: ("ESME_RINVDESTFLAG", Rejected),
    0x00000043: ("ESME_RINVESMCLASS", Unsupported),
    0x00000045: ("ESME_RSUBMITFAIL", Rejected),
    0x00000048: ("ESME_RINVSRCTON", BadConfiguration),
    0x00000049: ("ESME_RINVSRCNPI", BadConfiguration),
    0x00000050: ("ESME_RINVDSTTON", BadConfiguration),
    0x00000051: ("ESME_RINVDSTNPI", BadConfiguration),
    0x00000053: ("ESME_RINVSYSTYP", BadConfiguration),
    0x00000054: ("ESME_RINVREPFLAG", Unsupported),
    0x00000055: ("ESME_RINVNUMMSGS", Unsupported),
    0x00000058: ("ESME_RTHROTTLED", Throttled),
    0x00000061: ("ESME_RINVSCHED", Unsupported),
    0x00000062: ("ESME_RINVEXPIRY", BadConfiguration),
    0x00000063: ("ESME_RINVDFTMSGID", Unsupported),
    0x00000064: ("ESME_RX_T_APPN", NotSent),
    0x00000065: ("ESME_RX_P_APPN", Rejected),
    0x00000066: ("ESME_RX_R_APPN", Rejected),
    0x000000C0: ("ESME_RINVOPTPARSTREAM", Unsupported),
    0x000000C1: ("ESME_ROPTPARNOTALLWD", Unsupported),
    0x000000C2: ("ESME_RINVPARLEN", Unsupported),
    0x000000C3: ("ESME_RMISSINGOPTPARAM", Unsupported),
    0x000000C4: ("ESME_RINVOPTPARAMVAL", Unsupported),
    0x000000FE: ("ESME_RDELIVERYFAILURE", Rejected),
    0x000000FF: ("ESME_RUNKNOWNERR", OutcomeUnknown),
    0x00000100: ("ESME_RSERTYPUNAUTH", BadConfiguration),
    0x00000101: ("ESME_RPROHIBITED", Rejected),
    0x00000102: ("ESME_RSERTYPUNAVAIL", NotSent),
    0x00000103: ("ESME_RSERTYPDENIED", BadConfiguration),
    0x00000104: ("ESME_RINVDCS", Unsupported),
    0x00000105: ("ESME_RINVSRCADDRSUBUNIT", Unsupported),
    0x00000106: ("ESME_RINVDSTADDRSUBUNIT", Unsupported),
}
# What the option `statuses` may say of a code; "rejected:" may be followed by a word of compose/reasons.py.
WORDS: Final[dict[str, type[GatewayError]]] = {
    "not_sent": NotSent,
    "throttled": Throttled,
    "out_of_funds": OutOfFunds,
    "bad_configuration": BadConfiguration,
    "rejected": Rejected,
    "invalid_recipient": InvalidRecipient,
    "unsupported": Unsupported,
    "outcome_unknown": OutcomeUnknown,
}

ROK: Final = 0x00000000
RINVCMDLEN: Final = 0x00000002
RINVCMDID: Final = 0x00000003
RX_T_APPN: Final = 0x00000064
RX_P_APPN: Final = 0x00000065


def is_word(word: str) -> bool:
    """Whether the option `statuses` may map a code to this."""
    name, _colon, reason = word.partition(":")
    return name in WORDS and (not reason or name == "rejected")


def name_of(status: int) -> str:
    """The code for people: the standard's name, when it has one, and the number."""
    name = STATUSES[status][0] + " " if status in STATUSES else ""
    return f"{name}(0x{status:08X})"


def refusal(status: int, own: Mapping[int, str], *, retry_after: float) -> GatewayError:
    """What became of a message that was answered with this status; `own` is the option `statuses`."""
    kind, reason = STATUSES.get(status, ("", Rejected))[1], ""
    code = ""
    if status in own:
        word, _colon, reason = own[status].partition(":")
        kind = WORDS[word]
    elif status not in STATUSES:
        code = f"0x{status:08X}"
    detail = f"answered {name_of(status)}"
    if kind is Throttled:
        return Throttled(detail, retry_after=retry_after)
    return kind(detail, reason=reason or None, code=code)


def bind_refusal(status: int) -> GatewayError:
    """Why the peer does not let us in. Nothing was sent, whatever it says."""
    kind = STATUSES.get(status, ("", NotSent))[1]
    detail = f"the bind was answered {name_of(status)}"
    if kind is BadConfiguration:
        return BadConfiguration(detail)
    return NotSent(detail, code="" if status in STATUSES else f"0x{status:08X}")
