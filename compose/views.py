"""The pages of what went out and of what waits: parse, call one verb, render."""

from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from compose import asking, queries, services, story, tries, unconfirmed
from compose.forms import SentFilter
from compose.models import Message, Submission
from compose.numbers import spaced
from compose.paging import page, page_by_number
from compose.progress import progress
from compose.scheduled import MoreWait
from compose.sending_views import AFTER_SENDING
from compose.windows import window_sentence
from credits import queries as credit_queries
from credits.access import MemberRequest, may_send, member_page
from credits.models import Transfer

# In these movements an account gets credits back that were held or paid.
GIVEN_BACK = (Transfer.Verb.RELEASE, Transfer.Verb.REFUND)


def _submission(request: MemberRequest, pk: int) -> Submission:
    rows = Submission.objects.select_related("sender", "created_by", "account", "paused_by")
    return get_object_or_404(rows, pk=pk, account=request.member.account)


@member_page()
@require_safe
def submission(request: MemberRequest, pk: int) -> HttpResponse:
    """What one click sent: how many, at what price, and where each message stands."""
    found = _submission(request, pk)
    said = request.session.get(AFTER_SENDING, {})
    just_sent = request.session.pop(AFTER_SENDING) if said.get("submission") == pk else None
    now = timezone.now()
    # The page that asks for itself again only follows what it shows.
    done = progress(found, now=now, follows="HX-Request" in request.headers)
    counts, departures = done.counts, done.departures
    ledger = credit_queries.by_cause(request.member.account, "submission", str(pk))
    # Nothing else is ever refunded.
    if done.in_state(Message.State.UNDELIVERED):
        ledger += queries.refunds(found)
    given_back = sum(one.amount for one in ledger if one.verb in GIVEN_BACK)
    cancellable = done.waiting
    context = {
        "submission": found,
        "counts": counts,
        "progress": done,
        "messages_page": queries.first_messages(found),
        "doubtful": sum(one.total for one in counts if one.state == Message.State.UNCONFIRMED),
        "doubt_until": unconfirmed.until([done.doubt_until], now=now),
        "under_way": sum(one.total for one in counts if one.state in Message.HELD),
        "cancellable": cancellable,
        # As `scheduled.replaceable` says, of what is counted already.
        "changeable": 0 < cancellable == found.recipients - done.in_state(Message.State.CANCELLED)
        and found.replaced_by_id is None,
        "just_sent": just_sent,
        "departures": departures,
        "hours": _hours(found) if just_sent and departures.postponed else "",
        "ledger": ledger,
        "cost": found.price - given_back,
        "given_back": given_back,
        "every": done.every,
        # As `queries.section_of` says, of what is counted already.
        "section": "scheduled"
        if 0 < departures.waiting == found.recipients - done.in_state(Message.State.CANCELLED)
        else "sent",
    }
    return render(request, "compose/submission.html", context)


def _hours(submission: Submission) -> str:
    """When messages to where those of the submission wait for their window leave."""
    waiting = submission.messages.filter(postponed_by="window").order_by()
    return window_sentence(list(waiting.values_list("region", flat=True).distinct()))


