"""What changes senders."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from credits.models import Account
from senders.models import Sender

Status = Sender.Status


class NotPossible(Exception):
    """The sender is not in a status that allows this."""


def request_sender(*, account: Account, kind: str, value: str, description: str, justification: str, by: Any) -> Sender:
    """Ask for a sender; the administrator decides. Raises IntegrityError when the account has it already."""
    with transaction.atomic():
        return Sender.objects.create(
            account=account,
            kind=kind,
            value=value,
            description=description,
            justification=justification,
            requested_by=by,
        )


def _move(sender: Sender, allowed: set[str], **changes: Any) -> None:
    changed = Sender.objects.filter(pk=sender.pk, status__in=allowed, deleted_at=None).update(**changes)
    if not changed:
        raise NotPossible
    for name, value in changes.items():
        setattr(sender, name, value)


def approve(sender: Sender, *, by: Any) -> None:
    """Enable a waiting or refused sender. Raises NotPossible in any other status."""
    _move(
        sender,
        {Status.WAITING, Status.REFUSED},
        status=Status.ENABLED,
        refusal_reason="",
        decided_by=by,
        decided_at=timezone.now(),
    )


def refuse(sender: Sender, *, by: Any, reason: str) -> None:
    """Refuse a waiting sender and say why. Raises NotPossible in any other status."""
    _move(
        sender,
        {Status.WAITING},
        status=Status.REFUSED,
        refusal_reason=reason,
        decided_by=by,
        decided_at=timezone.now(),
    )


def disable(sender: Sender) -> None:
    """Take an enabled sender off the compose page. Raises NotPossible in any other status."""
    _move(sender, {Status.ENABLED}, status=Status.DISABLED)


def enable(sender: Sender) -> None:
    """Put a disabled sender back on the compose page. Raises NotPossible in any other status."""
    _move(sender, {Status.DISABLED}, status=Status.ENABLED)


def delete(sender: Sender) -> None:
    """Remove a sender from the account's list; what was sent from it keeps its name."""
    _move(sender, set(Status.values), deleted_at=timezone.now())
