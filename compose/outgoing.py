"""What a gateway is told of the messages of a chunk."""

from collections.abc import Sequence
from datetime import datetime

from compose.gateways.base import Outgoing
from compose.models import Message, Submission


def of(rows: Sequence[Message], *, at: datetime) -> list[Outgoing]:
    """Each message as it leaves at this moment. Their submissions and senders are there already, so no query."""
    submissions: dict[int, Submission] = {}
    chunk = []
    for row in rows:
        # Asked once for each submission, not for each of its messages.
        submission = submissions.get(row.submission_id)
        if submission is None:
            submission = submissions[row.submission_id] = row.submission
        chunk.append(
            Outgoing(
                id=str(row.id),
                recipient=row.recipient,
                originator=row.originator,
                sender_kind=submission.sender.kind,
                text=submission.text,
                message_class=submission.message_class,
                commercial=submission.commercial,
                # It was valid when it was claimed; some interfaces take nothing below a second.
                validity=max(1, int((row.valid_until - at).total_seconds())),
            )
        )
    return chunk
