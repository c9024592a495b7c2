"""Delivery reports: what they do to a message. Late, twice and out of order gives the same end.

The first report of an end counts. "rejected" is the only end that costs nothing: the operator never took the message.
"""

from datetime import datetime, timedelta
from typing import Any

from compose.models import GatewayEvent, Message, Transition, is_final, may_move
from compose.reasons import known
from compose.settlement import Ending, end_holds
from credits import ledger

State = Message.State

STATES = {
    "accepted": State.ACCEPTED,
    "delivered": State.DELIVERED,
    "undelivered": State.UNDELIVERED,
    "rejected": State.UNDELIVERED,
    "blocked": State.UNDELIVERED,
    "expired": State.EXPIRED,
}
NEVER_TAKEN = "rejected"
# The words of what the operator never took; their sentences say that the price was given back.
OF_NEVER_TAKEN = {"rejected", "invalid_recipient", "unsupported"}
# A report that names no message we know may be earlier than the gateway's answer to the send: it waits.
WAIT_FOR_MESSAGE = timedelta(hours=24)


def apply_report(event: GatewayEvent, *, now: datetime) -> str | None:
    """Apply a stored report in the running transaction; returns the result's word, or None to look again later."""
    said = event.payload
    row = _message(event.gateway, said)
    if row is None or row.state in (State.SENDING, State.SCHEDULED):
        return "unknown" if now - event.stored_at > WAIT_FOR_MESSAGE else None
    state = STATES.get(said["status"])
    if state is None or not may_move(row.state, state):
        return "no_change"
    reason = "" if state in (State.DELIVERED, State.ACCEPTED) else _reason(said)
    if row.state == State.UNCONFIRMED:
        ending = Ending(row, state, reason, reference=said["reference"], paid=said["status"] != NEVER_TAKEN)
        end_holds([ending], key=f"report:{event.pk}", now=now)
        return "applied"
    row.state, row.reason = state, reason
    row.final_at = now if is_final(state) else None
    if said["status"] == NEVER_TAKEN:
        row.refunded_by = ledger.refund(row.account_id, row.price, message=row.pk)
    row.save(update_fields=["state", "reason", "final_at", "refunded_by"])
    Transition.objects.create(message=row, at=now, state=state, reason=reason, attempt=row.attempts)
    return "applied"


def _reason(said: dict[str, Any]) -> str:
    """The report's word when it is one of ours, else what its status says."""
    word, status = known(said["reason"]), str(said["status"])
    if word in OF_NEVER_TAKEN and status != NEVER_TAKEN:
        word = "unknown"
    return status if word == "unknown" and status in (NEVER_TAKEN, "blocked") else word


def _message(gateway: str, said: dict[str, Any]) -> Message | None:
    """The message of a report, locked: by the gateway's reference, else by our own id where the gateway echoes it."""
    messages = Message.objects.select_for_update().filter(gateway=gateway)
    found = messages.exclude(gateway_ref="").filter(gateway_ref=said["reference"]).first()
    if found is None and said["message_id"].isdecimal():
        found = messages.filter(pk=int(said["message_id"]), gateway_ref="").first()
    return found
