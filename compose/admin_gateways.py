"""The administration of gateways: how each is, pausing and trying it, the routes, and the codes that nobody knows."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import label_for_field
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from compose import backlog, breakers, routing
from compose.models import GatewayState, Message, Route, VendorCode
from credits import days, regions
from credits.admin_regions import RegionChoices
from credits.readonly import ReadOnlyAdmin, in_lines

NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"


class PauseForm(forms.Form):
    """Why gateways are paused; other administrators read it."""

    reason = forms.CharField(label=_("Reason, which other administrators read"), max_length=250)


@admin.register(GatewayState)
class GatewayStateAdmin(ReadOnlyAdmin):
    list_display = (
        "name",
        "how",
        "waiting",
        "last_error",
        "last_success",
        "unknown_codes",
        "backend",
    )
    list_display_links = None
    list_select_related = ("paused_by",)
    actions = ("pause", "resume", "try_now")

    class Media:
        css = {"all": ["css/admin-gateways.css"]}

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may pause, resume and try gateways: rows are changed by these verbs only."""
        return request.user.has_perm("compose.change_gatewaystate")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if self.has_view_permission(request):
            breakers.noted()
        return super().changelist_view(request, extra_context)

    def get_queryset(self, request: HttpRequest) -> QuerySet[GatewayState]:
        return super().get_queryset(request).filter(name__in=routing.names())

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        shown = super().get_changelist_instance(request)
        # One query for all rows: what waits to be sent by them, and what is being handed over.
        waits = Q(state=Message.State.SCHEDULED) | Q(state=Message.State.SENDING)
        counted = Message.objects.filter(waits).order_by().values_list("gateway").annotate(total=Count("pk"))
        codes = VendorCode.objects.order_by().values_list("gateway").annotate(total=Count("pk"))
        waiting, unknown = dict(counted), dict(codes)
        doubtful = backlog.unconfirmed()
        for state in shown.result_list:
            state.messages_waiting, state.codes = waiting.get(state.name, 0), unknown.get(state.name, 0)
            state.doubtful = doubtful.get(state.name, 0)
        return shown

    @admin.display(description=_("kind"))
    def backend(self, state: GatewayState) -> str:
        """The short part of its class's path, "smpp" for compose.gateways.smpp.SmppGateway."""
        path = str(routing.backend(state.name))
        parts = path.split(".")
        return parts[2] if path.startswith("compose.gateways.") and len(parts) > 3 else path

    @admin.display(description=_("status"))
    def how(self, state: GatewayState) -> str:
        """Whether it works and, where it does not, since when, when it is tried next, and how often it failed."""
        if routing.usable(state.name) is None:
            return str(_("Its settings are wrong: “manage.py check” says why."))
        if state.paused_at is not None:
            values = {"who": state.paused_by or "–", "reason": state.pause_reason}
            return in_lines(
                _("Paused by %(who)s: %(reason)s") % values, _moment(_("since %(moment)s"), state.paused_at)
            )
        return in_lines(
            state.get_state_display(),
            _moment(_("since %(moment)s"), state.opened_at),
            _moment(_("next try %(moment)s"), state.try_at if state.state == GatewayState.State.OPEN else None),
            _("failures in a row: %(count)d") % {"count": state.failures} if state.failures else "",
        )

    @admin.display(description=_("last error"))
    def last_error(self, state: GatewayState) -> str:
        return in_lines(state.error_sentence, state.detail, _moment("%(moment)s", state.error_at))

    @admin.display(description=_("messages waiting"))
    def waiting(self, state: Any) -> str:
        """How many wait, and below that of how many nobody knows whether they left."""
        if not state.doubtful:
            return str(state.messages_waiting)
        address = f"{reverse('admin:compose_message_changelist')}?state__exact=unconfirmed&gateway={state.name}"
        said = _("unconfirmed: %(count)d") % {"count": state.doubtful}
        return in_lines(str(state.messages_waiting), format_html('<a href="{}">{}</a>', address, said))

    @admin.display(description=_("unknown codes"))
    def unknown_codes(self, state: Any) -> str:
        if not state.codes:
            return "0"
        address = reverse("admin:compose_vendorcode_changelist")
        return format_html('<a href="{}?gateway__exact={}">{}</a>', address, state.name, state.codes)

    @admin.action(description=_("Pause the chosen gateways…"), permissions=["decide"])
    def pause(self, request: HttpRequest, chosen: QuerySet[GatewayState]) -> HttpResponse | None:
        form = PauseForm(request.POST if "pause" in request.POST else None)
        if form.is_bound and form.is_valid():
            reason = form.cleaned_data["reason"]
            done = [one for one in chosen if breakers.pause(one.name, by=request.user, reason=reason)]
            sentence = ngettext("%(count)d gateway is paused.", "%(count)d gateways are paused.", len(done))
            self._said(request, chosen, done, sentence, f"paused: {reason}")
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": _("Pause gateways"),
            "form": form,
            "chosen": chosen,
            "opts": self.model._meta,
        }
        return render(request, "admin/compose/pause.html", context)

    @admin.action(description=_("Let the chosen gateways go on"), permissions=["decide"])
    def resume(self, request: HttpRequest, chosen: QuerySet[GatewayState]) -> None:
        done = [one for one in chosen if breakers.resume(one.name)]
        sentence = ngettext("%(count)d gateway goes on.", "%(count)d gateways go on.", len(done))
        self._said(request, chosen, done, sentence, "resumed")

    @admin.action(description=_("Try now"), permissions=["decide"])
    def try_now(self, request: HttpRequest, chosen: QuerySet[GatewayState]) -> None:
        done = [one for one in chosen if breakers.try_now(one.name)]
        sentence = ngettext(
            "%(count)d gateway is tried with the next message.",
            "%(count)d gateways are tried with the next message.",
            len(done),
        )
        self._said(request, chosen, done, sentence, "tried now")

    def _said(
        self, request: HttpRequest, chosen: QuerySet[GatewayState], done: list[GatewayState], sentence: str, word: str
    ) -> None:
        for one in done:
            self.log_change(request, one, word)
        if done:
            self.message_user(request, sentence % {"count": len(done)}, messages.SUCCESS)
        for one in chosen:
            if one not in done:
                left = _("The gateway “%(gateway)s” was left as it is: this does not fit its status.")
                self.message_user(request, left % {"gateway": one.name}, messages.WARNING)


