"""The pages of accounts and credits."""

from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from credits import access, queries
from credits.access import MemberRequest, member_page
from credits.causes import address, label


@member_page()
@require_GET
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


@login_required
@require_POST
def switch_account(request: HttpRequest) -> HttpResponse:
    """Work in another account from now on."""
    chosen = request.POST.get("account", "")
    if not chosen.isdecimal() or len(chosen) > 18 or not access.choose(request, int(chosen)):
        raise Http404(_("You are not a member of this account."))
    return redirect("compose")


@login_required
@require_GET
def no_account(request: HttpRequest) -> HttpResponse:
    """For somebody who is signed in but a member of no account."""
    member, _members = access.current(request)
    return redirect("compose") if member else render(request, "credits/no_account.html")