@member_page()
@require_safe
def sent(request: MemberRequest) -> HttpResponse:
    """SMS envoyés."""
    filters = SentFilter(request.GET)
    chosen = filters.cleaned_data if filters.is_valid() else {}
    text, state = chosen.get("q", ""), chosen.get("state", "")
    one = chosen.get("submission")
    of = _submission(request, one) if one else None
    now = timezone.now()
    rows = queries.sent(request.member.account, now=now, text=text, state=state, of=of)
    cursor = request.GET.get("before", "")
    shown = (
        page(rows, by="send_at", cursor=cursor) if of is None else page_by_number(rows, by="recipient", cursor=cursor)
    )
    kept = {name: value for name, value in (("q", text), ("state", state), ("submission", one)) if value}
    context = {
        "rows": shown.rows,
        "of": of,
        "filters": filters,
        "filtered": bool(kept),
        "in_doubt": unconfirmed.count(request.member.account),
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
        "submission__sender",
        "submission__created_by",
        "submission__paused_by",
        "hold_ended_by__debit",
        "hold_ended_by__credit",
        "refunded_by__debit",
        "refunded_by__credit",
    )
    found = get_object_or_404(rows, pk=pk, account=request.member.account)
    held = Transfer.objects.filter(key=f"hold:{found.submission_id}").select_related("debit", "credit")
    now = timezone.now()
    moving = found.state in queries.MOVING
    # What left from a number may be answered.
    answerable = found.submission.sender.can_be_answered and (moving or found.cost)
    waits = found.state == Message.State.SCHEDULED and found.send_at > now
    transitions = queries.transitions(found)
    doubtful = found.state == Message.State.UNCONFIRMED
    context = {
        "message": found,
        # What waits for its permitted hours waits for them whatever it is asked.
        "sooner": waits and not found.postponed_by and found.submission.paused_at is None,
        "under_way": found.state in Message.HELD,
        "story": story.of(transitions),
        "planned": story.planned(found, transitions),
        "why": tries.why(found),
        "tries": tries.of(found, transitions),
        "doubtful": int(doubtful),
        "doubt_until": unconfirmed.until([found.handed_over_at], now=now),
        "ends_at": unconfirmed.ends_at(found) if doubtful else None,
        "ledger": [*held, *(line for line in (found.hold_ended_by, found.refunded_by) if line)],
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
    paused = queries.paused(request.member.account)
    context = {
        "rows": shown.rows,
        "paused": paused,
        "older": urlencode({"after": shown.cursor}) if shown.cursor else None,
        "newer": "" if request.GET.get("after") else None,
        "every": queries.NOW_AND_THEN if shown.rows else queries.RARELY if paused else 0,
        "zone": request.member.account.time_zone,
    }
    return render(request, "compose/scheduled.html", context)


@member_page(may_send)
@require_http_methods(["GET", "HEAD", "POST"])
def cancel_message(request: MemberRequest, pk: int) -> HttpResponse:
    """Cancel one message that waits, after the page that asks."""
    rows = Message.objects.select_related("submission")
    found = get_object_or_404(rows, pk=pk, account=request.member.account)
    if found.state == Message.State.SCHEDULED and not asking.answered(request):
        # Who pressed the button of the list goes back there.
        if request.method == "POST":
            return asking.lead_to(request, {"listed": 1} if "listed" in request.POST else {})
        from_list = "listed" in request.GET
        question = asking.Question(
            choice=asking.CANCEL,
            concerned=asking.Concerned(1, found.price),
            others=asking.not_meant(found.submission.recipients - 1),
            back=reverse("scheduled") if from_list else reverse("message", kwargs={"pk": pk}),
            page=_("Scheduled SMS") if from_list else _("Message to %(number)s") % {"number": spaced(found.recipient)},
            recipient=found.recipient,
            paused=found.submission.paused_at is not None,
        )
        return asking.page(request, question, section="scheduled" if found.send_at > timezone.now() else "sent")
    cancelled = 0
    if asking.answered(request):
        cancelled = services.cancel(request.member.account, [pk], by=request.user, now=timezone.now())
    _say_cancelled(request, cancelled)
    return redirect("scheduled")


@member_page(may_send)
@require_http_methods(["GET", "HEAD", "POST"])
def cancel_submission(request: MemberRequest, pk: int) -> HttpResponse:
    """Cancel all messages of a submission that wait, after the page that asks."""
    found, back = _submission(request, pk), reverse("submission", kwargs={"pk": pk})
    waiting = found.messages.filter(state=Message.State.SCHEDULED)
    agreed = asking.agreed(request) if asking.answered(request) else 0
    waits = asking.concerned(waiting)
    if request.method == "POST" and waits.total <= agreed:
        try:
            cancelled = services.cancel_submission(found, by=request.user, now=timezone.now(), at_most=agreed)
        except MoreWait:
            # They came back to the queue since they were counted.
            return asking.lead_to(request, why=asking.MORE_WAIT)
        _say_cancelled(request, cancelled)
        return redirect(back)
    if request.method == "POST":
        return asking.lead_to(request, why=asking.MORE_WAIT if asking.answered(request) else "")
    if not waits.total:
        _say_cancelled(request, 0)
        return redirect(back)
    question = asking.Question(
        choice=asking.CANCEL,
        concerned=waits,
        others=asking.staying(found.recipients - waits.total),
        back=back,
        page=asking.named(found),
        paused=found.paused_at is not None,
    )
    return asking.page(request, question, section=queries.section_of(found, now=timezone.now()))


def _say_cancelled(request: HttpRequest, count: int) -> None:
    if count:
        sentence = ngettext(
            "%(count)s message was cancelled and its price given back.",
            "%(count)s messages were cancelled and their price given back.",
            count,
        )
        messages.success(request, sentence % {"count": number_format(count, force_grouping=True)})
    else:
        messages.warning(request, _("Nothing was cancelled: the message had left already or was cancelled before."))
