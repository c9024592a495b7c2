"""What an account wants done when a message arrives, and each thing that is to be done, was done, or could not be."""

import secrets

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from credits.models import Account

MOST_ADDRESSES = 5
LONGEST_ANSWER = 160

# Why something was not done, in the words of who set it.
REASONS: dict[str, Promise] = {
    "bad_address": _("The address cannot be read. Write it as https://example.org/path."),
    "not_https": _("Only addresses that begin with https:// are called."),
    "private_address": _("The address leads into a private network, which is not called."),
    "unknown_host": _("The name in the address was not found."),
    "no_connection": _("The server did not take the connection, or ended it before it answered."),
    "certificate": _("The server's certificate is not valid for this name."),
    "tls": _("No encrypted connection could be made with the server."),
    "slow": _("The server did not answer in time."),
    "unreadable": _("The server's answer could not be read."),
    "redirected": _("The server answered with a redirection, which is not followed. Set the final address."),
    "status": _("The server answered with an error."),
    "broken_off": _("The call was broken off again and again on our side."),
    "switched_off": _("It was switched off before it could be done."),
    "no_credit": _("There were too few credits."),
    "refused": _("The message could not be sent."),
    "no_sender": _("No number of the account was there to answer from."),
    "cannot_be_answered": _("This number cannot be answered: it is no mobile number, or one of ours."),
    "said_by_us": _("The received text was our own automatic answer."),
    "too_many": _("This conversation had three automatic answers within a week already."),
    "too_late": _("The message reached us more than a day late."),
    "confirmed_before": _("This number was told within a day already."),
    "restored": _("The installation was restored from a back-up, and it may have been done after that was made."),
    "nobody": _("Nobody of the account is there in whose name it could be sent."),
}


class ReactionSettings(models.Model):
    """What the owners of an account want done when a message arrives.

    `secret` signs the calls. It is here as it is, since signing needs it; the pages show it once, when it is made.
    """

    account = models.OneToOneField(Account, models.CASCADE, related_name="reactions", verbose_name=_("SMS account"))
    forward_to = models.TextField(_("forwarded to"), blank=True)
    url = models.CharField(_("called address"), max_length=500, blank=True)
    secret = models.CharField(max_length=80, blank=True, editable=False)
    # After a call that failed, no other of the account is made before this.
    rests_until = models.DateTimeField(null=True, editable=False)
    answer = models.CharField(_("automatic answer"), max_length=LONGEST_ANSWER, blank=True)
    # In whose name the automatic answer is sent.
    answer_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", verbose_name=_("automatic answer by")
    )

    class Meta:
        verbose_name = _("what happens when a message arrives")
        verbose_name_plural = _("what happens when messages arrive")

    def __str__(self) -> str:
        return str(self.account)

    @property
    def addresses(self) -> list[str]:
        """Where received messages are forwarded to by e-mail."""
        return self.forward_to.split()

    @staticmethod
    def new_secret() -> str:
        """256 bits that nobody guesses."""
        return f"whsec_{secrets.token_urlsafe(32)}"


class Reaction(models.Model):
    """One thing to be done because of a received message, written in the transaction that made the message.

    `to` is whom it is for: an e-mail address, the number of a phone, or "" for a call. While a worker is at a call,
    `claim` and `leased_until` say so; a call is made again when they end without an outcome.
    """

    class Kind(models.TextChoices):
        EMAIL = "email", _("Forwarded by e-mail")
        CALL = "call", _("Called address")
        ANSWER = "answer", _("Automatic answer")
        CONFIRMATION = "confirmation", _("Confirmation of STOP")

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        DONE = "done", _("Done")
        LEFT_OUT = "left_out", _("Left out")
        GIVEN_UP = "given_up", _("Given up")

    account = models.ForeignKey(Account, models.CASCADE, related_name="+")
    received = models.ForeignKey("inbox.Received", models.CASCADE, related_name="reactions")
    kind = models.CharField(max_length=12, choices=Kind)
    key = models.CharField(max_length=160, unique=True)
    to = models.CharField(max_length=254, blank=True)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    reason = models.CharField(max_length=20, blank=True)
    detail = models.CharField(max_length=250, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField()
    look_at = models.DateTimeField()
    claim = models.UUIDField(null=True)
    leased_until = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    submission = models.ForeignKey("compose.Submission", models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["email", "call", "answer", "confirmation"]), name="reaction_kind_is_known"
            ),
            models.CheckConstraint(
                condition=Q(state="waiting", ended_at=None)
                | Q(state__in=["done", "left_out", "given_up"], ended_at__isnull=False),
                name="reaction_ends_once",
            ),
            models.CheckConstraint(
                condition=Q(claim=None, leased_until=None) | Q(claim__isnull=False, leased_until__isnull=False),
                name="reaction_claimed_has_a_lease",
            ),
        ]
        indexes = [
            models.Index(
                F("look_at"), F("id"), name="reaction_waiting", condition=Q(state="waiting") & ~Q(kind="call")
            ),
            models.Index(
                F("account"), F("look_at"), F("id"), name="reaction_to_call", condition=Q(state="waiting", kind="call")
            ),
            models.Index(F("leased_until"), name="reaction_leased", condition=Q(leased_until__isnull=False)),
            models.Index(
                F("account"), F("id").desc(), name="reaction_not_done", condition=Q(state__in=["left_out", "given_up"])
            ),
            models.Index(
                F("account"),
                F("to"),
                F("ended_at"),
                name="reaction_said",
                condition=Q(state="done", kind__in=["answer", "confirmation"]),
            ),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def sentence(self) -> str:
        """Why it was not done, in the user's language; "" when there is nothing to explain."""
        known = str(REASONS.get(self.reason, ""))
        return f"{known} ({self.detail})" if known and self.detail else known
