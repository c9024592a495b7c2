"""The compose page: what is written is looked at, replaced, tested and sent. Parse, call one verb, render."""

import re
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from compose import carried_over, planning, quotes, scheduled, services, text_notes, trial
from compose.compose_page import (
    ComposeRequest,
    Said,
    answering,
    before_replacement,
    draft_name,
    form_of,
    page,
    price_of_test,
    quote_of,
)
from compose.editing import Begun, as_written
from compose.forms import OF_A_TEST, ComposeForm
from compose.models import Submission
from compose.recipients import MAX_RECIPIENTS
from compose.replacement import replaced
from compose.segments import normalise_newlines
from credits.access import button_of, may_send, member_page
from credits.amounts import format_credits
from credits.ledger import NotEnoughCredit

# What the page after sending says, kept in the session until it has said it.
AFTER_SENDING = "after_sending"
# What is posted once more after a switch of the account is shown, and not sent yet.
SHOWN = {"action": "check"}
# The key of a row.
DIGITS = re.compile(r"[0-9]{1,18}")


@require_http_methods(["GET", "HEAD", "POST"])
def compose(request: ComposeRequest) -> HttpResponse:
    """Composer un message: the landing page."""
    request.replaces = None
    if request.method == "POST" and not request.user.is_authenticated:
        to = answering(request)
        return _signed_out(request, reverse("compose", query={"to": to} if to else None))
    return _compose(request)


def _signed_out(request: HttpRequest, back: str) -> HttpResponse:
    """The session ended while the message was written: the browser posts it again, to the page of the sign-in.

    From there it goes to the address `back`.
    """
    return redirect(redirect_to_login(back).url, preserve_request=True)


@member_page(again=SHOWN)
def _compose(request: ComposeRequest) -> HttpResponse:
    if request.method == "POST":
        return _act(request)
    # From a conversation: to whom the answer goes.
    return _begin(request, {"recipients": answering(request)})


def _begin(request: ComposeRequest, initial: dict[str, Any], begun: Begun | None = None) -> HttpResponse:
    """The page before anything was pressed: filled with `initial`, or with what came through the sign-in."""
    kept = _carried_over(request)
    # Whoever was taken out meanwhile would be written to.
    fewer = (
        bool(kept) and request.replaces is not None and kept.get("replaces_waiting") != str(request.replaces.waiting)
    )
    if fewer:
        kept["recipients"] = initial["recipients"]
    said = Said(begun=begun, carried_over=bool(kept), fewer=fewer)
    return page(request, form_of(request, initial=kept or initial), said)


def _carried_over(request: ComposeRequest) -> dict[str, str]:
    """What came through the sign-in to this page, once."""
    return carried_over.taken_up(request.session, draft_name(request)) if request.method == "GET" else {}


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: ComposeRequest, pk: int) -> HttpResponse:
    """The compose page with a message that waits: what is sent from here takes its place."""
    if request.method == "POST" and not request.user.is_authenticated:
        return _signed_out(request, request.path)
    return _edit(request, pk)


@member_page(may_send, again=SHOWN)
def _edit(request: ComposeRequest, pk: int) -> HttpResponse:
    rows = Submission.objects.select_related("sender", "paused_by")
    found = get_object_or_404(rows, pk=pk, account=request.member.account)
    if request.method == "POST":
        request.replaces = _as_opened(request, found)
        return _act(request)
    request.replaces = scheduled.replaceable(found)
    if request.replaces is not None and request.replaces.waiting > MAX_RECIPIENTS:
        messages.warning(request, _("This message has more recipients than one form takes. It was not changed."))
        return redirect("submission", pk=pk)
    begun = as_written(found, now=timezone.now()) if request.replaces is not None else None
    return _too_late(request, found) if begun is None else _begin(request, begun.initial, begun)


def _too_late(request: ComposeRequest, found: Submission) -> HttpResponse:
    """The submission cannot be changed any more; what came through the sign-in is kept in the form."""
    request.replaces = scheduled.Replaced(found, found.recipients)
    kept = _carried_over(request)
    if kept:
        return page(request, form_of(request, initial=kept), Said(carried_over=True, too_late=True, status=409))
    sentence = _("This message has begun to leave or was cancelled, so it cannot be changed any more.")
    messages.warning(request, sentence)
    return redirect("submission", pk=found.pk)


def _as_opened(request: ComposeRequest, submission: Submission) -> scheduled.Replaced:
    """The submission as it was when the person began to change it."""
    waiting = request.POST.get("replaces_waiting", "")
    return scheduled.Replaced(submission, int(waiting) if DIGITS.fullmatch(waiting) else submission.recipients)


@member_page(may_send)
def _act(request: ComposeRequest) -> HttpResponse:
    """Do what was pressed with what is written."""
    actions: dict[str, Callable[[ComposeRequest], HttpResponse]] = {
        "send": _send,
        "replace": _replace,
        "restore": _restore,
        "test": _test,
    }
    return actions.get(request.POST.get("action", "send"), _check)(request)


def _check(request: ComposeRequest) -> HttpResponse:
    form = form_of(request, request.POST)
    if form.is_valid():
        return page(request, form, Said(quote=quote_of(form), before=before_replacement(form)))
    return _wrong(request, form)


