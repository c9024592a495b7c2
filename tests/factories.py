"""What a test needs before it begins: accounts with credits, people, senders, drafts, submissions.

Plain functions over the verbs that the product uses, so what they make is what a person could have made.
Every argument has a default; a test names only what it is about. Amounts are millis (1 credit = 1000).

    paying = account(millis=5_000)
    sent = submission(paying, to="06 12 34 56 78", body="Bonjour")
    assert_ledger_adds_up()
"""

import itertools
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.db import transaction

from compose import optouts
from compose.gateways import base as gateways
from compose.models import Message, MessageClass, OptOut, Submission, may_move
from compose.numbers import Recipient
from compose.planning import Draft
from compose.recipients import parse_recipients
from compose.services import store_events, submit
from credits import orders as credit_orders
from credits import services as credit_services
from credits.models import Account, Book, Member, Order, Rate, Transfer
from inbox import services as inbox_services
from inbox.models import Received
from senders import queries as sender_queries
from senders import services as sender_services
from senders.models import Lease, Sender, SenderDocument, ShortNumber
from senders.pool import Pool
from smsmanager.proof import prove

# A Tuesday, noon in Paris: the window of commercial messages is open, and no clock changes near it.
NOON = datetime(2026, 11, 24, 11, tzinfo=UTC)
PASSWORD = "correct horse battery"
# The books of `account()` before one message of one credit, while it waits, and once it is paid.
FULL = {"available": 100_000, "held": 0, "spent": 0}
HELD = {"available": 99_000, "held": 1_000, "spent": 0}
SPENT = {"available": 99_000, "held": 0, "spent": 1_000}

_numbers = itertools.count(1)


def user(username: str = "", *, superuser: bool = False) -> User:
    """A person who can sign in with `PASSWORD`; each has another name unless one is given."""
    name = username or f"person{next(_numbers)}"
    manager = get_user_model().objects
    create = manager.create_superuser if superuser else manager.create_user
    made: User = create(name, f"{name}@example.org", PASSWORD)
    return made


def account(
    *,
    name: str = "Boulangerie Martin",
    owner: User | None = None,
    millis: int = 100_000,
    country: str = "FR",
    time_zone: str = "Europe/Paris",
    max_parts: int = 8,
) -> Account:
    """An SMS account with its owner and `millis` available (0: none were ever granted)."""
    made = credit_services.open_account(name=name, owner=owner or user(), country=country, time_zone=time_zone)
    if max_parts != made.max_parts:
        made.max_parts = max_parts
        made.save(update_fields=["max_parts"])
    if millis:
        grant(made, millis)
    return made


def owner(of: Account) -> User:
    """The first owner of an account."""
    return Member.objects.filter(account=of, role=Member.Role.OWNER).order_by("pk")[0].user


def member(of: Account, role: str = Member.Role.SENDER, *, person: User | None = None) -> Member:
    """Somebody (a new person unless one is given) in the account, with this role."""
    return Member.objects.create(account=of, user=person or user(), role=role)


def grant(to: Account, millis: int, *, reason: str = "Pack", request_key: uuid.UUID | None = None) -> Transfer:
    """Credits from the administrator; below zero they are taken away."""
    return credit_services.grant(to, millis, by=owner(to), reason=reason, request_key=request_key or uuid.uuid4())


def rate(region: str, millis: int, *, valid_from: datetime = datetime(2020, 1, 1, tzinfo=UTC)) -> Rate:
    """What one part to `region` costs from `valid_from` on."""
    return Rate.objects.create(region=region, millis=millis, valid_from=valid_from)


def order(of: Account, pack: int = 250) -> Order:
    """An order of a pack that waits."""
    return credit_orders.place(of, pack, owner(of))


def sender(
    of: Account,
    value: str = "BoulMartin",
    *,
    kind: str = Sender.Kind.ALPHANUMERIC,
    status: str = Sender.Status.ENABLED,
) -> Sender:
    """A sender of the account that came to `status` the way senders do."""
    person = owner(of)
    made = sender_services.request_sender(
        account=of, kind=kind, value=value, description="", justification="Our name.", by=person
    )
    if status == Sender.Status.REFUSED:
        sender_services.refuse(made, by=person, reason="Not your name.")
    elif status != Sender.Status.WAITING:
        sender_services.approve(made, by=person)
    if status == Sender.Status.DISABLED:
        sender_services.disable(made, by=person)
    return made


def document(of: Sender) -> SenderDocument:
    """A supporting document of the sender, in the storage of the tests."""
    made = SenderDocument(sender=of, name="kbis.pdf", media_type="application/pdf", size=14)
    made.file.save(made.name, ContentFile(b"%PDF-1.4 %%EOF"))
    return made


def pool(*, commercial: Sequence[str] = ("36111", "36112"), other: Sequence[str] = ("38111", "38112")) -> Sender:
    """The shared sender of short numbers, enabled, with these numbers in its pool."""
    uses = ((ShortNumber.Use.COMMERCIAL, commercial), (ShortNumber.Use.OTHER, other))
    for use, numbers in uses:
        for number in numbers:
            ShortNumber.objects.get_or_create(number=number, defaults={"use": use})
    return sender_queries.pool()


