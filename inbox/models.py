"""What comes in: received messages, and who has not read them yet."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from compose.models import GatewayEvent, Message, OptOut
from credits.models import Account, Member
from inbox.reaction_models import Reaction, ReactionSettings

__all__ = ["LongMessage", "Part", "Reaction", "ReactionSettings", "Received", "Stopped", "Unread"]


class Received(models.Model):
    """A message that somebody sent to one of our numbers, and the message that it answers when that is known.

    The account is null when nobody's message explains it: the administrator sees it, no account does.
    """

    account = models.ForeignKey(
        Account, models.PROTECT, null=True, blank=True, related_name="received", verbose_name=_("SMS account")
    )
    event = models.OneToOneField(GatewayEvent, models.PROTECT, related_name="received", editable=False)
    number = models.CharField(_("from"), max_length=32)
    to = models.CharField(_("to"), max_length=32)
    text = models.TextField(_("message"))
    missing = models.PositiveSmallIntegerField(_("parts that are missing"), default=0)
    received_at = models.DateTimeField(_("received"))
    answers = models.ForeignKey(
        Message, models.PROTECT, null=True, blank=True, related_name="answers", verbose_name=_("answers")
    )
    # Deleted by a member: gone from the account's pages, and kept for its undoing and for the administrator.
    deleted_at = models.DateTimeField(_("deleted"), null=True, editable=False)
    deleted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("deleted by"),
    )

    class Meta:
        verbose_name = _("received message")
        verbose_name_plural = _("received messages")
        ordering = ["-received_at", "-pk"]
        indexes = [
            models.Index(
                F("account"),
                F("received_at").desc(),
                F("id").desc(),
                name="received_shown",
                condition=Q(deleted_at=None),
            ),
            models.Index(
                F("account"),
                F("number"),
                F("received_at").desc(),
                F("id").desc(),
                name="received_thread",
                condition=Q(deleted_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.text[:30]}"

    @property
    def missing_sentence(self) -> str:
        """That parts of a long message never came, in the user's language; "" when all is there."""
        if not self.missing:
            return ""
        return ngettext(
            "One SMS of this message is missing.",
            "%(count)d SMS of this message are missing.",
            self.missing,
        ) % {"count": self.missing}


class LongMessage(models.Model):
    """A received message of several parts, from its first part on. Open until it is shown, whole or with its gaps.

    Its parts say the same of these: the gateway, who writes to whom, the reference that the phone gave, and of how
    many parts. A phone uses a reference again, so of one such set there are several in time, and one at most is open.
    """

    gateway = models.CharField(max_length=40)
    number = models.CharField(max_length=32)
    to = models.CharField(max_length=32)
    reference = models.PositiveIntegerField()
    of = models.PositiveSmallIntegerField()
    # When the earliest and the latest of its parts were stored.
    began_at = models.DateTimeField()
    latest_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    received = models.OneToOneField(Received, models.PROTECT, null=True, related_name="long_message")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["gateway", "number", "to", "reference", "of"],
                name="long_message_open_once",
                condition=Q(closed_at=None),
            ),
            models.CheckConstraint(
                condition=Q(closed_at=None, received=None) | Q(closed_at__isnull=False, received__isnull=False),
                name="long_message_closed_is_shown",
            ),
        ]
        indexes = [
            models.Index(F("began_at"), name="long_message_open", condition=Q(closed_at=None)),
            models.Index(
                F("gateway"), F("number"), F("to"), F("reference"), F("of"), F("id").desc(), name="long_message_of"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.reference} ({self.of})"


class Part(models.Model):
    """A part of a long message: its place in it, counted from 1, and the event whose octets it is."""

    message = models.ForeignKey(LongMessage, models.CASCADE, related_name="parts")
    place = models.PositiveSmallIntegerField()
    event = models.OneToOneField(GatewayEvent, models.PROTECT, related_name="part")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["message", "place"], name="part_once")]

    def __str__(self) -> str:
        return f"{self.message_id}: {self.place}"


class Unread(models.Model):
    """That a member has not read a received message of the account yet.

    Whoever is a member when it comes has one, and loses it by reading; who comes later begins with nothing unread, and
    who leaves takes theirs along. `hidden` while the message is deleted: undoing that gives everybody what they had.
    """

    member = models.ForeignKey(Member, models.CASCADE, related_name="unread", db_index=False)
    received = models.ForeignKey(Received, models.CASCADE, related_name="unread_by")
    hidden = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["member", "received"], name="unread_once_for_a_member")]
        indexes = [models.Index(F("member"), name="unread_count", condition=Q(hidden=False))]

    def __str__(self) -> str:
        return f"{self.member_id} {self.received_id}"


class Stopped(models.Model):
    """That a received message put its writer on a STOP list: `opt_out` is the entry that it made.

    The account of the entry need not be that of the message: what is sent to the number of the clause belongs to no
    account, and may put its writer on the lists of several.
    """

    received = models.ForeignKey(Received, models.CASCADE, related_name="stopped")
    opt_out = models.OneToOneField(OptOut, models.CASCADE, related_name="cause")

    def __str__(self) -> str:
        return f"{self.received_id} {self.opt_out_id}"
