"""What changes accounts and their credits."""

import uuid
from typing import Any

from django.db import transaction

from credits import ledger
from credits.models import Account, Member, Transfer


@transaction.atomic
def open_account(*, name: str, owner: Any, country: str = "FR", time_zone: str = "Europe/Paris") -> Account:
    """Make an SMS account with its books and its owner."""
    account = Account.objects.create(name=name, country=country, time_zone=time_zone)
    ledger.open_books([account.pk])
    Member.objects.create(account=account, user=owner, role=Member.Role.OWNER)
    return account


def grant(account: Account, amount: int, *, by: Any, reason: str, request_key: uuid.UUID) -> Transfer:
    """Give the account `amount` millis, or take away when it is below zero. Once for each `request_key`.

    Raises NotEnoughCredit when more would be taken than is available.
    """
    key, cause = f"grant:{request_key}", ("grant", str(request_key))
    if amount < 0:
        return ledger.adjust(account, amount, key=key, cause=cause, by=by, reason=reason)
    return ledger.top_up(account, amount, key=key, cause=cause, by=by, reason=reason)


def keep_mobile(member: Member, mobile: str) -> None:
    """Keep the member's own mobile number, in E.164; "" keeps none."""
    member.mobile = mobile
    member.save(update_fields=["mobile"])


def keep_settings(account: Account, *, always_replace: bool) -> None:
    """Keep what an owner set of the account."""
    account.always_replace = always_replace
    account.save(update_fields=["always_replace"])
