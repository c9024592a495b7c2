"""The request for a sender: formats of 3GPP TS 23.040 section 9.1.2.5 (alphanumeric) and E.164 (numbers)."""

import re
from typing import Any

import phonenumbers
from django import forms
from django.utils.translation import gettext_lazy as _

from credits.models import Account
from senders.models import Sender

NAME = re.compile(r"[A-Za-z0-9 .,&+_-]{1,11}")
HAS_IT = _("Your account has this sender already. You find it in the list of senders.")
ASKABLE = [
    (Sender.Kind.ALPHANUMERIC, Sender.Kind.ALPHANUMERIC.label),
    (Sender.Kind.VIRTUAL, Sender.Kind.VIRTUAL.label),
]


class SenderRequestForm(forms.Form):
    """What an account asks for; the administrator decides."""

    kind = forms.ChoiceField(
        label=_("Kind"),
        choices=ASKABLE,
        initial=Sender.Kind.ALPHANUMERIC,
        widget=forms.RadioSelect,
        error_messages={"invalid_choice": _("Choose a name or a virtual number.")},
    )
    value = forms.CharField(
        label=_("Sender"),
        # A number as people write it, with spaces; what is kept of it fits the column.
        max_length=40,
        help_text=_(
            "A name of 1 to 11 characters (letters without accents, digits, space - . , & + _), or a "
            "mobile number in international format."
        ),
    )
    description = forms.CharField(label=_("Description"), max_length=40, required=False)
    justification = forms.CharField(
        label=_("Justification"),
        max_length=250,
        widget=forms.Textarea(attrs={"rows": "3"}),
        help_text=_(
            "Say what links you to this name or number, for instance that it is your company's or your brand's."
        ),
    )

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        self.account = account
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        kind, value = data.get("kind"), data.get("value")
        if not kind or not value:
            return data
        if kind == Sender.Kind.ALPHANUMERIC:
            self._check_name(value)
        else:
            data["value"] = self._number(value)
        if "value" in self.errors:
            return data
        if Sender.objects.filter(account=self.account, value=data["value"], deleted_at=None).exists():
            self.add_error("value", HAS_IT)
        return data

    def _check_name(self, value: str) -> None:
        if not NAME.fullmatch(value):
            self.add_error(
                "value",
                _("A name has 1 to 11 characters: letters without accents, digits, space and - . , & + _"),
            )
        elif not any(character.isalpha() for character in value):
            self.add_error(
                "value",
                _("A name needs at least one letter; digits alone would look like a telephone number."),
            )

    def _number(self, value: str) -> str:
        try:
            found = phonenumbers.parse(value, self.account.country)
        except phonenumbers.NumberParseException:
            found = None
        if found is None or not phonenumbers.is_valid_number(found):
            self.add_error(
                "value", _("This is not a valid number. Write it in international format, like +33612345678.")
            )
            return value
        return phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164)
