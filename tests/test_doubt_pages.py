"""Messages that may have left, on the pages of their sender and in the administration: found, explained, decided."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from compose import doubts, unconfirmed
from compose.gateways.base import OutcomeUnknown
from compose.models import Message, Submission
from credits.models import Account, Member
from tests import factories
from tests.dispatching import dispatch_due
from tests.events import arrive, report
from tests.factories import NOON, assert_ledger_adds_up, at, balances
from tests.gateways_for_tests import ScriptedGateway, raising, scripted_gateway
from tests.pages import Element, browser_of, read, sentence

State = Message.State
CHOICES = {"confirm": State.ACCEPTED, "again": State.SCHEDULED, "give_up": State.FAILED}
MESSAGES = "/administration/compose/message/"
ACTION_OF = {"confirm": "doubt_confirm", "again": "doubt_send_again", "give_up": "doubt_give_up"}


@pytest.fixture(autouse=True)
def noon(db: None) -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture(autouse=True)
def gateway() -> Iterator[ScriptedGateway]:
    with scripted_gateway() as made:
        made.script = raising(OutcomeUnknown("lost"))
        yield made


@pytest.fixture
def account() -> Account:
    return factories.account()


@pytest.fixture
def browser(account: Account) -> Client:
    return browser_of(factories.owner(account))


@pytest.fixture
def admin() -> Client:
    return browser_of(factories.user("root", superuser=True))


def doubtful(account: Account, to: int = 1) -> Submission:
    """A submission whose messages may all have left."""
    made = factories.submission(account, to=to)
    dispatch_due(clock=at(NOON))
    assert set(made.messages.values_list("state", flat=True)) == {State.UNCONFIRMED}
    return made


def states(of: Submission) -> list[str]:
    return list(of.messages.order_by("pk").values_list("state", flat=True))


def page_of(browser: Client, of: Submission, name: str = "submission") -> Element:
    pk = of.pk if name == "submission" else of.messages.get().pk
    return read(browser.get(reverse(name, kwargs={"pk": pk})))


def press(browser: Client, page: Element, choice: str, **typed: str | None) -> Element:
    """Press one of the three buttons of a page, or without a choice that of the page that asks; the page after it."""
    name, value = ("choice", choice) if choice else ("decide", "1")
    (form,) = [one for one in page.one("main").all("form", method="post") if one.all("button", name=name)]
    fields = [
        (field.attributes["name"], field.attributes["value"])
        for field in form.all("input")
        if field.attributes["type"] == "hidden" or "checked" in field.attributes
    ]
    data: dict[str, Any] = {}
    for one, known in fields:
        data.setdefault(one, []).append(known)
    assert form.all("button", name=name, value=value)
    return read(browser.post(form.attributes["action"], data | {name: value} | typed, follow=True))


def told(page: Element) -> str:
    return " ".join(one.text for one in page.all(role="status")).strip()


# The sender


def test_the_page_of_a_message_in_doubt_offers_three_choices_with_what_each_means(
    account: Account, browser: Client
) -> None:
    page = page_of(browser, doubtful(account), "message")
    panel = page.one(id="doubt")
    assert "Was the unconfirmed message sent?" in panel.text
    assert "If nothing is heard and nobody chooses, its price is given back on Thursday 3 December 2026." in panel.text
    means = {
        button.attributes["value"]: (button.text, page.one(id=button.attributes["aria-describedby"]).text)
        for button in panel.all("button", name="choice")
    }
    assert list(means) == list(CHOICES)
    assert means["confirm"][0] == "It was sent"
    assert "Its price is paid" in means["confirm"][1]
    assert means["again"][0] == "It was not: send it again"
    assert "The recipient may get it twice; the account pays once." in means["again"][1]
    assert means["give_up"][0] == "Give up and give the credits back"
    assert "costs nothing" in means["give_up"][1]


def test_who_may_not_choose_is_asked_nothing(account: Account) -> None:
    reader = browser_of(factories.member(account, Member.Role.READER).user)
    panel = page_of(reader, doubtful(account), "message").one(id="doubt")
    assert panel.one("h2").text == "1 message is unconfirmed"
    assert "If nothing is heard, its price is given back on Thursday 3 December 2026." in panel.text
    assert page_of(reader, doubtful(account, to=2), "submission").one("h2", id="doubt-title").text == (
        "2 messages are unconfirmed"
    )


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("many", [1, 2])
def test_the_administration_says_it_and_they_as_there_are_one_or_more(
    account: Account, admin: Client, choice: str, many: int
) -> None:
    made = doubtful(account, to=many)
    pks = [str(pk) for pk in made.messages.values_list("pk", flat=True)]
    page = read(admin.post(MESSAGES, {"action": ACTION_OF[choice], "_selected_action": pks}))
    said = page.one(id="content-main").text
    assert f"unconfirmed message{'s' if many > 1 else ''}" in said
    assert ("They " in said, "Leave these messages" in said, "It " in said) == (many > 1, many > 1, many == 1)
    button = page.one("input", name="decide").attributes["value"]
    assert ("messages" in button) == (many > 1)


@pytest.mark.parametrize(("choice", "state"), CHOICES.items())
@pytest.mark.parametrize("where", ["message", "submission"])
def test_each_choice_is_made_on_the_page_and_says_what_it_did(
    account: Account, browser: Client, choice: str, state: str, where: str
) -> None:
    made = doubtful(account)
    page = press(browser, page_of(browser, made, where), choice)
    assert states(made) == [state]
    said = {
        "confirm": "1 message is taken for sent, and its price is paid.",
        "again": "1 message is sent again.",
        "give_up": "1 message was given up, and its price given back.",
    }
    assert told(page) == said[choice]
    assert page.one(id="doubt").text == ""
    (decided,) = made.messages.get().transitions.filter(state=state).exclude(by=None)
    assert decided.by == factories.owner(account)
    # The story of the message names who decided.
    assert f"By {decided.by}" in page_of(browser, made, "message").one(id="story").text
    assert_ledger_adds_up()


def test_all_of_a_submission_are_decided_at_once(account: Account, browser: Client) -> None:
    made = doubtful(account, 3)
    other = doubtful(account)
    page = page_of(browser, made)
    assert "Were the 3 unconfirmed messages sent?" in page.one(id="doubt").text
    page = press(browser, press(browser, page, "give_up"), "")
    assert told(page) == "3 messages were given up, and their price given back."
    assert (states(made), states(other)) == ([State.FAILED] * 3, [State.UNCONFIRMED])
    assert balances(account) == {"available": 99_000, "held": 1_000, "spent": 0}


def test_what_a_report_resolved_meanwhile_is_said_and_left_alone(account: Account, browser: Client) -> None:
    made = doubtful(account, 3)
    page = page_of(browser, made)
    first = made.messages.order_by("pk")[0]
    arrive(report("delivered", message_id=str(first.pk)))
    asked = press(browser, page, "again")
    left = "1 message was left as it is: a report, or somebody else, had resolved it meanwhile."
    assert left in asked.one(id="asked").text
    # What was said before is not said again.
    assert told(press(browser, asked, "")) == "2 messages are sent again."
    assert states(made) == [State.DELIVERED, State.SCHEDULED, State.SCHEDULED]


def test_a_second_click_says_that_nothing_was_changed(account: Account, browser: Client) -> None:
    made = doubtful(account)
    page = page_of(browser, made, "message")
    press(browser, page, "confirm")
    said = told(press(browser, page, "give_up"))
    assert said == "1 message was left as it is: a report, or somebody else, had resolved it meanwhile."
    assert states(made) == [State.ACCEPTED]


@pytest.mark.parametrize("choice", ["", "x", "CONFIRM"])
def test_a_choice_that_is_none_changes_nothing_and_says_so(account: Account, browser: Client, choice: str) -> None:
    made = doubtful(account)
    for address in (
        reverse("decide_message", kwargs={"pk": made.messages.get().pk}),
        reverse("decide_submission", kwargs={"pk": made.pk}),
    ):
        said = told(read(browser.post(address, {"choice": choice, "shown": "x"}, follow=True)))
        assert said.startswith("Nothing was changed: choose whether")
    assert states(made) == [State.UNCONFIRMED]


def test_the_list_of_sent_messages_says_how_many_are_in_doubt_and_leads_to_them(
    account: Account, browser: Client
) -> None:
    assert read(browser.get("/sent/")).one(id="in-doubt").text == ""
    doubtful(factories.account())
    made = doubtful(account, 2)
    notice = read(browser.get("/sent/")).one(id="in-doubt")
    assert "Of 2 messages nobody knows whether they left." in notice.text
    page = read(browser.get(notice.one("a").attributes["href"]))
    assert len(page.all("a", **{"class": "row-link"})) == len(states(made)) == 2


def test_several_are_ticked_and_decided(account: Account, browser: Client) -> None:
    made = doubtful(account, 3)
    first, second, _third = made.messages.order_by("pk").values_list("pk", flat=True)
    address = reverse("unconfirmed")
    page = press(browser, read(browser.get(address)), "confirm", pk=[str(first), str(second)])  # type: ignore[arg-type]
    page = press(browser, page, "")
    assert told(page) == "2 messages are taken for sent, and their price is paid."
    assert states(made) == [State.ACCEPTED, State.ACCEPTED, State.UNCONFIRMED]
    # Without JavaScript, a link ticks all of the page.
    page = read(browser.get(address))
    page = read(browser.get(address + page.one("a", **{"class": "bulk-all"}).attributes["href"]))
    page = press(browser, page, "give_up")
    assert states(made) == [State.ACCEPTED, State.ACCEPTED, State.FAILED]
    assert "Nothing is in doubt" in sentence(page)


@pytest.mark.parametrize("posted", [{}, {"pk": "x"}, {"pk": ["9" * 30, "-1", "1 "]}, {"pk": "7" * 18}])
def test_what_was_not_ticked_is_not_decided(account: Account, browser: Client, posted: dict[str, Any]) -> None:
    made = doubtful(account)
    page = read(browser.post(reverse("decide_chosen"), {"choice": "give_up", **posted}, follow=True))
    assert told(page) != ""
    assert states(made) == [State.UNCONFIRMED]


def test_an_address_in_other_digits_leads_back_as_any_other(account: Account, browser: Client) -> None:
    made = doubtful(account)
    digits = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
    for name, pk in (("message", made.messages.get().pk), ("submission", made.pk)):
        back = reverse(name, kwargs={"pk": pk})
        address = reverse(f"decide_{name}", kwargs={"pk": str(pk).translate(digits)})
        for choice in ("x", "confirm", "give_up"):
            answer = browser.post(address, {"choice": choice, "until": NOON.isoformat()})
            assert (answer.status_code, answer.headers["Location"]) == (302, back)
        assert browser.get(address).headers["Location"] == back
    assert states(made) == [State.ACCEPTED]


def test_nobody_decides_about_the_messages_of_another_account(account: Account, browser: Client) -> None:
    theirs = doubtful(factories.account(), 2)
    pks = [str(pk) for pk in theirs.messages.values_list("pk", flat=True)]
    browser.post(reverse("decide_chosen"), {"choice": "give_up", "pk": pks})
    assert browser.post(reverse("decide_message", kwargs={"pk": pks[0]}), {"choice": "confirm"}).status_code == 404
    address = reverse("decide_submission", kwargs={"pk": theirs.pk})
    assert browser.post(address, {"choice": "confirm"}).status_code == 404
    assert states(theirs) == [State.UNCONFIRMED] * 2


def test_a_reader_sees_what_is_in_doubt_and_has_no_choice(account: Account) -> None:
    made = doubtful(account)
    reader = browser_of(factories.member(account, Member.Role.READER).user)
    for address in (
        "/sent/",
        reverse("unconfirmed"),
        reverse("message", kwargs={"pk": made.messages.get().pk}),
        reverse("submission", kwargs={"pk": made.pk}),
    ):
        main = read(reader.get(address)).one("main")
        assert main.all("button", name="choice") == []
        assert "left" in main.text
    address = reverse("decide_message", kwargs={"pk": made.messages.get().pk})
    assert reader.post(address, {"choice": "give_up"}).status_code == 403
    assert states(made) == [State.UNCONFIRMED]


def test_a_colleague_who_may_send_decides_too(account: Account) -> None:
    made = doubtful(account)
    colleague = browser_of(factories.member(account, Member.Role.SENDER).user)
    press(colleague, page_of(colleague, made, "message"), "confirm")
    assert states(made) == [State.ACCEPTED]


def test_counting_those_in_doubt_costs_the_same_however_many_there_are(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubtful(account, 7)
    doubtful(factories.account(), 3)
    with CaptureQueriesContext(connection) as queries:
        assert unconfirmed.count(account) == 7
    (query,) = queries.captured_queries
    with connection.cursor() as cursor:
        asked = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(asked + query["sql"].split("[", 1)[0])
        assert "message_unconfirmed" in str(cursor.fetchall())
    monkeypatch.setattr(unconfirmed, "MOST", 4)
    assert unconfirmed.count(account) <= 4


# The administrator


def chosen(browser: Client, action: str, pks: list[int], query: str = "", **more: Any) -> Element:
    """Tick messages in the administration's list and run an action."""
    data = {"action": action, "_selected_action": [str(pk) for pk in pks], **more}
    return read(browser.post(MESSAGES + query, data, follow=True))


