"""Every address, tried by everybody: who gets in, who is turned away, and how."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, reverse

from compose.models import Message, OptOut
from credits.models import Account, Member, Order
from inbox.models import Received
from senders.models import Sender, SenderDocument
from smsmanager.urls import urlpatterns
from tests import factories
from tests.factories import PASSWORD
from tests.pages import browser_of, read, sentence

PEOPLE = ("owner", "sender", "reader", "stranger", "outsider", "nobody")
# Where those are sent who are not signed in, or are members of no account.
SIGN_IN, NO_ACCOUNT = "sign-in", "no account"
Answer = int | str


@dataclass
class Scene:
    """An account with one of everything, and six people in front of it."""

    account: Account
    people: dict[str, User | None]
    sent: Message
    waiting: Message
    received: Received
    name: Sender
    document: SenderDocument
    opted_out: OptOut
    order: Order

    def arguments(self, name: str) -> dict[str, str | int]:
        """What the address `name` needs, all of it of the account."""
        needed: dict[str, dict[str, str | int]] = {
            "message": {"pk": self.sent.pk},
            "submission": {"pk": self.sent.submission_id},
            "cancel_submission": {"pk": self.waiting.submission_id},
            "decide_message": {"pk": self.sent.pk},
            "decide_submission": {"pk": self.sent.submission_id},
            "edit_submission": {"pk": self.waiting.submission_id},
            "move_submission": {"pk": self.waiting.submission_id},
            "pause_submission": {"pk": self.waiting.submission_id},
            "resume_submission": {"pk": self.waiting.submission_id},
            "move_message": {"pk": self.waiting.pk},
            "cancel_message": {"pk": self.waiting.pk},
            "conversation": {"pk": self.received.pk},
            "reply_quote": {"pk": self.received.pk},
            "optout_take_off": {"pk": self.opted_out.pk},
            "sender_switch": {"pk": self.name.pk, "verb": "disable"},
            "sender_document": {"pk": self.document.pk},
            "cancel_order": {"pk": self.order.pk},
            "gateway_door": {"name": "default"},
            "gateway_door_of": {"name": "default", "what": "report"},
            "pay_order": {"pk": self.order.pk},
            "password_reset_confirm": {"uidb64": "MQ", "token": "set-password"},
        }
        return needed.get(name, {})

    def things(self) -> list[tuple[str, ...]]:
        """What nobody may change who is turned away."""
        found: list[tuple[str, ...]]
        fields = ("pk", "state", "send_at", "due_at", "submission__paused_at")
        found = [tuple(map(str, row)) for row in Message.objects.order_by("pk").values_list(*fields)]
        found += [(str(pk), status) for pk, status in Sender.objects.order_by("pk").values_list("pk", "status")]
        found += [(str(pk), status) for pk, status in Order.objects.order_by("pk").values_list("pk", "status")]
        found += [(str(pk), str(at)) for pk, at in OptOut.objects.order_by("pk").values_list("pk", "removed_at")]
        found += [(str(pk), str(at)) for pk, at in Received.objects.order_by("pk").values_list("pk", "deleted_at")]
        return [*found, tuple(map(str, Sender.objects.filter(deleted_at=None).values_list("pk", flat=True)))]


@dataclass(frozen=True)
class Door:
    """An address, how it is asked for, and the answer for each of PEOPLE."""

    name: str
    method: str
    answers: tuple[Answer, ...]
    data: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.name}"


def door(name: str, method: str, *answers: Answer, **data: str) -> Door:
    assert len(answers) == len(PEOPLE)
    return Door(name, method, answers, data)


MEMBERS = (200, 200, 200, 200, NO_ACCOUNT, SIGN_IN)
MINE = (200, 200, 200, 404, NO_ACCOUNT, SIGN_IN)
WRITES = (302, 302, 403, 404, NO_ACCOUNT, SIGN_IN)
# To a page that a stranger does not find.
GOES_BACK = (302, 302, 403, 302, NO_ACCOUNT, SIGN_IN)
ASKS = (200, 200, 403, 404, NO_ACCOUNT, SIGN_IN)
# To the page that asks.
LEADS = (303, 303, 403, 404, NO_ACCOUNT, SIGN_IN)
SIGNED_IN = (200, 200, 200, 200, 200, SIGN_IN)
ANYBODY = (200, 200, 200, 200, 200, 200)
DOORS = [
    door("compose", "GET", *MEMBERS),
    door("compose", "POST", 422, 422, 403, 422, NO_ACCOUNT, SIGN_IN),
    door("quote", "GET", *GOES_BACK),
    door("quote", "POST", 200, 200, 403, 200, NO_ACCOUNT, SIGN_IN),
    # Who comes by the address alone, after a sign-in, goes back to the page that asks for it.
    door("numbers", "GET", *GOES_BACK),
    door("numbers", "POST", 200, 200, 403, 200, NO_ACCOUNT, SIGN_IN, recipients="06 12 34 56 78"),
    door("sent", "GET", *MEMBERS),
    door("message", "GET", *MINE),
    door("submission", "GET", *MINE),
    door("unconfirmed", "GET", *MEMBERS),
    # Nothing is chosen, or nothing is in doubt: that changes nothing, and the page says so. Who only looks goes back.
    door("decide_chosen", "GET", 302, 302, 403, 302, NO_ACCOUNT, SIGN_IN),
    door("decide_chosen", "POST", 302, 302, 403, 302, NO_ACCOUNT, SIGN_IN),
    door("decide_message", "GET", *WRITES),
    door("decide_message", "POST", *WRITES, choice="give_up"),
    door("decide_submission", "GET", *WRITES),
    door("decide_submission", "POST", *WRITES, choice="give_up"),
    door("edit_submission", "GET", 200, 200, 403, 404, NO_ACCOUNT, SIGN_IN),
    door("edit_submission", "POST", 422, 422, 403, 404, NO_ACCOUNT, SIGN_IN),
    door("move_submission", "GET", 200, 200, 403, 404, NO_ACCOUNT, SIGN_IN),
    # Without a moment it says so; a moment that has come is a click on "Send now".
    door("move_submission", "POST", 422, 422, 403, 404, NO_ACCOUNT, SIGN_IN),
    door("move_submission", "POST", *WRITES, when="now"),
    door("pause_submission", "GET", *GOES_BACK),
    door("pause_submission", "POST", *WRITES),
    door("resume_submission", "GET", *GOES_BACK),
    door("resume_submission", "POST", *WRITES),
    # What waits is cancelled after the page that asks (tests/test_asked.py).
    door("cancel_submission", "GET", *ASKS),
    door("cancel_submission", "POST", *LEADS),
    door("cancel_submission", "POST", *WRITES, decide="1", shown="1"),
    door("scheduled", "GET", *MEMBERS),
    door("move_message", "GET", 200, 200, 403, 404, NO_ACCOUNT, SIGN_IN),
    door("move_message", "POST", 422, 422, 403, 404, NO_ACCOUNT, SIGN_IN),
    door("move_message", "POST", *WRITES, when="now"),
    door("cancel_message", "GET", *ASKS),
    door("cancel_message", "POST", *LEADS),
    door("cancel_message", "POST", *WRITES, decide="1", shown="1"),
    door("received", "GET", *MEMBERS),
    door("received_change", "GET", 302, 302, 302, 302, NO_ACCOUNT, SIGN_IN),
    # Nothing chosen: that changes nothing, and the list says so.
    door("received_change", "POST", 302, 302, 302, 302, NO_ACCOUNT, SIGN_IN),
    door("received_change", "POST", 302, 302, 403, 302, NO_ACCOUNT, SIGN_IN, action="delete", pk="theirs"),
    door("received_export", "GET", *MEMBERS),
    door("conversation", "GET", *MINE),
    # A text is missing.
    door("conversation", "POST", 422, 422, 403, 404, NO_ACCOUNT, SIGN_IN),
    door("reply_quote", "GET", *GOES_BACK),
    door("reply_quote", "POST", 200, 200, 403, 404, NO_ACCOUNT, SIGN_IN),
    door("optouts", "GET", *MEMBERS),
    door("optout_add", "GET", 200, 200, 403, 200, NO_ACCOUNT, SIGN_IN),
    door("optout_add", "POST", 422, 422, 403, 422, NO_ACCOUNT, SIGN_IN),
    door("optout_export", "GET", *MEMBERS),
    door("optout_take_off", "GET", 200, 403, 403, 404, NO_ACCOUNT, SIGN_IN),
    door("optout_take_off", "POST", 302, 403, 403, 404, NO_ACCOUNT, SIGN_IN, reason="Asked for it."),
    door("senders", "GET", *MEMBERS),
    door("sender_request", "GET", 200, 403, 403, 200, NO_ACCOUNT, SIGN_IN),
    door("sender_request", "POST", 422, 403, 403, 422, NO_ACCOUNT, SIGN_IN),
    door("sender_document", "GET", 200, 403, 403, 404, NO_ACCOUNT, SIGN_IN),
    door("sender_switch", "GET", 302, 403, 403, 302, NO_ACCOUNT, SIGN_IN),
    door("sender_switch", "POST", 302, 403, 403, 404, NO_ACCOUNT, SIGN_IN),
    door("credits", "GET", *MEMBERS),
    door("statement_file", "GET", *MEMBERS),
    door("rates", "GET", *MEMBERS),
    door("top_up", "GET", 200, 403, 403, 200, NO_ACCOUNT, SIGN_IN),
    door("top_up", "POST", 422, 403, 403, 422, NO_ACCOUNT, SIGN_IN),
    door("cancel_order", "GET", 302, 403, 403, 302, NO_ACCOUNT, SIGN_IN),
    door("cancel_order", "POST", 302, 403, 403, 404, NO_ACCOUNT, SIGN_IN),
    door("pay_order", "GET", 302, 403, 403, 302, NO_ACCOUNT, SIGN_IN),
    door("pay_order", "POST", 302, 403, 403, 404, NO_ACCOUNT, SIGN_IN),
    # The manual backend trusts no call from outside.
    door("payments", "POST", 403, 403, 403, 403, 403, 403),
    # The simulator is not called; tests/test_doors.py has those that are.
    door("gateway_door", "GET", 404, 404, 404, 404, 404, 404),
    door("gateway_door", "POST", 404, 404, 404, 404, 404, 404),
    door("gateway_door_of", "GET", 404, 404, 404, 404, 404, 404),
    door("switch_account", "GET", 302, 302, 302, 302, 302, SIGN_IN),
    door("switch_account", "POST", 302, 302, 302, 404, 404, SIGN_IN, account="mine"),
    door("profile", "GET", *MEMBERS),
    door("profile", "POST", 302, 302, 302, 302, NO_ACCOUNT, SIGN_IN, mobile=""),
    door("account_settings", "GET", 200, 403, 403, 200, NO_ACCOUNT, SIGN_IN),
    door("account_settings", "POST", 302, 403, 403, 302, NO_ACCOUNT, SIGN_IN),
    door("reactions", "GET", 200, 403, 403, 200, NO_ACCOUNT, SIGN_IN),
    door("reactions", "POST", 302, 403, 403, 302, NO_ACCOUNT, SIGN_IN),
    door("no_account", "GET", 302, 302, 302, 302, 200, SIGN_IN),
    door("login", "GET", 302, 302, 302, 302, 302, 200),
    door("logout", "POST", 302, 302, 302, 302, 302, 302),
    door("password_change", "GET", *SIGNED_IN),
    door("password_change_done", "GET", *SIGNED_IN),
    door("password_reset", "GET", *ANYBODY),
    door("password_reset_done", "GET", *ANYBODY),
    door("password_reset_confirm", "GET", *ANYBODY),
    door("password_reset_complete", "GET", *ANYBODY),
    door("set_language", "POST", 302, 302, 302, 302, 302, 302, language="en"),
    door("theme", "POST", 302, 302, 302, 302, 302, 302, theme="dark"),
    door("favicon", "GET", 302, 302, 302, 302, 302, 302),
    door("healthz", "GET", *ANYBODY),
    # Beat never ran here, and without a token there are no metrics.
    door("readyz", "GET", 503, 503, 503, 503, 503, 503),
    door("metrics", "GET", 404, 404, 404, 404, 404, 404),
]
ONLY_POST = sorted({d.name for d in DOORS} - {d.name for d in DOORS if d.method == "GET"})


@pytest.fixture
def scene(db: None) -> Iterator[Scene]:
    with time_machine.travel(factories.NOON, tick=False):
        factories.pool()
        account = factories.account()
        name = factories.sender(account)
        members = {
            role.value: factories.member(account, role).user for role in (Member.Role.SENDER, Member.Role.READER)
        }
        people: dict[str, User | None] = {
            "owner": factories.owner(account),
            **members,
            "stranger": factories.owner(factories.account(name="Clinique du Parc")),
            "outsider": factories.user(),
            "nobody": None,
        }
        later = factories.NOON.replace(month=12)
        yield Scene(
            account=account,
            people=people,
            sent=factories.message(account, by=name),
            waiting=factories.message(account, by=name, deferred_to=later),
            received=factories.received(account),
            name=name,
            document=factories.document(name),
            order=factories.order(account),
            opted_out=factories.opt_out(account, note="Seen at the market of BoulMartin"),
        )


def ask(door: Door, scene: Scene, person: str) -> tuple[Answer, Client, str]:
    """How the door answers this person: a status, or where they are sent instead."""
    browser = browser_of(scene.people[person])
    known = {"mine": str(scene.account.pk), "theirs": str(scene.received.pk)}
    data = {name: known.get(value, value) for name, value in door.data.items()}
    address = reverse(door.name, kwargs=scene.arguments(door.name))
    answer = browser.get(address) if door.method == "GET" else browser.post(address, data)
    if answer.streaming:
        # Read to its end, the file behind it is closed.
        list(answer.streaming_content)  # type: ignore[attr-defined]
    to = answer.headers.get("Location", "")
    if to == f"{reverse('login')}?next={address}":
        return SIGN_IN, browser, ""
    if answer.status_code == 302 and to == reverse("no_account"):
        return NO_ACCOUNT, browser, ""
    if answer.headers.get("Content-Type", "").startswith("text/plain"):
        return answer.status_code, browser, answer.content.decode()
    return answer.status_code, browser, sentence(read(answer)) if answer.status_code in (403, 404) else ""


def _names(patterns: list[URLPattern | URLResolver]) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLPattern):
            assert pattern.name, f"{pattern.pattern} has no name"
            yield pattern.name
        elif pattern.app_name != "admin":
            yield from _names(pattern.url_patterns)


def test_every_address_has_its_doors_in_this_file() -> None:
    assert sorted(_names(urlpatterns)) == sorted({door.name for door in DOORS})


@pytest.mark.parametrize("door", DOORS, ids=str)
def test_each_person_gets_the_answer_that_their_role_deserves(scene: Scene, door: Door) -> None:
    before = scene.things()
    # Those who may change something come last.
    for person, expected in reversed(list(zip(PEOPLE, door.answers, strict=True))):
        answer, _browser, said = ask(door, scene, person)
        assert answer == expected, person
        if answer in (403, 404, SIGN_IN, NO_ACCOUNT):
            assert scene.things() == before, person
        if answer == 403:
            assert "Nothing was changed." in said
        if answer == 404:
            assert len(said.split()) > 8, f"{person} is told only: {said}"


@pytest.mark.parametrize("name", ONLY_POST)
def test_an_address_that_changes_something_is_never_got(scene: Scene, name: str) -> None:
    before = scene.things()
    answer = browser_of(scene.people["owner"]).get(reverse(name, kwargs=scene.arguments(name)))
    if name == "set_language":
        # Django's own view: a GET goes back and changes nothing.
        assert answer.status_code == 302
        assert "django_language" not in answer.cookies
    else:
        assert answer.status_code == 405
    assert scene.things() == before


BEHIND_THE_SIGN_IN = [door for door in DOORS if door.method == "POST" and door.answers[-1] == SIGN_IN]
# These have no page of their own: nothing shows that the button was pressed in vain.
ONLY_BUTTONS = {
    "pause_submission",
    "resume_submission",
    "received_change",
    "sender_switch",
    "cancel_order",
    "pay_order",
    "switch_account",
}


@pytest.mark.parametrize("door", BEHIND_THE_SIGN_IN, ids=str)
def test_a_button_that_is_pressed_after_the_session_has_ended_leads_to_a_page_and_changes_nothing(
    scene: Scene, door: Door
) -> None:
    before, browser = scene.things(), browser_of()
    address = reverse(door.name, kwargs=scene.arguments(door.name))
    form = read(browser.post(address, door.data, follow=True)).form(reverse("login"))
    person = scene.people["owner"]
    assert person is not None
    typed = form.typed(username=person.username, password=PASSWORD)
    answer = browser.post(form.element.attributes["action"], typed, follow=True)
    assert answer.status_code == 200
    page = read(answer)
    page.one("a", href=reverse("compose"), **{"class": "brand"})
    assert scene.things() == before
    said = " ".join(one.text for one in page.all(role="status"))
    in_vain = "Nothing was changed: the page was opened without its button. Press the button again." in said
    assert in_vain == (door.name in ONLY_BUTTONS)


@pytest.mark.parametrize("verb", ["enable", "disable", "delete"])
@pytest.mark.parametrize("person", ["sender", "reader", "stranger", "outsider", "nobody"])
def test_only_an_owner_changes_a_sender_whatever_the_verb(scene: Scene, person: str, verb: str) -> None:
    before = scene.things()
    address = reverse("sender_switch", kwargs={"pk": scene.name.pk, "verb": verb})
    assert browser_of(scene.people[person]).post(address).status_code in (302, 403, 404)
    assert scene.things() == before


def test_the_lists_of_a_stranger_show_nothing_of_the_account(scene: Scene) -> None:
    browser = browser_of(scene.people["stranger"])
    for name in ("compose", "sent", "scheduled", "received", "optouts", "senders", "credits"):
        page = browser.get(reverse(name)).content.decode()
        assert "BoulMartin" not in page
        assert "6 12 34 56 78" not in page
        assert "6 98 76 54 32" not in page
        assert scene.account.name not in page


def test_a_reader_sees_the_compose_page_but_can_press_nothing_on_it(scene: Scene) -> None:
    page = read(browser_of(scene.people["reader"]).get(reverse("compose")))
    assert "You are a reader of this account" in sentence(page)
    form = page.one("form", action=reverse("compose"), method="post")
    assert all("disabled" in button.attributes for button in form.all("button", type="submit"))


def test_a_reader_is_offered_no_button_that_would_be_refused(scene: Scene) -> None:
    browser = browser_of(scene.people["reader"])
    names = ("sent", "message", "submission", "scheduled", "received", "conversation", "optouts", "senders", "credits")
    for name in names:
        page = read(browser.get(reverse(name, kwargs=scene.arguments(name))))
        forms = page.one("main").all("form", method="post")
        # What a reader has read is the reader's own.
        marking = {"read", "unread"} if name in ("received", "conversation") else set()
        assert {button.attributes["value"] for form in forms for button in form.all("button")} <= marking, name


def test_who_leaves_an_account_sees_no_more_of_it_at_once(scene: Scene) -> None:
    browser = browser_of(scene.people["sender"])
    address = reverse("message", kwargs={"pk": scene.sent.pk})
    assert browser.get(address).status_code == 200
    Member.objects.filter(user=scene.people["sender"]).delete()
    assert browser.get(address).headers["Location"] == reverse("no_account")


def test_an_administrator_who_is_no_member_reads_no_account(scene: Scene) -> None:
    browser = browser_of(factories.user(superuser=True))
    address = reverse("message", kwargs={"pk": scene.sent.pk})
    assert browser.get(address).headers["Location"] == reverse("no_account")
