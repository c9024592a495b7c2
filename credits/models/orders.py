"""Packs on sale, the orders for them, and what each account wants to be told or topped up by."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from credits.models.accounts import Account
from credits.models.books import Transfer

# 1 000 000 000 credits: above it, a slip of the finger.
MOST_CREDITS = 10**9


class Pack(models.Model):
    """So many whole credits that can be ordered, with the price where the installation says one."""

    credits = models.PositiveIntegerField(
        _("credits"), unique=True, validators=[MinValueValidator(1), MaxValueValidator(MOST_CREDITS)]
    )
    price = models.DecimalField(
        _("price"),
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=_("In the currency of the installation. Leave it empty to show none."),
    )
    on_sale = models.BooleanField(_("on sale"), default=True)

    class Meta:
        verbose_name = _("pack")
        verbose_name_plural = _("packs")
        ordering = ["credits"]
        constraints = [
            models.CheckConstraint(condition=Q(credits__gt=0), name="pack_holds_credits"),
            models.CheckConstraint(condition=Q(price=None) | Q(price__gte=0), name="pack_price_not_negative"),
        ]

    def __str__(self) -> str:
        return str(self.credits)

    @property
    def millis(self) -> int:
        return self.credits * 1000


class Order(models.Model):
    """A pack that an account asks for: waiting, then confirmed (and credited once) or cancelled, for good."""

    class Status(models.TextChoices):
        PENDING = "pending", _("Waiting for confirmation")
        CONFIRMED = "confirmed", pgettext_lazy("order", "Confirmed")
        CANCELLED = "cancelled", pgettext_lazy("order", "Cancelled")

    account = models.ForeignKey(Account, models.PROTECT, related_name="orders", verbose_name=_("SMS account"))
    credits = models.PositiveIntegerField(_("credits"))
    price = models.DecimalField(_("price"), max_digits=12, decimal_places=2, null=True)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.PENDING)
    automatic = models.BooleanField(_("automatic"), default=False)
    request_key = models.UUIDField(null=True, editable=False)
    ordered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", verbose_name=_("ordered by")
    )
    created_at = models.DateTimeField(_("ordered"), auto_now_add=True)
    backend = models.CharField(_("payment by"), max_length=40)
    # Where pages of payment services end: their addresses carry signatures.
    address = models.CharField(_("where it is paid"), max_length=2000, blank=True)
    # The payment is begun once (credits/paying.py): until then it is tried at `begin_next` and after, by one process
    # at a time, which has it until `begin_leased`.
    begun_at = models.DateTimeField(_("payment begun"), null=True, editable=False)
    begin_next = models.DateTimeField(default=timezone.now, editable=False)
    begin_leased = models.DateTimeField(null=True, editable=False)
    begin_tries = models.PositiveSmallIntegerField(default=0, editable=False)
    reference = models.CharField(_("payment reference"), max_length=120, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", verbose_name=_("decided by")
    )
    decided_at = models.DateTimeField(_("decided"), null=True)
    credited_by = models.OneToOneField(Transfer, models.PROTECT, null=True, related_name="+", editable=False)

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["account", "request_key"], name="order_once_per_request"),
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(automatic=True, status="pending"),
                name="order_one_automatic_waiting",
            ),
            models.CheckConstraint(condition=Q(credits__gt=0), name="order_of_credits"),
            models.CheckConstraint(
                condition=Q(status="pending", decided_at=None, credited_by=None)
                | Q(status="confirmed", decided_at__isnull=False, credited_by__isnull=False)
                | Q(status="cancelled", decided_at__isnull=False, credited_by=None),
                name="order_credited_when_confirmed",
            ),
            models.CheckConstraint(condition=Q(automatic=True) | Q(ordered_by__isnull=False), name="order_by_somebody"),
        ]
        indexes = [
            models.Index(F("account"), F("id").desc(), name="order_page"),
            models.Index(F("id"), name="order_waiting", condition=Q(status="pending")),
            models.Index(F("account"), name="order_waiting_of", condition=Q(status="pending")),
            models.Index(F("begin_next"), name="order_not_begun", condition=Q(status="pending", begun_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.account} {self.credits}"

    @property
    def millis(self) -> int:
        return self.credits * 1000

    @property
    def is_pending(self) -> bool:
        return self.status == self.Status.PENDING

    @property
    def is_payable(self) -> bool:
        """Whether the order waits to be paid on a page of the payment service, at `address`."""
        return self.is_pending and self.address.startswith("https://")

    @property
    def to_begin(self) -> bool:
        """Whether the order waits and its payment was never begun."""
        return self.is_pending and self.begun_at is None and not self.address


class Watch(models.Model):
    """What an account wants when its credits run low: to be told, a pack to be ordered, both or neither.

    Amounts are millis. `low_since` is set while the balance is below `alert_below`, so it is said once for each
    crossing; `refill_order` is the order that this crossing made, so it makes no second one; `refill_missing_since` is
    set while the pack is not on sale, so the administrators are told once for each time that it is taken off.
    """

    account = models.OneToOneField(Account, models.CASCADE, related_name="watch", verbose_name=_("SMS account"))
    alert_below = models.BigIntegerField(_("alert below (thousandths of a credit)"), null=True, blank=True)
    low_since = models.DateTimeField(_("low since"), null=True, editable=False)
    refill_below = models.BigIntegerField(_("top up below (thousandths of a credit)"), null=True, blank=True)
    refill_credits = models.PositiveIntegerField(_("credits of the automatic order"), null=True, blank=True)
    refill_order = models.ForeignKey(Order, models.PROTECT, null=True, related_name="+", editable=False)
    refill_missing_since = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("low credits")
        verbose_name_plural = _("low credits")
        constraints = [
            models.CheckConstraint(condition=Q(alert_below=None) | Q(alert_below__gt=0), name="watch_alert_above_zero"),
            models.CheckConstraint(
                condition=Q(refill_below=None, refill_credits=None) | Q(refill_below__gt=0, refill_credits__gt=0),
                name="watch_refill_is_whole",
            ),
        ]

    def __str__(self) -> str:
        return str(self.account)