def go_on(browser: Client, page: Element, query: str = "") -> Element:
    """Press the button of the page that asks."""
    (form,) = [one for one in page.all("form") if one.all("input", name="decide")]
    data: dict[str, list[str]] = {}
    for field in form.all("input"):
        data.setdefault(field.attributes["name"], []).append(field.attributes["value"])
    return read(browser.post(MESSAGES + query, data, follow=True))


ACTIONS = [
    ("doubt_confirm", State.ACCEPTED, "the accounts pay their price", "2 messages are taken for sent"),
    ("doubt_send_again", State.SCHEDULED, "reach their recipients twice", "2 messages are sent again."),
    ("doubt_give_up", State.FAILED, "the accounts get their price back", "2 messages were given up"),
]


@pytest.mark.parametrize(("action", "state", "means", "did"), ACTIONS)
def test_an_administrator_is_told_what_a_choice_means_and_then_makes_it(
    account: Account, admin: Client, action: str, state: str, means: str, did: str
) -> None:
    mine, theirs = doubtful(account), doubtful(factories.account())
    other = doubtful(account)
    doubts.confirm(list(other.messages.values_list("pk", flat=True)), by=None, now=NOON)
    pks = [one.messages.get().pk for one in (mine, theirs, other)]
    page = chosen(admin, action, pks)
    said = page.one(id="content-main").text
    assert "You decide about 2 unconfirmed messages:" in said
    assert "of 2 SMS accounts" in said
    assert "at a price of 2 credits" in said
    assert "1 chosen message is not unconfirmed and stays as it is" in said
    assert means in said
    # Nothing is done yet.
    assert states(mine) == [State.UNCONFIRMED]
    page = go_on(admin, page)
    assert did in page.text
    assert states(mine) == states(theirs) == [state]
    assert states(other) == [State.ACCEPTED]
    decided = mine.messages.get().transitions.order_by("pk").last()
    assert decided is not None
    assert (decided.by is not None and decided.by.username) == "root"
    assert_ledger_adds_up()


