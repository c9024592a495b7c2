"""What one SMS part costs, by destination and date."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import phonenumbers
from django.db import transaction

from credits import example_rates, regions
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


@dataclass(frozen=True)
class Destination:
    """What a part to a region costs: now and since when (None: always), and the next change that is known.

    Amounts in millis; `prefix` is the country calling code without its plus.
    """

    region: str
    name: str
    prefix: int
    millis: int = DEFAULT_MILLIS
    since: datetime | None = None
    next_millis: int | None = None
    next_from: datetime | None = None

    def answers(self, wanted: str) -> bool:
        """Whether who types `wanted` looks for it: by letters, prefix, or the beginning of a word of its name."""
        digits = wanted.removeprefix("+").removeprefix("00")
        if digits.isdecimal():
            return str(self.prefix).startswith(digits)
        # The beginning of a word: "ch" is China and Chad, not French Guiana.
        found = re.search(rf"\b{re.escape(_plain(wanted))}", _plain(self.name))
        return found is not None or wanted.upper() == self.region


def destinations(at: datetime) -> list[Destination]:
    """Every region by its name in the reader's language, with what it costs at the moment `at`; one query."""
    now: dict[str, tuple[int, datetime]] = {}
    later: dict[str, tuple[int, datetime]] = {}
    for region, millis, valid_from in Rate.objects.order_by("valid_from").values_list("region", "millis", "valid_from"):
        if valid_from <= at:
            now[region] = (millis, valid_from)
        else:
            later.setdefault(region, (millis, valid_from))
    found = [
        Destination(
            region,
            name,
            phonenumbers.country_code_for_region(region),
            *now.get(region, (DEFAULT_MILLIS, None)),
            *later.get(region, (None, None)),
        )
        for region, name in regions.choices()
    ]
    return sorted(found, key=lambda destination: _plain(destination.name))


@transaction.atomic
def load_examples(at: datetime) -> int:
    """Give every region without any rate the example of this product, from `at` on; returns how many got one.

    A rate that somebody set, at whatever date, is never touched, and loading them twice does nothing more.
    """
    known = set(Rate.objects.values_list("region", flat=True))
    fresh = [
        # To the second, as files write it.
        Rate(region=region, millis=millis, valid_from=at.replace(microsecond=0), example=True)
        for region, millis in example_rates.read().items()
        if region not in known
    ]
    Rate.objects.bulk_create(fresh)
    return len(fresh)


def _plain(text: str) -> str:
    """`text` without accents and capitals: "Réunion" is found as "reunion"."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in parts if not unicodedata.combining(character))
