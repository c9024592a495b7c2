"""The forms of the page where owners add credits: order, automatic top-up, alert, transfer."""

import uuid
from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.formats import get_format
from django.utils.translation import gettext_lazy as _

from credits.amounts import format_credits, read_credits, sign_of
from credits.models import MOST_CREDITS, Account, Member, Pack, Watch


class CreditsField(forms.CharField):
    """An amount of credits above zero; its value is in millis, None when it is empty and may be."""

    default_error_messages = {
        "invalid": _("Write an amount of credits such as 100 or 0.5, with at most three decimals."),
        "grouped": _("Write the amount without a sign between the thousands, such as 1000."),
        "range": _("Write an amount above zero, up to %(most)s credits."),
    }

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})
        super().__init__(max_length=30, widget=widget, **kwargs)

    def clean(self, value: Any) -> Any:
        typed = super().clean(value)
        if not typed:
            return None
        try:
            millis = read_credits(typed)
        except ValueError:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid") from None
        sign, sure = sign_of(typed)
        # 1,000 is a thousand in English and one in French, 1.000 the other way round: where it may be both it is asked.
        if not sure and sign != get_format("DECIMAL_SEPARATOR"):
            raise forms.ValidationError(self.error_messages["grouped"], code="grouped")
        if not 0 < millis <= MOST_CREDITS * 1000:
            message = self.error_messages["range"] % {"most": format_credits(MOST_CREDITS * 1000)}
            raise forms.ValidationError(message, code="range")
        return millis


class OneClick(forms.Form):
    """A form whose repeated sending does what it says once: its key goes with what it does."""

    request_key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, data: Any = None, **kwargs: Any) -> None:
        super().__init__(data, initial={"request_key": uuid.uuid4()}, **kwargs)

    def renew_key(self) -> None:
        """Give the form a fresh key, so that sending it again does something more."""
        self.data = {**self.data.dict(), self.add_prefix("request_key"): str(uuid.uuid4())}  # type: ignore[attr-defined]


class OrderForm(OneClick):
    """The pack to order."""

    pack = forms.TypedChoiceField(
        label=_("Pack"),
        coerce=int,
        widget=forms.RadioSelect,
        error_messages={
            "required": _("Choose a pack."),
            "invalid_choice": _("This pack is no longer on sale. Choose another one."),
        },
    )

    def __init__(self, data: Any = None, *, packs: Sequence[Pack]) -> None:
        super().__init__(data, prefix="order", auto_id="id_%s")
        self.packs = packs
        field: Any = self.fields["pack"]
        field.choices = [(pack.credits, format_credits(pack.millis)) for pack in packs]


class AutomaticForm(forms.Form):
    """Below which balance a pack is ordered by itself, and which one; no pack: never."""

    pack = forms.TypedChoiceField(
        label=_("Pack to order"),
        required=False,
        coerce=int,
        empty_value=None,
        error_messages={"invalid_choice": _("This pack is no longer on sale. Choose another one.")},
    )
    threshold = CreditsField(label=_("When fewer credits are left than"), required=False)

    def __init__(self, data: Any = None, *, packs: Sequence[Pack], watch: Watch) -> None:
        below = "" if watch.refill_below is None else format_credits(watch.refill_below)
        initial = {"pack": watch.refill_credits, "threshold": below}
        super().__init__(data, prefix="automatic", auto_id="id_%s", initial=initial)
        field: Any = self.fields["pack"]
        field.choices = [("", _("None: no automatic top-up"))] + [
            (pack.credits, format_credits(pack.millis)) for pack in packs
        ]

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        if data.get("pack") and "threshold" in data and data["threshold"] is None:
            self.add_error("threshold", _("Write below how many credits the pack is ordered."))
        return data


class AlertForm(forms.Form):
    """Below which balance the owners are told; empty: never."""

    threshold = CreditsField(
        label=_("Alert when fewer credits are left than"),
        required=False,
        help_text=_(
            "The owners get one e-mail each time the balance falls below it, and the pages say so. Empty: no alert."
        ),
    )

    def __init__(self, data: Any = None, *, watch: Watch) -> None:
        below = "" if watch.alert_below is None else format_credits(watch.alert_below)
        super().__init__(data, prefix="alert", auto_id="id_%s", initial={"threshold": below})


class TransferForm(OneClick):
    """How many credits go to which other account of the same owner."""

    to = forms.TypedChoiceField(
        label=_("To the account"),
        coerce=int,
        error_messages={
            "required": _("Choose the account that gets the credits."),
            "invalid_choice": _("You are no owner of this account. Choose one of the list."),
        },
    )
    amount = CreditsField(label=_("Credits"), error_messages={"required": _("Write how many credits move.")})

    def __init__(self, data: Any = None, *, member: Member, members: Sequence[Member]) -> None:
        super().__init__(data, prefix="transfer", auto_id="id_%s")
        # One's other accounts; a name alone may stand for two of them.
        self.accounts: dict[int, Account] = {
            other.account_id: other.account
            for other in members
            if other.may_manage and other.account_id != member.account_id
        }
        field: Any = self.fields["to"]
        field.choices = [(pk, str(account)) for pk, account in self.accounts.items()]
        if len(self.accounts) > 1:
            field.choices = [("", _("Choose an account")), *field.choices]
