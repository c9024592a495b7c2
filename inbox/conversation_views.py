"""A conversation, and the answer that is written in it. Parse, call one verb, render."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from compose import carried_over, optouts, planning, quotes, services
from compose import queries as compose_queries
from compose.models import Submission
from credits.access import MemberRequest, button_of, may_send, member_page
from credits.amounts import format_credits
from credits.ledger import NotEnoughCredit
from inbox import marks, replies, threads
from inbox.models import Received
from inbox.replies import ReplyForm, Route

# What the conversation says after an answer was sent, kept in the session until it has said it.
AFTER_REPLY = "after_reply"


@dataclass(frozen=True, kw_only=True)
class Said:
    """What the page says beside the form: its price, the answer that was sent, that the text came through a sign-in."""

    quote: quotes.Quote | None = None
    sent: Submission | None = None
    carried_over: bool = False
    status: int = 200


@require_http_methods(["GET", "HEAD", "POST"])
def conversation(request: MemberRequest, pk: int) -> HttpResponse:
    """What was sent to a number and what came from it; opening it reads what it shows, posting answers."""
    if request.method == "POST" and not request.user.is_authenticated:
        # The session ended while the answer was written: the browser posts it again, to the page of the sign-in.
        return redirect(redirect_to_login(reverse("conversation", args=[pk])).url, preserve_request=True)
    return _reply(request, pk) if request.method == "POST" else _conversation(request, pk)


@member_page()
def _conversation(request: MemberRequest, pk: int) -> HttpResponse:
    found = _found(request, pk)
    before = request.GET.get("before", "")
    shown = threads.thread(request.member.account, found.number, before=before)
    if before or not request.member.may_send:
        return _page(request, found, None, None, shown=shown)
    by = _route(request, found, shown.latest)
    kept = carried_over.taken_up(request.session, _draft(request, found)) if by.sender else {}
    initial = {"text": kept["text"], "not_commercial": "not_commercial" in kept} if kept else {}
    form = _form(request, found, by, initial=initial) if by.sender else None
    said = Said(sent=_just_sent(request, found), carried_over=bool(kept))
    return _page(request, found, by, form, said, shown=shown)


# After a switch of the account the answer is shown, and not sent yet.
@member_page(may_send, again={"action": "check"})
def _reply(request: MemberRequest, pk: int) -> HttpResponse:
    found = _found(request, pk)
    by = _route(request, found, threads.latest(request.member.account, found.number))
    if by.sender is None:
        # It went while the answer was written: the compose page has the other ones, and the text with it.
        return _to_compose(request, found)
    form = _form(request, found, by, request.POST)
    if not form.is_valid():
        if form.worn_out:
            form.renew_key()
        return _page(request, found, by, form, Said(status=422))
    if request.POST.get("action") != "send":
        return _page(request, found, by, form, Said(quote=_quote(form)))
    try:
        submission, _new = services.submit(form.plan.draft, now=timezone.now(), planned=form.plan)
    except NotEnoughCredit as short:
        sentence = _(
            "There is not enough credit: %(missing)s credits are missing. Nothing was sent and nothing was charged; "
            "your message is kept."
        )
        form.complain(None, sentence % {"missing": format_credits(short.missing)})
        return _page(request, found, by, form, Said(quote=_quote(form), status=422))
    except services.AlreadySent:
        form.renew_key()
        sentence = _(
            "This form was already sent with another content. Nothing was sent now: send again to send this one too."
        )
        form.complain(None, sentence)
        return _page(request, found, by, form, Said(quote=_quote(form), status=422))
    except planning.Refused as refused:
        form.complain(refused.field, refused.sentence)
        return _page(request, found, by, form, Said(status=422))
    request.session[AFTER_REPLY] = {"number": found.number, "submission": submission.pk}
    return redirect("conversation", pk=pk)


@member_page(may_send)
@button_of("conversation", "pk", silent=True)
def reply_quote(request: MemberRequest, pk: int) -> HttpResponse:
    """What sending the answer would do, as a fragment; complaints only about what is filled in already."""
    found = _found(request, pk)
    by = _route(request, found, threads.latest(request.member.account, found.number))
    form = _form(request, found, by, request.POST) if by.sender else None
    quote = _quote(form) if form is not None and form.is_valid() else None
    written = form is not None and bool(str(form["text"].value() or "").strip())
    return render(request, "inbox/_reply_quote.html", {"form": form, "quote": quote, "written": written})


def _found(request: MemberRequest, pk: int) -> Received:
    # A deleted one still leads to what is left of its conversation: an answer that is being written has its place.
    return get_object_or_404(Received, pk=pk, account=request.member.account_id)


def _route(request: MemberRequest, found: Received, latest: Received | None) -> Route:
    account, last = request.member.account, latest or found
    # Where the vendor did not say to which number it was sent, the message that was answered left from it.
    to = last.to or (last.answers.originator if last.answers else "")
    return replies.route(account, found.number, to, now=timezone.now())


def _form(request: MemberRequest, found: Received, by: Route, posted: Any = None, **kwargs: Any) -> ReplyForm:
    assert by.sender is not None
    return ReplyForm(posted, member=request.member, now=timezone.now(), sender=by.sender, number=found.number, **kwargs)


def _quote(form: ReplyForm) -> quotes.Quote:
    return quotes.quote(form.plan, duplicates=0)


def _to_compose(request: MemberRequest, found: Received) -> HttpResponse:
    """The compose page with the answer in it, by the way in which a message comes back from a sign-in."""
    draft = f"draft:{request.user.pk}:{request.member.account_id}:{found.number}"
    posted = {**request.POST.dict(), "recipients": found.number, "draft": draft, "sender": ""}
    kept = {name: value for name, value in carried_over.carried(posted).items() if value}
    carried_over.put_down(request.session, kept)
    return redirect(reverse("compose", query={"to": found.number}))


def _just_sent(request: MemberRequest, found: Received) -> Submission | None:
    """The answer that was sent a moment ago; the page that asks for itself again says nothing new."""
    kept = request.session.get(AFTER_REPLY, {})
    if "HX-Request" in request.headers or kept.get("number") != found.number:
        return None
    del request.session[AFTER_REPLY]
    return Submission.objects.filter(account=request.member.account_id, pk=kept["submission"]).first()


def _draft(request: MemberRequest, found: Received) -> str:
    """The name under which the browser keeps what is written here."""
    return f"draft:{request.user.pk}:{request.member.account_id}:conversation:{found.number}"


def _page(
    request: MemberRequest,
    found: Received,
    by: Route | None,
    form: ReplyForm | None,
    said: Said | None = None,
    *,
    shown: threads.Thread | None = None,
) -> HttpResponse:
    account, said = request.member.account, said or Said()
    before = request.GET.get("before", "")
    shown = shown or threads.thread(account, found.number, before=before)
    marks.mark_read(request.member, shown.came if before else [*shown.came, found.pk])
    now = timezone.now()
    context = {
        "received": found,
        "number": found.number,
        "thread": shown,
        "lines": shown.lines,
        "before": before,
        "route": by,
        "form": form,
        "said": said,
        "quote": said.quote,
        "departures": compose_queries.departures(said.sent, now=now) if said.sent else None,
        "draft": _draft(request, found),
        "max_parts": account.max_parts,
        "always_replace": account.always_replace,
        "reply_price": settings.SMS_REPLY_PRICE,
        "opt_out": optouts.entry(account, found.number),
        "every": _every(shown, now),
    }
    return render(request, "inbox/conversation.html", context, status=said.status)


def _every(shown: threads.Thread, now: datetime) -> int:
    """After how many seconds the page asks again: soon for what is on its way; an answer may come at any time."""
    moving = [line.moves for line in shown.lines if line.moves and line.state in compose_queries.MOVING]
    wanted = compose_queries.asks_again(moving, now=now)
    return min(wanted or compose_queries.NOW_AND_THEN, compose_queries.NOW_AND_THEN)
