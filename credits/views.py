"""The pages of accounts and credits."""

from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from credits import access, queries, services
from credits.access import MemberRequest, member_page
from credits.causes import address, label
from credits.forms import MobileForm


@member_page()
@require_safe
def statement(request: MemberRequest) -> HttpResponse:
    """Crédits: the balances and the statement, each line with its cause."""
    account = request.member.account
    before = request.GET.get("before", "")
    lines, more = queries.statement(account, before=int(before) if before.isdecimal() and len(before) < 19 else None)
    rows = [
        {
            "at": line.at,
            "label": line.transfer.get_verb_display(),
            "amount": line.amount,
            "after": line.after,
            "cause_label": label(line.transfer.cause_kind, line.transfer.cause_key),
            "cause_url": address(line.transfer.cause_kind, line.transfer.cause_key),
            "reason": line.transfer.reason,
        }
        for line in lines
    ]
    context = {
        "books": queries.balances(account),
        "rows": rows,
        "older": urlencode({"before": lines[-1].transfer.pk}) if more else None,
        "newer": "" if before else None,
        "members": queries.members(account),
        "may_manage": request.member.may_manage,
    }
    return render(request, "credits/credits.html", context)


@member_page()
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: MemberRequest) -> HttpResponse:
    """What the person is in this account, and their mobile number."""
    form = MobileForm(request.POST if request.method == "POST" else None, member=request.member)
    if form.is_valid():
        services.keep_mobile(request.member, form.cleaned_data["mobile"])
        messages.success(
            request, _("Your mobile number is kept.") if request.member.mobile else _("No number is kept.")
        )
        return redirect("profile")
    return render(request, "credits/profile.html", {"form": form}, status=422 if form.errors else 200)


@login_required
@require_POST
def switch_account(request: HttpRequest) -> HttpResponse:
    """Work in another account from now on."""
    chosen = request.POST.get("account", "")
    if not chosen.isdecimal() or len(chosen) > 18 or not access.choose(request, int(chosen)):
        raise Http404(_("You are not a member of this account."))
    return redirect("compose")


@login_required
@require_safe
def no_account(request: HttpRequest) -> HttpResponse:
    """For somebody who is signed in but a member of no account."""
    member, _members = access.current(request)
    return redirect("compose") if member else render(request, "credits/no_account.html")
