"""One telephone number that a person types about themselves or for a sender, kept in E.164."""

import phonenumbers
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

MOBILE = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}


def read_number(typed: str, country: str) -> str | None:
    """The valid number that `typed` means in `country`, in E.164; None when it means none."""
    try:
        found = phonenumbers.parse(typed, country)
    except NumberParseException:
        return None
    return phonenumbers.format_number(found, PhoneNumberFormat.E164) if phonenumbers.is_valid_number(found) else None


def read_mobile(typed: str, country: str) -> str | None:
    """Like `read_number`, for a number that can receive an SMS."""
    number = read_number(typed, country)
    if number is None or phonenumbers.number_type(phonenumbers.parse(number)) not in MOBILE:
        return None
    return number


def validate_mobile(number: str) -> None:
    """Raise ValidationError unless `number` is a mobile number in E.164."""
    if read_mobile(number, "ZZ") != number:
        raise ValidationError(_("This is not a mobile number. Write it in international format, like +33612345678."))
