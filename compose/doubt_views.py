"""The pages of messages that may have left: they are listed apart, and a person says what became of them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from compose import asking, doubts, spans, unconfirmed
from compose.asking import CONFIRM, GIVE_UP, SEND_AGAIN
from compose.models import Message, Submission
from compose.numbers import spaced
from compose.paging import SIZE, page
from credits.access import MemberRequest, may_send, member_page

VERBS = {CONFIRM: doubts.confirm, SEND_AGAIN: doubts.send_again, GIVE_UP: doubts.give_up}
# More than any page shows: what is posted by hand is cut.
MOST_AT_ONCE = 4 * SIZE
MOST_SHOWN = 10_000_000


class AnswerForm(forms.Form):
    """What a page spoke of: how many messages (`shown`), which (`about`, compose/spans.py), and of which doubt.

    That is `until`, when the last of them was handed over; None when the page did not say it, or nobody can read it.
    """

    shown = forms.IntegerField(required=False, min_value=0, max_value=MOST_SHOWN)
    about = forms.CharField(required=False)
    until = forms.CharField(required=False)

    def clean_until(self) -> datetime | None:
        try:
            moment = datetime.fromisoformat(self.cleaned_data["until"])
            return moment.astimezone(UTC) if moment.tzinfo else None
        except (ValueError, OverflowError):
            return None


class DoubtForm(AnswerForm):
    """What became of which messages: `pk` are those that were ticked."""

    choice = forms.ChoiceField(choices=[(name, name) for name in VERBS])
    pk = forms.TypedMultipleChoiceField(required=False, coerce=int)

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        field = self.fields["pk"]
        assert isinstance(field, forms.TypedMultipleChoiceField)
        # An id of this length fits the column; whose it is the verb looks at.
        posted = [pk for pk in data.getlist("pk") if pk.isascii() and pk.isdecimal() and len(pk) < 19]
        field.choices = [(pk, pk) for pk in posted[:MOST_AT_ONCE]]


@member_page()
@require_safe
def unconfirmed_messages(request: MemberRequest) -> HttpResponse:
    """The account's messages of which nobody knows whether they left."""
    account, before = request.member.account, request.GET.get("before", "")
    shown = page(unconfirmed.of_account(account), by="valid_until", cursor=before)
    context = {
        "rows": shown.rows,
        "older": f"before={shown.cursor}" if shown.cursor else None,
        "newer": "" if before else None,
        "before": before,
        "doubt_until": unconfirmed.until((row.handed_over_at for row in shown.rows), now=timezone.now()),
        "all_chosen": request.GET.get("all") == "1",
        "section": "sent",
    }
    return render(request, "compose/unconfirmed.html", context)


# Whoever comes by the address alone, after a sign-in, chooses again; with the choice in its query it only asks.
_CHOICES = ["GET", "HEAD", "POST"]


@member_page(may_send)
@require_http_methods(_CHOICES)
def decide_chosen(request: MemberRequest) -> HttpResponse:
    """Say what became of the ticked messages of the list."""
    form, back = _form(request), reverse("unconfirmed")
    if request.method == "POST" and not (form.is_valid() and form.cleaned_data["pk"]):
        messages.warning(request, _("No message is chosen. Nothing was changed: tick the boxes of the messages first."))
        return redirect(back)
    chosen = form.cleaned_data["pk"] if form.is_valid() else []
    rows = unconfirmed.of_account(request.member.account).filter(pk__in=chosen)
    return _decide(request, form, rows, back, _("Unconfirmed SMS"))


@member_page(may_send)
@require_http_methods(_CHOICES)
def decide_message(request: MemberRequest, pk: int) -> HttpResponse:
    """Say what became of one message."""
    found = get_object_or_404(Message, pk=pk, account=request.member.account)
    rows = unconfirmed.of_account(request.member.account).filter(pk=found.pk)
    where = _("Message to %(number)s") % {"number": spaced(found.recipient)}
    return _decide(request, _form(request), rows, reverse("message", kwargs={"pk": found.pk}), where)


@member_page(may_send)
@require_http_methods(_CHOICES)
def decide_submission(request: MemberRequest, pk: int) -> HttpResponse:
    """Say what became of all unconfirmed messages of a submission."""
    found = get_object_or_404(Submission, pk=pk, account=request.member.account)
    rows, back = unconfirmed.of_submission(found), reverse("submission", kwargs={"pk": found.pk})
    return _decide(request, _form(request), rows, back, asking.named(found))


def _form(request: MemberRequest) -> DoubtForm:
    """What a button posted, or the question of its address."""
    return DoubtForm(request.POST if request.method == "POST" else request.GET)


@dataclass(frozen=True)
class InDoubt:
    """What is looked at of a message in doubt."""

    pk: int
    price: int
    paused_at: datetime | None
    handed_over_at: datetime | None

    def came_after(self, until: datetime | None) -> bool:
        """Whether it is in another doubt than the one that was over at `until`."""
        return until is not None and self.handed_over_at is not None and self.handed_over_at > until


