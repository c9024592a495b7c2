"""The registry of senders: who may write in whose name, and how that came about."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from credits.models import Account


class Sender(models.Model):
    """A sender of an account, or (account is null) the shared pool of short numbers that every account may use."""

    class Kind(models.TextChoices):
        SHORT = "short", _("Short number")
        VIRTUAL = "virtual", _("Virtual number")
        ALPHANUMERIC = "alphanumeric", _("Name")
        NUMERIC = "numeric", _("Number")

    class Status(models.TextChoices):
        WAITING = "waiting", _("Waiting for validation")
        ENABLED = "enabled", _("Enabled")
        DISABLED = "disabled", _("Disabled")
        REFUSED = "refused", _("Refused")

    account = models.ForeignKey(
        Account, models.CASCADE, null=True, blank=True, related_name="senders", verbose_name=_("SMS account")
    )
    kind = models.CharField(_("kind"), max_length=12, choices=Kind)
    value = models.CharField(_("sender"), max_length=16, blank=True)
    description = models.CharField(_("description"), max_length=40, blank=True)
    justification = models.CharField(_("justification"), max_length=250, blank=True)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.WAITING)
    refusal_reason = models.CharField(_("reason of the refusal"), max_length=250, blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("requested by"),
    )
    requested_at = models.DateTimeField(_("requested"), auto_now_add=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("decided by"),
    )
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    deleted_at = models.DateTimeField(_("deleted"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("sender")
        verbose_name_plural = _("senders")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "value"], condition=Q(deleted_at=None), name="sender_once_per_account"
            ),
            models.UniqueConstraint(fields=["kind"], condition=Q(account=None), name="sender_one_shared_pool"),
            models.CheckConstraint(
                condition=Q(account__isnull=False) | Q(kind="short", value=""),
                name="sender_shared_is_the_pool",
            ),
            models.CheckConstraint(
                condition=~Q(status="refused") | ~Q(refusal_reason=""), name="sender_refused_says_why"
            ),
            models.UniqueConstraint(
                fields=["value"],
                condition=Q(kind="virtual", status="enabled", deleted_at=None),
                name="sender_virtual_number_once",
            ),
        ]

    def __str__(self) -> str:
        return str(_("Short number that can be answered")) if self.is_pool else self.value

    @property
    def is_pool(self) -> bool:
        return self.account_id is None

    @property
    def can_be_answered(self) -> bool:
        return self.kind in (self.Kind.SHORT, self.Kind.VIRTUAL)


class SenderChange(models.Model):
    """What somebody did to a sender, kept for good: who may write in whose name has to be explained later."""

    class Verb(models.TextChoices):
        REQUESTED = "requested", _("Asked for")
        APPROVED = "approved", _("Approved")
        REFUSED = "refused", _("Refused")
        DISABLED = "disabled", _("Disabled")
        ENABLED = "enabled", _("Enabled")
        DELETED = "deleted", _("Deleted")

    sender = models.ForeignKey(Sender, models.CASCADE, related_name="changes")
    verb = models.CharField(_("what"), max_length=10, choices=Verb)
    at = models.DateTimeField(_("when"), auto_now_add=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", verbose_name=_("by"))
    note = models.TextField(_("note"), blank=True)

    class Meta:
        verbose_name = _("change of a sender")
        verbose_name_plural = _("changes of a sender")
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.sender_id} {self.get_verb_display()}"


def document_path(document: "SenderDocument", name: str) -> str:
    """Where a document lies in the private storage: nothing of what somebody called it is in the path."""
    return f"senders/{document.sender_id}/{uuid.uuid4().hex}"


class SenderDocument(models.Model):
    """A supporting document of a request, checked by its content (senders/files.py)."""

    sender = models.ForeignKey(Sender, models.PROTECT, related_name="documents")
    name = models.CharField(_("name"), max_length=100)
    media_type = models.CharField(_("type"), max_length=20)
    size = models.PositiveIntegerField(_("size (bytes)"))
    file = models.FileField(upload_to=document_path, max_length=100)
    added_at = models.DateTimeField(_("added"), auto_now_add=True)
    added_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")

    class Meta:
        verbose_name = _("supporting document")
        verbose_name_plural = _("supporting documents")
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.name


class ProtectedName(models.Model):
    """A name that nobody may use by accident: senders that look like it are approved only when asked twice."""

    name = models.CharField(_("name"), max_length=40, unique=True)
    note = models.CharField(_("note"), max_length=250, blank=True)

    class Meta:
        verbose_name = _("protected name")
        verbose_name_plural = _("protected names")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
