"""The Credits page: balances, consumption, the statement, as a page and as a file."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from credits import consumption, plot, queries, statement, statement_files
from credits.access import MemberRequest, member_page
from credits.causes import address
from credits.forms import StatementFilter
from credits.models import Member


@member_page()
@require_safe
def credits_page(request: MemberRequest) -> HttpResponse:
    """Crédits: the balances, what was spent by day, and the statement, each line with its cause."""
    account = request.member.account
    books = statement.books(account)
    filters, wanted = _wanted(request)
    before = request.GET.get("before", "")
    lines, next_ones = statement.lines(books, wanted, start=statement.anchor(books, before))
    kept = {name: value for name, value in request.GET.items() if name in filters.fields and value}
    cursor = statement.cursor(books, next_ones)
    context = {
        "books": books,
        "plot": plot.plot(consumption.daily(account, books, now=timezone.now())),
        "rows": [_row(line, request.member) for line in lines],
        "filters": filters,
        "filtered": bool(kept),
        "filter_query": urlencode(kept),
        "older": urlencode(kept | {"before": cursor}) if cursor else None,
        "newer": urlencode(kept) if before else None,
        "members": queries.members(account),
        "zone": account.time_zone,
        "tab": "statement",
    }
    return render(request, "credits/credits.html", context)


@member_page()
@require_safe
def statement_file(request: MemberRequest) -> HttpResponseBase:
    """The statement that the filters leave, as a CSV file; the page, which says why, when they make no sense."""
    account = request.member.account
    filters, wanted = _wanted(request)
    if filters.errors:
        return redirect(f"{reverse('credits')}?{request.GET.urlencode()}")
    return statement_files.attachment(account, wanted)


def _wanted(request: MemberRequest) -> tuple[StatementFilter, statement.Wanted]:
    """The filters as typed, and what those of them that make sense ask for."""
    filters = StatementFilter(request.GET)
    filters.is_valid()
    return filters, filters.wanted(request.member.account)


def _row(line: statement.Line, member: Member) -> dict[str, Any]:
    """A line as the page shows it to this member."""
    row = line.transfer
    # Orders are the owners': others read of them here, without a link that would turn them away.
    shown = member.may_manage or row.cause_kind != "order"
    return {
        "at": line.at,
        "label": row.get_verb_display(),
        "amount": line.amount,
        "after": line.after,
        "cause_label": statement_files.cause(line),
        "cause_url": address(row.cause_kind, row.cause_key) if shown else None,
        "reason": row.reason,
    }
