"""Amounts of credit as people read them."""

import re
from decimal import Decimal

from django.utils.formats import number_format

# The minus sign proper, as wide as the plus.
MINUS = "\u2212"
# A billion credits at most, far above what is ever meant.
AMOUNT = re.compile(r"(?P<whole>[0-9]{0,10})(?:[.,](?P<decimals>[0-9]{0,3}))?")


def format_credits(millis: int, *, signed: bool = False) -> str:
    """`millis` as a decimal number of credits in the language's form, without useless zeros: 12000 is "12"."""
    value = Decimal(abs(millis)).scaleb(-3)
    # `normalize` alone would write 1E+2 for a hundred.
    value = value.quantize(Decimal(1)) if value == value.to_integral() else value.normalize()
    sign = MINUS if millis < 0 else "+" if signed else ""
    return sign + number_format(value, use_l10n=True, force_grouping=True)


def read_credits(typed: str) -> int:
    """The millis of an amount as people type it: with a decimal point or comma, spaces between thousands or none.

    Raises ValueError for anything else, also for more than three decimals and for two signs: nobody knows what
    1,234.5 is before knowing where it was typed.
    """
    match = AMOUNT.fullmatch("".join(typed.split()))
    if match is None:
        raise ValueError(typed)
    whole, decimals = match["whole"] or "0", match["decimals"] or ""
    if not match["whole"] and not decimals:
        raise ValueError(typed)
    return int(whole) * 1000 + int(decimals.ljust(3, "0"))
