"""What a sender's kind means: the form of its value, and for a message."""

import re

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from credits.mobiles import read_number
from senders.models import Sender

Kind = Sender.Kind
# An alphanumeric originator: up to 11 characters (3GPP TS 23.040 section 9.1.2.5), of those that operators take.
NAME = re.compile(r"[A-Za-z0-9 .,&+_-]{1,11}")
SHORT = re.compile(r"[0-9]{3,8}")


def checked_value(kind: str, value: str, *, country: str) -> str:
    """The value of a sender as it is kept: a number in E.164, a name or a short number as typed.

    Raises ValidationError with a sentence when the kind does not allow it. `country` is the account's.
    """
    if kind == Kind.ALPHANUMERIC:
        return _name(value)
    if kind == Kind.SHORT:
        if not SHORT.fullmatch(value):
            raise ValidationError(_("A short number has 3 to 8 digits."))
        return value
    number = read_number(value, country)
    if number is None:
        raise ValidationError(_("This is not a valid number. Write it in international format, like +33612345678."))
    return number


def _name(value: str) -> str:
    if not NAME.fullmatch(value):
        raise ValidationError(
            _("A name has 1 to 11 characters: letters without accents, digits, space and - . , & + _")
        )
    if not any(character.isalpha() for character in value):
        raise ValidationError(_("A name needs at least one letter; digits alone would look like a telephone number."))
    return value


def gets_stop_clause(kind: str) -> bool:
    """Whether a commercial message from this kind of sender carries the STOP clause.

    The recipient of a short or virtual number can answer STOP to it; a name cannot be answered.
    """
    return kind in (Kind.ALPHANUMERIC, Kind.NUMERIC)
