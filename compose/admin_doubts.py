"""What an administrator decides about messages that may have left, of any account: the actions of the list."""

from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, Max, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from compose import spans, unconfirmed
from compose.asking import CONFIRM, DECIDE, GIVE_UP, SEND_AGAIN
from compose.doubt_views import VERBS, AnswerForm, left_alone, sentence
from compose.doubts import Seen
from compose.models import Message
from credits.readonly import ReadOnlyAdmin

# Each agrees with how many messages there are, their `count`.
TITLES: dict[str, Any] = {
    CONFIRM: ngettext_lazy("The unconfirmed message was sent", "The unconfirmed messages were sent", "count"),
    SEND_AGAIN: ngettext_lazy(
        "The unconfirmed message was not sent: send it again",
        "The unconfirmed messages were not sent: send them again",
        "count",
    ),
    GIVE_UP: ngettext_lazy(
        "Give the unconfirmed message up and give the credits back",
        "Give the unconfirmed messages up and give the credits back",
        "count",
    ),
}
CONSEQUENCES: dict[str, Any] = {
    CONFIRM: ngettext_lazy(
        "It is taken for sent, and the account pays its price. A later report still says whether it was delivered.",
        "They are taken for sent, and the accounts pay their price. Later reports still say whether they were "
        "delivered.",
        "count",
    ),
    SEND_AGAIN: ngettext_lazy(
        "It leaves at once, or as soon as its hours permit and no pause holds it back. If it had left, it reaches its "
        "recipient twice, and your provider asks for it twice; the account pays once.",
        "They leave at once, or as soon as their hours permit and no pause holds them back. Those that had left reach "
        "their recipients twice, and your provider asks for them twice; the accounts pay once.",
        "count",
    ),
    GIVE_UP: ngettext_lazy(
        "It has failed, and the account gets its price back. If it had left, your provider asks for it; a later report "
        "changes nothing any more.",
        "They have failed, and the accounts get their price back. Your provider asks for those that had left; later "
        "reports change nothing any more.",
        "count",
    ),
}


class DoubtAdmin(ReadOnlyAdmin):
    """The three choices as actions, each with a page that says what it means before anything is done.

    Works on what is ticked and on all that the filters show. Who decided stands at each message's change of status.
    """

    actions = ("doubt_confirm", "doubt_send_again", "doubt_give_up")

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may decide: messages are changed by these verbs only."""
        return request.user.has_perm("compose.change_message")

    @admin.action(description=_("Unconfirmed: they were sent…"), permissions=["decide"])
    def doubt_confirm(self, request: HttpRequest, chosen: QuerySet[Message]) -> HttpResponse | None:
        return self._decide(CONFIRM, request, chosen)

    @admin.action(description=_("Unconfirmed: they were not, send again…"), permissions=["decide"])
    def doubt_send_again(self, request: HttpRequest, chosen: QuerySet[Message]) -> HttpResponse | None:
        return self._decide(SEND_AGAIN, request, chosen)

    @admin.action(description=_("Unconfirmed: give up, give the credits back…"), permissions=["decide"])
    def doubt_give_up(self, request: HttpRequest, chosen: QuerySet[Message]) -> HttpResponse | None:
        return self._decide(GIVE_UP, request, chosen)

    def _decide(self, choice: str, request: HttpRequest, chosen: QuerySet[Message]) -> HttpResponse | None:
        doubtful = chosen.order_by().filter(state=Message.State.UNCONFIRMED)
        pks = list(doubtful.values_list("pk", flat=True))
        # The answer is for what was asked about, whatever has come in doubt since.
        answer = AnswerForm(request.POST)
        if DECIDE in request.POST and answer.is_valid() and (until := answer.cleaned_data["until"]):
            meant = spans.among(pks, answer.cleaned_data["about"])
            if meant is not None:
                self._do(choice, request, meant, until, answer.cleaned_data["shown"] or 0)
                return None
        # As many as the page can name.
        about = spans.said(pks)
        pks = spans.among(pks, about) or []
        found = doubtful.filter(pk__lte=max(pks, default=0)).aggregate(
            messages=Count("pk"),
            accounts=Count("account", distinct=True),
            price=Sum("price"),
            until=Max("handed_over_at"),
        )
        if not found["messages"]:
            nothing = _("Nothing was changed: none of the chosen messages is unconfirmed.")
            messages.warning(request, nothing)
            return None
        across = request.POST.get("select_across") == "1"
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": TITLES[choice] % {"count": found["messages"]},
            "consequence": CONSEQUENCES[choice] % {"count": found["messages"]},
            "found": found,
            "others": 0 if across else chosen.count() - found["messages"],
            "across": across,
            # All of them are not listed in the page again, but the administration wants one at least.
            "chosen": pks[: 1 if across else None],
            "about": about,
            "until": unconfirmed.until([found["until"]], now=timezone.now()),
            "action": request.POST["action"],
            "opts": Message._meta,
        }
        return render(request, "admin/compose/doubt.html", context)

    def _do(self, choice: str, request: HttpRequest, pks: list[int], until: datetime, shown: int) -> None:
        decided = VERBS[choice](pks, by=request.user, now=timezone.now(), seen=Seen(until=until))
        meanwhile = max(decided.others, shown - decided.changed)
        if decided.changed:
            messages.success(request, sentence(choice, decided.changed))
        if meanwhile or not decided.changed:
            messages.warning(request, left_alone(meanwhile))
