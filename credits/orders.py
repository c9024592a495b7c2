"""Orders of packs: placed, paid, confirmed and credited once, or cancelled; and the ones an account makes by itself."""

import logging
import uuid
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from credits import ledger, letters, payments
from credits.models import Account, Order, Pack, Watch
from credits.payments.base import PaymentFailed

log = logging.getLogger(__name__)
Status = Order.Status


class NotOnSale(Exception):
    """No pack of this many credits is on sale."""


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
    begun the order waits without one, and `pay` tries again. Raises NotOnSale.
    """
    try:
        with transaction.atomic():
            order = _make(account, credits, by=by, request_key=request_key)
    except IntegrityError:
        # Two clicks at once, or the same page sent again.
        found = Order.objects.filter(account=account, request_key=request_key).first() if request_key else None
        if found is None:
            raise
        return found
    pay(order)
    return order


def _make(account: Account, size: int, *, by: Any, request_key: uuid.UUID | None = None) -> Order:
    pack = Pack.objects.filter(credits=size, on_sale=True).first()
    if pack is None:
        raise NotOnSale
    order = Order.objects.create(
        account=account,
        credits=pack.credits,
        price=pack.price,
        automatic=by is None,
        ordered_by=by,
        request_key=request_key,
        backend=payments.backend().name,
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


def pay(order: Order) -> str:
    """Begin the payment of a waiting order and return where it is paid, "" when there is no such page or not now."""
    if not order.is_pending or order.address:
        return order.address
    try:
        order.address = payments.backend().start(order) or ""
    except PaymentFailed:
        log.exception("The payment of order %d could not be begun; the order waits", order.pk)
        return ""
    if order.address:
        Order.objects.filter(pk=order.pk, status=Status.PENDING).update(address=order.address)
    return order.address


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
        key=f"in_vain:{row.pk}:{reference[:40]}",
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
    watch.refill_below, watch.refill_credits = threshold, pack
    # What is asked anew is looked at anew, but for an order that still waits.
    if watch.refill_order is not None and not watch.refill_order.is_pending:
        watch.refill_order = None
    watch.save(update_fields=["refill_below", "refill_credits", "refill_order"])
    return watch


def refill(watch: Watch) -> Order | None:
    """The automatic order of a watch whose row is locked; None when its pack is no longer on sale."""
    assert watch.refill_credits is not None
    try:
        order = _make(watch.account, watch.refill_credits, by=None)
    except NotOnSale:
        wanted = {"account": watch.account, "credits": watch.refill_credits}
        letters.to_administrators(
            key=f"not_on_sale:{watch.pk}:{watch.refill_credits}",
            subject=_("%(account)s could not order %(credits)s credits"),
            body=_(
                "The automatic top-up of %(account)s orders packs of %(credits)s credits, and none is on sale any "
                "more. Nothing was ordered. Put the pack on sale again, or ask the account to choose another one."
            ),
            values=wanted,
        )
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
