"""Delivery reports: what they do to messages. Late, twice and out of order gives the same end.

The first report of an end counts. "rejected" is the only end that costs nothing: the operator never took the message.
Reports are applied many at once, in their order, with as many statements for hundreds as for a few.

A message that a person had sent again (compose/doubts.py) may be named by a report about the first time. While it
waits, one that proves that the operator took it then stops the second time: the person said that it had not left, and
was wrong. One that says that it did not arrive stops nothing: that is what the person said. While it is being handed
over the report waits, as ever (docs/adr/0013).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from compose.models import GatewayEvent, Message, Transition, is_final, may_move
from compose.reasons import SENT_AGAIN, known
from compose.settlement import Ending, end_holds
from credits import ledger, lines
from credits.models import Transfer

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
# These prove that the message reached the operator, and say of no end that it did not reach the phone.
ON_ITS_WAY = {"accepted", "delivered"}
# The words of what the operator never took; their sentences say that the price was given back.
OF_NEVER_TAKEN = {"rejected", "invalid_recipient", "unsupported"}
# A report that names no message we know may be earlier than the gateway's answer to the send: it waits.
WAIT_FOR_MESSAGE = timedelta(hours=24)
# Longer than any id of ours, and still a number for the database.
LONGEST_ID = 18


def apply_reports(events: Sequence[GatewayEvent], *, now: datetime) -> dict[int, str | None]:
    """Apply stored reports in the running transaction, in their order.

    Returns by the event's pk the result's word, or None to look again later. A message that several of them move
    (an unconfirmed one is accepted, then delivered) moves once in each round; it has two moves at the most.
    """
    messages = _Messages(events)
    messages.lock_books(events)
    results: dict[int, str | None] = {}
    left = list(events)
    while left:
        current = _Round(now)
        later = []
        for event in left:
            row = messages.of(event)
            if row is not None and row.pk in current.moved:
                later.append(event)
            else:
                results[event.pk] = current.take(event, row, again=messages.sent_again(row))
                if row is not None and row.pk in current.moved:
                    messages.named(row, event.payload["reference"])
        current.write()
        left = later
    return results


class _Messages:
    """The messages that reports name, locked in the order of their ids."""

    def __init__(self, events: Iterable[GatewayEvent]) -> None:
        references: dict[str, set[str]] = {}
        ids: dict[str, set[int]] = {}
        for event in events:
            references.setdefault(event.gateway, set()).add(event.payload["reference"])
            if number := _id(event.payload):
                ids.setdefault(event.gateway, set()).add(number)
        found: set[int] = set()
        for gateway, wanted in references.items():
            named = Message.objects.filter(gateway=gateway, gateway_ref__in=wanted - {""}).exclude(gateway_ref="")
            found.update(named.order_by().values_list("pk", flat=True))
        for gateway, numbers in ids.items():
            echoed = Message.objects.filter(gateway=gateway, gateway_ref="", pk__in=numbers)
            found.update(echoed.order_by().values_list("pk", flat=True))
        self._by_id: dict[int, Message] = {}
        self._by_reference: dict[tuple[str, str], Message] = {}
        if found:
            # Of several with the same reference the newest counts: it comes last.
            for row in Message.objects.select_for_update(no_key=True).filter(pk__in=found).order_by("pk"):
                self._by_id[row.pk] = row
                if row.gateway_ref:
                    self._by_reference[row.gateway, row.gateway_ref] = row
        self._again = _sent_again(self._by_id.values())

    def sent_again(self, row: Message | None) -> bool:
        """Whether a person had the message sent again."""
        return row is not None and row.pk in self._again

    def of(self, event: GatewayEvent) -> Message | None:
        """By the gateway's reference, else by our own id where the gateway echoes it."""
        said = event.payload
        found = self._by_reference.get((event.gateway, said["reference"]))
        if found is None and (number := _id(said)):
            found = self._by_id.get(number)
            if found is not None and (found.gateway != event.gateway or found.gateway_ref):
                found = None
        return found

    def named(self, row: Message, reference: str) -> None:
        """A report gives a message without a reference this one."""
        if reference and not row.gateway_ref:
            self._by_reference.setdefault((row.gateway, reference), row)

    def lock_books(self, events: Iterable[GatewayEvent]) -> None:
        """Lock the books of those whose credits may move, all at once and in their order, as `ledger.post` does.

        The rounds post in turn; two batches that lock one account each and then the other's would wait in a circle.
        """
        rows = [(self.of(event), event.payload["status"]) for event in events]
        accounts = {
            row.account_id for row, said in rows if row and (row.hold_ended_by_id is None or said == NEVER_TAKEN)
        }
        if accounts:
            with connection.cursor() as cursor:
                lines.lock(cursor, accounts, with_issued=False)


