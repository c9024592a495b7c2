"""What an owner types on the page of what happens when a message arrives."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext_lazy as _

from compose.planning import says_nothing
from compose.segments import TooLong, segment
from inbox import hooks
from inbox.models import ReactionSettings
from inbox.reaction_models import LONGEST_ANSWER, MOST_ADDRESSES, REASONS


class ReactionsForm(forms.Form):
    """The three things that may be done about a received message; each is off where its field is empty."""

    forward_to = forms.CharField(
        label=_("Forward to these e-mail addresses"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false"}),
        help_text=_("One on each line, five at the most. Each gets every received SMS with its text."),
    )
    url = forms.CharField(
        label=_("Call this address"),
        required=False,
        max_length=hooks.LONGEST_URL,
        widget=forms.TextInput(attrs={"inputmode": "url", "autocomplete": "off", "placeholder": "https://"}),
        help_text=_(
            "It begins with https:// and is reached from the Internet. Each received SMS is sent there as signed JSON, "
            "again and again for a day until the server answers with a status of 200 to 299."
        ),
    )
    answer = forms.CharField(
        label=_("Answer with this text"),
        required=False,
        # A GSM text of 160 characters; how many septets they are is looked at below.
        max_length=LONGEST_ANSWER,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def __init__(self, data: Any = None, *, chosen: ReactionSettings) -> None:
        super().__init__(data, initial={"forward_to": chosen.forward_to, "url": chosen.url, "answer": chosen.answer})

    def clean_forward_to(self) -> list[str]:
        addresses = list(dict.fromkeys(self.cleaned_data["forward_to"].replace(",", " ").replace(";", " ").split()))
        if len(addresses) > MOST_ADDRESSES:
            raise ValidationError(_("These are more than five addresses. Take some out."))
        for address in addresses:
            try:
                validate_email(address)
            except ValidationError:
                sentence = _("“%(address)s” is not an e-mail address. Write it like name@example.org.")
                raise ValidationError(sentence % {"address": address}) from None
        return addresses

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        if url:
            try:
                hooks.refuse_written_out(hooks.target(url))
            except hooks.Failed as failed:
                raise ValidationError(str(REASONS[failed.reason])) from None
        return url

    def clean_answer(self) -> str:
        answer: str = self.cleaned_data["answer"]
        if says_nothing(answer):
            return ""
        try:
            parts = segment(answer).count
        except TooLong:
            parts = 2
        if parts > 1:
            raise ValidationError(
                _(
                    "The answer is longer than one SMS: it has more than 160 characters, or more than 70 with special "
                    "characters. Shorten it."
                )
            )
        return answer
