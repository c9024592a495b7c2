"""The administration of what comes in: received messages and the raw events of gateways; to read, never to change."""

import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from compose.models import GatewayEvent
from credits.readonly import ReadOnlyAdmin
from inbox.models import Received


@admin.register(Received)
class ReceivedAdmin(ReadOnlyAdmin):
    list_display = ("received_at", "account", "number", "to", "text", "missing")
    list_filter = (("account", admin.EmptyFieldListFilter), "received_at")
    search_fields = ("number", "text")
    list_select_related = ("account",)
    raw_id_fields = ("answers",)


# What came of an event (`GatewayEvent.result`), in words; "" while it waits.
RESULTS = {
    "": _("Waits"),
    "applied": _("Applied"),
    "no_change": _("Changed nothing"),
    "unknown": _("Names no message of ours"),
    "repeated": _("Said before"),
    "received": _("Received message"),
    "part": _("Part of a received message"),
    "unmatched": _("Received message of no account"),
    "unreadable": _("Not understood"),
    "failed": _("Could not be applied"),
}


class ResultFilter(admin.SimpleListFilter):
    title = _("result")
    parameter_name = "result"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(result or "waits", word) for result, word in RESULTS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[GatewayEvent]) -> QuerySet[GatewayEvent]:
        value = self.value()
        return queryset.filter(result="" if value == "waits" else value) if value else queryset


@admin.register(GatewayEvent)
class GatewayEventAdmin(ReadOnlyAdmin):
    list_display = ("stored_at", "gateway", "kind", "came", "applied_at", "key")
    list_filter = ("kind", ResultFilter, "gateway", "stored_at")
    search_fields = ("key__startswith",)
    search_help_text = _("Unique key of the event, or how it begins")
    show_full_result_count = False
    fields = readonly_fields = (
        "gateway",
        "kind",
        "key",
        "stored_at",
        "applied_at",
        "came",
        "look_at",
        "said",
    )

    @admin.display(description=_("result"), ordering="result")
    def came(self, event: GatewayEvent) -> Any:
        return RESULTS.get(event.result, event.result)

    @admin.display(description=_("content"))
    def said(self, event: GatewayEvent) -> SafeString:
        """All that was kept of what the gateway said, laid out."""
        return format_html("<pre>{}</pre>", json.dumps(event.payload, indent=2, ensure_ascii=False, sort_keys=True))
