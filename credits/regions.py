"""The countries and territories that have telephone numbers, by their two letters (ISO 3166-1)."""

from functools import lru_cache

import phonenumbers
from babel import Locale
from django.core.exceptions import ValidationError
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _


def name_of(region: str) -> str:
    """The name of a region in the reader's language; its letters where it has none."""
    return _names((get_language() or "en").split("-")[0]).get(region, region)


def choices() -> list[tuple[str, str]]:
    """Every region with its name, in the order of the names, for a form."""
    named = [(region, name_of(region)) for region in phonenumbers.SUPPORTED_REGIONS]
    return sorted(named, key=lambda choice: choice[1].casefold())


def validate_region(region: str) -> None:
    """Raise ValidationError unless `region` is the two capital letters of a region with telephone numbers."""
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise ValidationError(
            _("“%(region)s” is not the two capital letters of a country, such as FR."), params={"region": region}
        )


@lru_cache(maxsize=16)
def _names(language: str) -> dict[str, str]:
    # Babel's names (Unicode CLDR); those of phonenumbers cost 100 MB in each process.
    return dict(Locale(language).territories)