def _decide(request: MemberRequest, form: DoubtForm, rows: QuerySet[Message], back: str, where: str) -> HttpResponse:
    """Do what was chosen with `rows`, which are in doubt; several of them after the page that asks.

    So is one, where the button did not say which doubt it was about. It is back to the page `back` then, whose name is
    `where`.
    """
    if not form.is_valid():
        if request.method == "POST":
            messages.warning(
                request, _("Nothing was changed: choose whether the message was sent, is sent again, or is given up.")
            )
        return redirect(back)
    # Read once: these and no others are asked about or decided, whatever comes in doubt meanwhile.
    fields = rows.order_by("pk").values_list("pk", "price", "submission__paused_at", "handed_over_at")
    found = [InDoubt(*row) for row in fields]
    if request.method != "POST":
        return _ask(request, form, found, back, where)
    choice, ticked, until = (form.cleaned_data[name] for name in ("choice", "pk", "until"))
    pks, now = [row.pk for row in found], timezone.now()
    # So many the page spoke of; what was resolved before this began is missing in `rows`.
    spoken_of = form.cleaned_data["shown"]
    shown = len(ticked) if spoken_of is None else spoken_of
    # The answer is for what was asked about: what has come in doubt since stays there, what was resolved is left alone.
    answered = asking.answered(request)
    meant = spans.among(pks, form.cleaned_data["about"]) if answered else pks
    if pks and (meant is None or until is None or (not answered and len(pks) > 1)):
        doubt = unconfirmed.until((row.handed_over_at for row in found), now=now)
        asked = {"choice": choice, "shown": shown, "until": doubt, "pk": pks if ticked else []}
        return asking.lead_to(request, asked)
    decided = VERBS[choice](meant or [], by=request.user, now=now, seen=doubts.Seen(request.member.account, until))
    meanwhile = max(decided.others, shown - decided.changed)
    if decided.changed:
        messages.success(request, sentence(choice, decided.changed))
    # Those of them that are in another doubt by now, which this answer is not about.
    anew = set(rows.filter(handed_over_at__gt=until).values_list("pk", flat=True)) if decided.others and until else ()
    again = len(set(meant or []).intersection(anew))
    if again:
        messages.warning(request, sent_meanwhile(again))
    if meanwhile > again or not (decided.changed or again):
        messages.warning(request, left_alone(meanwhile - again))
    return redirect(back)


def _ask(request: MemberRequest, form: DoubtForm, found: list[InDoubt], back: str, where: str) -> HttpResponse:
    """The page that asks about those `found` that were in doubt when a button led to it, and about no later doubt."""
    until = form.cleaned_data["until"]
    about = [row for row in found if not row.came_after(until)]
    if not about:
        said = _("Nothing is in doubt here any more, so nothing is left to decide.")
        if found:
            said = _("What is in doubt here now came after that question: look at it anew before you decide.")
        messages.warning(request, said)
        return redirect(back)
    pks = [row.pk for row in about]
    meanwhile = max(0, (form.cleaned_data["shown"] or 0) - len(about))
    question = asking.Question(
        choice=form.cleaned_data["choice"],
        concerned=asking.Concerned(len(about), sum(row.price for row in about)),
        others=left_alone(meanwhile) if meanwhile else "",
        back=back,
        page=where,
        again={
            "choice": [form.cleaned_data["choice"]],
            "about": [spans.said(pks)],
            "until": [unconfirmed.until((row.handed_over_at for row in about), now=timezone.now())],
            "pk": pks if form.cleaned_data["pk"] else [],
        },
        paused=any(row.paused_at for row in about),
    )
    return asking.page(request, question)


def sentence(choice: str, count: int) -> str:
    """What the choice did to `count` messages."""
    said = {
        CONFIRM: ngettext(
            "%(count)s message is taken for sent, and its price is paid.",
            "%(count)s messages are taken for sent, and their price is paid.",
            count,
        ),
        SEND_AGAIN: ngettext("%(count)s message is sent again.", "%(count)s messages are sent again.", count),
        GIVE_UP: ngettext(
            "%(count)s message was given up, and its price given back.",
            "%(count)s messages were given up, and their price given back.",
            count,
        ),
    }
    return said[choice] % {"count": number_format(count, force_grouping=True)}


def sent_meanwhile(count: int) -> str:
    """That `count` messages are in doubt, but not in the doubt that was decided about."""
    return ngettext(
        "%(count)s message was left as it is: it was sent again meanwhile, and is in doubt since then. Look at it "
        "anew before you decide.",
        "%(count)s messages were left as they are: they were sent again meanwhile, and are in doubt since then. Look "
        "at them anew before you decide.",
        count,
    ) % {"count": number_format(count, force_grouping=True)}


def left_alone(count: int) -> str:
    """That `count` messages (0: all there were) were resolved before the choice came to them."""
    if not count:
        return _("Nothing was changed: a report, or somebody else, had resolved this meanwhile.")
    return ngettext(
        "%(count)s message was left as it is: a report, or somebody else, had resolved it meanwhile.",
        "%(count)s messages were left as they are: a report, or somebody else, had resolved them meanwhile.",
        count,
    ) % {"count": number_format(count, force_grouping=True)}
