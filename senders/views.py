"""The pages of senders."""

from django.contrib import messages
from django.db import IntegrityError
from django.http import FileResponse, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from credits.access import MemberRequest, button_of, may_manage, member_page
from senders import queries, services, virtual
from senders.downloads import as_download
from senders.forms import HAS_IT, SenderRequestForm
from senders.models import Sender, SenderDocument
from senders.uploads import BoundedFiles

SWITCHES = {"enable": services.enable, "disable": services.disable, "delete": services.delete}


@member_page()
@require_safe
def senders(request: MemberRequest) -> HttpResponse:
    """Expéditeurs."""
    rows = list(queries.of(request.member.account).prefetch_related("documents"))
    reach = queries.reach({row.kind for row in rows})
    numbers = queries.own_virtual_numbers(request.member.account)
    context = {
        "rows": [(row, reach.refused[row.kind], numbers.get(row.value)) for row in rows],
        "conditions": reach.conditions,
        "may_manage": request.member.may_manage,
    }
    return render(request, "senders/senders.html", context)


@member_page(may_manage, uploads=BoundedFiles)
@require_http_methods(["GET", "HEAD", "POST"])
def sender_request(request: MemberRequest) -> HttpResponse:
    """Ask for a sender."""
    asked = (request.POST, request.FILES) if request.method == "POST" else ()
    form = SenderRequestForm(*asked, account=request.member.account)
    if form.is_valid():
        try:
            services.request_sender(account=request.member.account, by=request.user, **form.cleaned_data)
        except IntegrityError:
            # Two clicks at once, each of which found no such sender yet.
            form.add_error("value", HAS_IT)
        else:
            messages.success(
                request,
                _("Your request was sent. The sender can be used as soon as the administrator has approved it."),
            )
            return redirect("senders")
    return render(request, "senders/request.html", {"form": form}, status=422 if form.errors else 200)


@member_page(may_manage)
@require_safe
def sender_document(request: MemberRequest, pk: int) -> FileResponse:
    """A supporting document of one of the account's senders, to be kept rather than shown."""
    found = get_object_or_404(SenderDocument, pk=pk, sender__account=request.member.account)
    return as_download(found)


@member_page(may_manage)
@button_of("senders")
def sender_switch(request: MemberRequest, pk: int, verb: str) -> HttpResponse:
    """Enable, disable or delete a sender of the account."""
    sender = get_object_or_404(Sender, pk=pk, account=request.member.account, deleted_at=None)
    try:
        SWITCHES[verb](sender, by=request.user)
    except virtual.NumberNotFree as error:
        messages.error(request, str(error.sentence))
    except services.NotPossible:
        messages.error(
            request,
            _(
                "This sender's status does not allow that any more. Nothing was changed; the list "
                "shows where it stands."
            ),
        )
    else:
        said = {
            "enable": _("%(sender)s is enabled: the compose page offers it."),
            "disable": _(
                "%(sender)s is disabled: the compose page no longer offers it. What is scheduled from it still leaves; "
                "cancel it under Scheduled SMS if it should not."
            ),
            "delete": _(
                "%(sender)s is deleted. Messages sent from it keep its name. What is scheduled from it still leaves; "
                "cancel it under Scheduled SMS if it should not."
            ),
        }
        if verb == "delete" and sender.kind == Sender.Kind.VIRTUAL:
            said[verb] = _(
                "%(sender)s is deleted, and does not belong to your account any more. Messages sent from it keep it. "
                "What is scheduled from it will not be sent and costs nothing."
            )
        messages.success(request, said[verb] % {"sender": sender.value})
    return redirect("senders")
