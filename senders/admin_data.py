"""The administration of what senders stand on: rules of destinations, protected names."""

from typing import Any

import phonenumbers
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from credits import regions
from credits.admin_regions import RegionChoices
from senders.models import DestinationRule, ProtectedName


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


@admin.register(ProtectedName)
class ProtectedNameAdmin(admin.ModelAdmin):
    list_display = ("name", "note")
    search_fields = ("name", "note")
