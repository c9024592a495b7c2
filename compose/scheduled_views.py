"""The pages that move, pause and resume what waits: parse, call one verb, render. Who changes its text composes again
(`compose.sending_views.edit`)."""

from collections.abc import Callable
from datetime import datetime

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from compose import asking, moment_form, queries, scheduled
from compose.models import Message, Submission
from compose.moment_form import MoveForm
from compose.paused_gateways import NONE_HELD, SOME_WAIT, Held, held
from compose.planning import Refused
from compose.scheduled import Moved
from compose.windows import window_sentence
from credits import days
from credits.access import MemberRequest, button_of, may_send, member_page


@member_page(may_send)
@require_http_methods(["GET", "HEAD", "POST"])
def move_submission(request: MemberRequest, pk: int) -> HttpResponse:
    """Another departure for all messages of a submission that wait; many leave at once after the page that asks."""
    found, agreed = _submission(request, pk), asking.agreed(request)
    waiting = found.messages.filter(state=Message.State.SCHEDULED)
    asked = request.POST if request.method == "POST" else request.GET
    at_once = asked.get("when") == moment_form.NOW
    if at_once and (waits := asking.concerned(waiting)).total:
        if request.method != "POST":
            return _ask_to_send_now(request, found, waits)
        if waits.total > agreed:
            return _lead_to_send_now(request)
    try:
        return _move(
            request,
            found,
            None,
            # To another moment nothing is lost by moving them, whatever came back to the queue meanwhile.
            lambda to, now: scheduled.move(
                found, to=to, by=request.user, now=now, at_most=agreed if to is None else None
            ),
        ) or redirect("submission", pk=pk)
    except scheduled.MoreWait:
        return _lead_to_send_now(request)


def _lead_to_send_now(request: MemberRequest) -> HttpResponse:
    why = asking.MORE_WAIT if asking.answered(request) else ""
    return asking.lead_to(request, {"when": moment_form.NOW}, why)


def _ask_to_send_now(request: MemberRequest, submission: Submission, waits: asking.Concerned) -> HttpResponse:
    question = asking.Question(
        choice=asking.SEND_NOW,
        concerned=waits,
        others=asking.staying(submission.recipients - waits.total),
        back=reverse("submission", kwargs={"pk": submission.pk}),
        page=asking.named(submission),
        again={"when": [moment_form.NOW]},
        paused=submission.paused_at is not None,
        held=held(submission, submission.messages.filter(state=Message.State.SCHEDULED)),
    )
    return asking.page(request, question, section=queries.section_of(submission, now=timezone.now()))


@member_page(may_send)
@require_http_methods(["GET", "HEAD", "POST"])
def move_message(request: MemberRequest, pk: int) -> HttpResponse:
    """Another departure for one message that waits."""
    rows = Message.objects.select_related("submission__paused_by", "account")
    found = get_object_or_404(rows, pk=pk, account=request.member.account)
    return _move(
        request, found.submission, found, lambda to, now: scheduled.move_message(found, to=to, by=request.user, now=now)
    ) or redirect("message", pk=pk)


def _move(
    request: MemberRequest,
    submission: Submission,
    message: Message | None,
    verb: Callable[[datetime | None, datetime], Moved],
) -> HttpResponse | None:
    """The page that asks for the moment; None when the person goes back to what was moved, or cannot be."""
    now = timezone.now()
    rows = Message.objects.filter(pk=message.pk) if message else submission.messages.all()
    waits = scheduled.waits(rows)
    if not waits.total and request.method != "POST":
        _say_too_late(request)
        return None
    moment = waits.first if waits.first and waits.first > now else None
    form = MoveForm(
        request.POST if request.method == "POST" else None,
        account=request.member.account,
        now=now,
        paused=submission.paused_at is not None,
        initial=moment_form.initial(moment, request.member.account),
    )
    if form.is_valid():
        try:
            _say_moved(request, submission, rows, verb(form.cleaned_data["moment"], now), now)
        except Refused as refused:
            form.add_error(refused.field, str(refused.sentence))
        else:
            return None
    context = {
        "form": form,
        "submission": submission,
        "message": message,
        "waits": waits,
        "stays": 0 if message else submission.recipients - waits.total,
        "hours": window_sentence(waits.regions) if submission.commercial else "",
        "zone": request.member.account.time_zone,
        "section": "scheduled" if moment else "sent",
    }
    return render(request, "compose/move.html", context, status=422 if form.is_bound else 200)


