"""The raw events of gateways, kept before anything is done with them."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _


class GatewayEvent(models.Model):
    """A report or a received message as a gateway said it, stored before anything is done with it."""

    class Kind(models.TextChoices):
        REPORT = "report", _("Report")
        RECEIVED = "received", _("Received message")

    gateway = models.CharField(_("gateway"), max_length=40)
    key = models.CharField(_("unique key"), max_length=160)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    payload = models.JSONField(_("content"))
    stored_at = models.DateTimeField(_("stored"), auto_now_add=True)
    look_at = models.DateTimeField(_("next look"))
    applied_at = models.DateTimeField(_("applied"), null=True)
    result = models.CharField(_("result"), max_length=20, blank=True)

    class Meta:
        verbose_name = _("gateway event")
        verbose_name_plural = _("gateway events")
        constraints = [models.UniqueConstraint(fields=["gateway", "key"], name="gateway_event_once")]
        indexes = [models.Index(F("look_at"), F("id"), name="gateway_event_waiting", condition=Q(applied_at=None))]

    def __str__(self) -> str:
        return f"{self.gateway} {self.key}"
