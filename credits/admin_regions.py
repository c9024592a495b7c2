"""Countries in the administration: chosen by their name, not typed as letters."""

from typing import Any

from django import forms
from django.db.models import Field
from django.http import HttpRequest

from credits import regions


class RegionChoices:
    """Mixin for a ModelAdmin: its fields `country` and `region` become a choice of the regions by name."""

    def formfield_for_dbfield(self, db_field: Field, request: HttpRequest | None, **kwargs: Any) -> Any:
        if db_field.name in {"country", "region"}:
            # The widget only: the field's own validator stays.
            kwargs["widget"] = forms.Select(choices=regions.choices())
        return super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]
