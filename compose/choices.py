"""What the compose form offers to choose from, and why something there cannot be chosen."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from compose import carried
from compose.models import MessageClass
from senders.models import Sender

NOTES: Mapping[str, Promise] = {
    MessageClass.STANDARD: _("Stored in the phone's memory and, when that is full, on the SIM card."),
    MessageClass.FLASH: _(
        "Shown at once on the phone's screen, stored neither in the phone nor on the SIM card, and gone as soon as "
        "it is dismissed."
    ),
    MessageClass.SIM: _("Stored on the SIM card."),
}


class SenderSelect(forms.Select):
    """A list of senders; one in `refused` (value -> sentence) stands there disabled, with the reason."""

    refused: Mapping[str, str | Promise] = {}

    def create_option(self, name: str, value: Any, label: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option: dict[str, Any] = super().create_option(name, value, label, *args, **kwargs)
        reason = self.refused.get(str(value))
        if reason is not None:
            option["label"] = f"{label} – {reason}"
            option["attrs"]["disabled"] = True
        return option


def refused_senders(senders: list[Sender]) -> dict[str, Promise]:
    """Those of `senders` that the gateway cannot send from, by their id as in the form, with the reason."""
    kinds = carried.refused_kinds()
    return {str(sender.pk): kinds[sender.kind] for sender in senders if sender.kind in kinds}


def grouped(senders: list[Sender]) -> list[Any]:
    """The choices of the sender field, by whether the recipient can answer."""
    groups = []
    for label, answered in ((_("Can be answered"), True), (_("Cannot be answered"), False)):
        members = [(str(sender.pk), str(sender)) for sender in senders if sender.can_be_answered == answered]
        if members:
            groups.append((label, members))
    return groups


@dataclass(frozen=True)
class ClassChoice:
    """A type of SMS as the page offers it; `refused` says why it cannot be chosen, None when it can."""

    value: str
    label: str | Promise
    note: str | Promise
    refused: str | Promise | None
    chosen: bool


def classes(chosen: Any) -> list[ClassChoice]:
    """The types of SMS, the one with the value `chosen` chosen."""
    refused = carried.refused_classes()
    return [
        ClassChoice(one.value, one.label, NOTES[one], refused.get(one.value), one.value == chosen)
        for one in MessageClass
    ]
