"""The statement of an account in the administration: as its owners see it, with who did what, and as a file."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from credits import statement, statement_files
from credits.forms import StatementFilter
from credits.models import Account, Transfer


def may_read(request: HttpRequest) -> bool:
    """Whether this person may look at ledger lines."""
    return bool(admin.site.get_model_admin(Transfer).has_view_permission(request))


def link(account_id: int) -> SafeString:
    """The link to the account's statement, for a cell of a list."""
    return format_html(
        '<a href="{}">{}</a>', reverse("admin:credits_account_statement", args=[account_id]), _("Statement")
    )


class StatementPages(admin.ModelAdmin):
    """The accounts' statement pages, for whoever may look at accounts and at ledger lines."""

    def get_urls(self) -> list[URLPattern]:
        pages = [
            path(
                "<int:pk>/statement/",
                self.admin_site.admin_view(self.statement_page),
                name="credits_account_statement",
            ),
            path(
                "<int:pk>/statement.csv",
                self.admin_site.admin_view(self.statement_file),
                name="credits_account_statement_file",
            ),
        ]
        return [*pages, *super().get_urls()]

    def statement_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What changed the credits available to the account, line by line, with the balance after each."""
        account = self._account_of(request, pk)
        filters = StatementFilter(request.GET)
        filters.is_valid()
        books = statement.books(account)
        before = request.GET.get("before", "")
        start = statement.anchor(books, before)
        lines, next_ones = statement.lines(books, filters.wanted(account), start=start)
        kept = {name: value for name, value in request.GET.items() if name in filters.fields and value}
        cursor = statement.cursor(books, next_ones)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Statement of %(account)s") % {"account": account},
            "account": account,
            "books": books,
            "rows": [(line, statement_files.cause(line)) for line in lines],
            "filters": filters,
            "filtered": bool(kept),
            "filter_query": urlencode(kept),
            "older": urlencode(kept | {"before": cursor}) if cursor else None,
            "newer": urlencode(kept) if before else None,
            "may_grant": self.has_change_permission(request),
            "opts": self.model._meta,
        }
        # Moments as the clocks of the account show them, which its owners read.
        with timezone.override(account.zone):
            return render(request, "admin/credits/statement.html", context)

    def statement_file(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """The lines that the filters leave, as a CSV file."""
        account = self._account_of(request, pk)
        filters = StatementFilter(request.GET)
        filters.is_valid()
        with timezone.override(account.zone):
            return statement_files.attachment(account, filters.wanted(account))

    def _account_of(self, request: HttpRequest, pk: int) -> Account:
        if not (self.has_view_permission(request) and may_read(request)):
            raise PermissionDenied
        rows: Any = self.get_queryset(request)
        found: Account = get_object_or_404(rows, pk=pk)
        return found
