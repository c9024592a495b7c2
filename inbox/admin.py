"""The administration of received messages: to read, never to change."""

from django.contrib import admin

from credits.readonly import ReadOnlyAdmin
from inbox.models import Received


@admin.register(Received)
class ReceivedAdmin(ReadOnlyAdmin):
    list_display = ("received_at", "account", "number", "to", "text")
    list_filter = (("account", admin.EmptyFieldListFilter), "received_at")
    search_fields = ("number", "text")
    list_select_related = ("account",)
    raw_id_fields = ("answers",)
