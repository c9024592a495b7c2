"""The verbs of what comes in: fetch from gateways, and apply what is stored. inbox/marks.py has what members do."""

import logging
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from compose import delivery, routing, vendor_codes
from compose.away import AWAY, let_go
from compose.models import GatewayEvent
from compose.services import store_events
from credits import ledger
from inbox import marks, matching, parts, reactions, restored, stops
from inbox.models import Received

log = logging.getLogger(__name__)
Clock = Callable[[], datetime]
# Events in one transaction, such batches in one turn, and the moment after which a turn begins no other.
BATCH, MOST_BATCHES, LONGEST_TURN = 500, 40, timedelta(seconds=30)
LOOK_AGAIN, LONGEST_LOOK = timedelta(seconds=2), timedelta(hours=1)
# An event that cannot be applied is tried so long: an upgrade may know what to do with it.
GIVE_UP = timedelta(days=7)
# Messages that wait for parts in vain, shown in one turn.
MOST_OVERDUE = 100

_asked: set[str] = set()
_asking = threading.Lock()


def poll_gateways(*, clock: Clock = timezone.now) -> int:
    """Fetch what waits at the gateways that are polled, store it, and only then tell them so.

    A gateway is asked by one thread of a process at a time: while a slow one answers, others have their turn.
    """
    stored = 0
    for name in routing.names():
        with _asking:
            if name in _asked:
                continue
            _asked.add(name)
        try:
            stored += _poll(name, clock)
        except AWAY:
            let_go()
            raise
        except Exception as error:  # noqa: BLE001  (somebody else's code)
            # What waits there is offered again; the other gateways and the stored events have their turn. The text of
            # the error may quote the call and the secrets in it; where it arose is enough to find it.
            arose = "".join(traceback.format_tb(error.__traceback__))
            log.error("The gateway %s could not be asked for its events: %s\n%s", name, type(error).__name__, arose)
        finally:
            with _asking:
                _asked.discard(name)
    return stored


def _poll(name: str, clock: Clock) -> int:
    gateway = routing.gateway(name)
    if not gateway.capabilities.polls:
        return 0
    events = list(gateway.poll())
    if events:
        store_events(name, events, now=clock())
        gateway.acknowledge(events)
    return len(events)


def apply_waiting(*, clock: Clock = timezone.now, size: int = BATCH) -> int:
    """Apply stored events whose turn it is and return how many are done.

    In batches of `size`, at most MOST_BATCHES of them. What never had its turn goes before what was looked at in
    vain, which has a quarter of each batch at least: reports with unknown ids, however many, keep nobody waiting.
    """
    done, last_start = 0, clock() + LONGEST_TURN
    try:
        for _turn in range(MOST_BATCHES):
            events, more = _next(clock(), size)
            settled = _apply(events, clock())
            done += settled
            if not more:
                # Nothing is stored any more that could be a missing part.
                done += _show_overdue(clock())
                break
            if clock() > last_start:
                break
    except AWAY as error:
        # The database is busy or away, the events are innocent: the next look begins where this one stopped.
        log.warning("The database did not answer (%s); %d events were applied", type(error).__name__, done)
        let_go()
    return done