def take_numbers(of: Account, *to: str, gateway: str = "default", now: datetime = NOON) -> dict[str, str]:
    """The short numbers that the account gets with these recipients, as a claim takes them, for 48 hours."""
    with transaction.atomic():
        numbers = Pool(recipients=to, commercial=[False], now=now)
        for one in to:
            found = numbers.find(account_id=of.pk, recipient=one, commercial=False, gateway=gateway)
            if found is not None:
                numbers.take(found, account_id=of.pk, recipient=one, until=now + timedelta(hours=48))
        numbers.keep()
    held = Lease.objects.filter(account=of, recipient__in=to, until__gt=now)
    return dict(held.values_list("recipient", "number__number"))


def mobile(number: int) -> str:
    """The French mobile number with this number in its last digits: 5 is +33612000005."""
    return f"+33612{number:06d}"


def recipients(to: str | int, country: str = "FR") -> tuple[Recipient, ...]:
    """The recipients of a field as typed, or so many different ones."""
    text = to if isinstance(to, str) else ", ".join(mobile(number) for number in range(100_000, 100_000 + to))
    return parse_recipients(text, country).valid


def draft(
    of: Account,
    *,
    to: str | int = "06 12 34 56 78",
    body: str = "Bonjour",
    by: Sender | None = None,
    person: User | None = None,
    commercial: bool = False,
    message_class: str = MessageClass.STANDARD,
    deferred_to: datetime | None = None,
    request_key: uuid.UUID | None = None,
) -> Draft:
    """What a person has typed: `to` as in the field or a number of recipients, `by` the sender.

    Without `by` it is the account's first enabled sender, made when there is none: a name.
    """
    chosen = by or Sender.objects.filter(account=of, status=Sender.Status.ENABLED).order_by("pk").first() or sender(of)
    return Draft(
        account=of,
        user=person or owner(of),
        sender=chosen,
        recipients=recipients(to, of.country),
        body=body,
        commercial=commercial,
        message_class=message_class,
        deferred_to=deferred_to,
        request_key=request_key or uuid.uuid4(),
    )


def submission(of: Account, *, now: datetime = NOON, **typed: Any) -> Submission:
    """A submitted draft; `typed` as for `draft`."""
    return submit(draft(of, **typed), now=now)[0]


def message(of: Account, *, now: datetime = NOON, **typed: Any) -> Message:
    """The message of a submission to one recipient; `typed` as for `draft`."""
    return submission(of, now=now, **typed).messages.get()


def at(moment: datetime) -> Callable[[], datetime]:
    """A clock that stands still at `moment`, for the verbs that take one."""
    return lambda: moment


def balances(of: Account) -> dict[str, int]:
    """The account's books as they are now: available, held and spent, in millis."""
    return dict(Book.objects.filter(account=of).order_by("kind").values_list("kind", "balance"))


def assert_ledger_adds_up() -> None:
    """Balances and holds follow from transfers, as `verify_ledger` proves, and no credit was made or lost."""
    assert prove() == []
    assert sum(Book.objects.values_list("balance", flat=True)) == 0


def received(of: Account, text: str = "Merci !", *, number: str = "+33612345678", when: datetime = NOON) -> Received:
    """A message that `number` sent to the account's virtual number, stored and applied as a gateway's event is."""
    to = Sender.objects.filter(account=of, kind=Sender.Kind.VIRTUAL, deleted_at=None).first() or sender(
        of, mobile(900_000 + of.pk), kind=Sender.Kind.VIRTUAL
    )
    event = gateways.Received(key=str(uuid.uuid4()), number=number, to=to.value, text=text, at=when)
    store_events("default", [event], now=when)
    inbox_services.apply_waiting(clock=at(when))
    return Received.objects.get(event__key=event.key)


def opt_out(
    of: Account,
    number: str = "+33698765432",
    *,
    note: str = "",
    source: str = OptOut.Source.MANUAL,
    by: User | None = None,
) -> OptOut:
    """A number on the account's STOP list, as the owner put it there."""
    optouts.opt_out(of, [number], source=source, by=by or owner(of), note=note)
    return OptOut.objects.get(account=of, number=number, removed_at=None)


def due(message: Message) -> datetime:
    """When the message is looked at next; it does not wait for a person."""
    assert message.due_at is not None
    return message.due_at


def assert_message(of: Message, state: str, reason: str = "", **fields: Any) -> None:
    """The message is in this state for this reason, came there by allowed moves, and the ledger adds up."""
    of.refresh_from_db()
    assert (of.state, of.reason) == (state, reason)
    assert {name: getattr(of, name) for name in fields} == fields
    before = Message.State.SCHEDULED.value
    for transition in of.transitions.order_by("pk"):
        assert transition.state == before or may_move(before, transition.state)
        before = transition.state
    assert before == state
    assert_ledger_adds_up()