def test_all_that_the_filters_show_are_decided_at_once(account: Account, admin: Client) -> None:
    mine, theirs = doubtful(account, 3), doubtful(factories.account(), 2)
    query = "?state__exact=unconfirmed&gateway=default"
    page = chosen(admin, "doubt_give_up", [mine.messages.order_by("pk")[0].pk], query, select_across="1")
    assert "You decide about 5 unconfirmed messages:" in page.one(id="content-main").text
    page = go_on(admin, page, query)
    assert "5 messages were given up, and their price given back." in page.text
    assert set(states(mine) + states(theirs)) == {State.FAILED}


def test_what_was_resolved_while_the_administrator_read_is_left_alone(account: Account, admin: Client) -> None:
    made = doubtful(account, 2)
    pks = list(made.messages.order_by("pk").values_list("pk", flat=True))
    page = chosen(admin, "doubt_give_up", pks)
    arrive(report("delivered", message_id=str(pks[0])))
    said = go_on(admin, page).text
    assert "1 message was given up" in said
    assert "1 message was left as it is" in said
    assert states(made) == [State.DELIVERED, State.FAILED]


def test_what_comes_in_doubt_while_the_administrator_reads_stays_in_doubt(account: Account, admin: Client) -> None:
    made = doubtful(account, 3)
    late = made.messages.order_by("pk")[0]
    this = Message.objects.filter(pk=late.pk)
    this.update(state=State.SCHEDULED, claim=None, leased_until=None, handed_over_at=None)
    this.update(state=State.SENDING, claim=uuid4(), leased_until=NOON, handed_over_at=late.handed_over_at)
    query = "?gateway=default"
    page = chosen(admin, "doubt_send_again", [made.messages.order_by("pk")[1].pk], query, select_across="1")
    assert "You decide about 2 unconfirmed messages:" in page.one(id="content-main").text
    Message.objects.filter(pk=late.pk).update(state=State.UNCONFIRMED)
    assert "2 messages are sent again." in go_on(admin, page, query).text
    assert states(made) == [State.UNCONFIRMED, State.SCHEDULED, State.SCHEDULED]


