"""The pages of what goes out: parse, call one verb, render."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from compose import planning, queries, services
from compose.forms import ComposeForm, SentFilter
from compose.models import Message, Submission
from compose.paging import page
from credits import queries as credit_queries
from credits.access import MemberRequest, may_send, member_page
from credits.amounts import format_credits
from credits.ledger import NotEnoughCredit
from credits.models import Transfer

JUST_SENT, SENT_DRAFT = "just_sent", "sent_draft"
LONGEST_NUMBER = 40
FIRST_MESSAGES = 50


@member_page()
@require_http_methods(["GET", "HEAD", "POST"])
def compose(request: MemberRequest) -> HttpResponse:
    """Composer un message: the landing page."""
    if request.method != "POST":
        # From a conversation: to whom the answer goes.
        return _compose_page(request, _form(request, to=_answering(request)))
    return _send(request)


@member_page(may_send)
def _send(request: MemberRequest) -> HttpResponse:
    form = _form(request, request.POST)
    if not form.is_valid():
        if "request_key" in form.errors:
            form.renew_key()
        return _compose_page(request, form, status=422)
    if request.POST.get("action", "send") != "send":
        return _compose_page(request, form, quote=_quote(form))
    try:
        submission, _new = services.submit(form.plan.draft, now=timezone.now())
    except NotEnoughCredit as short:
        sentence = _(
            "There is not enough credit: %(missing)s credits are missing. Nothing was sent and nothing was charged; "
            "your message is kept."
        )
        form.add_error(None, sentence % {"missing": format_credits(short.missing)})
        return _compose_page(request, form, quote=_quote(form), status=422)
    except services.AlreadySent:
        form.renew_key()
        form.add_error(
            None,
            _(
                "This form was already sent with another content. Nothing was sent now: send again "
                "to send this one too."
            ),
        )
        return _compose_page(request, form, quote=_quote(form), status=422)
    except planning.Refused as refused:
        form.add_error(refused.field, str(refused.sentence))
        return _compose_page(request, form, status=422)
    request.session[JUST_SENT], request.session[SENT_DRAFT] = submission.pk, _draft(request)
    return redirect("submission", pk=submission.pk)


def _form(request: MemberRequest, data: Any = None, *, to: str = "") -> ComposeForm:
    return ComposeForm(data, member=request.member, now=timezone.now(), initial={"recipients": to})


def _quote(form: ComposeForm) -> queries.Quote:
    """What sending the form, which is valid, would do."""
    return queries.quote(form.plan, duplicates=form.cleaned_data["recipients"].duplicates)


def _answering(request: MemberRequest) -> str:
    """To whom the answer goes that is written here, "" for a message of one's own."""
    return (request.POST.get("to") or request.GET.get("to", ""))[:LONGEST_NUMBER]


def _draft(request: MemberRequest) -> str:
    """The name under which a browser keeps the draft: an answer must not take the place of another message."""
    name = f"draft:{request.user.pk}:{request.member.account.pk}"
    to = _answering(request)
    return f"{name}:{to}" if to else name


def _compose_page(
    request: MemberRequest, form: ComposeForm, *, quote: queries.Quote | None = None, status: int = 200
) -> HttpResponse:
    clause_senders = [sender.pk for sender in form.senders if planning.stop_clause_for(sender, commercial=True)]
    context = {
        "form": form,
        "quote": quote,
        "may_send": request.member.may_send,
        "stop_clause": planning.stop_clause_text(),
        "clause_senders": clause_senders,
        "max_parts": request.member.account.max_parts,
        "zone": request.member.account.time_zone,
        "to": _answering(request),
        "draft": _draft(request),
    }
    return render(request, "compose/compose.html", context, status=status)


@member_page(may_send)
@require_POST
def quote(request: MemberRequest) -> HttpResponse:
    """What sending the form would do, as a fragment; complaints only about what is filled in already."""
    form = _form(request, request.POST)
    if form.is_valid():
        found = _quote(form)
        return render(request, "compose/_quote.html", {"quote": found, "form": form})
    problems = [
        error
        for name, errors in form.errors.items()
        if name != "request_key" and str(form.data.get(name, "")).strip()
        for error in errors
    ]
    return render(request, "compose/_quote.html", {"quote": None, "problems": problems, "form": form})


def _submission(request: MemberRequest, pk: int) -> Submission:
    rows = Submission.objects.select_related("sender", "created_by", "account")
    return get_object_or_404(rows, pk=pk, account=request.member.account)


