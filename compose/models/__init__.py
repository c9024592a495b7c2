"""What goes out: submissions, their messages with the state machine, the STOP list, the raw events of gateways,
their routes, how they are and what they did.
"""

from compose.models.events import GatewayEvent
from compose.models.gateways import GatewayState, Route, VendorCode
from compose.models.messages import (
    HandOver,
    Message,
    MessageClass,
    Submission,
    Transition,
    due_before,
    is_final,
    may_move,
)
from compose.models.optouts import E164, OptOut
from compose.models.pacing import GatewayPace
from compose.models.tallies import Tally

__all__ = [
    "E164",
    "GatewayEvent",
    "GatewayPace",
    "GatewayState",
    "HandOver",
    "Message",
    "MessageClass",
    "OptOut",
    "Route",
    "Submission",
    "Tally",
    "Transition",
    "VendorCode",
    "due_before",
    "is_final",
    "may_move",
]
