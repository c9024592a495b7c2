"""Orders of packs: placed, paid, confirmed and credited once, or cancelled; and the ones an account makes by itself."""

import logging
import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from credits import ledger, letters, payments
from credits.models import Account, Order, Pack, Watch
from credits.paying import LEASE, pay

log = logging.getLogger(__name__)
Status = Order.Status
# Of one account, each of which is a letter to the administrators.
MOST_WAITING = 20


class NotOnSale(Exception):
    """No pack of this many credits is on sale."""


class TooManyWaiting(Exception):
    """As many orders of the account as there may be wait already."""


class NotPossible(Exception):
    """The order is not in a status that allows this. `order` is as it is now."""

    def __init__(self, order: Order) -> None:
        super().__init__(f"order {order.pk} is {order.status}")
        self.order = order


def place(
    account: Account,
    credits: int,  # noqa: A002
    by: Any,
    *,
    request_key: uuid.UUID | None = None,
) -> Order:
    """Order a pack of `credits` whole credits and begin its payment; once for each `request_key`.

    The order waits, with `address` where it is paid when the backend has such a page. When the payment cannot be
    begun the order waits without one, and it is tried again (credits/paying.py). Raises NotOnSale, and TooManyWaiting.
    """
    with transaction.atomic():
        _one_at_a_time(account)
        # Two clicks, or the same page sent again.
        found = Order.objects.filter(account=account, request_key=request_key).first() if request_key else None
        order = found or _make(account, credits, by=by, request_key=request_key)
    if found is None:
        pay(order)
    return order


def _one_at_a_time(account: Account) -> None:
    """Let no other order of this account be made before the transaction ends; sending goes on meanwhile."""
    Account.objects.select_for_update(no_key=True).get(pk=account.pk)


def _make(account: Account, size: int, *, by: Any, request_key: uuid.UUID | None = None) -> Order:
    pack = Pack.objects.filter(credits=size, on_sale=True).first()
    if pack is None:
        raise NotOnSale
    if Order.objects.filter(account=account, status=Status.PENDING).count() >= MOST_WAITING:
        raise TooManyWaiting
    order = Order.objects.create(
        account=account,
        credits=pack.credits,
        price=pack.price,
        automatic=by is None,
        ordered_by=by,
        request_key=request_key,
        backend=payments.backend().name,
        # Whoever ordered begins the payment right after; what nobody ordered is left to the periodic task.
        begin_next=timezone.now() + (LEASE if by is not None else timedelta()),
    )
    letters.to_administrators(
        key=f"order:{order.pk}",
        subject=_("%(account)s orders %(credits)s credits"),
        body=_(
            "Order %(order)s of %(account)s, %(credits)s credits, waits. It is credited when it is paid, or when you "
            "confirm it in the administration, under Orders."
        ),
        values={"order": order.pk, "account": account, "credits": size},
    )
    return order


@transaction.atomic
def confirm(order: Order, by: Any, reference: str = "") -> Order:
    """The order is paid: credit it, once, however often this is said. Raises NotPossible when it was cancelled.

    `by` is the administrator, None for a payment backend; `reference` names the payment.
    """
    row = _locked(order)
    if row.status == Status.CONFIRMED:
        return row
    if row.status == Status.CANCELLED:
        raise NotPossible(row)
    row.credited_by = ledger.top_up(
        row.account, row.millis, key=f"order:{row.pk}", cause=("order", str(row.pk)), by=by, reason=reference[:250]
    )
    row.status, row.reference = Status.CONFIRMED, reference[:120]
    row.decided_by, row.decided_at = by, timezone.now()
    row.save(update_fields=["credited_by", "status", "reference", "decided_by", "decided_at"])
    letters.to_owners(
        row.account,
        key=f"confirmed:{row.pk}",
        subject=_("%(credits)s credits for %(account)s"),
        body=ngettext_lazy(
            "Order %(order)s is confirmed: %(credits)s credit was added to %(account)s.",
            "Order %(order)s is confirmed: %(credits)s credits were added to %(account)s.",
            "credits",
        ),
        values={"order": row.pk, "account": row.account, "credits": row.credits},
    )
    return row


@transaction.atomic
def paid(order: Order, reference: str) -> None:
    """The payment service says that the order is paid, under `reference`; said again, it changes nothing.

    A payment that credits nothing any more (the order was cancelled, or another payment was its own) is money that
    somebody waits for: the administrators are told of each once.
    """
    try:
        row = confirm(order, None, reference)
    except NotPossible as decided:
        row = decided.order
    if row.status == Status.CONFIRMED and row.reference == reference[:120]:
        return
    log.error("Order %d was paid in vain, it is %s; the reference is %s", row.pk, row.status, reference)
    letters.to_administrators(
        key=f"in_vain:{row.pk}:{reference}",
        subject=_("A payment of order %(order)s brought no credits"),
        body=_(
            "The payment service says that order %(order)s of %(account)s is paid, with the reference %(reference)s. "
            "Its status was “%(status)s” already, so nothing was credited for this payment. Pay the money back, or "
            "grant the credits in the administration."
        ),
        values={
            "order": row.pk,
            "account": row.account,
            "reference": reference[:120],
            # Said in the language of the letter.
            "status": Status(row.status).label,
        },
    )


