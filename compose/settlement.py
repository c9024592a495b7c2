"""Ending holds: the one place where a message's state and its credits change together.

A batch makes one transfer for each submission and outcome; each message points to the transfer that ended
its hold, set once (the constraint `message_hold_ends_with_its_state` refuses anything else).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from compose.changing import change_each, note_each
from compose.models import Message, is_final, may_move
from credits import ledger

State = Message.State
# In these states the operator took the message, so it is paid; in the other ends its price is given back.
# An unconfirmed message that expires because nobody ever confirmed it was not taken, as far as anyone knows; of one
# that is undelivered the report says whether it was (`Ending.paid`).
PAID = {State.ACCEPTED, State.DELIVERED, State.UNDELIVERED}


@dataclass(frozen=True)
class Ending:
    """A held message (its row locked) and the state in which its hold ends."""

    message: Message
    state: Message.State
    reason: str = ""
    detail: str = ""
    reference: str = ""
    paid: bool | None = None
    by: Any = None

    @property
    def captured(self) -> bool:
        return self.state in PAID if self.paid is None else self.paid


def end_holds(endings: Sequence[Ending], *, key: str, now: datetime) -> None:
    """Move these messages to their states and their credits with them. `key` names the occasion, once ever."""
    if not endings:
        return
    for before, after in {(ending.message.state, ending.state) for ending in endings}:
        if not may_move(before, after):
            raise ValueError(f"no move from {before} to {after}")
    groups: dict[tuple[int, int, bool], list[Ending]] = {}
    for ending in endings:
        groups.setdefault((ending.message.account_id, ending.message.submission_id, ending.captured), []).append(ending)
    movements = {group: _movement(group, members, key) for group, members in groups.items()}
    transfers = ledger.post(list(movements.values()))
    final_at = {state: now if is_final(state) else None for state in {ending.state for ending in endings}}
    for group, members in groups.items():
        transfer = transfers[movements[group].key]
        for ending in members:
            row = ending.message
            row.state, row.reason = ending.state, ending.reason
            row.hold_ended_by = transfer
            row.leased_until = None
            row.gateway_ref = ending.reference or row.gateway_ref
            row.final_at = final_at[ending.state]
    rows = [ending.message for ending in endings]
    changed = ["state", "reason", "hold_ended_by", "leased_until", "handed_over_at", "gateway_ref", "final_at"]
    change_each(rows, changed)
    note_each(
        rows,
        at=now,
        details=[ending.detail[:250] for ending in endings],
        by=[ending.by.pk if ending.by is not None else None for ending in endings],
    )


def _movement(group: tuple[int, int, bool], members: list[Ending], key: str) -> ledger.Movement:
    account, submission, captured = group
    # The first message makes the key unique among the chunks of one claim.
    name = f"{key}:{submission}:{members[0].message.pk}:{'capture' if captured else 'release'}"
    make = ledger.capture if captured else ledger.release
    return make(
        account,
        sum(ending.message.price for ending in members),
        key=name,
        cause=("submission", str(submission)),
        by=members[0].by,
    )
