"""`manage.py verify_ledger`: prove that every balance and every hold follows from the entries."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from compose.queries import outstanding_holds
from credits import ledger
from credits.models import Book


class Command(BaseCommand):
    help = "Recompute every balance and every hold; say what differs and exit with 1 when something does."

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():
            problems = [
                f"Book {found.book}: shows {found.shown}, its transfers give {found.proven}"
                for found in ledger.verify()
            ]
            holds = outstanding_holds()
            held = dict(Book.objects.filter(kind=Book.Kind.HELD).values_list("account_id", "balance"))
            problems += [
                f"Account {account}: {held.get(account, 0)} held, its waiting messages need {holds.get(account, 0)}"
                for account in sorted(held.keys() | holds.keys())
                if held.get(account, 0) != holds.get(account, 0)
            ]
            books = Book.objects.count()
        if problems:
            raise CommandError("The ledger does not add up (thousandths of a credit):\n" + "\n".join(problems))
        self.stdout.write(f"The ledger adds up: {books} books, {len(held)} accounts, every hold accounted for.")
