"""The page of what happens when a message arrives: parse, call one verb, render."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from credits.access import MemberRequest, may_manage, member_page
from credits.rates import rates_for
from inbox import reactions as verbs
from inbox.models import ReactionSettings
from inbox.reaction_forms import ReactionsForm


@member_page(may_manage)
@require_http_methods(["GET", "HEAD", "POST"])
def reactions(request: MemberRequest) -> HttpResponse:
    """What the account does by itself when a message arrives, and what of it did not succeed."""
    account = request.member.account
    if request.method == "POST" and request.POST.get("action") == "renew":
        return _page(request, secret=verbs.renew_secret(account))
    if request.method != "POST":
        return _page(request)
    chosen = ReactionSettings.objects.filter(account=account).first() or ReactionSettings(account=account)
    form = ReactionsForm(request.POST, chosen=chosen)
    if not form.is_valid():
        return _page(request, form, status=422)
    secret = verbs.keep(account, **form.cleaned_data, by=request.user)
    messages.success(request, _("What happens when a message arrives is kept."))
    # The secret is shown in this answer, once, and kept nowhere else than where it signs.
    return _page(request, secret=secret) if secret else redirect("reactions")


def _page(
    request: MemberRequest, form: ReactionsForm | None = None, *, secret: str = "", status: int = 200
) -> HttpResponse:
    account = request.member.account
    chosen = ReactionSettings.objects.filter(account=account).first() or ReactionSettings(account=account)
    context = {
        "form": form or ReactionsForm(chosen=chosen),
        "chosen": chosen,
        "secret": secret,
        "price": rates_for([account.country], timezone.now())[account.country],
        "country": account.country,
        "confirmation": settings.SMS_STOP_CONFIRMATION.replace("{account}", account.name),
        "not_done": verbs.not_done(account),
    }
    return render(request, "inbox/reactions.html", context, status=status)
