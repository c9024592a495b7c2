"""Who it is from: the registry of senders, the pool of short numbers, virtual numbers, and rules of destinations."""

from senders.models.numbers import Lease, ShortNumber, VirtualNumber
from senders.models.registry import ProtectedName, Sender, SenderChange, SenderDocument, document_path
from senders.models.rules import DestinationRule

__all__ = [
    "DestinationRule",
    "Lease",
    "ProtectedName",
    "Sender",
    "SenderChange",
    "SenderDocument",
    "ShortNumber",
    "VirtualNumber",
    "document_path",
]
