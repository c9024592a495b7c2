"""What gateways did so far, added up for the metrics."""

from django.db import models


class Tally(models.Model):
    """How often something happened at a gateway since the installation began (compose/tallies.py).

    Several rows, one a slot, add up to one figure: workers that count at the same time rarely meet in a row.
    """

    class Kind(models.TextChoices):
        # `label` is the word of an outcome.
        OUTCOME = "outcome", "outcome"
        # `label` is the upper bound in seconds of one bucket, and "+Inf" above all; `micros` the sum in it.
        SETTLED = "settled", "settled"

    gateway = models.CharField(max_length=40)
    kind = models.CharField(max_length=10, choices=Kind)
    label = models.CharField(max_length=30)
    slot = models.PositiveSmallIntegerField()
    count = models.PositiveBigIntegerField()
    micros = models.PositiveBigIntegerField()

    class Meta:
        # Nobody gets a permission for it: there is no page.
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["gateway", "kind", "label", "slot"], name="tally_once")]

    def __str__(self) -> str:
        return f"{self.gateway} {self.kind} {self.label} {self.count}"
