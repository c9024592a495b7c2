"""What changes senders. Each change is kept (`SenderChange`), in the transaction that makes it."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from credits import letters
from credits.models import Account
from senders import lookalikes, virtual
from senders.models import ProtectedName, Sender, SenderChange, SenderDocument, VirtualNumber

Status = Sender.Status
Verb = SenderChange.Verb
APPROVABLE = {Status.WAITING, Status.REFUSED}


class NotPossible(Exception):
    """The sender is not in a status that allows this."""


class Resembles(Exception):
    """The sender could be taken for one of `names`, which are protected."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(", ".join(names))
        self.names = names


def request_sender(
    *,
    account: Account,
    kind: str,
    value: str,
    description: str,
    justification: str,
    by: Any,
    documents: Sequence[tuple[UploadedFile, str]] = (),
) -> Sender:
    """Ask for a sender; the administrator decides. `documents` are files, each with its media type as checked.

    Raises IntegrityError when the account has the sender already; then nothing is kept, no file either.
    """
    stored: list[str] = []
    try:
        with transaction.atomic():
            sender = Sender.objects.create(
                account=account,
                kind=kind,
                value=value,
                description=description,
                justification=justification,
                requested_by=by,
            )
            for file, media_type in documents:
                document = SenderDocument(
                    sender=sender, name=str(file.name), media_type=media_type, size=file.size or 0, added_by=by
                )
                document.file.save(str(file.name), file, save=False)
                stored.append(str(document.file.name))
                document.save()
            _keep(sender, Verb.REQUESTED, by=by)
            _tell_administrators(sender)
    except BaseException:
        for name in stored:
            default_storage.delete(name)
        raise
    return sender


def written(sender: Sender, *, by: Any) -> None:
    """An administrator wrote this sender (it is saved) for its account: the history begins with that."""
    _keep(sender, Verb.REQUESTED, by=by, note=str(_("An administrator wrote it for the account.")))


@transaction.atomic
def approve(sender: Sender, *, by: Any, although: Collection[str] = ()) -> None:
    """Enable a waiting or refused sender; a virtual number belongs to its account then. NotPossible in another status.

    Raises Resembles when it could be taken for protected names that are not in `although`: whoever approves says which
    ones were seen. Raises virtual.NumberNotFree when the number is another account's.
    """
    alike = resembled([sender])[sender.pk]
    if unseen := [name for name in alike if name not in although]:
        raise Resembles(unseen)
    changes = {"status": Status.ENABLED, "refusal_reason": "", "decided_by": by, "decided_at": timezone.now()}
    # First: the database would refuse a second sender from the same number, and not say so well.
    virtual.hold(sender)
    _move(sender, APPROVABLE, Verb.APPROVED, by=by, note=", ".join(alike), **changes)


def refuse(sender: Sender, *, by: Any, reason: str) -> None:
    """Refuse a waiting sender and say why. Raises NotPossible in any other status."""
    changes = {"status": Status.REFUSED, "refusal_reason": reason, "decided_by": by, "decided_at": timezone.now()}
    _move(sender, {Status.WAITING}, Verb.REFUSED, by=by, note=reason, **changes)


def disable(sender: Sender, *, by: Any) -> None:
    """Take an enabled sender off the compose page. Raises NotPossible in any other status."""
    _move(sender, {Status.ENABLED}, Verb.DISABLED, by=by, status=Status.DISABLED)


@transaction.atomic
def enable(sender: Sender, *, by: Any) -> None:
    """Put a disabled sender back on the compose page. Raises NotPossible in any other status.

    Raises virtual.NumberNotFree when it is a virtual number that is not, or not any more, the account's to use.
    """
    if not virtual.held(sender):
        raise virtual.NumberNotFree(
            _("%(number)s cannot be enabled: an administrator took it from this SMS account or disabled it.")
            % {"number": sender.value}
        )
    _move(sender, {Status.DISABLED}, Verb.ENABLED, by=by, status=Status.ENABLED)


@transaction.atomic
def delete(sender: Sender, *, by: Any) -> None:
    """Remove a sender from the account's list; what was sent from it keeps its name. A virtual number is free then."""
    virtual.locked(sender)
    _move(sender, set(Status.values), Verb.DELETED, by=by, deleted_at=timezone.now())
    virtual.let_go(sender)


