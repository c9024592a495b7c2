"""The administration of senders: what waits comes first, approving is one click, refusing asks for a reason."""

from typing import Any

import phonenumbers
from django import forms
from django.contrib import admin, messages
from django.db.models import Case, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from credits import regions
from credits.admin_regions import RegionChoices
from senders import services
from senders.forms import SenderAdminForm
from senders.models import DestinationRule, Sender, ShortNumber


class RefusalForm(forms.Form):
    """Why the chosen senders are refused; the requester reads it."""

    reason = forms.CharField(label=_("Reason, which the requester reads"), max_length=250)


@admin.register(Sender)
class SenderAdmin(admin.ModelAdmin):
    list_display = (
        "name",
        "account",
        "kind",
        "status",
        "description",
        "requested_by",
        "requested_at",
    )
    form = SenderAdminForm
    list_filter = ("status", "kind")
    search_fields = ("value", "account__name", "description")
    list_select_related = ("account", "requested_by")
    raw_id_fields = ("account",)
    readonly_fields = ("status", "refusal_reason", "requested_by", "requested_at", "decided_by", "decided_at")
    actions = ("approve", "refuse")

    def get_readonly_fields(self, request: HttpRequest, obj: Sender | None = None) -> tuple[str, ...]:
        # What was approved is not turned into something else: another name is another request.
        return self.readonly_fields if obj is None else ("account", "kind", "value", *self.readonly_fields)

    def save_model(self, request: HttpRequest, obj: Sender, form: Any, change: bool) -> None:
        if not change:
            obj.requested_by = request.user  # type: ignore[assignment]
        super().save_model(request, obj, form, change)

    @admin.display(description=_("sender"), ordering="value")
    def name(self, sender: Sender) -> str:
        return str(sender)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Sender]:
        return super().get_queryset(request).filter(deleted_at=None)

    def get_ordering(self, request: HttpRequest) -> list[Any]:
        waiting_first = Case(When(status=Sender.Status.WAITING, then=Value(0)), default=Value(1))
        return [waiting_first.asc(), "-requested_at"]

    def has_delete_permission(self, request: HttpRequest, obj: Sender | None = None) -> bool:
        return False

    @admin.action(description=_("Approve the chosen senders"), permissions=["change"])
    def approve(self, request: HttpRequest, chosen: QuerySet[Sender]) -> None:
        count = self._each(request, chosen, lambda sender: services.approve(sender, by=request.user))
        if count:
            sentence = ngettext("%(count)d sender is enabled.", "%(count)d senders are enabled.", count)
            self.message_user(request, sentence % {"count": count}, messages.SUCCESS)

    @admin.action(description=_("Refuse the chosen senders…"), permissions=["change"])
    def refuse(self, request: HttpRequest, chosen: QuerySet[Sender]) -> HttpResponse | None:
        form = RefusalForm(request.POST if "refuse" in request.POST else None)
        if form.is_bound and form.is_valid():
            reason = form.cleaned_data["reason"]
            count = self._each(request, chosen, lambda sender: services.refuse(sender, by=request.user, reason=reason))
            if count:
                sentence = ngettext("%(count)d sender is refused.", "%(count)d senders are refused.", count)
                self.message_user(request, sentence % {"count": count}, messages.SUCCESS)
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": _("Refuse senders"),
            "form": form,
            "chosen": chosen,
            "opts": self.model._meta,
        }
        return render(request, "admin/senders/refuse.html", context)

    def _each(self, request: HttpRequest, chosen: QuerySet[Sender], verb: Any) -> int:
        """Do `verb` to each chosen sender; say which ones a status did not allow, and return how many it did."""
        done = 0
        for sender in chosen:
            try:
                verb(sender)
                self.log_change(request, sender, f"{sender.get_status_display()} {sender.refusal_reason}".strip())
                done += 1
            except services.NotPossible:
                sentence = _("%(sender)s was left as it is: its status is “%(status)s”.")
                self.message_user(
                    request,
                    sentence % {"sender": sender, "status": sender.get_status_display()},
                    messages.WARNING,
                )
        return done


@admin.register(ShortNumber)
class ShortNumberAdmin(RegionChoices, admin.ModelAdmin):
    list_display = ("number", "country", "use", "enabled")
    list_filter = ("use", "enabled", "country")


class DestinationFilter(admin.SimpleListFilter):
    """Rules of one country, of those that have any, by their names."""

    title = _("destination")
    parameter_name = "region"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        there = DestinationRule.objects.order_by("region").values_list("region", flat=True).distinct()
        return sorted(((region, regions.name_of(region)) for region in there), key=lambda row: row[1].casefold())

    def queryset(self, request: HttpRequest, queryset: QuerySet[DestinationRule]) -> QuerySet[DestinationRule]:
        value = self.value()
        if not value:
            return queryset
        return queryset.filter(region=value) if value in phonenumbers.SUPPORTED_REGIONS else queryset.none()


@admin.register(DestinationRule)
class DestinationRuleAdmin(RegionChoices, admin.ModelAdmin):
    list_display = ("destination", "kind", "allowed", "note", "source")
    list_filter = ("kind", "allowed", DestinationFilter)
    search_fields = ("region", "note", "source")

    @admin.display(description=_("destination"), ordering="region")
    def destination(self, rule: DestinationRule) -> str:
        return f"{regions.name_of(rule.region)} ({rule.region})"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Also by the country's name in the reader's language."""
        found, duplicates = super().get_search_results(request, queryset, search_term)
        wanted = search_term.strip().casefold()
        if wanted:
            named = [region for region, name in regions.choices() if wanted in name.casefold()]
            found |= queryset.filter(region__in=named)
        return found, duplicates
