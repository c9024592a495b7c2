"""The compose page as it is shown: the form, its price, its preview, and what an answer says beside them."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from compose import planning, preview, quotes, text_notes, trial
from compose.editing import Begun
from compose.forms import ComposeForm
from compose.models import Submission
from compose.replacement import replaced, twins_json
from compose.scheduled import Replaced, held_by
from compose.segments import normalise_newlines
from credits.access import MemberRequest

LONGEST_NUMBER = 40


class ComposeRequest(MemberRequest):
    """A request for the compose page. `replaces` is what is changed, None for a new message."""

    replaces: Replaced | None


@dataclass(frozen=True, kw_only=True)
class Said:
    """What an answer says beside the form: its price, the test that was sent or why it needs a number, the text
    before its replacement, what the form of a change begins with, that what it changes has left meanwhile.

    `carried_over` says that it came through the sign-in, `fewer` that its recipients are those who still wait.
    """

    quote: quotes.Quote | None = None
    tested: Submission | None = None
    before: str = ""
    needs_number: str = ""
    begun: Begun | None = None
    carried_over: bool = False
    fewer: bool = False
    too_late: bool = False
    status: int = 200


def form_of(request: ComposeRequest, data: Any = None, *, initial: dict[str, Any] | None = None) -> ComposeForm:
    """The form of who asks, with what was posted or what it begins with."""
    return ComposeForm(
        data, member=request.member, now=timezone.now(), initial=initial or {}, replaces=request.replaces
    )


def quote_of(form: ComposeForm) -> quotes.Quote:
    """What sending the form, which is valid, would do."""
    return quotes.quote(
        form.plan,
        duplicates=form.cleaned_data["recipients"].duplicates,
        given_back=held_by(form.replaces) if form.replaces else 0,
    )


def before_replacement(form: ComposeForm) -> str:
    """The text before its replacement, "" when there was none or something was typed since."""
    before = normalise_newlines(form.data.get("text_before", ""))
    if len(before) > text_notes.LONGEST:
        # `_replace` leaves none of this length.
        return ""
    return before if before != form.written and replaced(before) == form.written else ""


def price_of_test(form: ComposeForm, member: Any) -> int | None:
    """What a test of what is written would cost (millis), None when there can be none."""
    if form.chosen is None or not member.mobile:
        return None
    try:
        return planning.plan(trial.draft(member, form.chosen), now=form.now).price
    except planning.Refused:
        return None


def answering(request: ComposeRequest) -> str:
    """To whom the answer goes that is written here, "" for a message of one's own."""
    return (request.POST.get("to") or request.GET.get("to", ""))[:LONGEST_NUMBER]


def draft_name(request: ComposeRequest) -> str:
    """The name under which a browser keeps the draft: an answer must not take the place of another message."""
    name = f"draft:{request.user.pk}:{request.member.account.pk}"
    if request.replaces is not None:
        return f"{name}:changes:{request.replaces.submission.pk}"
    to = answering(request)
    return f"{name}:{to}" if to else name


def page(request: ComposeRequest, form: ComposeForm, said: Said | None = None) -> HttpResponse:
    """The page with the form and what an answer says beside it."""
    said = said or Said()
    account = request.member.account
    changes = form.replaces.submission if form.replaces else None
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
        "test_price": price_of_test(form, request.member) if form.is_bound else None,
        "member": request.member,
        "may_send": request.member.may_send,
        "stop_clause": planning.stop_clause_text(),
        "clause_senders": clause_senders,
        "twins": twins_json(),
        "always_replace": account.always_replace,
        "max_parts": account.max_parts,
        "zone": account.time_zone,
        "to": answering(request),
        "draft": draft_name(request),
        "replaces": changes,
        "replaces_waiting": form.replaces.waiting if form.replaces else 0,
        # Then a draft holds what differs from it; nothing does before something is typed.
        "as_it_waits": changes is not None and not form.is_bound and not said.carried_over,
        "lost_sender": changes is not None and not form.is_bound and not form.offers(changes.sender_id),
        "address": reverse("edit_submission", args=[changes.pk]) if changes else reverse("compose"),
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
