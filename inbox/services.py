"""The verbs of what comes in: fetch from gateways, apply what is stored, mark as read."""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import OperationalError, transaction
from django.utils import timezone

from compose import delivery, routing
from compose.models import GatewayEvent, Message
from compose.services import store_events
from credits import ledger
from credits.models import Account
from inbox.models import Reading, Received
from senders import pool
from senders import queries as sender_queries

log = logging.getLogger(__name__)
Clock = Callable[[], datetime]
BATCH = 500
LOOK_AGAIN, LONGEST_LOOK = timedelta(seconds=2), timedelta(hours=1)


def poll_gateways(*, clock: Clock = timezone.now) -> int:
    """Fetch what waits at the gateways that are polled, store it, and only then tell them so."""
    stored = 0
    for name in routing.names():
        gateway = routing.gateway(name)
        if not gateway.capabilities.polls:
            continue
        try:
            events = list(gateway.poll())
        except Exception:
            # What waits there is offered again; the other gateways and the stored events have their turn.
            log.exception("The gateway %s could not be asked for its events", name)
            continue
        store_events(name, events, now=clock())
        gateway.acknowledge(events)
        stored += len(events)
    return stored


def apply_waiting(*, clock: Clock = timezone.now, size: int = BATCH) -> int:
    """Apply stored events whose turn it is and return how many are done; each in a transaction of its own."""
    done = 0
    waiting = GatewayEvent.objects.filter(applied_at=None, look_at__lte=clock()).order_by("look_at", "pk")
    for pk in list(waiting.values_list("pk", flat=True)[:size]):
        try:
            done += _apply(pk, clock())
        except OperationalError as error:
            # The database is busy or away, the event is innocent: the next look begins where this one stopped.
            log.warning("The database did not answer (%s); %d events were applied", error, done)
            break
        except Exception:
            # One event that cannot be applied must not stand before all the others.
            log.exception("The event %d could not be applied; it is looked at again later", pk)
            GatewayEvent.objects.filter(pk=pk).update(look_at=clock() + LONGEST_LOOK)
    return done


@transaction.atomic
def _apply(pk: int, now: datetime) -> bool:
    event = GatewayEvent.objects.select_for_update(skip_locked=True).filter(pk=pk, applied_at=None).first()
    if event is None:
        return False
    is_report = event.kind == GatewayEvent.Kind.REPORT
    result = delivery.apply_report(event, now=now) if is_report else receive(event)
    if result is None:
        age = now - event.stored_at
        event.look_at = now + min(max(age, LOOK_AGAIN), LONGEST_LOOK)
        event.save(update_fields=["look_at"])
        return False
    event.applied_at, event.result = now, result
    event.save(update_fields=["applied_at", "result"])
    return True


def receive(event: GatewayEvent) -> str:
    """Make the received message of a stored event, for the account and the message that it answers.

    The account pays SMS_REPLY_PRICE for it (millis), or owes it; what belongs to nobody costs nobody anything.
    """
    said = event.payload
    account_id, answered = _matched(
        number=said["number"], to=said["to"], reference=said["answers"], gateway=event.gateway
    )
    came = Received.objects.create(
        account_id=account_id,
        event=event,
        number=said["number"],
        to=said["to"],
        text=said["text"],
        received_at=datetime.fromisoformat(said["at"]),
        answers=answered,
    )
    if came.account is None:
        return "unmatched"
    if settings.SMS_REPLY_PRICE:
        key = f"received:{came.pk}"
        ledger.charge(came.account, settings.SMS_REPLY_PRICE, key=key, cause=("received", str(came.pk)))
    return "received"


def _matched(*, number: str, to: str, reference: str, gateway: str) -> tuple[int | None, Message | None]:
    """Whose message this is and what it answers: by the gateway's reference, a lease, or a virtual number."""
    if reference:
        answered = Message.objects.filter(gateway=gateway, gateway_ref=reference).first()
        if answered is not None:
            return answered.account_id, answered
    account_id = pool.holder(number=to, recipient=number)
    if account_id is None:
        account_id = sender_queries.owner_of_virtual(to)
    if account_id is None:
        return None, None
    sent = Message.objects.filter(account_id=account_id, originator=to, recipient=number)
    # Nobody answers what the operator refused.
    left = sent.exclude(handed_over_at=None).exclude(state=Message.State.FAILED)
    return account_id, left.order_by("-handed_over_at", "-pk").first()


def mark_read(account: Account, user: Any, pks: Iterable[int]) -> None:
    """Remember that the person has read these received messages of the account."""
    mine = Received.objects.filter(account=account, pk__in=list(pks)).exclude(readings__user=user)
    Reading.objects.bulk_create(
        [Reading(received_id=pk, user=user) for pk in mine.values_list("pk", flat=True)],
        ignore_conflicts=True,
    )