@transaction.atomic
def cancel(order: Order, by: Any) -> Order:
    """Give a waiting order up; repeated, it changes nothing. Raises NotPossible when it was confirmed."""
    row = _locked(order)
    if row.status == Status.CONFIRMED:
        raise NotPossible(row)
    if row.status == Status.PENDING:
        row.status, row.decided_by, row.decided_at = Status.CANCELLED, by, timezone.now()
        row.save(update_fields=["status", "decided_by", "decided_at"])
    return row


def _locked(order: Order) -> Order:
    # The account comes with it unlocked: whoever sends for it need not wait for an order.
    return Order.objects.select_for_update(of=("self",)).select_related("account").get(pk=order.pk)


@transaction.atomic
def set_automatic(account: Account, threshold: int | None, pack: int | None) -> Watch:
    """Order a pack of `pack` credits by itself whenever less than `threshold` millis are available; None: never.

    Raises NotOnSale, and ValueError for a threshold that is not above zero.
    """
    if threshold is None or pack is None:
        threshold = pack = None
    elif threshold <= 0:
        raise ValueError("a threshold is above zero")
    elif not Pack.objects.filter(credits=pack, on_sale=True).exists():
        raise NotOnSale
    watch, _made = Watch.objects.select_for_update().get_or_create(account=account)
    watch.refill_below, watch.refill_credits, watch.refill_missing_since = threshold, pack, None
    # What is asked anew is looked at anew, but for an order that still waits.
    if watch.refill_order is not None and not watch.refill_order.is_pending:
        watch.refill_order = None
    watch.save(update_fields=["refill_below", "refill_credits", "refill_missing_since", "refill_order"])
    return watch


def refill(watch: Watch, now: datetime) -> Order | None:
    """The automatic order of a watch whose row is locked: made now, or one that waits already.

    None when its pack is no longer on sale, which the administrators are told (`refill_missing_since` is set), and
    when too many orders wait, which the owners are told.
    """
    assert watch.refill_credits is not None
    _one_at_a_time(watch.account)
    waiting = Order.objects.filter(account=watch.account, automatic=True, status=Status.PENDING).first()
    if waiting is not None:
        return waiting
    try:
        order = _make(watch.account, watch.refill_credits, by=None)
    except NotOnSale:
        _tell_not_on_sale(watch, now)
        return None
    except TooManyWaiting:
        _tell_too_many(watch)
        return None
    letters.to_owners(
        watch.account,
        key=f"automatic:{order.pk}",
        subject=_("Automatic order of %(credits)s credits"),
        body=_(
            "The credits of %(account)s fell below the threshold of its automatic top-up, so order %(order)s of "
            "%(credits)s credits was made. They are added when it is confirmed; the page Credits shows it."
        ),
        values={"account": watch.account, "order": order.pk, "credits": order.credits},
    )
    return order


def _tell_not_on_sale(watch: Watch, now: datetime) -> None:
    watch.refill_missing_since = watch.refill_missing_since or now
    letters.to_administrators(
        key=f"not_on_sale:{watch.pk}:{watch.refill_credits}:{watch.refill_missing_since.isoformat()}",
        subject=_("%(account)s could not order %(credits)s credits"),
        body=_(
            "The automatic top-up of %(account)s orders packs of %(credits)s credits, and none is on sale any "
            "more. Nothing was ordered. Put the pack on sale again, or ask the account to choose another one."
        ),
        values={"account": watch.account, "credits": watch.refill_credits},
    )


def _tell_too_many(watch: Watch) -> None:
    newest = Order.objects.filter(account=watch.account, status=Status.PENDING).order_by("-pk").values_list("pk")[0][0]
    letters.to_owners(
        watch.account,
        # Once, until the orders that wait are others.
        key=f"too_many:{watch.pk}:{newest}",
        subject=_("%(account)s: no automatic order, as %(most)s orders wait"),
        body=_(
            "The credits of %(account)s fell below the threshold of its automatic top-up, but %(most)s of its orders "
            "wait already, so none was made. Pay or cancel orders on the page Credits; the automatic order follows."
        ),
        values={"account": watch.account, "most": MOST_WAITING},
    )
