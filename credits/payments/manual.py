"""The default: the administrator confirms an order when the money is there."""

from credits.models import Order
from credits.payments.base import PaymentBackend


class ManualPayments(PaymentBackend):
    """Asks nothing of the person and trusts no call from outside."""

    name = "manual"

    def start(self, order: Order) -> str | None:
        """Nothing to do on a page: the order waits for the administrator."""
        return None
