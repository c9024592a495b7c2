"""What Twilio's codes mean: every table of this gateway.

Sources, on twilio.com/docs: "Error and Warning Dictionary" (api/errors, with a page for each code), "Messages resource"
(messaging/api/message-resource) for the statuses.
"""

from collections.abc import Mapping
from typing import Final

from compose.gateways.base import (
    BadConfiguration,
    GatewayError,
    InvalidRecipient,
    NotSent,
    Rejected,
    Throttled,
    Unsupported,
)

# `code` in the answer to a submission -> the outcome, and the reason where it is not that of its class.
ANSWERS: Final[Mapping[int, tuple[type[GatewayError], str]]] = {
    10001: (BadConfiguration, ""),  # account not active
    10002: (BadConfiguration, ""),  # not with a trial account
    14107: (Throttled, ""),  # message rate limit
    20003: (BadConfiguration, ""),  # authentication
    20005: (BadConfiguration, ""),  # account not active: suspended, or without credit
    20006: (BadConfiguration, ""),  # access denied
    20008: (BadConfiguration, ""),  # test credentials
    20404: (BadConfiguration, ""),  # no such account
    20429: (Throttled, ""),
    21211: (InvalidRecipient, ""),
    21212: (Rejected, "sender_refused"),
    21408: (Unsupported, ""),  # the region is not enabled
    21603: (BadConfiguration, ""),  # no From
    21604: (InvalidRecipient, ""),  # no To
    21606: (Rejected, "sender_refused"),  # not a number of the account that can send SMS
    21607: (Rejected, "sender_refused"),
    21608: (Rejected, ""),  # a trial account sends to verified numbers only
    21609: (BadConfiguration, ""),  # the address of the status callback
    21610: (Rejected, "blocked"),  # opted out
    21611: (Throttled, ""),  # the sender's queue is full
    21612: (Unsupported, ""),  # this sender does not reach this number
    21614: (InvalidRecipient, ""),  # no mobile number
    21617: (Unsupported, ""),  # more than 1600 characters
    21618: (Rejected, "content"),
    21619: (Rejected, "content"),  # no text
    21635: (InvalidRecipient, ""),  # a landline
    21654: (Rejected, "content"),
    21657: (Rejected, "sender_refused"),  # the name is not supported there
    21659: (Rejected, "sender_refused"),  # not a Twilio number, or of another country
    21660: (Rejected, "sender_refused"),  # a number of another account
    21661: (Rejected, "sender_refused"),  # cannot send SMS
    21701: (BadConfiguration, ""),  # no such messaging service
    21703: (BadConfiguration, ""),  # a messaging service without numbers
    21704: (BadConfiguration, ""),
    21705: (BadConfiguration, ""),
    21730: (NotSent, ""),  # maintenance
}

# Of a report: `MessageStatus` -> ours. "failed" and "canceled" never reached an operator and are not charged.
STATUSES: Final = {
    "accepted": "accepted",
    "scheduled": "accepted",
    "queued": "accepted",
    "sending": "accepted",
    "sent": "accepted",
    "partially_delivered": "accepted",
    "delivered": "delivered",
    "read": "delivered",
    "undelivered": "undelivered",
    "failed": "rejected",
    "canceled": "rejected",
}

# Of a report: `ErrorCode` -> the reason.
REASONS: Final[Mapping[int, str]] = {
    21610: "blocked",
    30001: "rejected",  # their queue overflowed
    30002: "rejected",  # account suspended
    30003: "absent",  # unreachable handset
    30004: "blocked",
    30005: "barred",  # unknown handset
    30006: "barred",  # landline, or an operator that cannot be reached
    30007: "spam",  # filtered by Twilio or the operator
    30008: "unknown",
    30009: "operator_failure",  # a part is missing
    30010: "rejected",  # above the highest price
    30017: "operator_failure",  # congestion
    30018: "sender_refused",  # the destination wants registered names
    30019: "content",  # too large for the operator
    30022: "rejected",  # rate limit of the United States
    30023: "rejected",  # daily limit
    30024: "sender_refused",  # the number is not provisioned with the operator
    30032: "sender_refused",  # toll-free number not verified
    30034: "sender_refused",  # unregistered number
    30036: "validity_over",
    30042: "sender_refused",  # a name too general
    30410: "operator_failure",  # the operator's time-out
    30450: "blocked",  # stopped as fraud
    30453: "blocked",
    30500: "operator_failure",
}
