"""The compose page: what is written is looked at, replaced, tested and sent. Parse, call one verb, render."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from compose import carried_over, planning, preview, quotes, services, text_notes, trial
from compose.forms import OF_A_TEST, ComposeForm
from compose.models import Submission
from compose.replacement import replaced, twins_json
from compose.segments import normalise_newlines
from credits.access import MemberRequest, may_send, member_page
from credits.amounts import format_credits
from credits.ledger import NotEnoughCredit

# What the page after sending says, kept in the session until it has said it.
AFTER_SENDING = "after_sending"
LONGEST_NUMBER = 40


@dataclass(frozen=True, kw_only=True)
class Said:
    """What an answer says beside the form: its price, the test that was sent or why it needs a number, the text
    before its replacement."""

    quote: quotes.Quote | None = None
    tested: Submission | None = None
    before: str = ""
    needs_number: str = ""
    carried_over: bool = False
    status: int = 200


@require_http_methods(["GET", "HEAD", "POST"])
def compose(request: MemberRequest) -> HttpResponse:
    """Composer un message: the landing page."""
    if request.method == "POST" and not request.user.is_authenticated:
        return _signed_out(request)
    return _compose(request)


def _signed_out(request: MemberRequest) -> HttpResponse:
    """The session ended while the message was written: the browser posts it again, to the page of the sign-in."""
    to = _answering(request)
    back = reverse("compose", query={"to": to} if to else None)
    return redirect(redirect_to_login(back).url, preserve_request=True)


@member_page()
def _compose(request: MemberRequest) -> HttpResponse:
    if request.method == "POST":
        return _act(request)
    kept = carried_over.taken_up(request.session, _draft(request)) if request.method == "GET" else {}
    # From a conversation: to whom the answer goes.
    form = _form(request, initial=kept or {"recipients": _answering(request)})
    return _page(request, form, Said(carried_over=bool(kept)))


@member_page(may_send)
def _act(request: MemberRequest) -> HttpResponse:
    actions: dict[str, Callable[[MemberRequest], HttpResponse]] = {
        "send": _send,
        "replace": _replace,
        "restore": _restore,
        "test": _test,
    }
    return actions.get(request.POST.get("action", "send"), _check)(request)


def _check(request: MemberRequest) -> HttpResponse:
    form = _form(request, request.POST)
    if form.is_valid():
        return _page(request, form, Said(quote=_quote(form), before=_before(form)))
    return _wrong(request, form)


def _send(request: MemberRequest) -> HttpResponse:
    form = _form(request, request.POST)
    if not form.is_valid():
        return _wrong(request, form)
    try:
        submission, _new = services.submit(form.plan.draft, now=timezone.now(), planned=form.plan)
    except NotEnoughCredit as short:
        sentence = _(
            "There is not enough credit: %(missing)s credits are missing. Nothing was sent and nothing was charged; "
            "your message is kept."
        )
        form.add_error(None, sentence % {"missing": format_credits(short.missing)})
        return _page(request, form, Said(quote=_quote(form), before=_before(form), status=422))
    except services.AlreadySent:
        _used_before(form)
        return _page(request, form, Said(quote=_quote(form), before=_before(form), status=422))
    except planning.Refused as refused:
        form.add_error(refused.field, str(refused.sentence))
        return _page(request, form, Said(before=_before(form), status=422))
    request.session[AFTER_SENDING] = {
        "submission": submission.pk,
        "draft": _draft(request),
        "excluded": [one.e164 for one in form.plan.excluded[: quotes.MOST_EXCLUDED]],
    }
    return redirect("submission", pk=submission.pk)


def _used_before(form: ComposeForm) -> None:
    """Say that the form's key belongs to another message, and give the form a new one."""
    form.renew_key()
    form.add_error(
        None,
        _("This form was already sent with another content. Nothing was sent now: send again to send this one too."),
    )


def _wrong(request: MemberRequest, form: ComposeForm) -> HttpResponse:
    if "request_key" in form.errors:
        form.renew_key()
    return _page(request, form, Said(before=_before(form), status=422))


def _replace(request: MemberRequest) -> HttpResponse:
    """Without JavaScript: the page with the text replaced, and the way back."""
    before = normalise_newlines(request.POST.get("text", ""))
    if len(before) > text_notes.LONGEST:
        # No such message can be sent, and the page would carry it twice.
        return _check(request)
    return _with_text(request, replaced(before), before)


def _restore(request: MemberRequest) -> HttpResponse:
    """Without JavaScript: the page with the text as it was before its replacement, unless it was changed since."""
    form = _form(request, request.POST)
    before = _before(form)
    if before:
        return _with_text(request, before, "")
    form.complain_only_about()
    form.add_error("text", _("The text was changed after its characters were replaced, so it is left as you wrote it."))
    return _page(request, form)


def _with_text(request: MemberRequest, text: str, before: str) -> HttpResponse:
    data = request.POST.copy()
    data["text"], data["text_before"] = text, before
    return _kept(request, _form(request, data))


def _kept(request: MemberRequest, form: ComposeForm, tested: Submission | None = None) -> HttpResponse:
    """The page as it was typed, with its price when it has one and without a complaint: nobody asked for one."""
    quote = _quote(form) if form.is_valid() else None
    form.complain_only_about()
    return _page(request, form, Said(quote=quote, before=_before(form), tested=tested))


