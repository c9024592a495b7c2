"""What a member says about themselves, and an owner about the account."""

from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from credits.mobiles import read_mobile
from credits.models import Account, Member, Transfer
from credits.statement import Wanted


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


class AccountSettingsForm(forms.Form):
    """What an owner may set of the account."""

    always_replace = forms.BooleanField(
        label=_("Always replace special characters"),
        required=False,
        help_text=Account._meta.get_field("always_replace").help_text,
    )

    def __init__(self, data: Any = None, *, account: Account) -> None:
        super().__init__(data, initial={"always_replace": account.always_replace})


# Where calendars and time zones make sense; nothing was sent outside.
DAYS = [MinValueValidator(date(1970, 1, 1)), MaxValueValidator(date(2999, 12, 31))]


class DayInput(forms.DateInput):
    """A day as browsers let it be chosen, whatever the language."""

    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")


class StatementFilter(forms.Form):
    """Which lines of the statement are shown."""

    # Movements that change nothing of what is available have no line.
    VERBS = [(verb.value, verb.label) for verb in Transfer.Verb if verb != Transfer.Verb.CAPTURE]

    q = forms.CharField(label=_("Cause or reason"), required=False, max_length=100)
    verb = forms.ChoiceField(label=_("Movement"), required=False, choices=[("", _("Every movement")), *VERBS])
    since = forms.DateField(label=pgettext_lazy("first day", "From"), required=False, widget=DayInput, validators=DAYS)
    until = forms.DateField(label=pgettext_lazy("last day", "To"), required=False, widget=DayInput, validators=DAYS)

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        since, until = data.get("since"), data.get("until")
        if since and until and until < since:
            self.add_error("until", _("This day is before the first one. Choose a later day."))
        return data

    def wanted(self, account: Account) -> Wanted:
        """What the fields that make sense ask for; days are those of the account's time zone."""

        def midnight(day: date | None, *, after: int = 0) -> datetime | None:
            if day is None:
                return None
            return datetime.combine(day + timedelta(days=after), time.min, tzinfo=account.zone)

        data = self.cleaned_data
        return Wanted(
            verb=data.get("verb", ""),
            since=midnight(data.get("since")),
            until=midnight(data.get("until"), after=1),
            text=data.get("q", "").strip(),
        )