def _next(now: datetime, size: int) -> tuple[list[tuple[int, str]], bool]:
    """The pk and the kind of the events of the next batch, and whether there are more."""
    waiting = GatewayEvent.objects.filter(applied_at=None, look_at__lte=now).order_by("look_at", "pk")
    columns = waiting.values_list("pk", "kind")
    fresh = list(columns.filter(looked=False)[:size])
    room = max(size - len(fresh), size // 4, 1)
    again = list(columns.filter(looked=True)[:room])
    return sorted(fresh + again), len(fresh) == size or len(again) == room


def _apply(events: Sequence[tuple[int, str]], now: datetime) -> int:
    """Apply these: the reports together, each received message in a transaction of its own."""
    done = _apply_reports([pk for pk, kind in events if kind == GatewayEvent.Kind.REPORT], now)
    for pk in [pk for pk, kind in events if kind != GatewayEvent.Kind.REPORT]:
        try:
            done += _apply_received(pk, now)
        except AWAY:
            raise
        except Exception as error:  # noqa: BLE001  (one event that cannot be applied must not stop the others)
            _put_off(pk, error, now)
    return done


def _apply_reports(pks: Sequence[int], now: datetime) -> int:
    """Apply these reports in one transaction; where that fails, each half by itself, down to the one that cannot be."""
    if not pks:
        return 0
    try:
        done, codes = _in_one_transaction(pks, now)
    except AWAY:
        raise
    except Exception as error:  # noqa: BLE001  (one report that cannot be applied must not stop the others)
        if len(pks) == 1:
            _put_off(pks[0], error, now)
            return 0
        half = len(pks) // 2
        return _apply_reports(pks[:half], now) + _apply_reports(pks[half:], now)
    _count(codes, now)
    return done


def _count(codes: Mapping[str, Mapping[str, int]], now: datetime) -> None:
    """Tell the administrator of codes in no table. The reports are applied; a count that fails is no harm to them."""
    for gateway, seen in codes.items():
        try:
            vendor_codes.seen(gateway, where="report", codes=seen, now=now)
        except Exception:
            log.exception("The codes that %s reported could not be counted", gateway)


@transaction.atomic
def _in_one_transaction(pks: Sequence[int], now: datetime) -> tuple[int, dict[str, Counter[str]]]:
    """Apply these reports; returns how many are done, and by gateway the codes of those that had their first look.

    One that another worker holds is left to it.
    """
    waiting = GatewayEvent.objects.select_for_update(skip_locked=True).filter(pk__in=pks, applied_at=None)
    events = list(waiting.order_by("pk"))
    results = delivery.apply_reports(events, now=now)
    codes: dict[str, Counter[str]] = {}
    ended: dict[str, list[int]] = {}
    again: dict[timedelta, list[int]] = {}
    for event in events:
        code = event.payload.get("code", "")
        if code and not event.looked:
            codes.setdefault(event.gateway, Counter())[code] += 1
        result = results[event.pk]
        if result is None:
            again.setdefault(_wait(now - event.stored_at), []).append(event.pk)
        else:
            ended.setdefault(result, []).append(event.pk)
    for result, theirs in ended.items():
        GatewayEvent.objects.filter(pk__in=theirs).update(applied_at=now, result=result)
    for wait, theirs in again.items():
        GatewayEvent.objects.filter(pk__in=theirs).update(look_at=now + wait, looked=True)
    return sum(map(len, ended.values())), codes


def _wait(age: timedelta) -> timedelta:
    """Until the next look at what is so old: twice as long each time, in few sizes, so that few statements say it."""
    wait = LOOK_AGAIN
    while wait * 2 <= age and wait < LONGEST_LOOK:
        wait *= 2
    return min(wait, LONGEST_LOOK)


def _put_off(pk: int, error: Exception, now: datetime) -> None:
    """An event cannot be applied: it is tried again later, and at last given up."""
    given_up = GatewayEvent.objects.filter(pk=pk, stored_at__lte=now - GIVE_UP).update(applied_at=now, result="failed")
    if given_up:
        log.error("The event %d could not be applied, and is not looked at again", pk, exc_info=error)
    else:
        log.error("The event %d could not be applied; it is looked at again later", pk, exc_info=error)
        GatewayEvent.objects.filter(pk=pk).update(look_at=now + LONGEST_LOOK, looked=True)


@transaction.atomic
def _apply_received(pk: int, now: datetime) -> bool:
    event = GatewayEvent.objects.select_for_update(skip_locked=True).filter(pk=pk, applied_at=None).first()
    if event is None:
        return False
    event.applied_at, event.result = now, receive(event, now=now)
    event.save(update_fields=["applied_at", "result"])
    return True


def receive(event: GatewayEvent, *, now: datetime) -> str:
    """Make the received message of a stored event, or keep a part of one; returns the result's word."""
    show = partial(_show, now=now)
    if parts.place_of(event) is not None:
        return parts.add(event, now=now, show=show)
    said = event.payload
    at = datetime.fromisoformat(said["at"])
    whole = parts.Whole(
        event=event,
        text=said["text"],
        at=at,
        answers=said["answers"],
        missing=0,
        caused_already=restored.caused_already(event),
    )
    shown = show(whole)
    return "unmatched" if shown.account_id is None else "received"


def _show(whole: parts.Whole, *, now: datetime) -> Received:
    """Make a received message, for the account and the message that it answers.

    The account pays SMS_REPLY_PRICE for it (millis), or owes it; what belongs to nobody costs nobody anything. The
    price is that of an answer, not of its parts: how a phone cuts a text is nothing that the account decides, and a
    part that is lost, late or there twice must not change what the answer costs.
    """
    said = whole.event.payload
    account_id, answered = matching.matched(
        number=said["number"],
        to=said["to"],
        reference=whole.answers,
        message_id=said.get("message_id", ""),
        gateway=whole.event.gateway,
        at=whole.at,
    )
    came = Received.objects.create(
        account_id=account_id,
        event=whole.event,
        number=said["number"][:32],
        to=said["to"][:32],
        text=whole.text,
        missing=whole.missing,
        received_at=whole.at,
        answers=answered,
    )
    marks.arrived(came)
    if came.account is not None and settings.SMS_REPLY_PRICE and not whole.late:
        key = f"received:{came.pk}"
        ledger.charge(came.account, settings.SMS_REPLY_PRICE, key=key, cause=("received", str(came.pk)))
    stop = stops.heed(came, declared=stops.declared(whole.event))
    if not whole.caused_already:
        reactions.queue(came, stop=stop, now=now)
    return came


def _show_overdue(now: datetime) -> int:
    """Show the messages whose missing parts are waited for no longer, and return how many they were."""
    shown = 0
    for pk in parts.overdue(now, MOST_OVERDUE):
        try:
            with transaction.atomic():
                shown += parts.give_up(pk, now=now, show=partial(_show, now=now))
        except AWAY:
            raise
        except Exception:
            log.exception("The long message %d could not be shown", pk)
    return shown