@transaction.atomic
def follow(number: VirtualNumber, *, by: Any) -> None:
    """Let senders follow a virtual number that was given, taken away, enabled or disabled (and is saved).

    Its account has it as an enabled sender, made when there is none; nobody else has it enabled, and nobody at all
    while it is disabled. Raises virtual.NumberNotFree when the account has the same as a sender of another kind.
    """
    usable = number.account if number.enabled else None
    enabled = Sender.objects.filter(
        kind=Sender.Kind.VIRTUAL, value=number.number, status=Status.ENABLED, deleted_at=None
    )
    for other in enabled.exclude(account=usable) if usable else enabled:
        taken = _("The virtual number is not this account's any more.")
        why = taken if number.enabled else _("The virtual number is disabled.")
        _move(other, {Status.ENABLED}, Verb.DISABLED, by=by, note=str(why), status=Status.DISABLED)
    if usable is None:
        return
    theirs = Sender.objects.filter(account=usable, value=number.number, deleted_at=None).first()
    if theirs is None:
        theirs = Sender.objects.create(account=usable, kind=Sender.Kind.VIRTUAL, value=number.number, requested_by=by)
        _keep(theirs, Verb.REQUESTED, by=by, note=str(_("An administrator gave the virtual number to the account.")))
    if theirs.kind != Sender.Kind.VIRTUAL:
        raise virtual.NumberNotFree(virtual.OTHER_KIND % {"number": number, "account": usable})
    if theirs.status in APPROVABLE:
        approve(theirs, by=by)
    elif theirs.status == Status.DISABLED:
        enable(theirs, by=by)


def resembled(senders: Iterable[Sender]) -> dict[int, list[str]]:
    """For each of these senders, by its key, the protected names that it could be taken for. One query."""
    protected = list(ProtectedName.objects.values_list("name", flat=True))
    return {sender.pk: lookalikes.resembled(sender.value, protected) for sender in senders}


@transaction.atomic
def _move(sender: Sender, allowed: Collection[str], verb: str, *, by: Any, note: str = "", **changes: Any) -> None:
    changed = Sender.objects.filter(pk=sender.pk, status__in=allowed, deleted_at=None).update(**changes)
    if not changed:
        raise NotPossible
    for name, value in changes.items():
        setattr(sender, name, value)
    change = _keep(sender, verb, by=by, note=note)
    if verb in DECISIONS:
        _tell_requester(sender, change)


def _keep(sender: Sender, verb: str, *, by: Any, note: str = "") -> SenderChange:
    return SenderChange.objects.create(sender=sender, verb=verb, by=by, note=note)


DECISIONS = {
    Verb.APPROVED: (
        _("The sender “%(sender)s” is enabled"),
        _(
            "The sender “%(sender)s” that was asked for the SMS account “%(account)s” is approved. The page where you "
            "write a message offers it from now on."
        ),
    ),
    Verb.REFUSED: (
        _("The sender “%(sender)s” is refused"),
        _(
            "The sender “%(sender)s” that was asked for the SMS account “%(account)s” is refused, for this reason:\n\n"
            "%(reason)s\n\n"
            "To ask for it again, delete it from your list of senders first."
        ),
    ),
}


def _tell_requester(sender: Sender, change: SenderChange) -> None:
    if sender.requested_by is None or sender.account is None:
        return
    subject, body = DECISIONS[Verb(change.verb)]
    letters.to_person(
        sender.requested_by.email,
        key=f"sender-decided:{change.pk}",
        subject=subject,
        body=body,
        values={"sender": sender.value, "account": sender.account.name, "reason": change.note},
    )


def _tell_administrators(sender: Sender) -> None:
    assert sender.account is not None
    letters.to_administrators(
        key=f"sender-requested:{sender.pk}",
        subject=_("A sender waits for approval: “%(sender)s”"),
        body=_(
            "The SMS account “%(account)s” asks for the sender “%(sender)s”, for this reason:\n\n%(justification)s\n\n"
            "Approve or refuse it in the administration, under Senders."
        ),
        values={
            "sender": sender.value,
            "account": sender.account.name,
            "justification": sender.justification,
        },
    )
