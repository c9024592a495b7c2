"""The compose form: the guide's fields in the guide's order, and the rules that a browser cannot be trusted with."""

import uuid
from copy import copy
from datetime import datetime
from typing import Any

from django import forms
from django.utils.functional import Promise, lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from compose import choices, text_notes, trial
from compose.models import Message, MessageClass
from compose.moment_form import LATER, MomentForm
from compose.planning import Draft, Plan, Refused, plan, says_nothing, stop_clause_for
from compose.recipients import Recipients, TooManyRecipients, parse_recipients
from compose.scheduled import Replaced
from compose.segments import normalise_newlines
from compose.windows import window_sentence
from credits.models import Member
from senders import queries as sender_queries
from senders.models import Sender

# What a test to oneself takes from the form.
OF_A_TEST = ("sender", "text", "message_class", "request_key")
MOST_WRONG_SHOWN = 20
WORN_OUT = _("This page did not carry what makes a double click harmless. Nothing was sent: press Send again.")


def _of_commercial_messages() -> str:
    """What the commercial box means, with the hours that the installation has set."""
    clause = _("Left empty, the message is commercial: a STOP clause is added where the sender cannot be answered.")
    return f"{clause} {window_sentence()}".strip()


class ComposeForm(MomentForm):
    """What a person writes. After `is_valid()`, `plan` says what sending it would do.

    `replaces` is the submission whose place it takes, None for a new message; `senders` are those to choose from, where
    they are known already: all that the account is offered, otherwise.
    """

    sender = forms.ChoiceField(
        label=_("Sender"),
        widget=choices.SenderSelect,
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
        help_text=lazy(_of_commercial_messages, str)(),
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
    # What a test to oneself needs, once it is known to be right; the rest of the form may be wrong.
    chosen: trial.Chosen | None = None
    # The guide's order; those of the moment would stand first.
    field_order = ("sender", "recipients", "text", "not_commercial", "when", "date", "time", "message_class")

    def __init__(
        self,
        *args: Any,
        member: Member,
        now: datetime,
        replaces: Replaced | None = None,
        senders: list[Sender] | None = None,
        **kwargs: Any,
    ) -> None:
        self.member, self.replaces = member, replaces
        self.senders = sender_queries.offered(member.account) if senders is None else senders
        refused = choices.refused_senders(self.senders)
        self.usable = usable = [str(sender.pk) for sender in self.senders if str(sender.pk) not in refused]
        kwargs["initial"] = {
            "request_key": uuid.uuid4(),
            "sender": usable[0] if usable else "",
            **kwargs.get("initial", {}),
        }
        super().__init__(*args, account=member.account, now=now, **kwargs)
        offered = self.fields["sender"]
        assert isinstance(offered, forms.ChoiceField)
        assert isinstance(offered.widget, choices.SenderSelect)
        offered.choices = choices.grouped(self.senders)
        offered.widget.refused = refused

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
        if says_nothing(text):
            raise forms.ValidationError(_("Write a message: it is empty or holds only spaces."))
        return text

    def clean_request_key(self) -> uuid.UUID:
        key: uuid.UUID = self.cleaned_data["request_key"]
        return key

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        data["message_class"] = data.get("message_class") or MessageClass.STANDARD
        if "text" in data and self.member.account.always_replace:
            data["text"] = text_notes.shortened(data["text"], self._clause())
        if not set(OF_A_TEST) & set(self.errors):
            self.chosen = trial.Chosen(
                sender=self._sender(data["sender"]),
                body=data["text"],
                message_class=data["message_class"],
                request_key=data["request_key"],
            )
        if self.errors or self.chosen is None:
            return data
        draft = Draft(
            account=self.member.account,
            user=self.member.user,
            sender=self.chosen.sender,
            recipients=data["recipients"].valid,
            body=self.chosen.body,
            commercial=not data["not_commercial"],
            message_class=self.chosen.message_class,
            deferred_to=data["moment"],
            request_key=self.chosen.request_key,
        )
        try:
            self.plan = plan(draft, now=self.now)
        except Refused as refused:
            self.add_error(refused.field, forms.ValidationError(str(refused.sentence), code=refused.code))
        return data

    def _clause(self) -> str:
        """The STOP clause that goes behind the text, "" for none."""
        pk = self.cleaned_data.get("sender")
        commercial = not self.cleaned_data.get("not_commercial")
        return stop_clause_for(self._sender(pk), commercial=commercial) if pk else ""

    def _sender(self, pk: str) -> Sender:
        return next(sender for sender in self.senders if str(sender.pk) == pk)

    def renew_key(self) -> None:
        """Give the form a fresh request key, so that sending it again is a new submission."""
        # A copy that keeps its kind: unpacking a QueryDict gives lists.
        data: Any = copy(self.data)
        data["request_key"] = str(uuid.uuid4())
        self.data = data

    def complain_only_about(self, *names: str) -> None:
        """Take away the errors of all other fields: what was pressed has nothing to do with them."""
        for name in set(self.errors) - set(names):
            del self.errors[name]

    def offers(self, sender: int) -> bool:
        """Whether the sender with this key can be chosen."""
        return str(sender) in self.usable

    @property
    def out_of_reach(self) -> bool:
        """Whether the sender does not reach the country of a recipient."""
        return self.has_error("sender", "reach")

    @property
    def written(self) -> str:
        """The text as it stands in the field, with LF ends."""
        return normalise_newlines(self["text"].value() or "")

    @property
    def classes(self) -> list[choices.ClassChoice]:
        """The types of SMS, for the page."""
        return choices.classes(self["message_class"].value() or MessageClass.STANDARD)

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


class SentFilter(forms.Form):
    """The filters of the page of sent SMS."""

    q = forms.CharField(label=_("Number or text"), required=False, max_length=100)
    state = forms.ChoiceField(
        label=_("Status"), required=False, choices=[("", _("Every status")), *Message.State.choices]
    )
    # Of one submission only; the link to it stands on the submission's page.
    submission = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1, widget=forms.HiddenInput())
