"""The administration of messages: to read and search, and to decide about those that may have left."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext_lazy as _

from compose import admin_gateways, queries, story, tries  # noqa: F401  (registers the pages of gateways)
from compose.admin_doubts import DoubtAdmin
from compose.models import Message, OptOut, Submission, Transition
from credits import days, regions
from credits.amounts import format_credits
from credits.readonly import ReadOnlyAdmin, in_lines


class TransitionInline(admin.TabularInline):
    model = Transition
    extra = 0
    can_delete = False
    fields = readonly_fields = ("at", "state", "why", "said", "number", "by")

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        # Django makes an inline anew for each request, and this before its cells.
        self.steps = {step.change.pk: step for step in story.of(queries.transitions(obj))} if obj else {}
        return super().get_formset(request, obj, **kwargs)

    @admin.display(description=_("reason"))
    def why(self, transition: Transition) -> str:
        return self._step(transition).why

    @admin.display(description=_("detail"))
    def said(self, transition: Transition) -> str:
        return self._step(transition).said

    @admin.display(description=_("attempt"))
    def number(self, transition: Transition) -> int | str:
        return self._step(transition).attempt or ""

    def _step(self, transition: Transition) -> story.Step:
        # One that came after they were read stands alone.
        return self.steps.get(transition.pk) or story.of([transition])[0]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Message)
class MessageAdmin(DoubtAdmin):
    list_display = ("send_at", "account", "recipient", "state", "why", "credits", "gateway", "attempts")
    list_filter = ("state", "gateway", "send_at")
    list_select_related = ("account", "submission", "hold_ended_by")
    search_fields = ("recipient", "gateway_ref")
    show_full_result_count = False
    inlines = (TransitionInline,)
    fields = readonly_fields = (
        "account",
        "submission",
        "recipient",
        "destination",
        "text",
        "state",
        "why",
        "originator",
        "send_at",
        "valid_until",
        "credits",
        "gateway",
        "gateway_ref",
        "attempts",
        "next_attempt",
        "handed_over_at",
        "final_at",
    )

    @admin.display(description=_("destination"))
    def destination(self, message: Message) -> str:
        return regions.name_of(message.region)

    @admin.display(description=_("text as sent"))
    def text(self, message: Message) -> str:
        return message.submission.text

    @admin.display(description=_("reason"))
    def why(self, message: Message) -> str:
        return tries.why(message)

    @admin.display(description=_("next attempt"))
    def next_attempt(self, message: Message) -> str:
        """Why the last attempt failed, when the next one is, how many there may be, and until when."""
        found = tries.of(message, queries.transitions(message))
        if found is None:
            return ""
        return in_lines(
            found.sentence,
            found.why,
            found.detail,
            _("next attempt %(day)s, %(hour)s") % _moment(found.next_at) if found.next_at else "",
            _("tried until %(day)s, %(hour)s; then it fails, and its price is given back") % _moment(found.until),
        )

    @admin.display(description=_("credits"))
    def credits(self, message: Message) -> str:
        return format_credits(message.cost)


def _moment(at: datetime) -> dict[str, str]:
    """The day and the hour, which each language joins in its own way."""
    local = timezone.localtime(at)
    return {"day": days.written(local), "hour": date_format(local, "TIME_FORMAT")}


@admin.register(Submission)
class SubmissionAdmin(ReadOnlyAdmin):
    list_display = (
        "created_at",
        "account",
        "sender",
        "text",
        "many",
        "parts",
        "commercial",
        "created_by",
    )
    list_filter = ("commercial", "message_class", "created_at")
    list_select_related = ("account", "sender", "created_by")
    search_fields = ("text",)
    show_full_result_count = False

    @admin.display(description=_("recipients"), ordering="recipients")
    def many(self, submission: Submission) -> str:
        return number_format(submission.recipients, force_grouping=True)


@admin.register(OptOut)
class OptOutAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "account", "number", "source", "created_by", "note", "removed_at", "removal_reason")
    list_filter = ("source", ("removed_at", admin.EmptyFieldListFilter), "created_at")
    list_select_related = ("account", "created_by")
    search_fields = ("number", "account__name")
    search_help_text = _("Number in international format, or name of the account")
    show_full_result_count = False
    fields = readonly_fields = (
        "account",
        "number",
        "source",
        "note",
        "created_at",
        "created_by",
        "message",
        "removed_at",
        "removed_by",
        "removal_reason",
    )
