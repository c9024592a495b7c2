"""The administration of what comes in: received messages and the raw events of gateways; to read, never to change."""

import json

from django.contrib import admin
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


@admin.register(GatewayEvent)
class GatewayEventAdmin(ReadOnlyAdmin):
    list_display = ("stored_at", "gateway", "kind", "key", "applied_at", "result")
    list_filter = ("kind", "result", "gateway", "stored_at")
    search_fields = ("key__startswith",)
    search_help_text = _("Unique key of the event, or how it begins")
    show_full_result_count = False
    fields = readonly_fields = (
        "gateway",
        "kind",
        "key",
        "stored_at",
        "applied_at",
        "result",
        "look_at",
        "said",
    )

    @admin.display(description=_("content"))
    def said(self, event: GatewayEvent) -> SafeString:
        """All that was kept of what the gateway said, laid out."""
        return format_html("<pre>{}</pre>", json.dumps(event.payload, indent=2, ensure_ascii=False, sort_keys=True))
