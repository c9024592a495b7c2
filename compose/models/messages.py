"""Submissions and their messages, with the state machine.

The states of a message, and no other moves (`MOVES`; the database refuses them, too: compose/triggers.py):

    scheduled ───> sending | cancelled | failed (validity over, opted out, no gateway carries it, its number is gone)
             └> accepted | delivered (sent again by a person's order, when a report says late that the first time had
                                      arrived: docs/adr/0013)
             └> unconfirmed (in a restored back-up: it may have left since that was made, compose/restored.py)
    sending ─────> accepted | scheduled (certainly not sent) | failed | unconfirmed
    unconfirmed ─> accepted | delivered | undelivered | expired | failed
                 └> scheduled (by a person's order, or when the gateway says late that it certainly
                    did not leave; the hold stays)
    accepted ────> delivered | undelivered | expired

The hold of a message's price lasts exactly as long as it is scheduled, sending or unconfirmed. A price that was paid
is given back when a report says that the operator never took the message: it is undelivered, and `refunded_by` names
the line.
"""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from compose.models import many  # noqa: F401  (registers the lookup)
from compose.reasons import sentence
from credits.models import Account, Transfer
from senders.models import Sender


class MessageClass(models.TextChoices):
    """The "Type de SMS" of the compose page: none, class 0 and class 2 of 3GPP TS 23.038 section 4."""

    STANDARD = "standard", _("Standard")
    FLASH = "flash", _("Flash")
    SIM = "sim", _("SIM")