@dataclass
class _Round:
    """What some reports do, each to a message of its own; worked out first, written together."""

    now: datetime
    # The messages that move, by id, and what moves them.
    moved: dict[int, GatewayEvent] = field(default_factory=dict)
    endings: list[Ending] = field(default_factory=list)
    ended: dict[tuple[str, str], list[Message]] = field(default_factory=dict)
    refunded: list[Message] = field(default_factory=list)

    def take(self, event: GatewayEvent, row: Message | None, *, again: bool = False) -> str | None:
        """The result of a report about this message, which a person may have had sent `again`."""
        said = event.payload
        if row is not None and again and _is_of_the_first_time(event, row):
            if said["status"] not in ON_ITS_WAY:
                return "no_change"
            if row.state == State.SCHEDULED:
                self.moved[row.pk] = event
                ending = Ending(row, STATES[said["status"]], "arrived_first", reference=said["reference"])
                self.endings.append(ending)
                return "applied"
        if row is None or row.state in (State.SENDING, State.SCHEDULED):
            return "unknown" if self.now - event.stored_at > WAIT_FOR_MESSAGE else None
        state = STATES.get(said["status"])
        if state is None or not may_move(row.state, state):
            return "no_change"
        reason = "" if state in (State.DELIVERED, State.ACCEPTED) else _reason(said)
        self.moved[row.pk] = event
        if row.state == State.UNCONFIRMED:
            paid = said["status"] != NEVER_TAKEN
            self.endings.append(Ending(row, state, reason, reference=said["reference"], paid=paid))
        else:
            self.ended.setdefault((state, reason), []).append(row)
            if said["status"] == NEVER_TAKEN:
                self.refunded.append(row)
        return "applied"

    def write(self) -> None:
        """Write all of it: states and credits together, in the running transaction."""
        if self.endings:
            # The event makes the key unique: it is applied once.
            key = f"report:{self.moved[self.endings[0].message.pk].pk}"
            end_holds(self.endings, key=key, now=self.now)
        self._refund()
        for (state, reason), rows in self.ended.items():
            final_at = self.now if is_final(state) else None
            Message.objects.filter(pk__in=[row.pk for row in rows]).update(
                state=state, reason=reason, final_at=final_at
            )
            for row in rows:
                row.state, row.reason, row.final_at = state, reason, final_at
        # The state first: only what was not delivered may have a refund.
        Message.objects.bulk_update(self.refunded, ["refunded_by"], batch_size=500)
        Transition.objects.bulk_create(
            Transition(message=row, at=self.now, state=state, reason=reason, attempt=row.attempts)
            for (state, reason), rows in self.ended.items()
            for row in rows
        )

    def _refund(self) -> None:
        """Give back the prices, as `ledger.refund` gives back one."""
        movements = {
            row.pk: ledger.Movement(
                verb=Transfer.Verb.REFUND,
                account=row.account_id,
                amount=row.price,
                key=f"refund:{row.pk}",
                cause=("message", str(row.pk)),
            )
            for row in self.refunded
        }
        transfers = ledger.post(list(movements.values()))
        for row in self.refunded:
            row.refunded_by = transfers[movements[row.pk].key]


def _sent_again(rows: Iterable[Message]) -> set[int]:
    """The keys of those that a person had sent again. One query, and none where each had one attempt at the most."""
    tried = [row.pk for row in rows if row.attempts > 1 or (row.attempts and row.state == State.SCHEDULED)]
    if not tried:
        return set()
    found = Transition.objects.filter(message__in=tried, state=State.SCHEDULED, reason=SENT_AGAIN)
    return set(found.order_by().values_list("message_id", flat=True))


def _is_of_the_first_time(event: GatewayEvent, row: Message) -> bool:
    """Whether a report came before a message that was sent again had left again."""
    if row.state == State.SCHEDULED:
        return True
    return row.handed_over_at is not None and event.stored_at < row.handed_over_at


def _reason(said: dict[str, Any]) -> str:
    """The report's word when it is one of ours, else what its status says."""
    word, status = known(said["reason"]), str(said["status"])
    if word in OF_NEVER_TAKEN and status != NEVER_TAKEN:
        word = "unknown"
    return status if word == "unknown" and status in (NEVER_TAKEN, "blocked") else word


def _id(said: dict[str, Any]) -> int:
    """Our own id of the message, where the gateway echoes it; 0 for none."""
    written = said["message_id"]
    return int(written) if written.isdecimal() and len(written) <= LONGEST_ID else 0
