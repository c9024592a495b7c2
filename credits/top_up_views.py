"""The page where owners add credits: order packs, follow the orders, be topped up and told, move credits."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from credits import alerts, ledger, orders, paying, queries
from credits.access import MemberRequest, button_of, may_manage, member_page
from credits.amounts import agreeing, format_credits
from credits.models import Order
from credits.top_up_forms import AlertForm, AutomaticForm, OrderForm, TransferForm


class Forms:
    """The forms of the page; the one that was sent holds what was typed."""

    def __init__(self, request: MemberRequest) -> None:
        self.request = request
        self.account = request.member.account
        self.sent = request.POST.get("action", "") if request.method == "POST" else ""
        self.packs = queries.packs()
        self.watch = alerts.watch_of(self.account)
        self.order = OrderForm(self._data("order"), packs=self.packs)
        self.automatic = AutomaticForm(self._data("automatic"), packs=self.packs, watch=self.watch)
        self.alert = AlertForm(self._data("alert"), watch=self.watch)
        self.transfer = TransferForm(self._data("transfer"), member=request.member, members=request.members)

    def _data(self, action: str) -> Any:
        return self.request.POST if self.sent == action else None

    @property
    def not_on_sale(self) -> int:
        """The pack of the automatic top-up in millis when it is no longer sold, else 0."""
        chosen = self.watch.refill_credits or 0
        return 0 if chosen in {pack.credits for pack in self.packs} else chosen * 1000

    @property
    def invalid(self) -> Any:
        """The form that was sent and cannot be done as it is; None when there is none."""
        return next((form for form in (self.order, self.automatic, self.alert, self.transfer) if form.errors), None)


@member_page(may_manage)
@require_http_methods(["GET", "HEAD", "POST"])
def top_up(request: MemberRequest) -> HttpResponse:
    """Add credits: the packs, the orders, and what happens when credits run low."""
    forms = Forms(request)
    verbs: dict[str, Callable[[MemberRequest, Forms], str]] = {
        "order": _order,
        "automatic": _automatic,
        "alert": _alert,
        "transfer": _transfer,
    }
    if forms.sent in verbs and getattr(forms, forms.sent).is_valid():
        sentence = verbs[forms.sent](request, forms)
        if sentence:
            messages.success(request, sentence)
            return redirect("top_up")
    return _page(request, forms)


def _page(request: MemberRequest, forms: Forms) -> HttpResponse:
    before = request.GET.get("before", "")
    upto = int(before) if before.isdecimal() and len(before) < 19 else None
    rows, more = queries.orders(request.member.account, before=upto)
    context = {
        "forms": forms,
        "packs": forms.packs,
        "watch": forms.watch,
        "not_on_sale": forms.not_on_sale,
        "orders": rows,
        "older": urlencode({"before": rows[-1].pk}) if more else None,
        "newer": "" if upto is not None else None,
        "tab": "top_up",
    }
    return render(request, "credits/top_up.html", context, status=422 if request.method == "POST" else 200)


def _order(request: MemberRequest, forms: Forms) -> str:
    form = forms.order
    pack, key = form.cleaned_data["pack"], form.cleaned_data["request_key"]
    try:
        order = orders.place(forms.account, pack, request.user, request_key=key)
    except orders.NotOnSale:
        form.add_error("pack", _("This pack is no longer on sale. Nothing was ordered: choose another one."))
        return ""
    except orders.TooManyWaiting:
        form.add_error(
            None,
            _(
                "%(most)s orders of this account wait already, and no more than that may wait. Nothing was ordered: "
                "pay or cancel one of them, or ask an administrator of this installation to confirm them."
            )
            % {"most": orders.MOST_WAITING},
        )
        return ""
    if order.credits != pack:
        form.renew_key()
        form.add_error(
            None,
            _("This form was already used for another pack. Nothing was ordered now: send it again to order this one."),
        )
        return ""
    words = {"number": order.pk, "credits": format_credits(order.millis)}
    if order.to_begin:
        return (
            _(
                "Order %(number)s of %(credits)s credits is placed, but its payment could not be begun. It is tried "
                "again by itself; “Pay” in the list below tries now."
            )
            % words
        )
    if order.is_payable:
        return (
            _("Order %(number)s of %(credits)s credits is placed. Pay it in the list below: they are added then.")
            % words
        )
    return (
        _(
            "Order %(number)s of %(credits)s credits is placed. An administrator of this installation confirms it; the "
            "credits are added then, and you get an e-mail."
        )
        % words
    )


def _automatic(request: MemberRequest, forms: Forms) -> str:
    form = forms.automatic
    pack, threshold = form.cleaned_data["pack"], form.cleaned_data["threshold"]
    try:
        orders.set_automatic(forms.account, threshold if pack else None, pack)
    except orders.NotOnSale:
        form.add_error("pack", _("This pack is no longer on sale. Nothing was changed: choose another one."))
        return ""
    if not pack:
        return _("No pack is ordered automatically.")
    return _("A pack of %(credits)s credits is ordered whenever fewer than %(threshold)s are left.") % {
        "credits": format_credits(pack * 1000),
        "threshold": format_credits(threshold),
    }


def _alert(request: MemberRequest, forms: Forms) -> str:
    threshold = forms.alert.cleaned_data["threshold"]
    alerts.set_threshold(forms.account, threshold)
    if threshold is None:
        return _("There is no alert any more.")
    return _("The owners are told when fewer than %(threshold)s credits are left.") % {
        "threshold": format_credits(threshold)
    }


def _transfer(request: MemberRequest, forms: Forms) -> str:
    form = forms.transfer
    to, amount = form.accounts[form.cleaned_data["to"]], form.cleaned_data["amount"]
    try:
        ledger.transfer(forms.account, to, amount, f"transfer:{form.cleaned_data['request_key']}", request.user)
    except ledger.NotEnoughCredit as error:
        form.add_error(
            "amount",
            _("The account has %(missing)s credits too few for this. Nothing was moved.")
            % {"missing": format_credits(error.missing)},
        )
        return ""
    except ledger.NotTheOwner:
        form.add_error("to", _("You are no owner of this account any more. Nothing was moved."))
        return ""
    except ledger.KeyConflict:
        form.renew_key()
        form.add_error(
            None,
            _("This form was already used for another transfer. Nothing was moved now: send it again to move it."),
        )
        return ""
    sentence = ngettext(
        "%(amount)s credit was moved to %(account)s.",
        "%(amount)s credits were moved to %(account)s.",
        agreeing(amount),
    )
    return sentence % {"amount": format_credits(amount), "account": to}


@member_page(may_manage)
@button_of("top_up", place="#orders")
def cancel_order(request: MemberRequest, pk: int) -> HttpResponse:
    """Give up an order that waits."""
    order = get_object_or_404(Order, pk=pk, account=request.member.account)
    try:
        orders.cancel(order, request.user)
    except orders.NotPossible:
        messages.warning(
            request,
            _("Order %(number)s was confirmed already: its credits are in the account. Nothing was changed.")
            % {"number": pk},
        )
    else:
        messages.success(request, _("Order %(number)s is cancelled. Nothing is added for it.") % {"number": pk})
    return redirect(reverse("top_up") + "#orders")


@member_page(may_manage)
@button_of("top_up", place="#orders")
def pay_order(request: MemberRequest, pk: str) -> HttpResponse:
    """Begin the payment of an order that waits, where that has not been done."""
    order = get_object_or_404(Order, pk=pk, account=request.member.account)
    paying.pay(order)
    number = {"number": pk}
    if order.is_payable:
        # A link: the form may lead to no other site (Content-Security-Policy, form-action).
        messages.success(
            request,
            _("The payment of order %(number)s is ready: “Pay” in the list below leads to its page now.") % number,
        )
    elif order.to_begin:
        messages.warning(
            request,
            _(
                "The payment of order %(number)s cannot be begun now. The order waits, nothing is lost and nothing is "
                "paid; it is tried again by itself, and you can try again in a few minutes."
            )
            % number,
        )
    elif order.is_pending:
        messages.success(
            request,
            _("Order %(number)s needs nothing more from you: an administrator of this installation confirms it.")
            % number,
        )
    else:
        messages.warning(
            request,
            _("Order %(number)s does not wait any more: its status is “%(status)s”. Nothing was changed.")
            % {"number": pk, "status": order.get_status_display()},
        )
    # The page of the list that it is on.
    older = "" if queries.is_recent(order) else f"?before={order.pk + 1}"
    return redirect(f"{reverse('top_up')}{older}#order-{pk}")
