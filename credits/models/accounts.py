"""SMS accounts and their members."""

from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from credits.mobiles import validate_mobile
from credits.regions import validate_region


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
    always_replace = models.BooleanField(
        _("always replace special characters"),
        default=False,
        help_text=_(
            "Characters that make a message longer, such as ’ « » …, become their plain twins when it is sent, "
            "without being asked."
        ),
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
