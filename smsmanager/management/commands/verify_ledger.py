"""`manage.py verify_ledger`: prove that every balance and every hold follows from the entries."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from credits.models import Account, Book
from smsmanager.proof import prove


class Command(BaseCommand):
    help = "Recompute every balance and every hold; say what differs and exit with 1 when something does."

    def handle(self, *args: Any, **options: Any) -> None:
        found = prove()
        if found:
            raise CommandError(
                "The ledger does not add up (thousandths of a credit):\n" + "\n".join(one.sentence for one in found)
            )
        books, accounts = Book.objects.count(), Account.objects.count()
        self.stdout.write(f"The ledger adds up: {books} books, {accounts} accounts, every hold accounted for.")