def test_an_administrators_answer_that_is_given_again_sends_nothing_again(account: Account, admin: Client) -> None:
    made = doubtful(account, 2)
    page = chosen(admin, "doubt_send_again", list(made.messages.values_list("pk", flat=True)))
    assert "2 messages are sent again." in go_on(admin, page).text
    dispatch_due(clock=at(NOON + timedelta(minutes=1)))
    assert states(made) == [State.UNCONFIRMED] * 2
    assert "2 messages were left as they are" in go_on(admin, page).text
    assert states(made) == [State.UNCONFIRMED] * 2


def test_where_nothing_is_in_doubt_there_is_nothing_to_decide(account: Account, admin: Client) -> None:
    message = factories.message(account)
    said = chosen(admin, "doubt_confirm", [message.pk]).text
    assert "Nothing was changed: none of the chosen messages is unconfirmed." in said


def test_an_administrator_who_may_only_look_is_offered_no_choice(account: Account) -> None:
    made = doubtful(account)
    person = factories.user()
    person.is_staff = True
    person.save()
    person.user_permissions.add(Permission.objects.get(codename="view_message"))
    browser = browser_of(person)
    assert "doubt_" not in browser.get(MESSAGES).content.decode()
    chosen(browser, "doubt_give_up", [made.messages.get().pk], decide="1")
    assert states(made) == [State.UNCONFIRMED]


