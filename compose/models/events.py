"""The raw events of gateways, kept before anything is done with them."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _


class GatewayEvent(models.Model):
    """A report or a received message as a gateway said it, stored before anything is done with it.

    `looked` says that it was looked at in vain: what never had its turn goes before it. `result` is the word for what
    came of it: one of `PASSING`, or of a received message "received", "unmatched" or "part".
    """

    class Kind(models.TextChoices):
        REPORT = "report", _("Report")
        RECEIVED = "received", _("Received message")
        UNREADABLE = "unreadable", _("Unreadable")

    # The results of events that nothing points at: they are deleted in time (inbox/pruning.py).
    PASSING = ("applied", "no_change", "unknown", "repeated", "unreadable", "failed")

    gateway = models.CharField(_("gateway"), max_length=40)
    key = models.CharField(_("unique key"), max_length=160)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    payload = models.JSONField(_("content"))
    stored_at = models.DateTimeField(_("stored"), auto_now_add=True)
    look_at = models.DateTimeField(_("next look"))
    looked = models.BooleanField(_("looked at in vain"), default=False)
    applied_at = models.DateTimeField(_("applied"), null=True)
    result = models.CharField(_("result"), max_length=20, blank=True)

    class Meta:
        verbose_name = _("gateway event")
        verbose_name_plural = _("gateway events")
        constraints = [models.UniqueConstraint(fields=["gateway", "key"], name="gateway_event_once")]
        indexes = [
            models.Index(
                F("looked"), F("look_at"), F("id"), name="gateway_event_waiting", condition=Q(applied_at=None)
            ),
            models.Index(
                F("applied_at"),
                F("id"),
                name="gateway_event_passing",
                condition=Q(
                    result__in=["applied", "no_change", "unknown", "repeated", "unreadable", "failed"],
                    applied_at__isnull=False,
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.gateway} {self.key}"
