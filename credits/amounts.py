"""Amounts of credit as people read them."""

import re
from decimal import Decimal

from django.utils.formats import number_format

# The minus sign proper, as wide as the plus.
MINUS = "\u2212"
# A billion credits at most, far above what is ever meant.
# Spaces stand between groups of three only, so that two numbers are never read as one; zeros at the end say nothing.
AMOUNT = re.compile(
    r"(?P<whole>[0-9]{0,10}|[0-9]{1,3}(?:\s[0-9]{3}){1,3})(?:(?P<sign>[.,])(?P<decimals>[0-9]{0,3}?)(?P<zeros>0*))?"
)


def format_credits(millis: int, *, signed: bool = False) -> str:
    """`millis` as a decimal number of credits in the language's form, without useless zeros: 12000 is "12"."""
    value = Decimal(abs(millis)).scaleb(-3)
    # `normalize` alone would write 1E+2 for a hundred.
    value = value.quantize(Decimal(1)) if value == value.to_integral() else value.normalize()
    sign = MINUS if millis < 0 else "+" if signed else ""
    return sign + number_format(value, use_l10n=True, force_grouping=True)


def agreeing(millis: int) -> int:
    """The whole number that has the grammatical number of an amount, for `ngettext`.

    Languages differ on fractions: English says "1.5 credits", French "1,5 crédit", and the formulas of
    gettext know whole numbers only. One credit is 1, what is below two is 0, all else 2: right in both.
    """
    if abs(millis) == 1000:
        return 1
    return 0 if abs(millis) < 2000 else 2


def read_credits(typed: str) -> int:
    """The millis of an amount as people type it: with a decimal point or comma, spaces between thousands or none.

    Raises ValueError for anything else, also for more than three decimals and for two signs: nobody knows what
    1,234.5 is before knowing where it was typed.
    """
    match = AMOUNT.fullmatch(typed.strip())
    if match is None:
        raise ValueError(typed)
    whole, decimals = "".join(match["whole"].split()), match["decimals"] or ""
    if not whole and not decimals and not match["zeros"]:
        raise ValueError(typed)
    return int(whole or "0") * 1000 + int(decimals.ljust(3, "0"))


def sign_of(typed: str) -> tuple[str, bool]:
    """The decimal sign of an amount as it stands, and whether it can be nothing else: ("", True) without a sign.

    In 1,000 and 12.500 it may as well stand between thousands; in 0,125, 1,5, 1.0000 and 1 000,125 it cannot.
    """
    match = AMOUNT.fullmatch(typed.strip())
    if match is None or not match["sign"]:
        return "", True
    written = (match["decimals"] or "") + (match["zeros"] or "")
    grouped = re.fullmatch(r"[1-9][0-9]{0,2}", match["whole"])
    return match["sign"], not (len(written) == 3 and grouped)
