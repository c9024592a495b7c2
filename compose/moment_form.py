"""The fields of a moment of departure: now, or at a date and time by the clock of the account."""

from datetime import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from compose.planning import FARTHEST
from compose.schedule import DateOutOfReach, LocalTimeDoesNotExist, resolve_local
from credits.models import Account

NOW, LATER = "now", "later"


def initial(moment: datetime | None, account: Account) -> dict[str, Any]:
    """What the fields show of a moment; None is now."""
    if moment is None:
        return {"when": NOW}
    local = moment.astimezone(account.zone)
    return {"when": LATER, "date": local.date(), "time": local.time()}


class MomentForm(forms.Form):
    """When something leaves. `moment` is None for now; whether it is past is for the verb to say."""

    when = forms.ChoiceField(
        label=_("Moment of sending"),
        choices=[(NOW, _("Send now")), (LATER, _("Send later"))],
        initial=NOW,
        required=False,
        widget=forms.RadioSelect,
        error_messages={"invalid_choice": _("Choose to send the message now or later.")},
    )
    date = forms.DateField(
        label=_("Date"),
        required=False,
        input_formats=["%Y-%m-%d", "%d/%m/%Y"],
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={"invalid": _("This is not a date. Write it like 2026-12-31.")},
    )
    time = forms.TimeField(
        label=_("Time"),
        required=False,
        input_formats=["%H:%M", "%H:%M:%S", "%Hh%M"],
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        error_messages={"invalid": _("This is not a time. Write it like 14:30.")},
    )

    ambiguous_time = False
    # Where the button for it stands beside.
    missing = _("Choose the date and the time, or send the message now.")

    def __init__(self, *args: Any, account: Account, now: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account, self.now = account, now
        today = now.astimezone(account.zone).date()
        self.fields["date"].widget.attrs |= {"min": str(today), "max": str(today + FARTHEST)}

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        data["moment"] = self._moment() if data.get("when") == LATER else None
        return data

    def _moment(self) -> datetime | None:
        date, time = self.cleaned_data.get("date"), self.cleaned_data.get("time")
        for name, value in (("date", date), ("time", time)):
            if value is None and name not in self.errors:
                self.add_error(name, self.missing)
        if date is None or time is None:
            return None
        try:
            resolved = resolve_local(date, time, self.account.zone)
        except LocalTimeDoesNotExist as error:
            self.add_error("time", error.message)
            return None
        except DateOutOfReach as error:
            self.add_error("date", error.message)
            return None
        self.ambiguous_time = resolved.ambiguous
        return resolved.instant


class MoveForm(MomentForm):
    """Another moment for what waits: a date and a time, or `when` says now; not to be chosen of what is `paused`."""

    def __init__(self, *args: Any, paused: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.paused = paused
        if paused:
            self.missing = _("Choose the date and the time.")

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        # The verb says of a past moment that the message can be sent now instead, which nobody offers here.
        if self.paused and data["moment"] is not None and data["moment"] <= self.now:
            self.add_error("time", _("This moment is past. Choose a later one."))
        return data

    def clean_when(self) -> str:
        return NOW if self.cleaned_data["when"] == NOW else LATER
