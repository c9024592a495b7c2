"""The pages of what comes in."""

from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from compose.paging import page
from credits.access import MemberRequest, member_page
from inbox import queries, services
from inbox.models import Received


@member_page()
@require_safe
def received(request: MemberRequest) -> HttpResponse:
    """SMS reçus."""
    rows = queries.received(request.member.account, request.user)
    shown = page(rows, by="received_at", cursor=request.GET.get("before", ""))
    context = {
        "rows": shown.rows,
        "older": urlencode({"before": shown.cursor}) if shown.cursor else None,
        "newer": "" if request.GET.get("before") else None,
    }
    return render(request, "inbox/received.html", context)


@member_page()
@require_safe
def conversation(request: MemberRequest, pk: int) -> HttpResponse:
    """A received message in its conversation; opening it reads what the conversation shows."""
    account = request.member.account
    found = get_object_or_404(Received.objects.select_related("answers"), pk=pk, account=account)
    lines = queries.conversation(account, found.number)
    services.mark_read(account, request.user, [line.pk for line in lines if not line.outgoing] + [found.pk])
    context = {"received": found, "number": found.number, "lines": lines}
    return render(request, "inbox/conversation.html", context)
