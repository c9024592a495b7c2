"""Amounts of credit as people read them."""

from decimal import Decimal

from django.utils.formats import number_format

# The minus sign proper, as wide as the plus.
MINUS = "\u2212"


def format_credits(millis: int, *, signed: bool = False) -> str:
    """`millis` as a decimal number of credits in the language's form, without useless zeros: 12000 is "12"."""
    value = Decimal(abs(millis)).scaleb(-3)
    # `normalize` alone would write 1E+2 for a hundred.
    value = value.quantize(Decimal(1)) if value == value.to_integral() else value.normalize()
    sign = MINUS if millis < 0 else "+" if signed else ""
    return sign + number_format(value, use_l10n=True, force_grouping=True)
