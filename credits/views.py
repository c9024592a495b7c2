"""The pages of accounts and their members."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from credits import access, services
from credits.access import MemberRequest, button_of, may_manage, member_page
from credits.forms import AccountSettingsForm, MobileForm


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


@member_page(may_manage)
@require_http_methods(["GET", "HEAD", "POST"])
def account_settings(request: MemberRequest) -> HttpResponse:
    """What the owners of the account set for all its members."""
    account = request.member.account
    form = AccountSettingsForm(request.POST if request.method == "POST" else None, account=account)
    if form.is_valid():
        services.keep_settings(account, always_replace=form.cleaned_data["always_replace"])
        messages.success(request, _("The settings of the account are kept."))
        return redirect("account_settings")
    return render(request, "credits/settings.html", {"form": form, "account": account})


@login_required
@button_of("compose")
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
