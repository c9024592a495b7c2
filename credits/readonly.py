"""An admin class that shows and never changes, for nobody, superusers included."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe


def in_lines(*said: Any) -> SafeString:
    """A cell of a list with each of these that is not empty on a line of its own, so that few columns are enough."""
    return format_html_join(mark_safe("<br>"), "{}", ((words,) for words in said if words))


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows may be looked at by whoever has the view permission; nobody adds, changes or deletes one."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
