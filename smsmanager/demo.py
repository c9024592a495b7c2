"""The demonstration: two accounts with their people, senders in every status, a little history, one conversation.

Everything goes through the verbs that the pages use, so the ledger of the demonstration adds up as any other.
Nothing of it leaves: only the simulator and what is written here ever speak to these numbers.
"""

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone

from compose import claims
from compose.gateways.base import Event, Received, Report
from compose.models import Message, MessageClass, OptOut
from compose.optouts import opt_out
from compose.planning import Draft
from compose.recipients import parse_recipients
from compose.services import store_events, submit
from compose.settlement import Ending, end_holds
from credits import rates
from credits import services as credit_services
from credits.models import Account, Member
from inbox import services as inbox_services
from senders import queries as sender_queries
from senders import services as sender_services
from senders.models import Sender, ShortNumber

User = get_user_model()
# Known to everybody: `manage.py up` opens no other address than the loopback while somebody still has it.
PASSWORD = "demonstration"  # noqa: S105
PEOPLE = {
    "admin": ("Administrator of the installation", "", ""),
    "claire": ("Owner of Boulangerie Martin", "Claire", "Martin"),
    "hugo": ("Sender in Boulangerie Martin", "Hugo", "Petit"),
    "lea": ("Reader in both accounts", "Léa", "Bernard"),
    "nadia": ("Owner of Clinique du Parc", "Nadia", "Rahmani"),
}
# Last four digits of the recipients of the history -> how their messages ended.
REPORTS = {"0011": "delivered", "0012": "delivered", "0005": "undelivered"}


def present() -> bool:
    """Whether somebody can sign in with the demonstration's password."""
    return any(user.check_password(PASSWORD) for user in User.objects.filter(username__in=PEOPLE))


def sign_in_lines() -> list[str]:
    """Who can sign in with the demonstration's password, a line each; none without a demonstration."""
    if not present():
        return []
    lines = [f"{name:<8} {role}" for name, (role, _first, _last) in PEOPLE.items()]
    return [*lines, f"Password of each: {PASSWORD}"]


@transaction.atomic
def load() -> bool:
    """Load the demonstration into an empty installation; False when anything is there already."""
    if User.objects.exists() or Account.objects.exists():
        return False
    now = timezone.now()
    people = _people()
    numbers = [("36112", "commercial"), ("36113", "commercial"), ("38111", "other"), ("38112", "other")]
    ShortNumber.objects.bulk_create(ShortNumber(number=number, use=use) for number, use in numbers)
    pool = sender_queries.pool()
    rates.load_examples(now)
    bakery = credit_services.open_account(name="Boulangerie Martin", owner=people["claire"])
    clinic = credit_services.open_account(name="Clinique du Parc", owner=people["nadia"])
    Member.objects.filter(account=bakery, user=people["claire"]).update(mobile="+33612340010")
    Member.objects.bulk_create(
        [
            Member(account=bakery, user=people["hugo"], role=Member.Role.SENDER),
            Member(account=bakery, user=people["lea"], role=Member.Role.READER),
            Member(account=clinic, user=people["lea"], role=Member.Role.READER),
        ]
    )
    for account, amount in ((bakery, 250_000), (clinic, 1_000_000)):
        credit_services.grant(account, amount, by=people["admin"], reason="Pack de bienvenue", request_key=uuid.uuid4())
    name = _senders(bakery, clinic, people)
    _history(bakery, people["claire"], pool, name, now)
    _stop_list(bakery, people)
    return True


def _people() -> dict[str, Any]:
    # Hashed once for all of them: a hash is slow on purpose.
    password = make_password(PASSWORD)
    made = [
        User(
            username=name,
            email=f"{name}@example.org",
            password=password,
            first_name=first,
            last_name=last,
            is_staff=name == "admin",
            is_superuser=name == "admin",
        )
        for name, (_role, first, last) in PEOPLE.items()
    ]
    return {user.get_username(): user for user in User.objects.bulk_create(made)}


