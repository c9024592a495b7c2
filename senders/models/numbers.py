"""Numbers that can be answered: the short ones that accounts share, and the virtual ones that each has for itself."""

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from credits.mobiles import read_number
from credits.models import Account
from credits.regions import validate_region

GATEWAY_HELP = _("The gateway whose number this is: messages from it leave by that one only. Empty: any gateway.")


class ShortNumber(models.Model):
    """A number of the shared pool. In France 36xxx carry commercial messages and 38xxx the others.

    `gateway` is a name in SMS_GATEWAYS, "" for any; `capacity` is with how many recipients the number may be in use at
    once (`Lease`), null for no limit.
    """

    class Use(models.TextChoices):
        COMMERCIAL = "commercial", _("Commercial messages")
        OTHER = "other", _("Other messages")

    number = models.CharField(_("number"), max_length=8, unique=True, validators=[RegexValidator(r"^\d{3,8}$")])
    country = models.CharField(_("country"), max_length=2, default="FR", validators=[validate_region])
    use = models.CharField(_("use"), max_length=10, choices=Use)
    gateway = models.CharField(_("gateway"), max_length=40, blank=True, default="", help_text=GATEWAY_HELP)
    capacity = models.PositiveIntegerField(
        _("capacity (recipients)"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_(
            "With how many recipients the number may be in use at once: each counts from a message until its reply "
            "window ends. Empty: no limit."
        ),
    )
    enabled = models.BooleanField(_("enabled"), default=True)

    class Meta:
        verbose_name = _("short number")
        verbose_name_plural = _("short numbers")
        ordering = ["number"]
        constraints = [
            models.CheckConstraint(
                condition=Q(capacity=None) | Q(capacity__gte=1), name="short_number_capacity_is_not_zero"
            )
        ]

    def __str__(self) -> str:
        return self.number


def validate_e164(number: str) -> None:
    """Raise ValidationError unless `number` is a valid number in E.164."""
    if read_number(number, "ZZ") != number:
        raise ValidationError(_("This is not a valid number. Write it in international format, like +33612345678."))


class VirtualNumber(models.Model):
    """A number in E.164 that one account at a time owns; null: it is free. The account has it as a sender.

    `gateway` is as for short numbers. `capacity` is how many messages may leave from it in a day (of the
    installation's time zone), null for no limit: `sent` of them did on `sent_on`.
    """

    number = models.CharField(_("number"), max_length=16, unique=True, validators=[validate_e164])
    country = models.CharField(_("country"), max_length=2, default="FR", validators=[validate_region])
    gateway = models.CharField(_("gateway"), max_length=40, blank=True, default="", help_text=GATEWAY_HELP)
    account = models.ForeignKey(
        Account,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="virtual_numbers",
        verbose_name=_("SMS account"),
        help_text=_("Whose number this is: it has it as an enabled sender, and what is sent to it. Empty: nobody's."),
    )
    capacity = models.PositiveIntegerField(
        _("capacity (messages a day)"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("How many messages may leave from the number in a day; more wait for the next. Empty: no limit."),
    )
    enabled = models.BooleanField(
        _("enabled"), default=True, help_text=_("Empty: nothing leaves from it. What is sent to it still arrives.")
    )
    note = models.CharField(_("note"), max_length=250, blank=True)
    # What compose's claim writes.
    sent_on = models.DateField(null=True, editable=False)
    sent = models.PositiveIntegerField(default=0, editable=False)

    class Meta:
        verbose_name = _("virtual number")
        verbose_name_plural = _("virtual numbers")
        ordering = ["number"]
        constraints = [
            models.CheckConstraint(
                condition=Q(capacity=None) | Q(capacity__gte=1), name="virtual_number_capacity_is_not_zero"
            )
        ]

    def __str__(self) -> str:
        return self.number


class Lease(models.Model):
    """A short number that one account uses with one recipient until the reply window ends.

    Unique by number and recipient, so that an answer always has one account it can belong to. One that has ended stays
    until another account takes the number: a late answer still has somebody to go to.
    """

    number = models.ForeignKey(ShortNumber, models.CASCADE, related_name="leases")
    recipient = models.CharField(max_length=16)
    account = models.ForeignKey(Account, models.CASCADE, related_name="+")
    until = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["number", "recipient"], name="lease_one_account_at_a_time")]
        indexes = [models.Index(fields=["number", "until"], name="lease_in_use")]

    def __str__(self) -> str:
        return f"{self.number_id} {self.recipient}"
