"""The forms of senders: what an account asks for, and what the administration writes."""

import unicodedata
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _

from credits.models import Account
from senders import files
from senders.models import Sender, SenderDocument
from senders.rules import checked_value

HAS_IT = _("Your account has this sender already. You find it in the list of senders.")
MOST_FILES, MOST_BYTES = 10, 10 * 1024 * 1024
LONGEST_NAME = SenderDocument._meta.get_field("name").max_length or 0
ASKABLE = [
    (Sender.Kind.ALPHANUMERIC, Sender.Kind.ALPHANUMERIC.label),
    (Sender.Kind.VIRTUAL, Sender.Kind.VIRTUAL.label),
]


class Files(forms.ClearableFileInput):
    allow_multiple_selected = True


class DocumentsField(forms.FileField):
    """Several documents; cleaned to files with a name that can be shown, each with its media type."""

    widget = Files
    default_error_messages = {
        "too_many": _("Choose at most %(most)d documents."),
        "too_large": _("“%(name)s” is larger than 10 MB. Choose a smaller document."),
        "not_a_document": _("“%(name)s” is no PDF, JPEG or PNG document, whatever its name says. Choose one of these."),
    }

    def clean(self, data: Any, initial: Any = None) -> Any:
        given: Sequence[UploadedFile] = data if isinstance(data, list | tuple) else [data] if data else []
        if len(given) > MOST_FILES:
            raise ValidationError(self.error_messages["too_many"] % {"most": MOST_FILES}, code="too_many")
        return [self._checked(file) for file in given]

    def _checked(self, file: UploadedFile) -> tuple[UploadedFile, str]:
        file.name = shown_name(str(file.name))
        if file.size is None or file.size > MOST_BYTES:
            raise ValidationError(self.error_messages["too_large"] % {"name": file.name}, code="too_large")
        found = files.type_of(cast(Any, file))
        if found is None:
            raise ValidationError(self.error_messages["not_a_document"] % {"name": file.name}, code="not_a_document")
        return file, found


def shown_name(name: str) -> str:
    """What a person called a file, in a form that can be shown and saved under: no path, no control characters."""
    plain = "".join(one for one in name if unicodedata.category(one) not in ("Cc", "Cf", "Cs"))
    plain = PurePosixPath(plain.replace("\\", "/")).name.strip() or "document"
    return plain if len(plain) <= LONGEST_NAME else plain[: LONGEST_NAME - 12] + plain[-12:]


class SenderRequestForm(forms.Form):
    """What an account asks for; the administrator decides."""

    kind = forms.ChoiceField(
        label=_("Kind"),
        choices=ASKABLE,
        initial=Sender.Kind.ALPHANUMERIC,
        widget=forms.RadioSelect,
        error_messages={"invalid_choice": _("Choose a name or a virtual number.")},
    )
    value = forms.CharField(
        label=_("Sender"),
        # A number as people write it, with spaces; what is kept of it fits the column.
        max_length=40,
        help_text=_(
            "A name of 1 to 11 characters (letters without accents, digits, space - . , & + _), or a "
            "mobile number in international format."
        ),
    )
    description = forms.CharField(label=_("Description"), max_length=40, required=False)
    justification = forms.CharField(
        label=_("Justification"),
        max_length=250,
        widget=forms.Textarea(attrs={"rows": "3"}),
        help_text=_(
            "Say what links you to this name or number, for instance that it is your company's or your brand's."
        ),
    )

    documents = DocumentsField(
        label=_("Supporting documents"),
        required=False,
        widget=Files(attrs={"accept": ".pdf,.jpg,.jpeg,.png,application/pdf,image/jpeg,image/png"}),
        help_text=_(
            "What shows that the name or number is yours: at most 10 PDF, JPEG or PNG files of up to 10 MB. Only the "
            "owners of your account and the administrators can read them."
        ),
    )

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        self.account = account
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        kind, value = data.get("kind"), data.get("value")
        if not kind or not value:
            return data
        try:
            data["value"] = checked_value(kind, value, country=self.account.country)
        except ValidationError as error:
            self.add_error("value", error)
            return data
        if Sender.objects.filter(account=self.account, value=data["value"], deleted_at=None).exists():
            self.add_error("value", HAS_IT)
        return data


class SenderAdminForm(forms.ModelForm):
    """A sender that the administrator writes for an account, under the same rules as a request."""

    class Meta:
        model = Sender
        fields = ("account", "kind", "value", "description", "justification")

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        # On a sender that exists already only the words about it can be changed.
        if self.instance.pk is not None:
            return data
        account = data.get("account")
        if account is None:
            self.add_error("account", _("Choose the account that the sender is for."))
            return data
        try:
            data["value"] = checked_value(data.get("kind", ""), data.get("value", ""), country=account.country)
        except ValidationError as error:
            self.add_error("value", error)
            return data
        if Sender.objects.filter(account=account, value=data["value"], deleted_at=None).exists():
            self.add_error("value", _("This account has this sender already."))
        return data