@member_page()
@require_safe
def submission(request: MemberRequest, pk: int) -> HttpResponse:
    """What one click sent: how many, at what price, and where each message stands."""
    found = _submission(request, pk)
    just_sent = request.session.get(JUST_SENT) == pk
    draft = request.session.pop(SENT_DRAFT, "") if just_sent else ""
    if just_sent:
        del request.session[JUST_SENT]
    now = timezone.now()
    counts = queries.counts(found)
    departures = queries.departures(found, now=now)
    ledger = credit_queries.by_cause(request.member.account, "submission", str(pk))
    given_back = sum(line.amount for line in ledger if line.verb == Transfer.Verb.RELEASE)
    rows = list(found.messages.select_related("hold_ended_by").order_by("pk")[:FIRST_MESSAGES])
    for row in rows:
        row.submission = found
    context = {
        "submission": found,
        "counts": counts,
        "messages_page": rows,
        "cancellable": sum(one.total for one in counts if one.state == Message.State.SCHEDULED),
        "just_sent": just_sent,
        "draft": draft,
        "departures": departures,
        "ledger": ledger,
        "cost": found.price - given_back,
        "given_back": given_back,
        "every": queries.asks_again([one.last for one in counts if one.state in queries.MOVING], now=now),
        "section": "scheduled" if departures.waiting == found.recipients else "sent",
    }
    return render(request, "compose/submission.html", context)


@member_page()
@require_safe
def sent(request: MemberRequest) -> HttpResponse:
    """SMS envoyés."""
    filters = SentFilter(request.GET)
    chosen = filters.cleaned_data if filters.is_valid() else {}
    text, state = chosen.get("q", ""), chosen.get("state", "")
    now = timezone.now()
    rows = queries.sent(request.member.account, now=now, text=text, state=state)
    shown = page(rows, by="send_at", cursor=request.GET.get("before", ""))
    kept = {name: value for name, value in (("q", text), ("state", state)) if value}
    context = {
        "rows": shown.rows,
        "filters": filters,
        "filtered": bool(kept),
        "older": urlencode({**kept, "before": shown.cursor}) if shown.cursor else None,
        "newer": urlencode(kept) if request.GET.get("before") else None,
        "every": queries.asks_again([row.due_at for row in shown.rows if row.state in queries.MOVING], now=now),
    }
    return render(request, "compose/sent.html", context)


@member_page()
@require_safe
def message(request: MemberRequest, pk: int) -> HttpResponse:
    """One message: its life, line by line."""
    rows = Message.objects.select_related(
        "submission__sender", "submission__created_by", "hold_ended_by__debit", "hold_ended_by__credit"
    )
    found = get_object_or_404(rows, pk=pk, account=request.member.account)
    held = Transfer.objects.filter(key=f"hold:{found.submission_id}").select_related("debit", "credit")
    now = timezone.now()
    moving = found.state in queries.MOVING
    # What left from a number may be answered.
    answerable = found.submission.sender.can_be_answered and (moving or found.cost)
    waits = found.state == Message.State.SCHEDULED and found.send_at > now
    context = {
        "message": found,
        "transitions": queries.transitions(found),
        "ledger": [*held, *([found.hold_ended_by] if found.hold_ended_by else [])],
        "answers": list(found.answers.order_by("received_at")),
        "every": queries.asks_again(
            [found.due_at] if moving or answerable else [],
            now=now,
            every=queries.SOON if moving else queries.NOW_AND_THEN,
        ),
        "section": "scheduled" if waits else "sent",
    }
    return render(request, "compose/message.html", context)


@member_page()
@require_safe
def scheduled(request: MemberRequest) -> HttpResponse:
    """SMS planifiés."""
    rows = queries.scheduled(request.member.account, now=timezone.now())
    shown = page(rows, by="send_at", cursor=request.GET.get("after", ""), newest_first=False)
    context = {
        "rows": shown.rows,
        "older": urlencode({"after": shown.cursor}) if shown.cursor else None,
        "newer": "" if request.GET.get("after") else None,
        "every": queries.NOW_AND_THEN if shown.rows else 0,
        "zone": request.member.account.time_zone,
    }
    return render(request, "compose/scheduled.html", context)


@member_page(may_send)
@require_POST
def cancel_message(request: MemberRequest, pk: int) -> HttpResponse:
    """Cancel one message that waits."""
    found = get_object_or_404(Message, pk=pk, account=request.member.account)
    _say_cancelled(request, services.cancel(request.member.account, [found.pk], by=request.user, now=timezone.now()))
    return redirect("scheduled")


@member_page(may_send)
@require_POST
def cancel_submission(request: MemberRequest, pk: int) -> HttpResponse:
    """Cancel all messages of a submission that wait."""
    found = _submission(request, pk)
    _say_cancelled(request, services.cancel_submission(found, by=request.user, now=timezone.now()))
    return redirect("submission", pk=pk)


def _say_cancelled(request: HttpRequest, count: int) -> None:
    if count:
        sentence = ngettext(
            "%(count)d message was cancelled and its price given back.",
            "%(count)d messages were cancelled and their price given back.",
            count,
        )
        messages.success(request, sentence % {"count": count})
    else:
        messages.warning(request, _("Nothing was cancelled: the message had left already or was cancelled before."))
