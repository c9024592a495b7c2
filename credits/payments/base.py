"""What a payment backend does: begin the payment of an order, and understand the word that it was paid.

A backend is named in the settings as a database is:

    SMS_PAYMENTS = {"BACKEND": "credits.payments.manual.ManualPayments", "OPTIONS": {...}}

It decides nothing about credits: `credits.orders` credits an order once, however often it is told.
"""

from dataclasses import dataclass

from django.http import HttpRequest

from credits.models import Order


class PaymentFailed(Exception):
    """The payment could not be begun now, as when the service is away; the order waits and is begun again later."""


class NotTrusted(Exception):
    """What was received is not from the payment service, or is not readable."""


@dataclass(frozen=True)
class Paid:
    """The payment service says that this order is paid, under this reference of its own."""

    order: int
    reference: str


class PaymentBackend:
    """Begins payments and reads their confirmations. `name` stands on the orders that it takes."""

    name = ""

    def start(self, order: Order) -> str | None:
        """Begin the payment of a waiting order, outside any transaction: it may ask the network.

        Returns the https address where the person pays (2000 characters at most), None when there is nothing to do on
        a page. It answers within a minute: its own time-outs see to that. Asked again for the same order it must not
        make a second payment, as a process may die after asking; the order's number is its key. Raises PaymentFailed;
        whatever else it raises is told to the administrators, and the order is begun again later all the same.
        """
        raise NotImplementedError

    def confirm(self, request: HttpRequest) -> list[Paid]:
        """What the service's call to `payments/` says was paid; nothing when it says something else.

        Whoever knows the address can call it, so a backend checks the service's signature, and the amount and
        currency against the order's price. Raises NotTrusted.
        """
        raise NotTrusted("this backend takes no calls")
