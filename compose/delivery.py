"""Delivery reports: what they do to a message. Late, twice and out of order gives the same end."""

from datetime import datetime, timedelta
from typing import Any

from compose.models import GatewayEvent, Message, Transition, is_final, may_move
from compose.reasons import known
from compose.settlement import Ending, end_holds

State = Message.State

STATES = {
    "accepted": State.ACCEPTED,
    "delivered": State.DELIVERED,
    "undelivered": State.UNDELIVERED,
    "rejected": State.UNDELIVERED,
    "blocked": State.UNDELIVERED,
    "expired": State.EXPIRED,
}
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
        ending = Ending(row, state, reason, reference=said["reference"], paid=True)
        end_holds([ending], key=f"report:{event.pk}", now=now)
        return "applied"
    row.state, row.reason = state, reason
    row.final_at = now if is_final(state) else None
    row.save(update_fields=["state", "reason", "final_at"])
    Transition.objects.create(message=row, at=now, state=state, reason=reason, attempt=row.attempts)
    return "applied"


def _reason(said: dict[str, Any]) -> str:
    """The report's word when it is one of ours, else what its status says."""
    word = known(said["reason"])
    return str(said["status"]) if word == "unknown" and said["status"] in ("rejected", "blocked") else word


def _message(gateway: str, said: dict[str, Any]) -> Message | None:
    """The message of a report, locked: by the gateway's reference, else by our own id where the gateway echoes it."""
    messages = Message.objects.select_for_update().filter(gateway=gateway)
    found = messages.exclude(gateway_ref="").filter(gateway_ref=said["reference"]).first()
    if found is None and said["message_id"].isdecimal():
        found = messages.filter(pk=int(said["message_id"]), gateway_ref="").first()
    return found
