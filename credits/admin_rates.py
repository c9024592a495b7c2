"""The administration of rates: by hand, from a file after a look at what it changes, to a file, and examples."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from credits import export, rate_files, rates, regions
from credits.admin_regions import RegionChoices
from credits.amounts import format_credits
from credits.models import Rate

# Of a file: 20 000 rates are about half of it.
MOST_BYTES = 1_000_000
# Of the preview: more lines are counted, not shown.
SHOWN = 500


class RateFileForm(forms.Form):
    """A file of rates, or its text once it was read; the text is what is applied."""

    file = forms.FileField(label=_("File (CSV)"), required=False, widget=forms.FileInput(attrs={"accept": ".csv,.txt"}))
    text = forms.CharField(
        label=_("or its lines"),
        required=False,
        strip=False,
        max_length=MOST_BYTES,
        widget=forms.Textarea(attrs={"rows": "8", "cols": "60", "spellcheck": "false"}),
    )

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        sent = data.get("file")
        if sent is not None and sent.size > MOST_BYTES:
            raise forms.ValidationError(
                _("The file is larger than one megabyte. Divide it, or check which file it is.")
            )
        if sent is not None:
            data["text"] = rate_files.decoded(sent.read())
        if not self.errors and not data.get("text", "").strip():
            raise forms.ValidationError(_("Choose a file of at most one megabyte, or paste its lines."))
        return data


@admin.register(Rate)
class RateAdmin(RegionChoices, admin.ModelAdmin):
    list_display = ("destination", "credits", "valid_from", "example")
    list_filter = ("example",)
    search_fields = ("region",)
    change_list_template = "admin/credits/rate_list.html"

    @admin.display(description=_("destination"), ordering="region")
    def destination(self, rate: Rate) -> str:
        return f"{regions.name_of(rate.region)} ({rate.region})"

    @admin.display(description=_("credits for each SMS"), ordering="millis")
    def credits(self, rate: Rate) -> str:
        return format_credits(rate.millis)

    def save_model(self, request: HttpRequest, obj: Rate, form: Any, change: bool) -> None:
        # What somebody wrote is no example any more.
        obj.example = False
        super().save_model(request, obj, form, change)

    def get_urls(self) -> list[URLPattern]:
        def own(address: str, view: Any) -> URLPattern:
            name = f"credits_rate_{address}"
            page: URLPattern = path(f"{address}/", self.admin_site.admin_view(view), name=name)
            return page

        pages = [own("import", self.import_page), own("export", self.export_file), own("examples", self.load_examples)]
        return [*pages, *super().get_urls()]

    def _may_change(self, request: HttpRequest) -> None:
        if not (self.has_add_permission(request) and self.has_change_permission(request)):
            raise PermissionDenied

    def import_page(self, request: HttpRequest) -> HttpResponse:
        """Read a file, show what it would change, and apply it when that was seen."""
        self._may_change(request)
        # A file that is too large to be taken leaves a form that is empty, and was sent all the same.
        form = RateFileForm(request.POST, request.FILES) if request.method == "POST" else RateFileForm()
        reading = None
        if request.method == "POST" and form.is_valid():
            reading = rate_files.read(form.cleaned_data["text"])
            if request.POST.get("action") == "apply" and not reading.errors:
                self._apply(request, form.cleaned_data["text"])
                return redirect("admin:credits_rate_changelist")
        context = {
            **self.admin_site.each_context(request),
            "title": _("Import rates"),
            "form": form,
            "reading": reading,
            "changes": reading.fresh[:SHOWN] if reading and not reading.errors else [],
            "hidden": max(0, len(reading.fresh) - SHOWN) if reading else 0,
            "opts": self.model._meta,
        }
        status = 422 if form.errors or (reading and reading.errors) else 200
        return render(request, "admin/credits/rate_import.html", context, status=status)

    def _apply(self, request: HttpRequest, text: str) -> None:
        new, changed = rate_files.apply(text)
        for flag, rows in ((ADDITION, new), (CHANGE, changed)):
            LogEntry.objects.log_actions(request.user.pk, rows, flag, str(_("Imported from a file")))  # type: ignore[arg-type]
        count = len(new) + len(changed)
        words = ngettext("%(count)d rate was recorded.", "%(count)d rates were recorded.", count)
        messages.success(request, words % {"count": count})

    def export_file(self, request: HttpRequest) -> HttpResponseBase:
        """All rates as a file that can be imported again."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = list(Rate.objects.order_by("region", "valid_from"))
        header = [*rate_files.COLUMNS, "country"]
        zone = timezone.get_current_timezone()
        return export.attachment("rates.csv", header, rate_files.written(rows), zone=zone)

    def load_examples(self, request: HttpRequest) -> HttpResponse:
        """Give each region without a rate the example."""
        self._may_change(request)
        if request.method == "POST":
            count = rates.load_examples(timezone.now())
            words = ngettext(
                "%(count)d example rate was added. Replace it by your own.",
                "%(count)d example rates were added. Replace them by your own.",
                count,
            )
            if count:
                messages.success(request, words % {"count": count})
            else:
                messages.info(request, _("Every country has a rate already. Nothing was changed."))
        return redirect("admin:credits_rate_changelist")
