"""What is known of destinations: which kinds of sender reach them."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from credits.regions import validate_region
from senders.models.registry import Sender


class DestinationRule(models.Model):
    """Whether a kind of sender reaches a country. Where there is no rule, it does."""

    region = models.CharField(_("destination"), max_length=2, validators=[validate_region])
    kind = models.CharField(_("kind of sender"), max_length=12, choices=Sender.Kind)
    allowed = models.BooleanField(
        _("reaches this destination"),
        default=False,
        help_text=_("Empty: no message from this kind of sender can be sent there."),
    )
    note = models.CharField(
        _("note"), max_length=250, blank=True, help_text=_("A sentence that users read beside the rule.")
    )
    source = models.CharField(
        _("where this is known from"),
        max_length=250,
        blank=True,
        help_text=_("An address or a document; only administrators see it."),
    )

    class Meta:
        verbose_name = _("rule of a destination")
        verbose_name_plural = _("rules of destinations")
        ordering = ["region", "kind"]
        constraints = [
            models.UniqueConstraint(
                fields=["region", "kind"],
                name="destination_rule_once_per_kind",
                violation_error_message=_("There is a rule for this destination and kind of sender. Change that one."),
            ),
            models.CheckConstraint(condition=Q(kind__in=Sender.Kind.values), name="destination_rule_kind_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.region} · {self.get_kind_display()}"
