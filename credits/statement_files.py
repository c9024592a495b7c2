"""The statement as a CSV file, for the people of the account and for the administrators alike."""

from collections.abc import Iterator
from decimal import Decimal

from django.http import StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from credits import export, statement
from credits.causes import label
from credits.models import Account


def attachment(account: Account, wanted: statement.Wanted) -> StreamingHttpResponse:
    """The lines wanted of the account's statement as a file, newest first, with the account's clocks."""
    header = [
        # The clocks of the account, as on the page.
        _("Date (%(zone)s)") % {"zone": account.time_zone},
        _("Movement"),
        _("Cause"),
        _("Reason"),
        _("Credits"),
        _("Available after"),
        _("Line"),
    ]
    batches = statement.batches(statement.books(account), wanted)
    name = f"credits-{timezone.localdate():%Y-%m-%d}.csv"
    return export.attachment(name, header, _cells(batches), zone=account.zone)


def cause(line: statement.Line) -> str:
    """What caused the line, in words."""
    if line.other is None:
        return label(line.transfer.cause_kind, line.transfer.cause_key)
    sentence = _("To the account %(account)s") if line.amount < 0 else _("From the account %(account)s")
    return sentence % {"account": line.other}


def _cells(batches: Iterator[list[statement.Line]]) -> Iterator[list[list[export.Cell]]]:
    """The lines as a file has them."""
    for lines in batches:
        yield [
            [
                line.at,
                line.transfer.get_verb_display(),
                cause(line),
                line.transfer.reason,
                Decimal(line.amount).scaleb(-3),
                Decimal(line.after).scaleb(-3),
                line.transfer.pk,
            ]
            for line in lines
        ]
