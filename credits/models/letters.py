"""Letters to be sent, and what the proof of the ledger found."""

from django.db import models
from django.db.models import F, Q


class Letter(models.Model):
    """An e-mail, written in the transaction that is its reason and sent after it (credits/letters.py)."""

    key = models.CharField(max_length=160, unique=True)
    to = models.EmailField()
    subject = models.CharField(max_length=200)
    body = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    look_at = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(F("look_at"), F("id"), name="letter_waiting", condition=Q(sent_at=None))]

    def __str__(self) -> str:
        return f"{self.to} {self.subject}"


class Finding(models.Model):
    """Something in the ledger that does not add up: `key` names what, `gone_at` when it was found no more."""

    key = models.CharField(max_length=160)
    sentence = models.TextField()
    found_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key"], condition=Q(gone_at=None), name="finding_once")]

    def __str__(self) -> str:
        return self.sentence
