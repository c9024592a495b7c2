"""Gateways: which messages go by which, how they are, and the codes of theirs that nobody knows."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from compose.models.messages import MessageClass
from compose.reasons import sentence
from credits.models import Account
from credits.regions import validate_region
from senders.models import Sender


class Route(models.Model):
    """Messages of this kind go by this gateway. What is left empty ("" or null) counts for any."""

    priority = models.PositiveSmallIntegerField(
        _("priority"),
        default=10,
        help_text=_("The lowest number is tried first; what fits more closely goes before what has the same number."),
    )
    region = models.CharField(
        _("destination"), max_length=3, blank=True, validators=[validate_region], help_text=_("Empty: any country.")
    )
    kind = models.CharField(
        _("kind of sender"), max_length=12, blank=True, choices=Sender.Kind, help_text=_("Empty: any kind.")
    )
    sender = models.ForeignKey(
        Sender,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("sender"),
        help_text=_("Empty: any sender."),
    )
    message_class = models.CharField(
        _("type of SMS"), max_length=10, blank=True, choices=MessageClass, help_text=_("Empty: any type.")
    )
    account = models.ForeignKey(
        Account,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("SMS account"),
        help_text=_("Empty: any account."),
    )
    commercial = models.BooleanField(
        _("commercial"), null=True, blank=True, help_text=_("Unknown: commercial messages and others.")
    )
    gateway = models.CharField(_("gateway"), max_length=40)
    enabled = models.BooleanField(_("enabled"), default=True)
    note = models.CharField(_("note"), max_length=250, blank=True)

    class Meta:
        verbose_name = _("route")
        verbose_name_plural = _("routes")
        ordering = ["priority", "pk"]
        constraints = [models.CheckConstraint(condition=~Q(gateway=""), name="route_names_a_gateway")]

    def __str__(self) -> str:
        return f"{self.priority} → {self.gateway}"

    @property
    def closeness(self) -> int:
        """How many things the route asks of a message."""
        wanted = (self.region, self.kind, self.sender_id, self.message_class, self.account_id)
        return sum(1 for one in wanted if one) + (self.commercial is not None)


class GatewayState(models.Model):
    """How a gateway is (compose/breakers.py). One without a row has never been heard of: it counts as closed.

    `failures` are chunks in a row that it did not take; `try_at` is the moment of the next probe while it is open,
    and the end of the probe's lease while it is half open; `wait` in seconds, until then or the last time.
    """

    class State(models.TextChoices):
        CLOSED = "closed", _("Works")
        OPEN = "open", _("Out of order")
        HALF_OPEN = "half_open", _("Being tried")

    name = models.CharField(_("gateway"), max_length=40, unique=True)
    state = models.CharField(_("status"), max_length=10, choices=State, default=State.CLOSED)
    failures = models.PositiveIntegerField(_("failures in a row"), default=0)
    opened_at = models.DateTimeField(_("out of order since"), null=True)
    try_at = models.DateTimeField(_("next try"), null=True)
    wait = models.PositiveIntegerField(default=0, editable=False)
    error = models.CharField(_("last error"), max_length=30, blank=True)
    detail = models.CharField(_("detail"), max_length=250, blank=True)
    error_at = models.DateTimeField(_("last error at"), null=True)
    last_success = models.DateTimeField(_("worked last"), null=True)
    # The word of the letter that the administrators got, until it works again.
    told = models.CharField(max_length=30, blank=True, editable=False)
    paused_at = models.DateTimeField(_("paused"), null=True)
    paused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("paused by")
    )
    pause_reason = models.CharField(_("why it is paused"), max_length=250, blank=True)

    class Meta:
        verbose_name = _("gateway")
        verbose_name_plural = _("gateways")
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="closed") | Q(state__in=["open", "half_open"], try_at__isnull=False),
                name="gateway_state_that_rests_has_a_next_try",
            ),
            models.CheckConstraint(condition=Q(paused_at=None) | ~Q(pause_reason=""), name="gateway_paused_says_why"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def error_sentence(self) -> str:
        """What went wrong last, in the user's language; "" when nothing ever did."""
        return sentence(self.error)


class VendorCode(models.Model):
    """A code that a gateway was told and that stands in none of its tables, and how often (compose/vendor_codes.py)."""

    class Where(models.TextChoices):
        ANSWER = "answer", _("In an answer")
        REPORT = "report", _("In a report")

    gateway = models.CharField(_("gateway"), max_length=40)
    where = models.CharField(_("where"), max_length=10, choices=Where)
    code = models.CharField(_("code"), max_length=80)
    count = models.PositiveBigIntegerField(_("times"))
    first_seen = models.DateTimeField(_("first seen"))
    last_seen = models.DateTimeField(_("last seen"))

    class Meta:
        verbose_name = _("unknown code")
        verbose_name_plural = _("unknown codes")
        ordering = ["-last_seen", "-pk"]
        constraints = [models.UniqueConstraint(fields=["gateway", "where", "code"], name="vendor_code_once")]

    def __str__(self) -> str:
        return f"{self.gateway} {self.code}"