def _moment(sentence: Any, at: datetime | None) -> str:
    """The sentence with the moment in it, on one line however narrow the page is; "" without one."""
    if at is None:
        return ""
    moment = days.written(timezone.localtime(at), "DATETIME_FORMAT")
    return (str(sentence) % {"moment": moment}).replace(" ", NO_BREAK_SPACE)


class RouteForm(forms.ModelForm):
    """A route, with the configured gateways to choose from, and the one that it names already."""

    class Meta:
        model = Route
        fields = (
            "priority",
            "gateway",
            "region",
            "account",
            "sender",
            "kind",
            "message_class",
            "commercial",
            "enabled",
            "note",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = dict.fromkeys([*routing.names(), *([self.instance.gateway] if self.instance.gateway else [])])
        self.fields["gateway"] = forms.ChoiceField(
            label=_("gateway"),
            choices=[(name, name) for name in names],
            help_text=_(
                "Of all routes that fit a message, the one with the lowest priority goes first; of the same priority, "
                "the one that asks for more. When its gateway certainly does not take the message, the next one gets "
                "it. Where no route fits, “default” carries it. A route to a gateway that cannot carry the type of SMS "
                "or the kind of sender is passed over."
            ),
        )


@admin.register(Route)
class RouteAdmin(RegionChoices, admin.ModelAdmin):
    form = RouteForm
    list_display = (
        "priority",
        "to",
        "asked",
        "enabled",
        "note",
    )
    list_display_links = ("priority", "to")
    list_filter = ("enabled", "gateway", "kind")
    list_select_related = ("account", "sender")
    raw_id_fields = ("account", "sender")
    search_fields = ("gateway", "note", "region", "account__name")
    ordering = ("priority", "pk")

    @admin.display(description=_("gateway"), ordering="gateway")
    def to(self, route: Route) -> str:
        if route.gateway in routing.names():
            return route.gateway
        return str(_("%(gateway)s (not configured: passed over)") % {"gateway": route.gateway})

    @admin.display(description=_("messages"))
    def asked(self, route: Route) -> str:
        """What the route asks of a message, each thing on a line."""
        asked = {
            "region": f"{regions.name_of(route.region)} ({route.region})" if route.region else "",
            "account": route.account,
            "sender": route.sender,
            "kind": route.get_kind_display(),
            "message_class": route.get_message_class_display(),
            "commercial": "" if route.commercial is None else [_("No"), _("Yes")][route.commercial],
        }
        told = (
            _("%(what)s: %(value)s") % {"what": capfirst(str(label_for_field(name, Route))), "value": value}
            for name, value in asked.items()
            if value
        )
        return in_lines(*told) or str(_("all"))

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest | None, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "region":
            field.widget.choices = [("", _("Any country")), *regions.choices()]
        return field


@admin.register(VendorCode)
class VendorCodeAdmin(ReadOnlyAdmin):
    list_display = ("gateway", "where", "code", "count", "first_seen", "last_seen")
    list_filter = ("gateway", "where")
    search_fields = ("code",)
    show_full_result_count = False
