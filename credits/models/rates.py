"""What one SMS part costs, by destination and date."""

from datetime import UTC, datetime

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from credits.regions import validate_region

# A thousand credits for one SMS, the years 2000 to 2999: beyond them a rate is a slip of the finger, and at the end
# of the calendar a moment is one on some clocks only.
MOST_FOR_A_PART = 1_000_000
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2999, 12, 31, tzinfo=UTC)


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
    valid_from = models.DateTimeField(
        _("valid from"), validators=[MinValueValidator(EARLIEST), MaxValueValidator(LATEST)]
    )
    example = models.BooleanField(_("example to replace"), default=False, editable=False)

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
