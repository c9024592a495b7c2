"""`manage.py verify_ledger`: prove that every balance and every hold follows from the entries."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction

from compose.queries import outstanding_holds
from credits import ledger
from credits.models import Book


@contextmanager
def _one_snapshot() -> Iterator[None]:
    """A transaction in which all queries see the same moment, so that nothing differs only because it moves.

    SQLite's are so by themselves; PostgreSQL asks for it in the transaction's first statement. Inside a
    transaction of the caller that moment is over.
    """
    outermost = not connection.in_atomic_block
    with transaction.atomic():
        if outermost and connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


class Command(BaseCommand):
    help = "Recompute every balance and every hold; say what differs and exit with 1 when something does."

    def handle(self, *args: Any, **options: Any) -> None:
        with _one_snapshot():
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
