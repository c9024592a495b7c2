"""The forms of the STOP list: numbers to add, a reason to take one off, what is looked for."""

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _

from compose.models import OptOut
from compose.number_lists import NumberList, TooManyLines, read_list
from compose.text_files import NotText, decode

# A hundred thousand lines of eighty bytes. The whole form may measure a little more.
MOST_BYTES = 8 * 1024 * 1024


class AddForm(forms.Form):
    """Numbers typed, pasted or in a file. After `is_valid()`, `lists` holds what was read, by source."""

    numbers = forms.CharField(
        label=_("Numbers"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": "6", "autocomplete": "off", "spellcheck": "false"}),
        help_text=_(
            "One or several, typed or pasted, one a line or separated by commas; a table copied from a spreadsheet is "
            "understood as well."
        ),
    )
    file = forms.FileField(
        label=_("Or a file"),
        required=False,
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,text/csv,text/plain"}),
        help_text=_(
            "Text or CSV with one number a line; the column of numbers is found by itself. At most 100,000 lines and "
            "8 MB. The file itself is not kept."
        ),
    )
    note = forms.CharField(
        label=_("Note"),
        required=False,
        max_length=250,
        help_text=_("For yourselves, such as where these people said so. It stands beside each number."),
    )

    def __init__(self, *args: Any, country: str, **kwargs: Any) -> None:
        self.country = country
        self.lists: dict[str, NumberList] = {}
        super().__init__(*args, **kwargs)

    def clean_numbers(self) -> str:
        typed: str = self.cleaned_data["numbers"]
        if typed.strip():
            self._read(OptOut.Source.MANUAL, typed)
        return typed

    def clean_file(self) -> None:
        file: UploadedFile | None = self.cleaned_data["file"]
        if not file:
            return
        data = file.read()
        if len(data) < (file.size or 0):
            raise forms.ValidationError(_("This file is larger than 8 MB. Nothing was added. Split it into several."))
        try:
            text = decode(data)
        except NotText as error:
            raise forms.ValidationError(error.message) from error
        if not text.strip():
            raise forms.ValidationError(_("This file is empty. Nothing was added. Choose another one."))
        self._read(OptOut.Source.IMPORT, text)

    def clean(self) -> dict[str, Any]:
        if not self.errors and not self.lists:
            self.add_error("numbers", _("Type at least one number, or choose a file."))
        return self.cleaned_data

    def _read(self, source: str, text: str) -> None:
        try:
            self.lists[source] = read_list(text, self.country)
        except TooManyLines as error:
            raise forms.ValidationError(error.message) from error


class TakeOffForm(forms.Form):
    """Why a number leaves the list."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=250,
        widget=forms.Textarea(attrs={"rows": "3"}),
        help_text=_("For instance: asked by telephone to receive our offers again. It is kept with your name."),
        error_messages={"required": _("Say why this number is taken off the list.")},
    )


class ListFilter(forms.Form):
    """What is looked for on the list."""

    q = forms.CharField(label=_("Number or note"), required=False, max_length=100)
