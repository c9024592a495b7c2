"""What the ledger's kinds of cause mean: it keeps a kind and a key; here are their names and addresses."""

from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from credits.causes import register


def register_all() -> None:
    """Tell the ledger's pages about every kind of cause."""
    register("submission", _("Submission"), lambda key: reverse("submission", args=[key]))
    register("message", _("Message"), lambda key: reverse("message", args=[key]))
    register("received", _("Received answer"), lambda key: reverse("conversation", args=[key]))
    register("grant", _("By the administrator"), lambda key: None)
    # The page of orders that begins with it, so that it is there however old it is.
    register(
        "order", pgettext_lazy("cause", "Order"), lambda key: f"{reverse('top_up')}?before={int(key) + 1}#order-{key}"
    )
    register("transfer", _("Between two accounts"), lambda key: None)
