"""The door of payment services: what they call when an order is paid."""

import logging

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from credits import orders, payments
from credits.models import Order
from credits.payments.base import NotTrusted

log = logging.getLogger(__name__)
# Of a payment service's call; none of them comes near.
LONGEST_ID = 10**18


@csrf_exempt
@require_POST
def paid(request: HttpRequest) -> HttpResponse:
    """Credit the orders that the payment service says are paid; said again, it changes nothing.

    403 for what the backend does not trust. What cannot be credited (an unknown or decided order) is answered as
    received, or the service would say it for days; the log names it, and `orders.paid` tells the administrators.
    """
    try:
        said = payments.backend().confirm(request)
    except NotTrusted as error:
        log.warning("A call to the door of payments was refused: %s", error)
        raise PermissionDenied(_("This call does not come from the payment service. Nothing was changed.")) from error
    for one in said:
        order = Order.objects.filter(pk=one.order).first() if 0 < one.order < LONGEST_ID else None
        if order is None:
            log.error("A payment names order %d, which there is not; its reference is %s", one.order, one.reference)
        else:
            orders.paid(order, one.reference)
    return HttpResponse(status=204)
