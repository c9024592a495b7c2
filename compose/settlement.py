"""Ending holds: the one place where a message's state and its credits change together.

A batch makes one transfer for each submission and outcome; each message points to the transfer that ended
its hold, set once (the constraint `message_hold_ends_with_its_state` refuses anything else).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from compose.changing import change_each, note_each
from compose.models import Message, is_final, may_move
from credits import ledger
from credits.models import Transfer

State = Message.State
# In these states the operator took the message, so it is paid; in the other ends its price is given back.
# An unconfirmed message that expires because nobody ever confirmed it was not taken, as far as anyone knows; of one
# that is undelivered the report says whether it was (`Ending.paid`).
PAID = {State.ACCEPTED, State.DELIVERED, State.UNDELIVERED}


class Ending(NamedTuple):
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
    """Move these messages to their states and their credits with them. `key` names the occasion, once ever.

    Raises ValueError for what is no move of a message, and RuntimeError for a key that was used before.
    """
    if not endings:
        return
    for before, after in {(ending.message.state, ending.state) for ending in endings}:
        if not may_move(before, after):
            raise ValueError(f"no move from {before} to {after}")
    groups: dict[tuple[int, int, bool], list[Ending]] = {}
    for ending in endings:
        row = ending.message
        groups.setdefault((row.account_id, row.submission_id, ending.captured), []).append(ending)
    # The books of an account are locked from their line to the commit, and others of the account wait for them: so the
    # line comes last, under an id reserved before. Not where some credits are given back: lines that change what is
    # available must have the order in which they count, or a statement's balances would not agree.
    last = all(captured for _account, _submission, captured in groups)
    pks = ledger.reserved(len(groups)) if last else [None] * len(groups)
    movements = [_movement(*pair, key, pk) for pair, pk in zip(groups.items(), pks, strict=True)]
    if not last:
        pks = [transfer.pk for transfer in _posted(movements)]
    ended_by = dict(zip(groups, pks, strict=True))
    final_at = {state: now if is_final(state) else None for state in {ending.state for ending in endings}}
    for group, members in groups.items():
        line = ended_by[group]
        for ending in members:
            row = ending.message
            row.state, row.reason = ending.state, ending.reason
            row.hold_ended_by_id = line
            row.leased_until = None
            if ending.reference:
                row.gateway_ref = ending.reference
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
    if last and [transfer.pk for transfer in _posted(movements)] != pks:
        raise RuntimeError(f"the occasion {key} was used before")


def _posted(movements: Sequence[ledger.Movement]) -> list[Transfer]:
    made = ledger.post(list(movements))
    return [made[movement.key] for movement in movements]


def _movement(group: tuple[int, int, bool], members: list[Ending], key: str, pk: int | None) -> ledger.Movement:
    account, submission, captured = group
    # The first message makes the key unique among the chunks of one claim.
    name = f"{key}:{submission}:{members[0].message.id}:{'capture' if captured else 'release'}"
    make = ledger.capture if captured else ledger.release
    return make(
        account,
        sum(ending.message.price for ending in members),
        key=name,
        cause=("submission", str(submission)),
        by=members[0].by,
        pk=pk,
    )