class Submission(models.Model):
    """One click on Send: one text, one sender, one moment, any number of recipients."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="submissions", verbose_name=_("SMS account"))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("written by")
    )
    created_at = models.DateTimeField(_("written"), auto_now_add=True)
    request_key = models.UUIDField(editable=False)
    sender = models.ForeignKey(Sender, models.PROTECT, related_name="submissions", verbose_name=_("sender"))
    body = models.TextField(_("message"))
    text = models.TextField(_("text as sent"), help_text=_("The message with its STOP clause, as counted and sent."))
    encoding = models.CharField(_("encoding"), max_length=4, choices=[("gsm7", "GSM 7-bit"), ("ucs2", "UCS-2")])
    parts = models.PositiveSmallIntegerField(_("SMS for each recipient"))
    commercial = models.BooleanField(_("commercial"))
    message_class = models.CharField(_("type of SMS"), max_length=10, choices=MessageClass)
    deferred_to = models.DateTimeField(_("deferred to"), null=True, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=64)
    recipients = models.PositiveIntegerField(_("recipients"))
    excluded = models.PositiveIntegerField(_("left out because they are on the STOP list"), default=0)
    price = models.BigIntegerField(_("price (thousandths of a credit)"))
    fingerprint = models.CharField(max_length=64, editable=False)
    # While it is paused, its waiting messages have no `due_at`, and no claim takes one of them.
    paused_at = models.DateTimeField(_("paused"), null=True, editable=False)
    paused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        related_name="+",
        editable=False,
        verbose_name=_("paused by"),
    )
    # The submission that took this one's place when it was edited before its departure.
    replaced_by = models.OneToOneField("self", models.PROTECT, null=True, related_name="replaces", editable=False)

    class Meta:
        verbose_name = _("submission")
        verbose_name_plural = _("submissions")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["account", "request_key"], name="submission_once_per_request"),
            models.CheckConstraint(condition=Q(parts__gte=1, parts__lte=255), name="submission_parts_from_1_to_255"),
            models.CheckConstraint(condition=Q(recipients__gte=1), name="submission_has_recipients"),
            models.CheckConstraint(condition=Q(price__gt=0), name="submission_has_a_price"),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.text[:30]}"


class Message(models.Model):
    """One message to one recipient: the row that is claimed, handed to a gateway and settled."""

    class State(models.TextChoices):
        SCHEDULED = "scheduled", _("Waiting")
        SENDING = "sending", _("Being sent")
        UNCONFIRMED = "unconfirmed", _("Unconfirmed")
        ACCEPTED = "accepted", _("Sent")
        DELIVERED = "delivered", _("Delivered")
        UNDELIVERED = "undelivered", _("Not delivered")
        EXPIRED = "expired", _("Expired")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    MOVES = {
        State.SCHEDULED: {
            State.SENDING,
            State.CANCELLED,
            State.FAILED,
            State.ACCEPTED,
            State.DELIVERED,
            State.UNCONFIRMED,
        },
        State.SENDING: {State.ACCEPTED, State.SCHEDULED, State.FAILED, State.UNCONFIRMED},
        State.UNCONFIRMED: {
            State.ACCEPTED,
            State.DELIVERED,
            State.UNDELIVERED,
            State.EXPIRED,
            State.FAILED,
            State.SCHEDULED,
        },
        State.ACCEPTED: {State.DELIVERED, State.UNDELIVERED, State.EXPIRED},
        State.DELIVERED: set[State](),
        State.UNDELIVERED: set[State](),
        State.EXPIRED: set[State](),
        State.FAILED: set[State](),
        State.CANCELLED: set[State](),
    }
    HELD = (State.SCHEDULED, State.SENDING, State.UNCONFIRMED)

    # No index of their own: `message_once_per_recipient` and `message_sent_page` begin with them, and each index is
    # written three times in the life of a message (docs/adr/0014).
    submission = models.ForeignKey(
        Submission, models.PROTECT, related_name="messages", db_index=False, verbose_name=_("submission")
    )
    account = models.ForeignKey(
        Account, models.PROTECT, related_name="messages", db_index=False, verbose_name=_("SMS account")
    )
    recipient = models.CharField(_("recipient"), max_length=16)
    region = models.CharField(_("destination"), max_length=3)
    rate = models.PositiveIntegerField(_("rate (thousandths of a credit for each SMS)"))
    price = models.BigIntegerField(_("price (thousandths of a credit)"))
    state = models.CharField(_("status"), max_length=11, choices=State, default=State.SCHEDULED)
    reason = models.CharField(_("reason"), max_length=30, blank=True)
    send_at = models.DateTimeField(_("leaves"))
    postponed_by = models.CharField(max_length=20, blank=True, editable=False)
    valid_until = models.DateTimeField(_("valid until"))
    hold_ended_by = models.ForeignKey(
        Transfer, models.PROTECT, null=True, related_name="+", db_index=False, editable=False
    )
    refunded_by = models.ForeignKey(
        Transfer, models.PROTECT, null=True, related_name="+", db_index=False, editable=False
    )

    # What dispatch writes. A scheduled message waits in the queue of its `gateway` and lane until `due_at`; without
    # that moment it waits for a person, because its submission is paused.
    bulk = models.BooleanField(default=False, db_default=False, editable=False)
    due_at = models.DateTimeField(null=True, editable=False)
    claim = models.UUIDField(null=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    handed_over_at = models.DateTimeField(_("handed to the gateway"), null=True, editable=False)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0, editable=False)
    gateway = models.CharField(_("gateway"), max_length=40, blank=True, editable=False)
    # The gateways that did not take the message in this round (compose/failover.py).
    passed_over = models.TextField(blank=True, default="", editable=False)
    gateway_ref = models.CharField(_("gateway's reference"), max_length=80, blank=True, editable=False)
    originator = models.CharField(_("shown as"), max_length=16, blank=True, editable=False)
    final_at = models.DateTimeField(_("ended"), null=True, editable=False)

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["submission", "recipient"], name="message_once_per_recipient"),
            models.CheckConstraint(
                condition=Q(
                    state__in=[
                        "scheduled",
                        "sending",
                        "unconfirmed",
                        "accepted",
                        "delivered",
                        "undelivered",
                        "expired",
                        "failed",
                        "cancelled",
                    ]
                ),
                name="message_state_is_known",
            ),
            models.UniqueConstraint(
                fields=["refunded_by"], condition=Q(refunded_by__isnull=False), name="message_has_its_own_refund"
            ),
            models.CheckConstraint(condition=Q(price__gt=0), name="message_has_a_price"),
            models.CheckConstraint(
                condition=Q(state__in=["scheduled", "sending", "unconfirmed"], hold_ended_by=None)
                | (
                    Q(state__in=["accepted", "delivered", "undelivered", "expired", "failed", "cancelled"])
                    & Q(hold_ended_by__isnull=False)
                ),
                name="message_hold_ends_with_its_state",
            ),
            models.CheckConstraint(
                condition=Q(refunded_by=None) | Q(state="undelivered", hold_ended_by__isnull=False),
                name="message_refunded_was_not_delivered",
            ),
            models.CheckConstraint(
                condition=~Q(state="sending") | Q(claim__isnull=False, leased_until__isnull=False),
                name="message_sending_is_claimed",
            ),
            models.CheckConstraint(
                condition=~Q(state="scheduled") | Q(claim=None, leased_until=None, handed_over_at=None),
                name="message_scheduled_is_free",
            ),
        ]
        indexes = [
            # The queue of each gateway and lane.
            models.Index(
                F("gateway"), F("bulk"), F("due_at"), F("id"), name="message_due", condition=Q(state="scheduled")
            ),
            models.Index(F("leased_until"), name="message_leased", condition=Q(state="sending")),
            models.Index(F("valid_until"), name="message_unconfirmed", condition=Q(state="unconfirmed")),
            models.Index(F("account"), F("send_at").desc(), F("id").desc(), name="message_sent_page"),
            models.Index(
                F("account"),
                F("send_at"),
                F("id"),
                name="message_scheduled_page",
                condition=Q(state="scheduled"),
            ),
            models.Index(F("gateway"), F("gateway_ref"), name="message_reference", condition=~Q(gateway_ref="")),
            # All that went to one number: a conversation, and which message an answer or a STOP is about.
            models.Index(F("recipient"), F("account"), F("send_at").desc(), F("id").desc(), name="message_thread"),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.recipient} {self.get_state_display()}"

    @property
    def reason_sentence(self) -> str:
        """Why the message is where it is, in the user's language; "" when there is nothing to explain."""
        return sentence(self.reason)

    @property
    def cost(self) -> int:
        """What the message costs as things stand, in millis: its price, or nothing once that was given back."""
        ended = self.hold_ended_by
        released = ended is not None and ended.verb == Transfer.Verb.RELEASE
        return 0 if released or self.refunded_by_id is not None else self.price


