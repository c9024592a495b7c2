"""What a sender's kind means for a message."""

from senders.models import Sender


def gets_stop_clause(kind: str) -> bool:
    """Whether a commercial message from this kind of sender carries the STOP clause.

    The recipient of a short or virtual number can answer STOP to it; a name cannot be answered.
    """
    return kind in (Sender.Kind.ALPHANUMERIC, Sender.Kind.NUMERIC)
