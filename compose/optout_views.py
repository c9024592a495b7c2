"""The pages of the STOP list: parse, call one verb, render."""

from collections.abc import Iterator
from functools import partial
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from compose import optouts as stop_list
from compose.models import OptOut
from compose.optout_forms import MOST_BYTES, AddForm, ListFilter, TakeOffForm
from compose.optout_report import Report
from compose.paging import page
from compose.uploads import BoundedUpload
from credits import regions
from credits.access import MemberRequest, may_manage, may_send, member_page
from credits.export import Cell, attachment
from credits.models import Account

EXPORTED_AT_ONCE = 2_000


@member_page()
@require_safe
def optouts(request: MemberRequest) -> HttpResponse:
    """Liste STOP: who receives no commercial message of the account."""
    filters = ListFilter(request.GET)
    text = filters.cleaned_data["q"] if filters.is_valid() else ""
    shown = page(stop_list.listed(request.member.account, text), by="created_at", cursor=request.GET.get("before", ""))
    kept = {"q": text} if text else {}
    context = {
        "rows": shown.rows,
        "filters": filters,
        "filtered": bool(text),
        "older": urlencode({**kept, "before": shown.cursor}) if shown.cursor else None,
        "newer": urlencode(kept) if request.GET.get("before") else None,
        "may_send": request.member.may_send,
        "may_manage": request.member.may_manage,
    }
    return render(request, "compose/optouts.html", context)


@member_page(may_send, uploads=partial(BoundedUpload, most=MOST_BYTES))
@require_http_methods(["GET", "HEAD", "POST"])
def optout_add(request: MemberRequest) -> HttpResponse:
    """Add numbers by hand, by pasting, or from a file."""
    account = request.member.account
    if request.method != "POST":
        return _add_page(request, AddForm(country=account.country))
    form = AddForm(request.POST, request.FILES, country=account.country)
    if not form.is_valid():
        return _add_page(request, form, status=422)
    added = {
        source: stop_list.opt_out(
            account, found.numbers, source=source, by=request.user, note=form.cleaned_data["note"]
        )
        for source, found in form.lists.items()
    }
    report = Report(form.lists, added)
    if report.is_plain:
        messages.success(request, report.sentence)
        return redirect("optouts")
    # What was understood is on the list; what is left in the field is what to correct.
    again = AddForm(country=account.country, initial={"numbers": report.to_correct, "note": form.cleaned_data["note"]})
    return _add_page(request, again, report=report)


def _add_page(
    request: MemberRequest, form: AddForm, *, report: Report | None = None, status: int = 200
) -> HttpResponse:
    return render(request, "compose/optout_add.html", {"form": form, "report": report}, status=status)


@member_page(may_manage)
@require_http_methods(["GET", "HEAD", "POST"])
def optout_take_off(request: MemberRequest, pk: int) -> HttpResponse:
    """Take a number off the list: only an owner, and for a reason."""
    account = request.member.account
    found = get_object_or_404(OptOut, pk=pk, account=account)
    form = TakeOffForm(request.POST if request.method == "POST" else None)
    if found.removed_at is None and not form.is_valid():
        context = {"form": form, "row": found}
        return render(request, "compose/optout_take_off.html", context, status=422 if form.errors else 200)
    taken = found.removed_at is None and stop_list.take_off(
        account, pk, by=request.user, reason=form.cleaned_data["reason"]
    )
    if taken:
        sentence = _("%(number)s is off the list: commercial messages reach it again. The reason is kept.")
        messages.success(request, sentence % {"number": found.number})
    else:
        sentence = _("%(number)s was taken off the list before. Nothing was changed.")
        messages.warning(request, sentence % {"number": found.number})
    return redirect("optouts")


@member_page()
@require_safe
def optout_export(request: MemberRequest) -> StreamingHttpResponse:
    """The whole list, newest first, as a file that a spreadsheet opens."""
    account = request.member.account
    header = [_("Number"), _("Country"), _("On the list since"), _("Source"), _("Added by"), _("Note")]
    name = f"{_('stop-list')}-{timezone.localdate().isoformat()}.csv"
    return attachment(name, header, _exported(account), zone=account.zone)


def _exported(account: Account) -> Iterator[list[list[Cell]]]:
    cursor, more = "", True
    while more:
        found = page(stop_list.listed(account), by="created_at", cursor=cursor, size=EXPORTED_AT_ONCE)
        yield [_cells(row) for row in found.rows]
        cursor, more = found.cursor, bool(found.cursor)


def _cells(row: OptOut) -> list[Cell]:
    person = row.created_by.get_username() if row.created_by else ""
    return [row.number, regions.name_of(row.region), row.created_at, row.get_source_display(), person, row.note]