def _send(request: ComposeRequest) -> HttpResponse:
    form = form_of(request, request.POST)
    if not form.is_valid():
        return _wrong(request, form)
    try:
        submission, _new = services.submit(
            form.plan.draft, now=timezone.now(), planned=form.plan, replaces=form.replaces
        )
    except NotEnoughCredit as short:
        sentence = _(
            "There is not enough credit: %(missing)s credits are missing. Nothing was sent and nothing was charged; "
            "your message is kept."
        )
        form.add_error(None, sentence % {"missing": format_credits(short.missing)})
        return page(request, form, Said(quote=quote_of(form), before=before_replacement(form), status=422))
    except services.AlreadySent:
        _used_before(form)
        return page(request, form, Said(quote=quote_of(form), before=before_replacement(form), status=422))
    except scheduled.CannotReplace:
        return page(
            request, form, Said(quote=quote_of(form), before=before_replacement(form), too_late=True, status=409)
        )
    except planning.Refused as refused:
        form.add_error(refused.field, str(refused.sentence))
        return page(request, form, Said(before=before_replacement(form), status=422))
    request.session[AFTER_SENDING] = {
        "submission": submission.pk,
        "draft": draft_name(request),
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


def _wrong(request: ComposeRequest, form: ComposeForm) -> HttpResponse:
    if "request_key" in form.errors:
        form.renew_key()
    return page(request, form, Said(before=before_replacement(form), status=422))


def _replace(request: ComposeRequest) -> HttpResponse:
    """Without JavaScript: the page with the text replaced, and the way back."""
    before = normalise_newlines(request.POST.get("text", ""))
    if len(before) > text_notes.LONGEST:
        # No such message can be sent, and the page would carry it twice.
        return _check(request)
    return _with_text(request, replaced(before), before)


def _restore(request: ComposeRequest) -> HttpResponse:
    """Without JavaScript: the page with the text as it was before its replacement, unless it was changed since."""
    form = form_of(request, request.POST)
    before = before_replacement(form)
    if before:
        return _with_text(request, before, "")
    form.complain_only_about()
    form.add_error("text", _("The text was changed after its characters were replaced, so it is left as you wrote it."))
    return page(request, form)


def _with_text(request: ComposeRequest, text: str, before: str) -> HttpResponse:
    data = request.POST.copy()
    data["text"], data["text_before"] = text, before
    return _kept(request, form_of(request, data))


def _kept(request: ComposeRequest, form: ComposeForm, tested: Submission | None = None) -> HttpResponse:
    """The page as it was typed, with its price when it has one and without a complaint: nobody asked for one."""
    quote = quote_of(form) if form.is_valid() else None
    form.complain_only_about()
    return page(request, form, Said(quote=quote, before=before_replacement(form), tested=tested))


def _test(request: ComposeRequest) -> HttpResponse:
    """Send a test to the member's own number; the page comes back as it was."""
    form = form_of(request, request.POST)
    form.is_valid()
    if form.chosen is None:
        form.complain_only_about(*OF_A_TEST)
        return _wrong(request, form)
    form.complain_only_about()
    try:
        submission, _new = services.submit(trial.draft(request.member, form.chosen), now=timezone.now())
    except trial.NoNumber as refused:
        return page(
            request, form, Said(before=before_replacement(form), needs_number=str(refused.sentence), status=422)
        )
    except planning.Refused as refused:
        field = refused.field if refused.field in OF_A_TEST else None
        form.add_error(field, str(refused.sentence))
        return page(request, form, Said(before=before_replacement(form), status=422))
    except services.AlreadySent:
        _used_before(form)
        return page(request, form, Said(before=before_replacement(form), status=422))
    except NotEnoughCredit as short:
        sentence = _(
            "There is not enough credit for a test: %(missing)s credits are missing. Nothing was sent and nothing "
            "was charged; your message is kept."
        )
        form.add_error(None, sentence % {"missing": format_credits(short.missing)})
        return page(request, form, Said(before=before_replacement(form), status=422))
    # The same form again, whose next test is another one.
    again = form_of(request, request.POST)
    again.renew_key()
    return _kept(request, again, submission)


@member_page(may_send)
@button_of("compose", silent=True)
def quote(request: ComposeRequest) -> HttpResponse:
    """What sending the form would do, as a fragment; complaints only about what is filled in already."""
    changed = request.POST.get("replaces", "")
    mine = Submission.objects.filter(account=request.member.account)
    found = mine.filter(pk=changed).first() if DIGITS.fullmatch(changed) else None
    request.replaces = _as_opened(request, found) if found else None
    form = form_of(request, request.POST)
    problems: list[Any] = []
    priced = quote_of(form) if form.is_valid() else None
    if priced is None:
        problems = [
            error
            for name, errors in form.errors.items()
            if name != "request_key" and str(form.data.get(name, "")).strip()
            for error in errors
        ]
    context = {
        "quote": priced,
        "problems": problems,
        "form": form,
        "member": request.member,
        "test_price": price_of_test(form, request.member),
    }
    return render(request, "compose/_quote.html", context)
