"""The list of received SMS, its file, and what is done to the chosen ones. Parse, call one verb, render."""

from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from compose.paging import page
from credits.access import MemberRequest, button_of, member_page
from credits.export import Cell, attachment
from inbox import marks, queries
from inbox.forms import ChosenForm, InboxFilter
from inbox.models import Received

# What was deleted a moment ago, kept in the session until the list has offered to undo it.
DELETED = "inbox_deleted"
LONGEST_QUERY = 500


@member_page()
@require_safe
def received(request: MemberRequest) -> HttpResponse:
    """SMS reçus."""
    filters = InboxFilter(request.GET, account=request.member.account)
    before = request.GET.get("before", "")
    shown = page(queries.received(request.member, filters.wanted), by="received_at", cursor=before)
    kept = filters.kept
    context = {
        "rows": shown.rows,
        "filters": filters,
        "filtered": bool(kept),
        "filter_query": urlencode(kept),
        "here": urlencode(kept | ({"before": before} if before else {})),
        "older": urlencode(kept | {"before": shown.cursor}) if shown.cursor else None,
        "newer": urlencode(kept) if before else None,
        "deleted": _just_deleted(request),
        # Without JavaScript: every box of the page is ticked by the server.
        "all_chosen": request.GET.get("all") == "1",
    }
    return render(request, "inbox/received.html", context)


def _just_deleted(request: MemberRequest) -> list[int]:
    """The messages whose deletion this page offers to undo; the page that asks for itself again offers nothing new."""
    if "HX-Request" in request.headers:
        return []
    kept = request.session.pop(DELETED, {})
    return list(kept["pks"]) if kept.get("account") == request.member.account_id else []


@member_page()
@button_of("received")
def received_change(request: MemberRequest) -> HttpResponse:
    """Mark the chosen messages as read or unread, delete them, or undo that; back to the list as it was."""
    form = ChosenForm(request.POST)
    back = redirect(_list(request.POST.get("back", "")))
    if not form.is_valid() or not form.cleaned_data["pk"]:
        messages.warning(request, _("No message is chosen. Nothing was changed: tick the boxes of the messages first."))
        return back
    member, pks, action = request.member, form.cleaned_data["pk"], form.cleaned_data["action"]
    if action == ChosenForm.READ:
        marks.mark_read(member, pks)
    elif action == ChosenForm.UNREAD:
        marks.mark_unread(member, pks)
    elif not member.may_send:
        raise PermissionDenied(
            _(
                "Your role in this account does not allow this. Nothing was changed. Readers mark messages, and delete "
                "none."
            )
        )
    elif action == ChosenForm.DELETE:
        gone = marks.delete(member.account_id, pks, by=request.user, now=timezone.now())
        request.session[DELETED] = {"account": member.account_id, "pks": gone}
    else:
        _say_restored(request, len(marks.restore(member.account_id, pks, by=request.user)))
    return back


def _say_restored(request: MemberRequest, count: int) -> None:
    if not count:
        sentence = _("Nothing was brought back: the messages are there already, or somebody else deleted them.")
        messages.warning(request, sentence)
        return
    sentence = ngettext("The message is back.", "%(count)d messages are back.", count)
    messages.success(request, sentence % {"count": count})


def _list(query: str) -> str:
    """The list with these filters, at this page."""
    kept = [(name, value) for name, value in parse_qsl(query[:LONGEST_QUERY]) if name != "csrfmiddlewaretoken"]
    return reverse("received") + (f"?{urlencode(kept)}" if kept else "")


@member_page()
@require_safe
def received_export(request: MemberRequest) -> HttpResponseBase:
    """What the filters show, newest first, as a file that a spreadsheet opens; the page where they make no sense."""
    account = request.member.account
    filters = InboxFilter(request.GET, account=account)
    if filters.errors:
        return redirect(_list(urlencode(filters.kept)))
    header: list[Cell] = [_("Date"), _("From"), _("To"), _("Message"), _("Answers"), _("Unread")]
    name = f"{_('received-sms')}-{timezone.localdate().isoformat()}.csv"
    batches = ([_cells(row) for row in rows] for rows in queries.batches(request.member, filters.wanted))
    return attachment(name, header, batches, zone=account.zone)


def _cells(row: Any) -> list[Cell]:
    came: Received = row
    answered = came.answers.submission.text if came.answers else ""
    return [came.received_at, came.number, came.to, came.text, answered, _("yes") if row.unread else _("no")]
