"""The administration of numbers: the pool of short numbers, and the virtual ones with the account each belongs to."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from credits.admin_regions import RegionChoices
from credits.mobiles import read_number
from senders import services, virtual
from senders.models import Lease, Sender, ShortNumber, VirtualNumber


class GatewayChoiceForm(forms.ModelForm):
    """A number, with the configured gateways to choose from, and the one that it names already."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields.get("gateway")
        if field is None:
            # Somebody who may only look.
            return
        names = [*settings.SMS_GATEWAYS, *([self.instance.gateway] if self.instance.gateway else [])]
        self.fields["gateway"] = forms.ChoiceField(
            label=field.label,
            required=False,
            choices=[("", _("Any gateway")), *((name, name) for name in dict.fromkeys(names))],
            help_text=field.help_text,
        )


class NumberAdmin(RegionChoices, admin.ModelAdmin):
    """What both kinds of number show alike."""

    @admin.display(description=_("gateway"), ordering="gateway")
    def by(self, number: Any) -> str:
        if not number.gateway or number.gateway in settings.SMS_GATEWAYS:
            return number.gateway or str(_("Any gateway"))
        return str(_("%(gateway)s (not configured: nothing leaves from it)") % {"gateway": number.gateway})


@admin.register(ShortNumber)
class ShortNumberAdmin(NumberAdmin):
    form = GatewayChoiceForm
    list_display = ("number", "country", "use", "by", "in_use", "enabled")
    list_filter = ("use", "enabled", "gateway", "country")
    search_fields = ("number",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ShortNumber]:
        """With the recipients that each is in use with, counted in the one query of the page."""
        running = Lease.objects.filter(number=OuterRef("pk"), until__gt=timezone.now()).order_by().values("number")
        counted = Subquery(running.annotate(total=Count("pk")).values("total"), output_field=IntegerField())
        numbers: QuerySet[ShortNumber] = super().get_queryset(request)
        return numbers.annotate(leases_in_use=Coalesce(counted, 0))

    @admin.display(description=_("in use with (recipients)"), ordering="leases_in_use")
    def in_use(self, number: Any) -> str:
        return _of(int(number.leases_in_use), number.capacity)


class VirtualNumberForm(GatewayChoiceForm):
    """A virtual number: kept in E.164, however it was typed."""

    class Meta:
        model = VirtualNumber
        fields = ("number", "country", "gateway", "account", "capacity", "enabled", "note")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "number" in self.fields:
            # As people write it, with spaces; what is kept of it fits the column.
            self.fields["number"] = forms.CharField(label=self.fields["number"].label, max_length=40)

    def clean_number(self) -> str:
        typed = self.cleaned_data["number"]
        number = read_number(typed, self.data.get("country") or "FR")
        if number is None:
            raise ValidationError(_("This is not a valid number. Write it in international format, like +33612345678."))
        return number

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        account, number = data.get("account"), data.get("number") or self.instance.number
        if account is not None and number:
            other = Sender.objects.filter(account=account, value=number, deleted_at=None)
            if other.exclude(kind=Sender.Kind.VIRTUAL).exists():
                self.add_error("account", virtual.OTHER_KIND % {"account": account, "number": number})
        return data


class FreeFilter(admin.SimpleListFilter):
    """Numbers that are free, and those that belong to somebody."""

    title = _("SMS account")
    parameter_name = "free"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("no", _("An account")), ("yes", _("Nobody"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[VirtualNumber]) -> QuerySet[VirtualNumber]:
        if self.value() not in ("yes", "no"):
            return queryset
        return queryset.filter(account__isnull=self.value() == "yes")


@admin.register(VirtualNumber)
class VirtualNumberAdmin(NumberAdmin):
    form = VirtualNumberForm
    list_display = ("number", "account", "by", "today", "enabled", "note")
    list_filter = (FreeFilter, "enabled", "gateway", "country")
    list_select_related = ("account",)
    search_fields = ("number", "account__name", "note")
    raw_id_fields = ("account",)

    def get_readonly_fields(self, request: HttpRequest, obj: VirtualNumber | None = None) -> tuple[str, ...]:
        # Senders and answers know it by its digits: another number is another row.
        return () if obj is None else ("number",)

    def has_delete_permission(self, request: HttpRequest, obj: VirtualNumber | None = None) -> bool:
        """Only a free one: an account's would leave a sender without its number."""
        free = obj is None or obj.account_id is None
        return free and super().has_delete_permission(request, obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """As of one, so of many: those that belong to somebody are in the way."""
        found, counts, perms, protected = super().get_deleted_objects(objs, request)
        return found, counts, perms, [*protected, *(str(one) for one in objs if one.account_id is not None)]

    def save_model(self, request: HttpRequest, obj: VirtualNumber, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change or {"account", "enabled"} & set(form.changed_data):
            services.follow(obj, by=request.user)

    @admin.display(description=_("sent today"))
    def today(self, number: VirtualNumber) -> str:
        """What counts towards the capacity; nothing is counted without one."""
        if number.capacity is None:
            return ""
        return _of(number.sent if number.sent_on == timezone.localdate() else 0, number.capacity)


def _of(count: int, capacity: int | None) -> str:
    """So many of as many as it takes, in one column: the lists have no room for two."""
    return str(count) if capacity is None else f"{count} / {capacity}"
