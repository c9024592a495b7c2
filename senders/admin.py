"""The administration of senders: what waits comes first, approving is one click, refusing asks for a reason."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Case, QuerySet, Value, When
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from senders import (
    admin_data,  # noqa: F401 (registers its classes)
    admin_numbers,  # noqa: F401 (registers its classes)
    services,
    virtual,
)
from senders.downloads import as_download
from senders.forms import SenderAdminForm
from senders.models import Sender, SenderChange, SenderDocument


class RefusalForm(forms.Form):
    """Why the chosen senders are refused; the requester reads it."""

    reason = forms.CharField(label=_("Reason, which the requester reads"), max_length=250)


class ChangeInline(admin.TabularInline):
    """The history of a sender: to read."""

    model = SenderChange
    extra = 0
    can_delete = False
    fields = readonly_fields = ("at", "verb", "by", "note")

    def get_queryset(self, request: HttpRequest) -> QuerySet[SenderChange]:
        return super().get_queryset(request).select_related("by")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class SenderList(ChangeList):
    """Its rows know which protected names they resemble: one query for all."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows = list(self.result_list)
        alike = services.resembled(rows)
        for row in rows:
            row.alike = alike[row.pk]
        self.result_list = rows


@admin.register(Sender)
class SenderAdmin(admin.ModelAdmin):
    list_display = (
        "name",
        "account",
        "kind",
        "status",
        "resembles",
        "requested_by",
        "requested",
    )
    form = SenderAdminForm
    list_filter = ("status", "kind")
    search_fields = ("value", "account__name", "description")
    list_select_related = ("account", "requested_by")
    raw_id_fields = ("account",)
    readonly_fields = (
        "status",
        "resembles",
        "documents",
        "refusal_reason",
        "requested_by",
        "requested_at",
        "decided_by",
        "decided_at",
    )
    inlines = (ChangeInline,)
    actions = ("approve", "refuse")

    def get_changelist(self, request: HttpRequest, **rest: Any) -> type[ChangeList]:
        return SenderList

    def get_inlines(self, request: HttpRequest, obj: Sender | None) -> Any:
        return self.inlines if obj is not None else ()

    @admin.display(description=_("requested"), ordering="requested_at")
    def requested(self, sender: Sender) -> str:
        """The day: the hour, which the page of the sender has, makes the list too wide."""
        return date_format(timezone.localtime(sender.requested_at), "SHORT_DATE_FORMAT")

    @admin.display(description=_("resembles"))
    def resembles(self, sender: Sender) -> str:
        if sender._state.adding:
            return ""
        alike = sender.alike if hasattr(sender, "alike") else services.resembled([sender])[sender.pk]
        return ", ".join(alike)

    @admin.display(description=_("supporting documents"))
    def documents(self, sender: Sender) -> SafeString:
        if sender._state.adding:
            return SafeString("")
        links = (
            (reverse("admin:senders_sender_document", args=[document.pk]), document.name)
            for document in sender.documents.all()
        )
        return format_html_join(SafeString("<br>"), '<a href="{}">{}</a>', links)

    def get_urls(self) -> list[URLPattern]:
        address = path("document/<int:pk>/", self.admin_site.admin_view(self.document), name="senders_sender_document")
        return [address, *super().get_urls()]

    def document(self, request: HttpRequest, pk: int) -> FileResponse:
        """A supporting document, for whoever may see senders here."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return as_download(get_object_or_404(SenderDocument, pk=pk))

    def get_readonly_fields(self, request: HttpRequest, obj: Sender | None = None) -> tuple[str, ...]:
        # What was approved is not turned into something else: another name is another request.
        return self.readonly_fields if obj is None else ("account", "kind", "value", *self.readonly_fields)

    def save_model(self, request: HttpRequest, obj: Sender, form: Any, change: bool) -> None:
        if not change:
            obj.requested_by = request.user  # type: ignore[assignment]
        super().save_model(request, obj, form, change)
        if not change:
            services.written(obj, by=request.user)

    @admin.display(description=_("sender"), ordering="value")
    def name(self, sender: Sender) -> str:
        return str(sender)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Sender]:
        return super().get_queryset(request).filter(deleted_at=None)

    def get_ordering(self, request: HttpRequest) -> list[Any]:
        waiting_first = Case(When(status=Sender.Status.WAITING, then=Value(0)), default=Value(1))
        return [waiting_first.asc(), "-requested_at"]

    def has_delete_permission(self, request: HttpRequest, obj: Sender | None = None) -> bool:
        return False

    @admin.action(description=_("Approve the chosen senders"), permissions=["change"])
    def approve(self, request: HttpRequest, chosen: QuerySet[Sender]) -> HttpResponse | None:
        """Approve; what resembles a protected name only when that was shown and ticked."""
        open_ones = chosen.filter(status__in=services.APPROVABLE)
        alike = {pk: names for pk, names in services.resembled(open_ones).items() if names}
        asked = "approve_again" in request.POST
        if alike and not asked:
            return self._asked_again(request, chosen, alike)
        # Only what the page showed counts as seen: the list may have grown since.
        seen = {pk: set(request.POST.getlist(f"alike-{pk}")) & set(names) for pk, names in alike.items()}
        unticked = {pk for pk in alike if f"sure-{pk}" not in request.POST}
        left = [sender for sender in chosen if sender.pk in unticked]
        if left:
            warning = _("Left as they were, because nobody ticked that they may use a protected name: %(senders)s.")
            self.message_user(request, warning % {"senders": ", ".join(map(str, left))}, messages.WARNING)
        count = self._each(
            request,
            chosen.exclude(pk__in=unticked),
            lambda sender: services.approve(sender, by=request.user, although=seen.get(sender.pk, ())),
        )
        if count:
            sentence = ngettext("%(count)d sender is enabled.", "%(count)d senders are enabled.", count)
            self.message_user(request, sentence % {"count": count}, messages.SUCCESS)
        return None

    def _asked_again(self, request: HttpRequest, chosen: QuerySet[Sender], alike: dict[int, list[str]]) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": _("Approve senders that resemble protected names?"),
            "chosen": [(sender, alike.get(sender.pk, [])) for sender in chosen],
            "opts": self.model._meta,
        }
        return render(request, "admin/senders/approve.html", context)

    @admin.action(description=_("Refuse the chosen senders…"), permissions=["change"])
    def refuse(self, request: HttpRequest, chosen: QuerySet[Sender]) -> HttpResponse | None:
        form = RefusalForm(request.POST if "refuse" in request.POST else None)
        if form.is_bound and form.is_valid():
            reason = form.cleaned_data["reason"]
            count = self._each(request, chosen, lambda sender: services.refuse(sender, by=request.user, reason=reason))
            if count:
                sentence = ngettext("%(count)d sender is refused.", "%(count)d senders are refused.", count)
                self.message_user(request, sentence % {"count": count}, messages.SUCCESS)
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": _("Refuse senders"),
            "form": form,
            "chosen": chosen,
            "opts": self.model._meta,
        }
        return render(request, "admin/senders/refuse.html", context)

    def _each(self, request: HttpRequest, chosen: QuerySet[Sender], verb: Any) -> int:
        """Do `verb` to each chosen sender; say which ones a status did not allow, and return how many it did."""
        done = 0
        for sender in chosen:
            try:
                verb(sender)
                self.log_change(request, sender, f"{sender.get_status_display()} {sender.refusal_reason}".strip())
                done += 1
            except services.Resembles as error:
                sentence = _("%(sender)s was left as it is: it also resembles %(names)s. Approve it again.")
                self.message_user(
                    request, sentence % {"sender": sender, "names": ", ".join(error.names)}, messages.WARNING
                )
            except virtual.NumberNotFree as error:
                sentence = _("%(sender)s was left as it is. %(reason)s")
                values = {"sender": sender, "reason": error.sentence}
                self.message_user(request, sentence % values, messages.WARNING)
            except services.NotPossible:
                sentence = _("%(sender)s was left as it is: its status is “%(status)s”.")
                self.message_user(
                    request,
                    sentence % {"sender": sender, "status": sender.get_status_display()},
                    messages.WARNING,
                )
        return done
