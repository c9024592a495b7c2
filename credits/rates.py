"""What one SMS part costs, by destination and date."""

from collections.abc import Iterable
from datetime import datetime

from credits.models import Rate

# One part costs one credit where the installation has set no rate.
DEFAULT_MILLIS = 1000


def rates_for(regions: Iterable[str], at: datetime) -> dict[str, int]:
    """The rate in millis per part of each of `regions` at the moment `at`."""
    wanted = set(regions)
    rates = dict.fromkeys(wanted, DEFAULT_MILLIS)
    # Oldest first, so that the newest valid one is what stays.
    rows = Rate.objects.filter(region__in=wanted, valid_from__lte=at).order_by("valid_from")
    rates.update(rows.values_list("region", "millis"))
    return rates
