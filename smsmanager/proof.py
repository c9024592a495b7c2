"""The whole proof: the ledger's own sums and the holds of messages, of one moment."""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from compose import proof as holds
from credits import letters
from credits import proof as books
from credits.models import Finding
from credits.proof import Difference


def prove() -> list[Difference]:
    """What does not add up, empty when everything does."""
    with books.one_moment():
        return [*books.verify(), *holds.verify()]


@transaction.atomic
def report(found: list[Difference]) -> int:
    """Keep what was found and write to the administrators about what is new; returns how much that is.

    The same finding is said once, until a proof no longer finds it.
    """
    now = timezone.now()
    open_keys = set(Finding.objects.filter(gone_at=None).values_list("key", flat=True))
    Finding.objects.filter(gone_at=None).exclude(key__in=[one.key for one in found]).update(gone_at=now)
    fresh = Finding.objects.bulk_create(
        [
            Finding(key=one.key, sentence=one.sentence, found_at=now)
            for one in {one.key: one for one in found}.values()
            if one.key not in open_keys
        ]
    )
    if fresh:
        letters.to_administrators(
            key=f"finding:{fresh[0].pk}",
            subject=_("The credit ledger does not add up"),
            body=_(
                "The proof of the ledger found what follows, in thousandths of a credit. Nothing was changed. "
                "Run `manage.py verify_ledger` to see all of it; a correction is a new line, granted with a reason."
                "\n\n%(findings)s"
            ),
            values={"findings": "\n".join(one.sentence for one in fresh)},
        )
    return len(fresh)
