"""How far the messages of a gateway reach ahead of the clock, where Redis cannot say it."""

from django.db import models


class GatewayPace(models.Model):
    """What was reserved of a gateway's rate in the database (compose/pacing.py). A row of its own: those of
    GatewayState are locked while answers are kept.

    At `at` the slots that were taken reached `ahead` seconds further; `alone_at` is when somebody last reserved here
    because Redis did not answer. Moments are in seconds since 1970 by the clock of the database.
    """

    name = models.CharField(max_length=40, primary_key=True)
    at = models.FloatField()
    ahead = models.FloatField()
    alone_at = models.FloatField()

    class Meta:
        # Nobody gets a permission for it: there is no page.
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.name} {self.ahead} s"