class HandOver(models.Model):
    """The mark that a claim goes to its gateway: committed before the gateway is spoken to.

    One row decides for all messages of the claim, and its key lets one side only write it: either the worker that
    will speak to the gateway, or the sweeper that takes the claim back because its lease ended (`taken_back`).
    The worker's mark goes when the answers are kept; a sweeper's stays.
    """

    claim = models.UUIDField(primary_key=True)
    at = models.DateTimeField()
    taken_back = models.BooleanField(default=False)

    def __str__(self) -> str:
        return str(self.claim)


class Transition(models.Model):
    """One change of state of a message: when, why, and in which attempt."""

    # Messages are never deleted, a trigger sees to it; a check of each row's key would find nothing and cost a lock.
    message = models.ForeignKey(Message, models.CASCADE, related_name="transitions", db_constraint=False)
    at = models.DateTimeField(_("when"))
    state = models.CharField(_("status"), max_length=11, choices=Message.State)
    reason = models.CharField(_("reason"), max_length=30, blank=True)
    detail = models.CharField(_("detail"), max_length=250, blank=True)
    attempt = models.PositiveSmallIntegerField(_("attempt"), default=0)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False, verbose_name=_("by")
    )

    class Meta:
        verbose_name = _("change of status")
        verbose_name_plural = _("changes of status")
        ordering = ["pk"]
        indexes = [models.Index(F("by"), name="transition_by_person", condition=Q(by__isnull=False))]

    def __str__(self) -> str:
        return f"{self.message_id} {self.get_state_display()}"

    @property
    def reason_sentence(self) -> str:
        """Why the message came to this state, in the user's language; "" when there is nothing to explain."""
        return sentence(self.reason)


def is_final(state: str) -> bool:
    """Whether a message in `state` moves no more."""
    return not Message.MOVES[Message.State(state)]


def may_move(before: str, after: str) -> bool:
    """Whether the state machine has the move from `before` to `after`."""
    return Message.State(after) in Message.MOVES[Message.State(before)]


def due_before(moment: datetime) -> Q:
    """What is due; with the gateway and the lane before it, it is the order of the partial index `message_due`."""
    return Q(state=Message.State.SCHEDULED, due_at__lte=moment)
