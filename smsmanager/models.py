"""What the whole keeps of itself: when its clock and its workers were seen last."""

from django.db import models


class Heartbeat(models.Model):
    """When a part of the installation gave its last sign of life (smsmanager/readiness.py)."""

    BEAT, WORKER = "beat", "worker"

    name = models.CharField(max_length=20, primary_key=True)
    at = models.DateTimeField()

    class Meta:
        # Nobody gets a permission for it: there is no page.
        default_permissions = ()

    def __str__(self) -> str:
        return self.name
