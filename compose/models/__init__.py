"""What goes out: submissions, their messages with the state machine, the STOP list, and the raw events of gateways."""

from compose.models.events import GatewayEvent
from compose.models.messages import Message, MessageClass, Submission, Transition, due_before, is_final, may_move
from compose.models.optouts import E164, OptOut

__all__ = [
    "E164",
    "GatewayEvent",
    "Message",
    "MessageClass",
    "OptOut",
    "Submission",
    "Transition",
    "due_before",
    "is_final",
    "may_move",
]
