"""The administration of accounts and credits: grants with a reason, a ledger that is only read."""

import uuid
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

import credits.admin_orders
import credits.admin_rates  # noqa: F401  (registers packs and orders, and rates)
from credits import admin_statement, causes, ledger, services
from credits.admin_regions import RegionChoices
from credits.amounts import agreeing, format_credits
from credits.models import Account, Book, Member, Transfer
from credits.readonly import ReadOnlyAdmin, in_lines

# Digits of the largest id that fits the column.
LONGEST_ID = 18
# 1 000 000 000 credits: above it, a slip of the finger.
MOST = 10**9


class GrantForm(forms.Form):
    """Credits to give, or to take away when below zero, and why."""

    amount = forms.DecimalField(
        label=_("Credits (below zero takes away)"),
        max_digits=13,
        decimal_places=3,
        min_value=-MOST,
        max_value=MOST,
    )
    reason = forms.CharField(
        label=_("Reason"), max_length=250, widget=forms.TextInput(attrs={"class": "vLargeTextField", "size": "60"})
    )
    request_key = forms.UUIDField(widget=forms.HiddenInput)

    def clean_amount(self) -> int:
        """The amount in millis."""
        millis = int(self.cleaned_data["amount"] * 1000)
        if millis == 0:
            raise forms.ValidationError(_("Enter an amount above or below zero."))
        return millis


class MemberInline(admin.TabularInline):
    model = Member
    extra = 0
    autocomplete_fields = ("user",)


@admin.register(Account)
class AccountAdmin(RegionChoices, admin_statement.StatementPages):
    list_display = ("name", "country", "available", "held", "grant_link", "statement_link")
    search_fields = ("name",)
    inlines = (MemberInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        def balance(kind: str) -> Subquery:
            return Subquery(Book.objects.filter(account=OuterRef("pk"), kind=kind).values("balance")[:1])

        rows: QuerySet[Any] = super().get_queryset(request)
        balances = {"_available": balance(Book.Kind.AVAILABLE), "_held": balance(Book.Kind.HELD)}
        return cast(QuerySet[Any], rows.annotate(**balances))

    @admin.display(description=_("credits available"), ordering="_available")
    def available(self, account: Any) -> str:
        return format_credits(account._available or 0)

    @admin.display(description=_("credits held"), ordering="_held")
    def held(self, account: Any) -> str:
        return format_credits(account._held or 0)

    @admin.display(description=_("grant"))
    def grant_link(self, account: Account) -> str:
        return format_html(
            '<a href="{}">{}</a>',
            reverse("admin:credits_account_grant", args=[account.pk]),
            _("Grant or correct"),
        )

    @admin.display(description=_("statement"))
    def statement_link(self, account: Account) -> str:
        return admin_statement.link(account.pk)

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        # No link that would turn away who follows it.
        hidden = set() if self.has_change_permission(request) else {"grant_link"}
        if not admin_statement.may_read(request):
            hidden.add("statement_link")
        return [column for column in self.list_display if column not in hidden]

    def save_model(self, request: HttpRequest, obj: Account, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        ledger.open_books([obj.pk])

    def has_delete_permission(self, request: HttpRequest, obj: Account | None = None) -> bool:
        # Its ledger lines are never deleted, so the account cannot be.
        return False

    def get_urls(self) -> list[URLPattern]:
        grant = path("<int:pk>/grant/", self.admin_site.admin_view(self.grant_page), name="credits_account_grant")
        return [grant, *super().get_urls()]

    def grant_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Grant or correct an account's credits."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        account = get_object_or_404(self.get_queryset(request), pk=pk)
        form = GrantForm(request.POST or None, initial={"request_key": uuid.uuid4()})
        if request.method == "POST" and form.is_valid():
            amount = form.cleaned_data.pop("amount")
            try:
                self._grant(request, account, amount, form.cleaned_data)
            except ledger.NotEnoughCredit as error:
                form.add_error(
                    "amount",
                    _("The account has %(missing)s credits too few for this. Nothing was changed.")
                    % {"missing": format_credits(error.missing)},
                )
            except ledger.KeyConflict:
                form.add_error(
                    None,
                    _("This form was already used for another amount. Open it again; nothing was changed."),
                )
            else:
                sentence = ngettext(
                    "%(account)s: %(amount)s credit recorded.",
                    "%(account)s: %(amount)s credits recorded.",
                    agreeing(amount),
                )
                words = {"account": account, "amount": format_credits(amount, signed=True)}
                messages.success(request, sentence % words)
                return redirect("admin:credits_account_changelist")
        context = {
            **self.admin_site.each_context(request),
            "title": _("Grant or correct credits"),
            "account": account,
            "available": format_credits(getattr(account, "_available", 0) or 0),
            "form": form,
            "opts": self.model._meta,
        }
        return render(request, "admin/credits/grant.html", context)

    @transaction.atomic
    def _grant(self, request: HttpRequest, account: Account, amount: int, typed: dict[str, Any]) -> None:
        """Grant, and note it in the account's history; both once, however often the form is sent."""
        line = services.grant(account, amount, by=request.user, **typed)
        said = f"{line.verb} {format_credits(amount)}: {line.reason} ({line.pk})"
        # Whoever sends the same form meanwhile waits for the books, which the grant has locked.
        if not LogEntry.objects.filter(object_id=str(account.pk), change_message=said).exists():
            self.log_change(request, account, said)


class AccountFilter(admin.SimpleListFilter):
    """Ledger lines of one account, reached from its row in the list of accounts."""

    title = _("SMS account")
    parameter_name = "account"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(pk), name) for pk, name in Account.objects.values_list("pk", "name")[:200]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Transfer]) -> QuerySet[Transfer]:
        value = self.value()
        if not value:
            return queryset
        # What is no account's number, or too large for one, has no lines.
        if not value.isdecimal() or len(value) > LONGEST_ID:
            return queryset.none()
        return queryset.filter(debit__account=int(value)) | queryset.filter(credit__account=int(value))


@admin.register(Transfer)
class TransferAdmin(ReadOnlyAdmin):
    list_display = ("at", "account", "verb", "credits", "what", "by")
    list_filter = (AccountFilter, "verb", "created_at")
    list_select_related = ("debit__account", "credit__account", "by")
    search_fields = ("key", "reason")
    show_full_result_count = False
    fields = readonly_fields = (
        "created_at",
        "account",
        "verb",
        "credits",
        "debit",
        "credit",
        "cause",
        "reason",
        "by",
        "key",
    )

    @admin.display(description=_("SMS account"))
    def account(self, transfer: Transfer) -> str:
        accounts = (transfer.debit.account, transfer.credit.account)
        # Between two accounts both are named; else it is one, or one and the installation.
        return " → ".join(dict.fromkeys(str(account) for account in accounts if account is not None))

    # Short, so that the list needs no scrolling sideways: the line's own page has the whole.
    @admin.display(description=_("when"), ordering="created_at")
    def at(self, transfer: Transfer) -> str:
        return date_format(localtime(transfer.created_at), "SHORT_DATETIME_FORMAT")

    @admin.display(description=_("cause"))
    def what(self, transfer: Transfer) -> str:
        return in_lines(self.cause(transfer), transfer.reason)

    @admin.display(description=_("credits"))
    def credits(self, transfer: Transfer) -> str:
        return format_credits(transfer.amount)

    @admin.display(description=_("cause"))
    def cause(self, transfer: Transfer) -> str:
        return causes.label(transfer.cause_kind, transfer.cause_key)
