"""The compose form: the guide's fields in the guide's order, and the rules that a browser cannot be trusted with."""

import uuid
from copy import copy
from datetime import datetime
from typing import Any

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from compose.models import Message, MessageClass
from compose.planning import Draft, Plan, Refused, plan
from compose.recipients import Recipients, TooManyRecipients, parse_recipients
from compose.schedule import DateOutOfReach, LocalTimeDoesNotExist, resolve_local
from compose.segments import normalise_newlines
from credits.models import Member
from senders import queries as sender_queries
from senders.models import Sender

NOW, LATER = "now", "later"
MOST_WRONG_SHOWN = 20
WORN_OUT = _("This page did not carry what makes a double click harmless. Nothing was sent: press Send again.")


class ComposeForm(forms.Form):
    """What a person writes. After `is_valid()`, `plan` says what sending it would do."""

    sender = forms.ChoiceField(
        label=_("Sender"),
        error_messages={
            "required": _("Choose a sender."),
            "invalid_choice": _(
                "This sender is not available in your account. Choose another one; your message is kept."
            ),
        },
    )
    recipients = forms.CharField(
        label=_("Recipient"),
        strip=False,
        widget=forms.Textarea(attrs={"rows": "2", "autocomplete": "off", "spellcheck": "false"}),
        help_text=_(
            "One or several mobile numbers in international format (+33…) or as you dial them, "
            "separated by commas or lines."
        ),
        error_messages={"required": _("Enter at least one mobile number.")},
    )
    text = forms.CharField(
        label=_("Message"),
        strip=False,
        widget=forms.Textarea(attrs={"rows": "5"}),
        error_messages={"required": _("Write a message: it is empty or holds only spaces.")},
    )
    not_commercial = forms.BooleanField(
        label=_("This message is not commercial"),
        required=False,
        help_text=_(
            "Left empty, the message is commercial: a STOP clause is added where the sender cannot "
            "be answered, "
            "and it leaves between 8:00 and 20:00, Monday to Saturday, never on a public holiday."
        ),
    )
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
    message_class = forms.ChoiceField(
        label=_("Type of SMS"),
        choices=MessageClass.choices,
        initial=MessageClass.STANDARD,
        required=False,
        widget=forms.RadioSelect,
        error_messages={"invalid_choice": _("Choose Standard, Flash or SIM.")},
    )
    request_key = forms.UUIDField(
        widget=forms.HiddenInput, error_messages=dict.fromkeys(("required", "invalid"), WORN_OUT)
    )

    plan: Plan
    parsed: Recipients
    ambiguous_time = False

    def __init__(self, *args: Any, member: Member, now: datetime, **kwargs: Any) -> None:
        self.member, self.now = member, now
        self.senders = sender_queries.offered(member.account)
        kwargs["initial"] = {
            "request_key": uuid.uuid4(),
            "sender": str(self.senders[0].pk) if self.senders else "",
            **kwargs.get("initial", {}),
        }
        super().__init__(*args, **kwargs)
        choices = self.fields["sender"]
        assert isinstance(choices, forms.ChoiceField)
        choices.choices = _grouped(self.senders)

    def clean_recipients(self) -> Recipients:
        try:
            found = parse_recipients(self.cleaned_data["recipients"], self.member.account.country)
        except TooManyRecipients as error:
            raise forms.ValidationError(error.message) from error
        if found.wrong:
            raise forms.ValidationError([self._wrong(raw, reason) for raw, reason in self._shown(found)])
        if not found.valid:
            raise forms.ValidationError(_("Enter at least one mobile number."))
        return found

    @staticmethod
    def _wrong(raw: str, reason: str | Promise) -> forms.ValidationError:
        return forms.ValidationError(_("“%(number)s”: %(reason)s"), params={"number": raw[:40], "reason": reason})

    @staticmethod
    def _shown(found: Recipients) -> list[tuple[str, str | Promise]]:
        shown: list[tuple[str, str | Promise]] = [(wrong.raw, wrong.reason) for wrong in found.wrong[:MOST_WRONG_SHOWN]]
        more = len(found.wrong) - MOST_WRONG_SHOWN
        if more > 0:
            sentence = ngettext("and %(count)d more wrong number.", "and %(count)d more wrong numbers.", more)
            shown.append(("…", sentence % {"count": more}))
        return shown

    def clean_text(self) -> str:
        # A browser posts line breaks as CR LF; the bill equals the counter, which sees LF.
        text = normalise_newlines(self.cleaned_data["text"])
        if not text.strip():
            raise forms.ValidationError(_("Write a message: it is empty or holds only spaces."))
        return text

    def clean_request_key(self) -> uuid.UUID:
        key: uuid.UUID = self.cleaned_data["request_key"]
        return key

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        data["message_class"] = data.get("message_class") or MessageClass.STANDARD
        deferred_to = self._deferred_to() if data.get("when") == LATER else None
        if self.errors:
            return data
        draft = Draft(
            account=self.member.account,
            user=self.member.user,
            sender=self._sender(data["sender"]),
            recipients=data["recipients"].valid,
            body=data["text"],
            commercial=not data["not_commercial"],
            message_class=data["message_class"],
            deferred_to=deferred_to,
            request_key=data["request_key"],
        )
        try:
            self.plan = plan(draft, now=self.now)
        except Refused as refused:
            self.add_error(refused.field, str(refused.sentence))
        return data

    def _sender(self, pk: str) -> Sender:
        return next(sender for sender in self.senders if str(sender.pk) == pk)

    def _deferred_to(self) -> datetime | None:
        date, time = self.cleaned_data.get("date"), self.cleaned_data.get("time")
        for name, value in (("date", date), ("time", time)):
            if value is None and name not in self.errors:
                self.add_error(name, _("Choose the date and the time, or send the message now."))
        if date is None or time is None:
            return None
        try:
            resolved = resolve_local(date, time, self.member.account.zone)
        except LocalTimeDoesNotExist as error:
            self.add_error("time", error.message)
            return None
        except DateOutOfReach as error:
            self.add_error("date", error.message)
            return None
        self.ambiguous_time = resolved.ambiguous
        return resolved.instant

    def renew_key(self) -> None:
        """Give the form a fresh request key, so that sending it again is a new submission."""
        # A copy that keeps its kind: unpacking a QueryDict gives lists.
        data: Any = copy(self.data)
        data["request_key"] = str(uuid.uuid4())
        self.data = data

    @property
    def advanced(self) -> bool:
        """Whether the advanced options hold something other than their defaults, or an error."""
        if any(name in self.errors for name in ("when", "date", "time", "message_class")):
            return True
        return self["when"].value() == LATER or self["message_class"].value() not in (
            None,
            "",
            MessageClass.STANDARD,
        )


def _grouped(senders: list[Sender]) -> list[Any]:
    """The choices of the sender field, by whether the recipient can answer."""
    groups = []
    for label, answered in ((_("Can be answered"), True), (_("Cannot be answered"), False)):
        members = [(str(sender.pk), str(sender)) for sender in senders if sender.can_be_answered == answered]
        if members:
            groups.append((label, members))
    return groups


class SentFilter(forms.Form):
    """The filters of the page of sent SMS."""

    q = forms.CharField(label=_("Number or text"), required=False, max_length=100)
    state = forms.ChoiceField(
        label=_("Status"), required=False, choices=[("", _("Every status")), *Message.State.choices]
    )