def _test(request: MemberRequest) -> HttpResponse:
    """Send a test to the member's own number; the page comes back as it was."""
    form = _form(request, request.POST)
    form.is_valid()
    if form.chosen is None:
        form.complain_only_about(*OF_A_TEST)
        return _wrong(request, form)
    form.complain_only_about()
    try:
        submission, _new = services.submit(trial.draft(request.member, form.chosen), now=timezone.now())
    except trial.NoNumber as refused:
        return _page(request, form, Said(before=_before(form), needs_number=str(refused.sentence), status=422))
    except planning.Refused as refused:
        field = refused.field if refused.field in OF_A_TEST else None
        form.add_error(field, str(refused.sentence))
        return _page(request, form, Said(before=_before(form), status=422))
    except services.AlreadySent:
        _used_before(form)
        return _page(request, form, Said(before=_before(form), status=422))
    except NotEnoughCredit as short:
        sentence = _(
            "There is not enough credit for a test: %(missing)s credits are missing. Nothing was sent and nothing "
            "was charged; your message is kept."
        )
        form.add_error(None, sentence % {"missing": format_credits(short.missing)})
        return _page(request, form, Said(before=_before(form), status=422))
    # The same form again, whose next test is another one.
    again = _form(request, request.POST)
    again.renew_key()
    return _kept(request, again, submission)


def _form(request: MemberRequest, data: Any = None, *, initial: dict[str, str] | None = None) -> ComposeForm:
    return ComposeForm(data, member=request.member, now=timezone.now(), initial=initial or {})


def _quote(form: ComposeForm) -> quotes.Quote:
    """What sending the form, which is valid, would do."""
    return quotes.quote(form.plan, duplicates=form.cleaned_data["recipients"].duplicates)


def _before(form: ComposeForm) -> str:
    """The text before its replacement, "" when there was none or something was typed since."""
    before = normalise_newlines(form.data.get("text_before", ""))
    if len(before) > text_notes.LONGEST:
        # `_replace` leaves none of this length.
        return ""
    return before if before != form.written and replaced(before) == form.written else ""


def _test_price(form: ComposeForm, member: Any) -> int | None:
    """What a test of what is written would cost (millis), None when there can be none."""
    if form.chosen is None or not member.mobile:
        return None
    try:
        return planning.plan(trial.draft(member, form.chosen), now=form.now).price
    except planning.Refused:
        return None


def _answering(request: MemberRequest) -> str:
    """To whom the answer goes that is written here, "" for a message of one's own."""
    return (request.POST.get("to") or request.GET.get("to", ""))[:LONGEST_NUMBER]


def _draft(request: MemberRequest) -> str:
    """The name under which a browser keeps the draft: an answer must not take the place of another message."""
    name = f"draft:{request.user.pk}:{request.member.account.pk}"
    to = _answering(request)
    return f"{name}:{to}" if to else name


def _page(request: MemberRequest, form: ComposeForm, said: Said | None = None) -> HttpResponse:
    said = said or Said()
    account = request.member.account
    clause_senders = [sender.pk for sender in form.senders if planning.stop_clause_for(sender, commercial=True)]
    sender = next((one for one in form.senders if str(one.pk) == form["sender"].value()), None)
    commercial = not form["not_commercial"].value()
    clause = planning.stop_clause_for(sender, commercial=commercial) if sender is not None else ""
    context = {
        "form": form,
        "said": said,
        "quote": said.quote,
        # Of the text alone, so that they are there while something else is to be corrected.
        "preview": _preview(form, clause, str(sender or "")) if form.is_bound else None,
        "notes": _notes(form, clause, said.quote) if form.is_bound else None,
        "test_price": _test_price(form, request.member) if form.is_bound else None,
        "member": request.member,
        "may_send": request.member.may_send,
        "stop_clause": planning.stop_clause_text(),
        "clause_senders": clause_senders,
        "twins": twins_json(),
        "always_replace": account.always_replace,
        "max_parts": account.max_parts,
        "zone": account.time_zone,
        "to": _answering(request),
        "draft": _draft(request),
    }
    return render(request, "compose/compose.html", context, status=said.status)


def _notes(form: ComposeForm, clause: str, quote: quotes.Quote | None) -> text_notes.TextNotes | None:
    return text_notes.notes(
        form.written,
        clause,
        always=form.member.account.always_replace,
        rates=quote.rates if quote else None,
    )


def _preview(form: ComposeForm, clause: str, sender: str) -> preview.Preview | None:
    always = form.member.account.always_replace
    text = text_notes.shortened(form.written, clause) if always else form.written
    return preview.preview(text, clause, sender=sender)


@member_page(may_send)
@require_POST
def quote(request: MemberRequest) -> HttpResponse:
    """What sending the form would do, as a fragment; complaints only about what is filled in already."""
    form = _form(request, request.POST)
    problems: list[Any] = []
    found = _quote(form) if form.is_valid() else None
    if found is None:
        problems = [
            error
            for name, errors in form.errors.items()
            if name != "request_key" and str(form.data.get(name, "")).strip()
            for error in errors
        ]
    context = {
        "quote": found,
        "problems": problems,
        "form": form,
        "member": request.member,
        "test_price": _test_price(form, request.member),
    }
    return render(request, "compose/_quote.html", context)
