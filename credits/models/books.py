"""The books of the ledger, its lines, and what is owed to it."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from credits.models.accounts import Account


class Book(models.Model):
    """One book of the ledger. Its balance always equals what transfers brought minus what they took.

    Each account has `available`, `held` and `spent`; the installation has one `issued`, from which
    credits come and whose balance is therefore below zero.
    """

    class Kind(models.TextChoices):
        AVAILABLE = "available", _("available")
        HELD = "held", _("held")
        SPENT = "spent", _("spent")
        ISSUED = "issued", _("issued")

    account = models.ForeignKey(Account, models.PROTECT, null=True, related_name="books", editable=False)
    kind = models.CharField(max_length=10, choices=Kind, editable=False)
    balance = models.BigIntegerField(default=0, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "kind"], name="book_once_per_account_and_kind"),
            models.UniqueConstraint(fields=["kind"], condition=Q(account=None), name="book_issued_once"),
            models.CheckConstraint(condition=Q(balance__gte=0) | Q(kind="issued"), name="book_balance_never_negative"),
            models.CheckConstraint(
                condition=Q(kind="issued", account=None)
                | Q(kind__in=["available", "held", "spent"], account__isnull=False),
                name="book_kind_fits_owner",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account or ''} {self.get_kind_display()}".strip()


class Transfer(models.Model):
    """One line of the ledger: `amount` moves from the book `debit` to the book `credit`. Append only.

    `key` makes repeating harmless. The cause is a kind and a key, because what caused it lives in rooms
    above this one; `smsmanager` maps kinds to addresses.
    """

    class Verb(models.TextChoices):
        TOP_UP = "top_up", _("Top-up")
        HOLD = "hold", _("Held for sending")
        CAPTURE = "capture", pgettext_lazy("movement of credits", "Sent")
        RELEASE = "release", _("Given back")
        ADJUST = "adjust", _("Correction")
        REFUND = "refund", _("Refund")
        CHARGE = "charge", _("Answer received")
        TRANSFER = "transfer", _("Between accounts")

    verb = models.CharField(_("movement"), max_length=10, choices=Verb)
    # Without an index of their own: those of the statement begin with them.
    debit = models.ForeignKey(Book, models.PROTECT, related_name="debits", verbose_name=_("taken from"), db_index=False)
    credit = models.ForeignKey(Book, models.PROTECT, related_name="credits", verbose_name=_("given to"), db_index=False)
    amount = models.BigIntegerField(_("amount (thousandths of a credit)"))
    key = models.CharField(_("unique key"), max_length=120, unique=True)
    cause_kind = models.CharField(_("kind of cause"), max_length=20)
    cause_key = models.CharField(_("cause"), max_length=64)
    reason = models.CharField(_("reason"), max_length=250, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", verbose_name=_("by"))
    created_at = models.DateTimeField(_("when"), auto_now_add=True)

    class Meta:
        verbose_name = _("ledger line")
        verbose_name_plural = _("ledger lines")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="transfer_amount_above_zero"),
            models.CheckConstraint(condition=~Q(debit=F("credit")), name="transfer_between_two_books"),
        ]
        # All that a sum over the lines of a book needs, so that it reads the index only.
        indexes = [
            models.Index(fields=["debit", "id", "created_at", "amount"], name="statement_taken"),
            models.Index(fields=["credit", "id", "created_at", "amount"], name="statement_given"),
            models.Index(
                fields=["credit", "created_at", "amount"],
                name="statement_consumption",
                condition=Q(verb__in=["capture", "charge"]),
            ),
            models.Index(fields=["cause_kind", "cause_key"], name="transfer_cause"),
        ]

    def __str__(self) -> str:
        return f"{self.get_verb_display()} {self.key}"


class Owed(models.Model):
    """A charge that the account could not pay: its next credits from outside pay it first, once.

    No book goes below zero for it: it stands beside the ledger until the line `paid_by` takes it.
    """

    account = models.ForeignKey(Account, models.PROTECT, related_name="owed")
    amount = models.BigIntegerField()
    key = models.CharField(max_length=120, unique=True)
    cause_kind = models.CharField(max_length=20)
    cause_key = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)
    paid_by = models.OneToOneField(Transfer, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(amount__gt=0), name="owed_amount_above_zero")]
        indexes = [models.Index(F("account"), F("id"), name="owed_unpaid", condition=Q(paid_by=None))]

    def __str__(self) -> str:
        return self.key
