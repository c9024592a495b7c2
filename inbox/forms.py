"""The filters of the received SMS, and what may be done to the chosen ones."""

from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from credits.forms import DAYS, DayInput
from credits.models import Account
from inbox import queries
from inbox.marks import MOST_AT_ONCE


class InboxFilter(forms.Form):
    """Which received messages are shown; days are those of the account's time zone."""

    q = forms.CharField(label=_("Number or text"), required=False, max_length=100)
    to = forms.ChoiceField(label=_("Number that was answered"), required=False)
    since = forms.DateField(label=pgettext_lazy("first day", "From"), required=False, widget=DayInput, validators=DAYS)
    until = forms.DateField(label=pgettext_lazy("last day", "To"), required=False, widget=DayInput, validators=DAYS)
    unread = forms.BooleanField(label=_("Unread only"), required=False)

    def __init__(self, data: Any, *, account: Account) -> None:
        super().__init__(data)
        self.zone = account.zone
        self.own = queries.own_numbers(account)
        if self.own:
            field = self.fields["to"]
            assert isinstance(field, forms.ChoiceField)
            numbers = [(number, number) for number in self.own]
            field.choices = [("", _("Every number")), (queries.SHORT, _("Short numbers")), *numbers]
        else:
            # There are only short numbers: nothing to choose from.
            del self.fields["to"]
        self.is_valid()

    def clean_q(self) -> str:
        return str(self.cleaned_data["q"]).strip()

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        since, until = data.get("since"), data.get("until")
        if since and until and until < since:
            self.add_error("until", _("This day is before the first one. Choose a later day."))
        return data

    @property
    def wanted(self) -> queries.Wanted:
        """What the fields that make sense ask for."""
        data = self.cleaned_data
        return queries.Wanted(
            text=data.get("q", ""),
            unread=data.get("unread", False),
            since=self._midnight(data.get("since")),
            until=self._midnight(data.get("until"), after=1),
            to=data.get("to", ""),
            own=self.own,
        )

    @property
    def kept(self) -> dict[str, str]:
        """What is filled in, for the addresses of the other pages."""
        return {name: value for name, value in self.data.items() if name in self.fields and value}

    def _midnight(self, day: date | None, *, after: int = 0) -> datetime | None:
        return None if day is None else datetime.combine(day + timedelta(days=after), time.min, tzinfo=self.zone)


class ChosenForm(forms.Form):
    """What is to be done to which received messages."""

    READ, UNREAD, DELETE, RESTORE = "read", "unread", "delete", "restore"

    action = forms.ChoiceField(choices=[(name, name) for name in (READ, UNREAD, DELETE, RESTORE)])
    pk = forms.TypedMultipleChoiceField(required=False, coerce=int)

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        field = self.fields["pk"]
        assert isinstance(field, forms.TypedMultipleChoiceField)
        # An id of this length fits the column; whose it is the verb looks at.
        posted = [pk for pk in data.getlist("pk") if pk.isascii() and pk.isdecimal() and len(pk) < 19]
        field.choices = [(pk, pk) for pk in posted[:MOST_AT_ONCE]]
