"""What comes in: received messages, and who has read them."""

from django.conf import settings
from django.db import models
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from compose.models import GatewayEvent, Message
from credits.models import Account


class Received(models.Model):
    """A message that somebody sent to one of our numbers, and the message that it answers when that is known.

    The account is null when nobody's message explains it: the administrator sees it, no account does.
    """

    account = models.ForeignKey(
        Account, models.PROTECT, null=True, blank=True, related_name="received", verbose_name=_("SMS account")
    )
    event = models.OneToOneField(GatewayEvent, models.PROTECT, related_name="received", editable=False)
    number = models.CharField(_("from"), max_length=16)
    to = models.CharField(_("to"), max_length=16)
    text = models.TextField(_("message"))
    received_at = models.DateTimeField(_("received"))
    answers = models.ForeignKey(
        Message, models.PROTECT, null=True, blank=True, related_name="answers", verbose_name=_("answers")
    )

    class Meta:
        verbose_name = _("received message")
        verbose_name_plural = _("received messages")
        ordering = ["-received_at", "-pk"]
        indexes = [
            models.Index(F("account"), F("received_at").desc(), F("id").desc(), name="received_page"),
            models.Index(F("account"), F("number"), F("id").desc(), name="received_conversation"),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.text[:30]}"


class Reading(models.Model):
    """That a person has read a received message."""

    received = models.ForeignKey(Received, models.CASCADE, related_name="readings")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "received"], name="reading_once_per_person")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.received_id}"
