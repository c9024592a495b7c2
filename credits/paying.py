"""Beginning the payments of orders: at once when an order is placed, again later when that did not happen.

An order whose payment was never begun (the service was away, or the process died between the order and its payment)
is tried again with growing pauses until it is begun or decided. One process at a time begins an order's payment, and a
backend that is asked twice for the same order makes no second payment (credits/payments/base.py), so a process that
dies after asking leaves nothing that is paid twice; crediting is `credits.orders.confirm`, once whatever is said.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from credits import letters, payments
from credits.models import Order
from credits.payments.base import PaymentFailed

log = logging.getLogger(__name__)
Clock = Callable[[], datetime]

# Longer than a backend may take (credits/payments/base.py); after it another process begins the payment.
LEASE = timedelta(minutes=2)
FIRST_RETRY, LONGEST_RETRY = timedelta(minutes=1), timedelta(hours=6)
# Of a run of the periodic task: so many orders at most, and none is begun after so many seconds.
BATCH, MOST_SECONDS = 50, 60.0
LONGEST_ADDRESS = Order._meta.get_field("address").max_length or 0


def pay(order: Order, *, clock: Clock = timezone.now) -> str:
    """Begin the payment of a waiting order and return where it is paid, "" when there is no such page or not now.

    What could not be begun is logged and tried again by `begin_waiting`; nothing is raised, as the order stands.
    """
    if not order.to_begin or not _taken(order, clock()):
        order.refresh_from_db()
        return order.address
    try:
        backend = payments.backend()
        address = backend.start(order) or ""
        if address and (not address.startswith("https://") or len(address) > LONGEST_ADDRESS):
            raise PaymentFailed("the address where it is paid is no https address, or too long")
    except PaymentFailed:
        log.warning("The payment of order %d could not be begun; it is tried again", order.pk, exc_info=True)
        _later(order, clock())
    except Exception as error:
        # Whatever a backend raises: the order stands, and so do those of others that are begun after it.
        log.exception("The payment of order %d could not be begun; it is tried again", order.pk)
        _later(order, clock())
        _tell(order, error)
    else:
        waiting = Order.objects.filter(pk=order.pk, status=Order.Status.PENDING)
        waiting.update(address=address, begun_at=clock(), begin_leased=None, backend=backend.name)
    order.refresh_from_db()
    return order.address


def begin_waiting(*, clock: Clock = timezone.now) -> int:
    """Begin the payments of waiting orders that were never begun and are due; returns how many are begun now."""
    ends = time.monotonic() + MOST_SECONDS
    rows = Order.objects.filter(status=Order.Status.PENDING, begun_at=None, begin_next__lte=clock())
    begun = 0
    for order in rows.select_related("account").order_by("begin_next", "pk")[:BATCH]:
        if time.monotonic() > ends:
            break
        pay(order, clock=clock)
        begun += order.begun_at is not None
    return begun


def _taken(order: Order, now: datetime) -> bool:
    """Take the order for this process alone; False when another one has it, or it needs nothing any more."""
    free = Q(begin_leased=None) | Q(begin_leased__lte=now)
    waiting = Order.objects.filter(free, pk=order.pk, status=Order.Status.PENDING, begun_at=None)
    until = now + LEASE
    # A process that dies with it leaves it to the periodic task, which looks when the lease has ended.
    return waiting.update(begin_leased=until, begin_next=until, begin_tries=F("begin_tries") + 1) == 1


def _later(order: Order, now: datetime) -> None:
    tries = min(order.begin_tries, 10)
    wait = min(FIRST_RETRY * 2**tries, LONGEST_RETRY)
    Order.objects.filter(pk=order.pk, begun_at=None).update(begin_next=now + wait, begin_leased=None)


def _tell(order: Order, error: Exception) -> None:
    # Its kind only: the text of an exception may hold what only the log may, or nobody.
    letters.to_administrators(
        key=f"not_begun:{order.pk}:{type(error).__name__}",
        subject=_("The payment of order %(order)s could not be begun"),
        body=_(
            "The payment backend %(backend)s failed with %(error)s when the payment of order %(order)s of %(account)s "
            "was begun. The order waits, and it is tried again with growing pauses; the log of the worker says more. "
            "You can also confirm or cancel the order in the administration, under Orders."
        ),
        values={
            "order": order.pk,
            "account": order.account,
            "backend": order.backend,
            "error": type(error).__name__,
        },
    )
