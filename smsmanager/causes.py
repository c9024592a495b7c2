"""What the ledger's kinds of cause mean: it keeps a kind and a key; here are their names and addresses."""

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from credits.causes import register


def register_all() -> None:
    """Tell the ledger's pages about every kind of cause."""
    register("submission", _("Submission"), lambda key: reverse("submission", args=[key]))
    register("grant", _("By the administrator"), lambda key: None)
