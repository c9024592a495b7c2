"""The administration of packs and orders: what waits comes first, confirming credits it once."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db.models import Case, QuerySet, Value, When
from django.http import HttpRequest
from django.utils.formats import date_format, number_format
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from credits import admin_statement, orders
from credits.amounts import format_credits
from credits.models import Order, Pack, Watch
from credits.readonly import ReadOnlyAdmin, in_lines


class OrderActions(ActionForm):
    """Beside the list of actions: the reference under which the money came."""

    reference = forms.CharField(label=_("Payment reference:"), max_length=120, required=False)


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    """Looked at by whoever may view orders; confirmed and cancelled by whoever may change them, changed by nobody."""

    list_display = ("ordered", "account", "what", "where", "lines")
    list_filter = ("status", "automatic", "created_at")
    list_select_related = ("account", "ordered_by", "decided_by")
    search_fields = ("account__name", "reference")
    show_full_result_count = False
    actions = ("confirm", "cancel")
    action_form = OrderActions
    fields = readonly_fields = (
        "account",
        "size",
        "price",
        "status",
        "made_by",
        "created_at",
        "backend",
        "begun_at",
        "address",
        "reference",
        "decided_by",
        "decided_at",
        "lines",
    )

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        # No link that would turn away who follows it.
        return [column for column in self.list_display if column != "lines" or admin_statement.may_read(request)]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return [field for field in self.fields if field != "lines" or admin_statement.may_read(request)]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # The list needs it for its actions; an order's own page has nothing to change.
        return obj is None and admin.ModelAdmin.has_change_permission(self, request)

    def get_ordering(self, request: HttpRequest) -> list[Any]:
        waiting_first = Case(When(status=Order.Status.PENDING, then=Value(0)), default=Value(1))
        return [waiting_first.asc(), "-pk"]

    # Short, so that the list needs no scrolling sideways: the order's own page has the whole.
    @admin.display(description=_("ordered"), ordering="created_at")
    def ordered(self, order: Order) -> str:
        return in_lines(date_format(localtime(order.created_at), "SHORT_DATETIME_FORMAT"), self.made_by(order))

    @admin.display(description=_("credits"), ordering="credits")
    def what(self, order: Order) -> str:
        return in_lines(format_credits(order.millis), "" if order.price is None else number_format(order.price))

    @admin.display(description=_("status"), ordering="status")
    def where(self, order: Order) -> str:
        """The status, who decided, and the reference under which it was paid."""
        return in_lines(order.get_status_display(), order.decided_by, order.reference)

    @admin.display(description=_("credits"), ordering="credits")
    def size(self, order: Order) -> str:
        return format_credits(order.millis)

    @admin.display(description=_("ordered by"), ordering="ordered_by")
    def made_by(self, order: Order) -> str:
        return str(_("automatic") if order.ordered_by is None else order.ordered_by)

    @admin.display(description=_("statement"))
    def lines(self, order: Order) -> str:
        return admin_statement.link(order.account_id)

    @admin.action(description=_("Confirm the chosen orders and credit them"), permissions=["change"])
    def confirm(self, request: HttpRequest, chosen: QuerySet[Order]) -> None:
        reference = request.POST.get("reference", "").strip()[:120]
        count = self._each(request, chosen, lambda order: orders.confirm(order, request.user, reference))
        if count:
            sentence = ngettext("%(count)d order is credited.", "%(count)d orders are credited.", count)
            self.message_user(request, sentence % {"count": count}, messages.SUCCESS)

    @admin.action(description=_("Cancel the chosen orders"), permissions=["change"])
    def cancel(self, request: HttpRequest, chosen: QuerySet[Order]) -> None:
        count = self._each(request, chosen, lambda order: orders.cancel(order, request.user))
        if count:
            sentence = ngettext("%(count)d order is cancelled.", "%(count)d orders are cancelled.", count)
            self.message_user(request, sentence % {"count": count}, messages.SUCCESS)

    def _each(self, request: HttpRequest, chosen: QuerySet[Order], verb: Any) -> int:
        """Do `verb` to each chosen order that waits; say which were decided already, and return how many it did."""
        done = 0
        for order in chosen:
            waited = order.is_pending
            try:
                now = verb(order) if waited else order
            except orders.NotPossible as error:
                # Decided the other way since the list was read, be it by the same person.
                now, waited = error.order, False
            if waited and now.decided_by_id == request.user.pk:
                self.log_change(request, now, f"{now.get_status_display()} {now.reference}".strip())
                done += 1
            else:
                sentence = _("Order %(order)s was left as it is: its status is “%(status)s”.")
                self.message_user(
                    request, sentence % {"order": now.pk, "status": now.get_status_display()}, messages.WARNING
                )
        return done


@admin.register(Pack)
class PackAdmin(admin.ModelAdmin):
    list_display = ("size", "price", "on_sale")
    list_editable = ("price", "on_sale")
    list_filter = ("on_sale",)

    @admin.display(description=_("credits"), ordering="credits")
    def size(self, pack: Pack) -> str:
        return format_credits(pack.millis)


@admin.register(Watch)
class WatchAdmin(ReadOnlyAdmin):
    """What accounts asked for when their credits run low; their owners change it on their page."""

    list_display = ("account", "alert", "low_since", "refill", "pack")
    list_select_related = ("account",)
    search_fields = ("account__name",)
    fields = readonly_fields = list_display

    @admin.display(description=_("alert below"), ordering="alert_below")
    def alert(self, watch: Watch) -> str:
        return "" if watch.alert_below is None else format_credits(watch.alert_below)

    @admin.display(description=_("top up below"), ordering="refill_below")
    def refill(self, watch: Watch) -> str:
        return "" if watch.refill_below is None else format_credits(watch.refill_below)

    @admin.display(description=_("credits of the automatic order"), ordering="refill_credits")
    def pack(self, watch: Watch) -> str:
        return "" if watch.refill_credits is None else format_credits(watch.refill_credits * 1000)
