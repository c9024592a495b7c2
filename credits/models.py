"""Who pays: SMS accounts, their members, the books and transfers of the ledger, and the rates.

Amounts are whole thousandths of a credit everywhere ("millis"): 1 credit = 1000.
"""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from credits.mobiles import validate_mobile
from credits.regions import validate_region

# A thousand credits for one SMS, and the year 2000: beyond them a rate is a slip of the finger.
MOST_FOR_A_PART = 1_000_000
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


def validate_time_zone(name: str) -> None:
    """Raise ValidationError unless `name` is a zone of the tz database."""
    if name not in available_timezones():
        raise ValidationError(_("%(name)s is not a known time zone, such as Europe/Paris."), params={"name": name})


class Account(models.Model):
    """An SMS account: what members, senders, messages and credits belong to."""

    name = models.CharField(_("name"), max_length=80)
    country = models.CharField(
        _("country"),
        max_length=2,
        default="FR",
        validators=[validate_region],
        help_text=_("National numbers are read as numbers of this country."),
    )
    time_zone = models.CharField(_("time zone"), max_length=64, default="Europe/Paris", validators=[validate_time_zone])
    max_parts = models.PositiveSmallIntegerField(
        _("longest message, in SMS"), default=8, validators=[MinValueValidator(1)]
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("SMS account")
        verbose_name_plural = _("SMS accounts")
        ordering = ["name", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(max_parts__gte=1, max_parts__lte=255), name="account_max_parts_from_1_to_255"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


class Member(models.Model):
    """A person in an account, with a role: a reader reads, a sender also sends, an owner also manages."""

    class Role(models.TextChoices):
        OWNER = "owner", _("Owner")
        SENDER = "sender", pgettext_lazy("role", "Sender")
        READER = "reader", _("Reader")

    account = models.ForeignKey(Account, models.CASCADE, related_name="members", verbose_name=_("SMS account"))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships", verbose_name=_("user")
    )
    role = models.CharField(_("role"), max_length=10, choices=Role)
    mobile = models.CharField(
        _("mobile number"),
        max_length=16,
        blank=True,
        validators=[validate_mobile],
        help_text=_("In international format, such as +33612345678."),
    )

    class Meta:
        verbose_name = _("member")
        verbose_name_plural = _("members")
        ordering = ["account__name", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["account", "user"], name="member_once_per_account"),
            models.CheckConstraint(condition=Q(role__in=["owner", "sender", "reader"]), name="member_role_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.account} ({self.get_role_display()})"

    @property
    def may_send(self) -> bool:
        return self.role in (self.Role.OWNER, self.Role.SENDER)

    @property
    def may_manage(self) -> bool:
        return self.role == self.Role.OWNER


class Book(models.Model):
    """One book of the ledger. Its balance always equals what transfers brought minus what they took.

    Each account has `available`, `held` and `spent`; the installation has one `issued`, from which
    credits come and whose balance is therefore below zero.
    """

    class Kind(models.TextChoices):
        AVAILABLE = "available", _("available")
        HELD = "held", _("held")
        SPENT = "spent", _("spent")
        ISSUED = "issued", _("issued")

    account = models.ForeignKey(Account, models.PROTECT, null=True, related_name="books", editable=False)
    kind = models.CharField(max_length=10, choices=Kind, editable=False)
    balance = models.BigIntegerField(default=0, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "kind"], name="book_once_per_account_and_kind"),
            models.UniqueConstraint(fields=["kind"], condition=Q(account=None), name="book_issued_once"),
            models.CheckConstraint(condition=Q(balance__gte=0) | Q(kind="issued"), name="book_balance_never_negative"),
            models.CheckConstraint(
                condition=Q(kind="issued", account=None)
                | Q(kind__in=["available", "held", "spent"], account__isnull=False),
                name="book_kind_fits_owner",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account or ''} {self.get_kind_display()}".strip()


class Transfer(models.Model):
    """One line of the ledger: `amount` moves from the book `debit` to the book `credit`. Append only.

    `key` makes repeating harmless. The cause is a kind and a key, because what caused it lives in rooms
    above this one; `smsmanager` maps kinds to addresses.
    """

    class Verb(models.TextChoices):
        TOP_UP = "top_up", _("Top-up")
        HOLD = "hold", _("Held for sending")
        CAPTURE = "capture", pgettext_lazy("movement of credits", "Sent")
        RELEASE = "release", _("Given back")
        ADJUST = "adjust", _("Correction")

    verb = models.CharField(_("movement"), max_length=10, choices=Verb)
    debit = models.ForeignKey(Book, models.PROTECT, related_name="debits", verbose_name=_("taken from"))
    credit = models.ForeignKey(Book, models.PROTECT, related_name="credits", verbose_name=_("given to"))
    amount = models.BigIntegerField(_("amount (thousandths of a credit)"))
    key = models.CharField(_("unique key"), max_length=120, unique=True)
    cause_kind = models.CharField(_("kind of cause"), max_length=20)
    cause_key = models.CharField(_("cause"), max_length=64)
    reason = models.CharField(_("reason"), max_length=250, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", verbose_name=_("by"))
    created_at = models.DateTimeField(_("when"), auto_now_add=True)

    class Meta:
        verbose_name = _("ledger line")
        verbose_name_plural = _("ledger lines")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="transfer_amount_above_zero"),
            models.CheckConstraint(condition=~Q(debit=models.F("credit")), name="transfer_between_two_books"),
        ]

    def __str__(self) -> str:
        return f"{self.get_verb_display()} {self.key}"


class Rate(models.Model):
    """Credits for one SMS part to a destination, valid from a date. Without one, a part costs one credit."""

    region = models.CharField(
        _("destination"),
        max_length=2,
        validators=[validate_region],
    )
    millis = models.PositiveIntegerField(
        _("thousandths of a credit for each SMS"), validators=[MinValueValidator(1), MaxValueValidator(MOST_FOR_A_PART)]
    )
    valid_from = models.DateTimeField(_("valid from"), validators=[MinValueValidator(EARLIEST)])

    class Meta:
        verbose_name = _("rate")
        verbose_name_plural = _("rates")
        ordering = ["region", "-valid_from"]
        constraints = [
            models.UniqueConstraint(fields=["region", "valid_from"], name="rate_once_per_region_and_date"),
            models.CheckConstraint(condition=Q(millis__gt=0), name="rate_above_zero"),
        ]

    def __str__(self) -> str:
        return f"{self.region} {self.millis}"