def test_the_list_of_gateways_counts_those_in_doubt_and_leads_to_them(account: Account, admin: Client) -> None:
    doubtful(account, 3)
    page = read(admin.get("/administration/compose/gatewaystate/"))
    link = page.one("td", **{"class": "field-waiting"}).one("a")
    assert link.text == "unconfirmed: 3"
    assert len(read(admin.get(link.attributes["href"])).one(id="result_list").one("tbody").all("tr")) == 3


def test_the_pages_of_the_choices_ask_the_database_as_often_for_many_as_for_one(
    account: Account, browser: Client
) -> None:
    costs = []
    for many in (1, 30):
        doubtful(account, many)
        browser.get(reverse("unconfirmed"))
        with CaptureQueriesContext(connection) as queries:
            browser.get(reverse("unconfirmed"))
        costs.append(len(queries))
    assert costs[0] == costs[1]


def test_a_message_that_waits_again_says_that_somebody_had_it_sent_again(account: Account, browser: Client) -> None:
    made = doubtful(account)
    press(browser, page_of(browser, made, "message"), "again")
    with time_machine.travel(NOON + timedelta(seconds=1), tick=False):
        page = page_of(browser, made, "message")
    assert "somebody has had it sent again" in page.one(id="facts").text
    assert "Attempt 1 of at most 250 may have left" in page.one(id="facts").text
    assert page.one(id="doubt").text == ""
