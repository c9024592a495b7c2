"""Accounts whose credits run low: said once for each crossing, and topped up where they asked for it.

Looked at by a periodic task rather than where credits are held: sending pays nothing for it, no letter is written
while the account's books are locked, and a crossing that a crash left unsaid is said at the next look. What falls
and rises again between two looks is no crossing.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import BigIntegerField, Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from credits import letters, orders
from credits.amounts import format_credits
from credits.models import Account, Book, Order, Pack, Watch

log = logging.getLogger(__name__)
Clock = Callable[[], datetime]


def watch_of(account: Account) -> Watch:
    """What the account asked for; an empty one, not stored, when it never asked."""
    return Watch.objects.filter(account=account).select_related("refill_order").first() or Watch(account=account)


def is_low(watch: Watch, available: int) -> bool:
    """Whether the page says that credits run low: `available` millis are below the account's threshold."""
    return watch.alert_below is not None and available < watch.alert_below


def set_threshold(account: Account, threshold: int | None) -> Watch:
    """Tell the owners when less than `threshold` millis are available; None: never. Raises ValueError at zero.

    A new threshold is looked at anew: when the account is below it already, that is said once.
    """
    if threshold is not None and threshold <= 0:
        raise ValueError("a threshold is above zero")
    with transaction.atomic():
        watch, made = Watch.objects.select_for_update().get_or_create(account=account)
        if made or watch.alert_below != threshold:
            watch.alert_below, watch.low_since = threshold, None
            watch.save(update_fields=["alert_below", "low_since"])
    return watch


def look(*, clock: Clock = timezone.now) -> int:
    """Look at all watched accounts, say what crossed and order what was asked; returns how many had something.

    The payments of these orders are begun by credits/paying.py, so no payment service keeps an alert waiting. One
    account's trouble stops no other's: it is logged, and the administrators are told once a day.
    """
    pks = list(_with_something_to_do().values_list("pk", flat=True))
    for pk in pks:
        now = clock()
        try:
            _look_at(pk, now)
        except Exception as error:
            log.exception("What watch %d asked for when its credits run low could not be done", pk)
            _tell(pk, error, now)
    return len(pks)


def _tell(pk: int, error: Exception, now: datetime) -> None:
    letters.to_administrators(
        key=f"watch_trouble:{pk}:{type(error).__name__}:{now.date().isoformat()}",
        subject=_("The low-credit alert of %(account)s failed"),
        body=_(
            "The alert and the automatic top-up of %(account)s could not be worked out: %(error)s. Nothing was ordered "
            "or said. It is tried again by itself; the log of the worker says more."
        ),
        values={
            "account": Account.objects.filter(watch=pk).first() or pk,
            # Its kind only: the text of an exception may hold what belongs in no letter.
            "error": type(error).__name__,
        },
    )


def _with_something_to_do() -> QuerySet[Any]:
    """One question for all accounts: whose balance stands on the other side of a threshold than was last seen."""
    balance = Book.objects.filter(account=OuterRef("account"), kind=Book.Kind.AVAILABLE).values("balance")[:1]
    on_sale = Pack.objects.filter(credits=OuterRef("refill_credits"), on_sale=True)
    watches: QuerySet[Any] = Watch.objects.annotate(
        available=Coalesce(Subquery(balance), 0, output_field=BigIntegerField())
    )
    return watches.filter(
        Q(alert_below__gt=F("available"), low_since=None)
        | Q(alert_below__lte=F("available"), low_since__isnull=False)
        | Q(refill_below__gt=F("available"), refill_order=None)
        | Q(refill_below__gt=F("available"), refill_order__status=Order.Status.CONFIRMED)
        | (Q(refill_below__lte=F("available"), refill_order__isnull=False) & ~Q(refill_order__status="pending"))
        | (Q(refill_missing_since__isnull=False) & Q(Exists(on_sale)))
    ).order_by("pk")


@transaction.atomic
def _look_at(pk: int, now: datetime) -> None:
    """Say and order what this account asked for. Another process at the same row goes first."""
    watch = (
        Watch.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("account", "refill_order")
        .filter(pk=pk)
        .first()
    )
    if watch is None:
        return
    book = Book.objects.filter(account=watch.account_id, kind=Book.Kind.AVAILABLE)
    available = book.values_list("balance", flat=True).first() or 0
    _refill(watch, available, now)
    _alert(watch, available, now)
    watch.save(update_fields=["low_since", "refill_order", "refill_missing_since"])


def _refill(watch: Watch, available: int, now: datetime) -> None:
    pack = watch.refill_credits
    if watch.refill_missing_since and pack and Pack.objects.filter(credits=pack, on_sale=True).exists():
        # Back on sale: when it is taken off again, that is said again.
        watch.refill_missing_since = None
    last = watch.refill_order
    if watch.refill_below is None or available >= watch.refill_below:
        # Above again: the next crossing orders again, unless an order still waits.
        if last is not None and not last.is_pending:
            watch.refill_order = None
        return
    # A cancelled order is an answer, until the next crossing; a confirmed one was too small.
    if last is None or last.status == Order.Status.CONFIRMED:
        watch.refill_order = orders.refill(watch, now) or last


def _alert(watch: Watch, available: int, now: datetime) -> None:
    if not is_low(watch, available):
        watch.low_since = None
    elif watch.low_since is None:
        watch.low_since = now
        letters.to_owners(
            watch.account,
            key=f"low:{watch.pk}:{now.isoformat()}",
            subject=_("%(account)s is low on credits"),
            body=_(
                "%(account)s has %(available)s credits left, fewer than the %(threshold)s of its alert. Messages that "
                "cost more are refused until credits are added: order a pack on the page Credits."
            ),
            values={
                "account": watch.account,
                "available": format_credits(available),
                "threshold": format_credits(watch.alert_below or 0),
            },
        )
