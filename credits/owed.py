"""What an account owes: charges that found too few credits, paid first by the next credits from outside."""

from collections.abc import Iterable, Mapping, Sequence

from credits.lines import Locked
from credits.models import Account, Book, Owed, Transfer

Verb = Transfer.Verb
# What brings credits from outside the account. Credits given back were the account's own all the time.
BRINGS = {Verb.TOP_UP, Verb.ADJUST, Verb.TRANSFER}


def total(account: Account) -> int:
    """What the account owes, in millis."""
    return sum(Owed.objects.filter(account=account, paid_by=None).values_list("amount", flat=True))


def brought_to(made: Iterable[Transfer], books: Mapping[tuple[int | None, str], Locked]) -> set[int]:
    """The accounts to which these lines brought credits from outside."""
    taken = {line.credit_id for line in made if line.verb in BRINGS}
    return {
        account
        for (account, kind), book in books.items()
        if account is not None and kind == Book.Kind.AVAILABLE and book.pk in taken
    }


def payments(
    accounts: set[int], books: Mapping[tuple[int | None, str], Locked], changes: Mapping[int, int]
) -> list[tuple[Transfer, Owed]]:
    """The lines that pay what these accounts owe, oldest first, as far as what is available covers whole debts.

    The accounts' books are locked, so nobody else pays the same at the same time.
    """
    found: list[tuple[Transfer, Owed]] = []
    available = {
        account: books[account, Book.Kind.AVAILABLE].balance + changes.get(books[account, Book.Kind.AVAILABLE].pk, 0)
        for account in accounts
    }
    for debt in Owed.objects.filter(account__in=accounts, paid_by=None).order_by("pk"):
        account = debt.account_id
        # What comes after an unpaid debt waits with it.
        available[account] -= debt.amount
        if available[account] >= 0:
            line = Transfer(
                verb=Verb.CHARGE,
                debit_id=books[account, Book.Kind.AVAILABLE].pk,
                credit_id=books[account, Book.Kind.SPENT].pk,
                amount=debt.amount,
                # Its own, as the charge's key may have become another line's while this one waited.
                key=f"owed:{debt.pk}",
                cause_kind=debt.cause_kind,
                cause_key=debt.cause_key,
            )
            found.append((line, debt))
    return found


def mark_paid(paid: Sequence[tuple[Transfer, Owed]]) -> None:
    """Note on each debt the line that paid it."""
    for line, debt in paid:
        debt.paid_by = line
    Owed.objects.bulk_update([debt for _line, debt in paid], ["paid_by"], batch_size=500)
