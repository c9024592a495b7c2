"""How an order is paid: one file for each payment backend, and which one the installation uses."""

from django.conf import settings
from django.utils.module_loading import import_string

from credits.payments.base import PaymentBackend


def backend() -> PaymentBackend:
    """The payment backend that SMS_PAYMENTS names, with its options."""
    made: PaymentBackend = import_string(settings.SMS_PAYMENTS["BACKEND"])(**settings.SMS_PAYMENTS.get("OPTIONS", {}))
    return made