def _senders(bakery: Account, clinic: Account, people: dict[str, Any]) -> Sender:
    """Senders in every status; returns the enabled name of the bakery."""

    def ask(account: Account, value: str, description: str, by: str) -> Sender:
        return sender_services.request_sender(
            account=account,
            kind=Sender.Kind.ALPHANUMERIC,
            value=value,
            description=description,
            justification="C'est le nom de notre établissement.",
            by=people[by],
        )

    enabled = ask(bakery, "BoulMartin", "Enseigne du magasin", "claire")
    sender_services.approve(enabled, by=people["admin"])
    disabled = ask(bakery, "Fournil", "Ancienne enseigne", "claire")
    sender_services.approve(disabled, by=people["admin"])
    sender_services.disable(disabled, by=people["claire"])
    ask(bakery, "Martin Pain", "Nouvelle boutique", "claire")
    refused = ask(bakery, "INFO", "Annonces", "claire")
    sender_services.refuse(refused, by=people["admin"], reason="Ce nom ne désigne pas votre entreprise.")
    sender_services.approve(ask(clinic, "Clinique", "Accueil", "nadia"), by=people["admin"])
    # Resembles a protected name: the administration asks twice.
    ask(clinic, "Ameli-Parc", "Remboursements", "nadia")
    return enabled


def _history(account: Account, author: Any, pool: Sender, name: Sender, now: datetime) -> None:
    """A few messages sent and reported, a conversation, and messages that wait for tomorrow."""

    def send(sender: Sender, numbers: str, body: str, *, commercial: bool, at: datetime | None = None) -> None:
        draft = Draft(
            account=account,
            user=author,
            sender=sender,
            recipients=parse_recipients(numbers, "FR").valid,
            body=body,
            commercial=commercial,
            message_class=MessageClass.STANDARD,
            deferred_to=at,
            request_key=uuid.uuid4(),
        )
        submit(draft, now=now)

    send(
        pool,
        "06 12 34 00 11",
        "Bonjour, votre gâteau est prêt. À quelle heure passez-vous ?",
        commercial=False,
    )
    send(
        name,
        "06 12 34 00 12, 06 12 34 00 05",
        "Votre commande n° 214 est prête. Boulangerie Martin",
        commercial=False,
    )
    _operator_takes_all(now)
    tomorrow = (now.astimezone(account.zone) + timedelta(days=1)).replace(hour=9, minute=0, second=0, microsecond=0)
    send(pool, "06 12 34 00 13", "Rappel : votre commande vous attend ce matin.", commercial=False, at=tomorrow)
    send(
        name,
        "06 12 34 00 11, 06 12 34 00 12, 06 12 34 00 13",
        "Brioches : -20 % jusqu'à samedi !",
        commercial=True,
        at=tomorrow + timedelta(days=2),
    )


def _stop_list(account: Account, people: dict[str, Any]) -> None:
    """Who wants no more offers: one said so at the counter, others came from the program before this one."""
    opt_out(
        account,
        ["+33612340021"],
        source=OptOut.Source.MANUAL,
        by=people["hugo"],
        note="Ne veut plus d'offres, dit au comptoir",
    )
    opt_out(
        account,
        ["+33612340022", "+262692123422"],
        source=OptOut.Source.IMPORT,
        by=people["claire"],
        note="Liste de l'ancien logiciel",
    )


def _operator_takes_all(now: datetime) -> None:
    """What the gateway and its reports would have done with the messages that are due."""
    made, _moved = claims.claim_due(clock=lambda: now)
    for claim in made:
        _report_and_answer(claim, now)
    inbox_services.apply_waiting(clock=lambda: now + timedelta(seconds=31))


def _report_and_answer(claim: claims.Claim, now: datetime) -> None:
    events: list[Event] = []
    for row in claim.messages:
        reference = f"demonstration-{row.pk}"
        row.handed_over_at = now
        end_holds([Ending(row, Message.State.ACCEPTED, reference=reference)], key=f"demonstration:{row.pk}", now=now)
        status = REPORTS[row.recipient[-4:]]
        events.append(
            Report(
                key=f"report-{reference}",
                reference=reference,
                status=status,
                at=now,
                reason="absent" if status == "undelivered" else "",
            )
        )
        if row.submission.sender.is_pool:
            events.append(
                Received(
                    key=f"received-{reference}",
                    number=row.recipient,
                    to=row.originator,
                    at=now + timedelta(seconds=30),
                    text="Bonjour, je passe vers 17 h. Merci !",
                )
            )
    store_events(claim.gateway, events, now=now)


def allowed() -> bool:
    """Whether this installation may hold a demonstration: an embedded one only."""
    return bool(settings.EMBEDDED)
