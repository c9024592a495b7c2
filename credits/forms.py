"""What a member says about themselves."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from credits.mobiles import read_mobile
from credits.models import Member


class MobileForm(forms.Form):
    """A member's own mobile number, kept in E.164; empty to keep none."""

    mobile = forms.CharField(
        label=_("My mobile number"),
        required=False,
        max_length=40,
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel"}),
        help_text=_("In international format (+33…) or as you dial it. Leave it empty to keep none."),
    )

    def __init__(self, data: Any = None, *, member: Member) -> None:
        self.member = member
        super().__init__(data, initial={"mobile": member.mobile})

    def clean_mobile(self) -> str:
        typed = self.cleaned_data["mobile"]
        if not typed:
            return ""
        number = read_mobile(typed, self.member.account.country)
        if number is None:
            raise forms.ValidationError(
                _("This is not a mobile number. Write it in international format, like +33612345678.")
            )
        return number