def _say_moved(
    request: MemberRequest, submission: Submission, rows: QuerySet[Message], moved: Moved, now: datetime
) -> None:
    if moved.first is None or moved.last is None:
        _say_too_late(request)
        return
    due = _held_now(submission, rows, now) if moved.first <= now else NONE_HELD
    wait = due.all and moved.last <= now
    said = [_departures(moved.moved, moved.first, moved.last, now, held=wait)]
    if due.waiting and not wait:
        said.append(str(SOME_WAIT))
    if moved.postponed_to:
        said.append(window_sentence(moved.postponed_to))
    if submission.paused_at:
        said.append(_("The sending is paused: nothing leaves before it is resumed."))
    if moved.left:
        sentence = ngettext(
            "%(count)s message had left or was leaving already, and was not moved.",
            "%(count)s messages had left or were leaving already, and were not moved.",
            moved.left,
        )
        said.append(sentence % {"count": _number(moved.left)})
    messages.success(request, " ".join(said))


def _held_now(submission: Submission, rows: QuerySet[Message], now: datetime) -> Held:
    """How many of those that are to leave now wait for a paused gateway."""
    return held(submission, rows.filter(state=Message.State.SCHEDULED, send_at__lte=now))


def _departures(count: int, first: datetime, last: datetime, now: datetime, *, held: bool = False) -> str:
    """When so many messages leave, in a sentence; `held` says that a paused gateway holds back all of them."""
    if held:
        said = ngettext(
            "%(count)s message leaves when the paused gateway goes on.",
            "%(count)s messages leave when the paused gateway goes on.",
            count,
        )
        return said % {"count": _number(count)}
    if last <= now:
        said = ngettext("%(count)s message leaves now.", "%(count)s messages leave now.", count)
        return said % {"count": _number(count)}
    local = timezone.localtime(first)
    values = {"count": _number(count), "day": days.written(local, "l j F Y"), "hour": date_format(local, "H:i")}
    if first == last:
        sentence = ngettext(
            "%(count)s message leaves on %(day)s at %(hour)s.",
            "%(count)s messages leave on %(day)s at %(hour)s.",
            count,
        )
    else:
        sentence = _("%(count)s messages leave from %(day)s, %(hour)s on.")
    return sentence % values


def _number(count: int) -> str:
    return number_format(count, force_grouping=True)


def _say_too_late(request: MemberRequest) -> None:
    messages.warning(request, _("Nothing was moved: no message waits here any more. They have left or were cancelled."))


@member_page(may_send)
@button_of("submission", "pk")
def pause_submission(request: MemberRequest, pk: int) -> HttpResponse:
    """Hold back the messages of a submission that wait."""
    found = _submission(request, pk)
    held = scheduled.pause(found, by=request.user, now=timezone.now())
    if held:
        sentence = ngettext(
            "The sending is paused: %(count)s message waits until it is resumed.",
            "The sending is paused: %(count)s messages wait until it is resumed.",
            held,
        )
        messages.success(request, sentence % {"count": _number(held)})
    else:
        messages.warning(request, _("No message was left to hold back."))
    return redirect("submission", pk=pk)


@member_page(may_send)
@button_of("submission", "pk")
def resume_submission(request: MemberRequest, pk: int) -> HttpResponse:
    """Let the messages of a paused submission go on."""
    found, now = _submission(request, pk), timezone.now()
    if scheduled.resume(found, now=now):
        said = [_("The sending goes on. Each message leaves at its moment, or now if that has come.")]
        if _held_now(found, found.messages.all(), now).waiting:
            said.append(str(SOME_WAIT))
        messages.success(request, " ".join(said))
    else:
        messages.warning(request, _("Nothing is held back here: no message was waiting for the sending to go on."))
    return redirect("submission", pk=pk)


def _submission(request: MemberRequest, pk: int) -> Submission:
    rows = Submission.objects.select_related("account", "paused_by")
    return get_object_or_404(rows, pk=pk, account=request.member.account)
