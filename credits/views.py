"""The pages of accounts and their members."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
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
    """Work in another account from now on, and go on there where the form says.

    To the address `next`, or once more with all that was posted to the address `again`; neither leads elsewhere.
    """
    if not access.choose(request, request.POST.get("account", "")):
        raise Http404(_("You are not a member of this account."))
    again = _here(request, "again")
    response = redirect(again or _here(request, "next") or reverse("compose"), preserve_request=bool(again))
    access.remember(request, response)
    return response


def _here(request: HttpRequest, field: str) -> str:
    """The address in a field, "" when it is not one of this installation."""
    address = request.POST.get(field, "")
    safe = url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure())
    return address if safe else ""


@login_required
@require_safe
def no_account(request: HttpRequest) -> HttpResponse:
    """For somebody who is signed in but a member of no account."""
    member, _members = access.current(request)
    return redirect("compose") if member else render(request, "credits/no_account.html")
