"""The forms of senders: what an account asks for, and what the administration writes."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from credits.models import Account
from senders.models import Sender
from senders.rules import checked_value

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
        try:
            data["value"] = checked_value(kind, value, country=self.account.country)
        except ValidationError as error:
            self.add_error("value", error)
            return data
        if Sender.objects.filter(account=self.account, value=data["value"], deleted_at=None).exists():
            self.add_error("value", HAS_IT)
        return data


class SenderAdminForm(forms.ModelForm):
    """A sender that the administrator writes for an account, under the same rules as a request."""

    class Meta:
        model = Sender
        fields = ("account", "kind", "value", "description", "justification")

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        # On a sender that exists already only the words about it can be changed.
        if self.instance.pk is not None:
            return data
        account = data.get("account")
        if account is None:
            self.add_error("account", _("Choose the account that the sender is for."))
            return data
        try:
            data["value"] = checked_value(data.get("kind", ""), data.get("value", ""), country=account.country)
        except ValidationError as error:
            self.add_error("value", error)
            return data
        if Sender.objects.filter(account=account, value=data["value"], deleted_at=None).exists():
            self.add_error("value", _("This account has this sender already."))
        return data
