"""The STOP list: the numbers that receive no commercial message of an account."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from compose.models.messages import Message
from compose.numbers import Recipient, parse_recipient
from credits.models import Account

# ITU-T E.164: a plus and at most fifteen digits, the first of them of a country code.
E164 = r"^\+[1-9][0-9]{4,14}\Z"


class OptOut(models.Model):
    """A number that receives no commercial message of an account, from `created_at` until `removed_at`.

    A number that was taken off the list keeps its row as history, and may be put on it again in a new one.
    """

    class Source(models.TextChoices):
        MANUAL = "manual", _("Added by hand")
        IMPORT = "import", _("Imported")
        ANSWER = "answer", _("Answered STOP")

    account = models.ForeignKey(Account, models.PROTECT, related_name="opt_outs", verbose_name=_("SMS account"))
    number = models.CharField(_("number"), max_length=16)
    source = models.CharField(_("source"), max_length=10, choices=Source)
    note = models.CharField(_("note"), max_length=250, blank=True)
    created_at = models.DateTimeField(_("on the list since"), auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("added by")
    )
    message = models.ForeignKey(
        Message,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="opt_outs",
        verbose_name=_("message that caused it"),
    )
    removed_at = models.DateTimeField(_("taken off"), null=True, blank=True)
    removed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("taken off by"),
    )
    removal_reason = models.CharField(_("reason of the removal"), max_length=250, blank=True)

    class Meta:
        verbose_name = _("number on the STOP list")
        verbose_name_plural = _("STOP list")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "number"], condition=Q(removed_at=None), name="opt_out_once_per_account"
            ),
            models.CheckConstraint(condition=Q(number__regex=E164), name="opt_out_number_is_e164"),
            models.CheckConstraint(
                condition=Q(source__in=["manual", "import", "answer"]), name="opt_out_source_is_known"
            ),
            models.CheckConstraint(
                condition=Q(removed_at=None, removed_by=None, removal_reason="")
                | (Q(removed_at__isnull=False, removed_by__isnull=False) & ~Q(removal_reason="")),
                name="opt_out_removed_says_who_and_why",
            ),
        ]
        indexes = [
            models.Index(
                F("account"),
                F("created_at").desc(),
                F("id").desc(),
                name="opt_out_page",
                condition=Q(removed_at=None),
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def region(self) -> str:
        """The country of the number (ISO 3166); "" when the numbering plan no longer has it."""
        found = parse_recipient(self.number, "")
        return found.region if isinstance(found, Recipient) else ""
