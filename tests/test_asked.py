"""What is asked before messages are cancelled, or many changed at once: how many, what it means, what it costs."""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

import pytest
import time_machine
from django.db import connection
from django.db.models import QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from compose import asking, breakers, doubt_views, doubts
from compose.gateways.base import OutcomeUnknown
from compose.models import Message, Route, Submission
from compose.numbers import spaced
from credits.models import Account, Member
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import NOON, assert_ledger_adds_up, at, balances
from tests.gateways_for_tests import raising, scripted_gateway, scripted_gateways
from tests.pages import Element, browser_of, read

State = Message.State
CHOICES = {"confirm": State.ACCEPTED, "again": State.SCHEDULED, "give_up": State.FAILED}
# Two SMS each, so that messages and credits are not the same number.
LONG = "a" * 161


@pytest.fixture(autouse=True)
def noon(db: None) -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def account() -> Account:
    return factories.account()


@pytest.fixture
def browser(account: Account) -> Client:
    return browser_of(factories.owner(account))


def doubtful(account: Account, to: int) -> Submission:
    """A submission whose messages may all have left."""
    made = factories.submission(account, to=to, body=LONG)
    with scripted_gateway() as gateway:
        gateway.script = raising(OutcomeUnknown("lost"))
        dispatch_due(clock=at(NOON))
    assert set(made.messages.values_list("state", flat=True)) == {State.UNCONFIRMED}
    return made


def waiting(account: Account, to: int) -> Submission:
    return factories.submission(account, to=to, body=LONG, deferred_to=NOON + timedelta(days=7))


def states(of: Submission) -> list[str]:
    return list(of.messages.order_by("pk").values_list("state", flat=True))


def address_of(of: Submission, verb: str) -> str:
    return reverse(verb, kwargs={"pk": of.pk})


def opened(answer: Any) -> Any:
    """The page that asks, where a button led to it: it has an address of its own."""
    if answer.status_code == 303:
        answer = answer.client.get(answer.headers["Location"])
    assert answer.status_code == 200
    assert answer.request["REQUEST_METHOD"] == "GET"
    return answer


def asked(answer: Any) -> Element:
    """The form of the page that asks."""
    return read(opened(answer)).one("form", id="asked")


def figures(form: Element) -> list[str]:
    return [figure.text for figure in form.all("dd")]


def posted(form: Element) -> dict[str, list[str]]:
    """What the form posts with its button."""
    data: dict[str, list[str]] = {}
    for field in [*form.all("input"), form.one("button", type="submit")]:
        data.setdefault(field.attributes["name"], []).append(field.attributes["value"])
    return data


def press(browser: Client, form: Element) -> Any:
    return browser.post(form.attributes["action"], posted(form), follow=True)


def told(answer: Any) -> str:
    return " ".join(one.text for one in read(answer).all(role="status")).strip()


def test_a_sending_is_cancelled_only_after_its_page_has_said_how_many_messages_and_credits(
    account: Account, browser: Client
) -> None:
    made = waiting(account, 3)
    page = read(browser.get(address_of(made, "submission")))
    action = page.form(address_of(made, "cancel_submission"))
    answer = opened(browser.post(action.element.attributes["action"], action.typed()))
    form = asked(answer)
    assert read(answer).one("h1").text == "Cancel 3 messages?"
    assert figures(form) == ["3", "6"]
    assert "They will not leave." in form.text
    assert "Credits given back" in form.text
    assert states(made) == [State.SCHEDULED] * 3
    # Whoever leaves it goes back to the submission.
    leave = [link for link in form.all("a") if link.text == "Leave these messages as they are"]
    assert leave[0].attributes["href"] == address_of(made, "submission")
    assert told(press(browser, form)) == "3 messages were cancelled and their price given back."
    assert states(made) == [State.CANCELLED] * 3
    assert balances(account) == factories.FULL
    assert_ledger_adds_up()


def test_a_button_leads_to_the_address_of_its_question_so_that_a_browser_can_go_back_to_it(
    account: Account, browser: Client
) -> None:
    several, alone, in_doubt = waiting(account, 2), waiting(account, 1), doubtful(account, 2)
    message = reverse("cancel_message", kwargs={"pk": alone.messages.get().pk})
    pks = [str(pk) for pk in in_doubt.messages.order_by("pk").values_list("pk", flat=True)]
    ticked = {"choice": "confirm", "pk": [*pks, "999999"]}
    all_of_it = {"choice": "give_up", "shown": "2", "until": NOON.isoformat()}
    keys, no_doubt = f"pk={pks[0]}&pk={pks[1]}", "Nothing is in doubt"
    other = doubtful(account, 2)
    for address, data, query, after in (
        # What is to leave now waits for a worker still.
        (address_of(several, "move_submission"), {"when": "now"}, "?when=now", "Send 2 messages now?"),
        (address_of(several, "cancel_submission"), {}, "", "Nothing was cancelled"),
        (message, {"listed": "1"}, "?listed=1", "Nothing was cancelled"),
        (reverse("decide_chosen"), ticked, f"?choice=confirm&shown=3&until={quote(NOON.isoformat())}&{keys}", no_doubt),
        (address_of(other, "decide_submission"), all_of_it, f"?{urlencode(all_of_it)}", no_doubt),
    ):
        answer = browser.post(address, data)
        assert (answer.status_code, answer.headers["Location"]) == (303, address + query)
        question = browser.get(address + query)
        # Which no cache keeps: a browser asks for it again.
        assert "no-store" in question.headers["Cache-Control"]
        press(browser, asked(question))
        again = browser.get(address + query, follow=True)
        assert after in read(again).one("main").text
    assert (states(several), states(alone)) == ([State.CANCELLED] * 2, [State.CANCELLED])
    assert (states(in_doubt), states(other)) == ([State.ACCEPTED] * 2, [State.FAILED] * 2)


def test_what_has_left_when_the_question_opens_is_said(account: Account, browser: Client) -> None:
    made = waiting(account, 1)
    message = made.messages.get()
    for address in (reverse("cancel_message", kwargs={"pk": message.pk}), address_of(made, "cancel_submission")):
        to = browser.post(address).headers["Location"]
        leaving(message)
        assert told(browser.get(to, follow=True)).startswith("Nothing was cancelled")
        back_in_the_queue(message)


def test_the_question_about_one_message_that_is_sent_now_speaks_of_one(account: Account, browser: Client) -> None:
    made = waiting(account, 1)
    form = asked(browser.get(address_of(made, "move_submission") + "?when=now"))
    assert "It leaves at once" in form.text
    assert form.one("button").text == "Send this message now"
    assert untouched(made, 1)
    assert told(press(browser, form)) == "1 message leaves now."


def test_the_question_can_be_loaded_again_and_asked_for_in_another_language(account: Account, browser: Client) -> None:
    made = waiting(account, 2)
    form = asked(browser.get(address_of(made, "cancel_submission")))
    browser.post("/language/", {"language": "fr", "next": form.attributes["action"]}, follow=True)
    assert figures(asked(browser.get(form.attributes["action"]))) == ["2", "4"]
    assert states(made) == [State.SCHEDULED] * 2


def test_what_has_left_meanwhile_is_named_and_is_no_part_of_what_is_cancelled(
    account: Account, browser: Client
) -> None:
    made = waiting(account, 4)
    first, second = made.messages.order_by("pk")[:2]
    press(browser, asked(browser.post(reverse("cancel_message", kwargs={"pk": first.pk}))))
    form = asked(browser.post(address_of(made, "cancel_submission")))
    assert figures(form) == ["3", "6"]
    assert "1 other has left, is leaving or has ended, and stays as it is." in form.text
    press(browser, asked(browser.post(reverse("cancel_message", kwargs={"pk": second.pk}))))
    assert told(press(browser, form)) == "2 messages were cancelled and their price given back."


@pytest.mark.parametrize("where", ["scheduled", "message", "submission"])
def test_one_message_is_cancelled_only_after_the_same_question(account: Account, browser: Client, where: str) -> None:
    one = where == "submission"
    made = waiting(account, 1 if one else 2)
    first = made.messages.order_by("pk")[0]
    page_of_it = {"message": first.pk, "submission": made.pk}
    back = reverse(where, kwargs={"pk": page_of_it[where]} if where in page_of_it else {})
    verb, pk = ("cancel_submission", made.pk) if one else ("cancel_message", first.pk)
    action = read(browser.get(back)).form(reverse(verb, kwargs={"pk": pk}))
    button = action.element.one("button")
    pressed = {button.attributes["name"]: button.attributes["value"]} if "name" in button.attributes else {}
    answer = opened(browser.post(action.element.attributes["action"], action.typed() | pressed))
    form = asked(answer)
    assert read(answer).one("h1").text == "Cancel 1 message?"
    assert figures(form) == [*([] if one else [spaced(first.recipient)]), "1", "2"]
    assert "It will not leave. To send it after all, write the message again." in form.text
    assert form.one("button").text == "Cancel this message"
    assert ("1 other message of this sending is not concerned." in form.text) != one
    assert set(states(made)) == {State.SCHEDULED}
    # Whoever leaves it goes back to where the button was.
    (leave,) = [link for link in form.all("a") if link.text == "Leave this message as it is"]
    assert leave.attributes["href"] == back
    assert told(press(browser, form)) == "1 message was cancelled and its price given back."
    assert states(made) == [State.CANCELLED, *([] if one else [State.SCHEDULED])]
    assert_ledger_adds_up()


def test_a_message_that_has_left_since_the_question_is_not_cancelled(account: Account, browser: Client) -> None:
    made = waiting(account, 1)
    message = made.messages.get()
    form = asked(browser.get(reverse("cancel_message", kwargs={"pk": message.pk})))
    leaving(message)
    assert told(press(browser, form)).startswith("Nothing was cancelled")
    assert states(made) == [State.SENDING]


def test_of_a_paused_sending_nothing_leaves_before_the_button_of_the_question_is_pressed(
    account: Account, browser: Client
) -> None:
    made = waiting(account, 2)
    of_one = reverse("cancel_message", kwargs={"pk": made.messages.order_by("pk")[0].pk})
    for paused_at in (None, NOON):
        Submission.objects.filter(pk=made.pk).update(paused_at=paused_at)
        for address in (address_of(made, "cancel_submission"), of_one):
            said = "What leaves before you press the button is not cancelled." in asked(browser.get(address)).text
            assert said == (paused_at is None)


def test_looking_at_the_question_changes_nothing_and_where_nothing_is_to_ask_leads_back(
    account: Account, browser: Client
) -> None:
    made, in_doubt = waiting(account, 1), doubtful(account, 2)
    asked(browser.get(address_of(made, "cancel_submission") + "?decide=1&shown=1"))
    gone = in_doubt.messages.order_by("pk")[0]
    for address, back in (
        (address_of(in_doubt, "cancel_submission"), address_of(in_doubt, "submission")),
        (reverse("cancel_message", kwargs={"pk": gone.pk}), reverse("scheduled")),
        (address_of(in_doubt, "decide_submission"), address_of(in_doubt, "submission")),
        (reverse("decide_chosen"), reverse("unconfirmed")),
    ):
        for query in ("", "?decide=1&choice=&shown=9", "?decide=1&choice=x&pk=x&shown=9"):
            answer = browser.get(address + query)
            assert (answer.status_code, answer.headers["Location"]) == (302, back)
    # With a choice in its address it asks, whatever else that says.
    asked(browser.get(address_of(in_doubt, "decide_submission") + "?decide=1&choice=give_up&shown=9&about=1-999999999"))
    assert (states(made), states(in_doubt)) == ([State.SCHEDULED], [State.UNCONFIRMED] * 2)


@pytest.mark.parametrize(
    ("choice", "title", "means", "price"),
    [
        ("confirm", "Were 3 messages sent?", "They are taken for sent.", "Credits paid6"),
        ("again", "Send 3 messages again?", "their recipients get them twice", "held, and are paid once6"),
        ("give_up", "Give up 3 messages?", "even if recipients got them", "Credits given back6"),
    ],
)
def test_many_in_doubt_are_decided_only_after_the_page_has_said_what_it_means(
    account: Account, browser: Client, choice: str, title: str, means: str, price: str
) -> None:
    made = doubtful(account, 3)
    answer = opened(browser.post(address_of(made, "decide_submission"), {"choice": choice, "shown": "3"}))
    form = asked(answer)
    assert read(answer).one("h1").text == title
    assert means in form.text
    assert price in form.text.replace(" 6", "6")
    assert states(made) == [State.UNCONFIRMED] * 3
    assert "3 messages" in told(press(browser, form))
    assert states(made) == [CHOICES[choice]] * 3
    assert_ledger_adds_up()


def test_the_ticked_ones_of_the_list_are_asked_about_and_no_others(account: Account, browser: Client) -> None:
    made = doubtful(account, 3)
    first, second, third = made.messages.order_by("pk").values_list("pk", flat=True)
    form = asked(browser.post(reverse("decide_chosen"), {"choice": "give_up", "pk": [str(first), str(second)]}))
    assert figures(form) == ["2", "4"]
    assert posted(form)["pk"] == [str(first), str(second)]
    press(browser, form)
    assert states(made) == [State.FAILED, State.FAILED, State.UNCONFIRMED]
    # A single one is decided at once, as on its own page.
    browser.post(reverse("decide_chosen"), {"choice": "confirm", "pk": [str(third)], "until": NOON.isoformat()})
    assert states(made) == [State.FAILED, State.FAILED, State.ACCEPTED]


def test_an_answer_that_is_given_again_does_not_send_again_what_came_in_doubt_again(
    account: Account, browser: Client
) -> None:
    made = doubtful(account, 2)
    question = browser.post(address_of(made, "decide_submission"), {"choice": "again"}).headers["Location"]
    form = asked(browser.get(question))
    # A colleague has the same question open, with another answer.
    other = asked(browser.post(address_of(made, "decide_submission"), {"choice": "give_up"}))
    assert told(press(browser, form)) == "2 messages are sent again."
    with scripted_gateway() as gateway:
        gateway.script = raising(OutcomeUnknown("lost"))
        dispatch_due(clock=at(NOON + timedelta(minutes=1)))
    assert states(made) == [State.UNCONFIRMED] * 2
    for old in (form, other):
        # Nobody resolved it: the page still says so, and asks.
        assert told(press(browser, old)) == (
            "2 messages were left as they are: they were sent again meanwhile, and are in doubt since then. Look at "
            "them anew before you decide."
        )
        assert states(made) == [State.UNCONFIRMED] * 2
    # Nor does it ask about the new doubt, to whoever goes back to the question.
    gone_back = browser.get(question, follow=True)
    assert told(gone_back) == "What is in doubt here now came after that question: look at it anew before you decide."
    assert not read(gone_back).all("form", id="asked")
    # Who has seen that they are in doubt again may decide again.
    form = asked(browser.post(address_of(made, "decide_submission"), {"choice": "again"}))
    assert told(press(browser, form)) == "2 messages are sent again."


def test_a_button_from_before_a_message_was_sent_again_is_not_told_that_somebody_resolved_it(
    account: Account, browser: Client
) -> None:
    made = doubtful(account, 1)
    address = reverse("decide_message", kwargs={"pk": made.messages.get().pk})
    button = {"choice": "again", "until": NOON.isoformat(), "shown": "1"}
    assert told(browser.post(address, button, follow=True)) == "1 message is sent again."
    with scripted_gateway() as gateway:
        gateway.script = raising(OutcomeUnknown("lost"))
        dispatch_due(clock=at(NOON + timedelta(minutes=1)))
    answer = browser.post(address, button, follow=True)
    assert told(answer) == (
        "1 message was left as it is: it was sent again meanwhile, and is in doubt since then. Look at it anew before "
        "you decide."
    )
    assert read(answer).one(id="doubt").all("button", name="choice")
    # What somebody resolved besides is said as ever.
    both = doubtful(account, 2)
    first, second = both.messages.order_by("pk")
    form = asked(browser.post(address_of(both, "decide_submission"), {"choice": "give_up", "shown": "2"}))
    doubts.confirm([first.pk], by=None, now=NOON)
    Message.objects.filter(pk=second.pk).update(handed_over_at=NOON + timedelta(minutes=1))
    assert told(press(browser, form)) == (
        "1 message was left as it is: it was sent again meanwhile, and is in doubt since then. Look at it anew before "
        "you decide. 1 message was left as it is: a report, or somebody else, had resolved it meanwhile."
    )
    assert states(both) == [State.ACCEPTED, State.UNCONFIRMED]


def test_the_question_about_one_in_doubt_leads_back_to_its_page_by_its_name(account: Account, browser: Client) -> None:
    message = doubtful(account, 1).messages.get()
    address = reverse("decide_message", kwargs={"pk": message.pk})
    page = read(opened(browser.post(address, {"choice": "again"})))
    (back,) = page.all("a", **{"class": "back"})
    assert back.attributes["href"] == reverse("message", kwargs={"pk": message.pk})
    assert back.text == f"Message to {spaced(message.recipient)}"


@pytest.mark.parametrize("until", ["", "x", "2026", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "\0"])
@pytest.mark.parametrize("where", ["decide_submission", "decide_message", "decide_chosen"])
def test_a_button_that_does_not_say_of_which_doubt_it_speaks_asks_or_does_nothing(
    account: Account, browser: Client, until: str, where: str
) -> None:
    made = doubtful(account, 1)
    pk = made.messages.get().pk
    keys = {"decide_submission": made.pk, "decide_message": pk}
    address = reverse(where, kwargs={"pk": keys[where]} if where in keys else {})
    answer = browser.post(address, {"choice": "again", "pk": str(pk), "until": until})
    assert states(made) == [State.UNCONFIRMED]
    if answer.status_code == 303:
        press(browser, asked(answer))
        assert states(made) == [State.SCHEDULED]


def test_what_comes_in_doubt_after_the_question_stays_in_doubt(account: Account, browser: Client) -> None:
    made = doubtful(account, 3)
    late = made.messages.order_by("pk")[1]
    leaving(late)
    form = asked(browser.post(address_of(made, "decide_submission"), {"choice": "again", "shown": "2"}))
    assert figures(form) == ["2", "4"]
    Message.objects.filter(pk=late.pk).update(state=State.UNCONFIRMED)
    assert told(press(browser, form)) == "2 messages are sent again."
    assert states(made) == [State.SCHEDULED, State.UNCONFIRMED, State.SCHEDULED]


def test_a_report_that_resolves_one_of_them_meanwhile_does_not_ask_again(account: Account, browser: Client) -> None:
    made = doubtful(account, 3)
    form = asked(browser.post(address_of(made, "decide_submission"), {"choice": "give_up", "shown": "3"}))
    doubts.confirm([made.messages.order_by("pk")[0].pk], by=None, now=NOON)
    assert told(press(browser, form)).startswith("2 messages were given up")
    assert states(made) == [State.ACCEPTED, State.FAILED, State.FAILED]


@pytest.mark.parametrize("forged", [{}, {"shown": "x"}, {"shown": "-1"}, {"shown": "1"}, {"shown": "9" * 30}])
def test_the_button_of_the_question_alone_is_no_answer_to_it(
    account: Account, browser: Client, forged: dict[str, str]
) -> None:
    made = doubtful(account, 2)
    browser.post(address_of(made, "decide_submission"), {"choice": "give_up", "decide": "1", **forged})
    assert states(made) == [State.UNCONFIRMED] * 2


def test_a_reader_is_not_asked_but_turned_away(account: Account) -> None:
    made, in_doubt = waiting(account, 2), doubtful(account, 2)
    reader = browser_of(factories.member(account, Member.Role.READER).user)
    for address in (address_of(made, "cancel_submission"), address_of(in_doubt, "decide_submission")):
        assert reader.get(address).status_code == reader.post(address, {"choice": "again"}).status_code == 403


def test_asking_costs_as_many_queries_for_many_as_for_few(account: Account, browser: Client) -> None:
    costs = []
    for many in (2, 15):
        submissions = {"cancel_submission": waiting(account, many), "decide_submission": doubtful(account, many)}
        for verb, made in submissions.items():
            with CaptureQueriesContext(connection) as queries:
                asked(browser.post(address_of(made, verb), {"choice": "again", "shown": str(many)}))
            costs.append(len(queries))
    assert costs[:2] == costs[2:]


def back_in_the_queue(*rows: Message) -> None:
    """As after an attempt that came to nothing."""
    Message.objects.filter(pk__in=[row.pk for row in rows]).update(
        state=State.SCHEDULED, claim=None, leased_until=None, due_at=NOON
    )


def leaving(*rows: Message) -> None:
    """As when a worker has claimed and handed it over; one in doubt was sent again before."""
    for row in rows:
        this = Message.objects.filter(pk=row.pk)
        if row.state == State.UNCONFIRMED:
            this.update(state=State.SCHEDULED, claim=None, leased_until=None, handed_over_at=None)
        this.update(state=State.SENDING, claim=uuid4(), leased_until=NOON, due_at=None)
        this.update(handed_over_at=row.handed_over_at)


def in_between(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Let something happen once, right after a page has counted what it is about and before it does anything."""
    count, events = asking.concerned, [happens]

    def counted(messages: QuerySet[Message]) -> asking.Concerned:
        found = count(messages)
        if events:
            events.pop()()
        return found

    monkeypatch.setattr(asking, "concerned", counted)


ENDS = {"cancel_submission": ({}, State.CANCELLED), "move_submission": ({"when": "now"}, State.SCHEDULED)}
MORE = "More messages wait now than you were asked about. Nothing was changed: please decide again."


def untouched(of: Submission, waits: int) -> bool:
    """Whether so many of its messages wait for the moment that they were given, and the rest is leaving."""
    rows = of.messages.filter(send_at=NOON + timedelta(days=7))
    return [rows.filter(state=state).count() for state in (State.SCHEDULED, State.SENDING)] == [
        waits,
        of.recipients - waits,
    ]


@pytest.mark.parametrize("verb", ENDS)
@pytest.mark.parametrize("asked_about", [1, 2])
def test_what_came_back_to_the_queue_since_the_question_is_asked_about_before_anything_is_done(
    account: Account, browser: Client, verb: str, asked_about: int
) -> None:
    made, (data, state) = waiting(account, 5), ENDS[verb]
    late = made.messages.order_by("pk")[asked_about:]
    leaving(*late)
    # What is cancelled is asked about even where it is one message.
    before = asked_about > 1 or verb == "cancel_submission"
    form = asked(browser.post(address_of(made, verb), data)) if before else None
    back_in_the_queue(*late)
    answer = press(browser, form) if form else opened(browser.post(address_of(made, verb), data))
    form = asked(answer)
    assert figures(form) == ["5", "10"]
    # Who was asked before is told why they are asked again.
    assert told(answer) == (MORE if before else "")
    assert untouched(made, 5)
    assert "5 messages" in told(press(browser, form))
    assert states(made) == [state] * 5
    assert not untouched(made, 5)
    assert_ledger_adds_up()


@pytest.mark.parametrize("verb", ENDS)
@pytest.mark.parametrize("asked_about", [1, 2])
def test_what_comes_back_to_the_queue_while_the_answer_is_on_its_way_is_asked_about_too(
    account: Account, browser: Client, verb: str, asked_about: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, (data, _state) = waiting(account, 3), ENDS[verb]
    late = made.messages.order_by("pk")[asked_about:]
    leaving(*late)
    before = asked_about > 1 or verb == "cancel_submission"
    form = asked(browser.post(address_of(made, verb), data)) if before else None
    in_between(monkeypatch, partial(back_in_the_queue, *late))
    answer = press(browser, form) if form else browser.post(address_of(made, verb), data)
    assert figures(asked(answer)) == ["3", "6"]
    assert untouched(made, 3)


@pytest.mark.parametrize("forged", [{}, {"shown": ""}, {"shown": "x"}, {"shown": "-9"}, {"shown": "٩"}, {"shown": "1"}])
@pytest.mark.parametrize("verb", ENDS)
def test_who_was_named_no_number_has_agreed_to_none(
    account: Account, browser: Client, verb: str, forged: dict[str, str]
) -> None:
    made = waiting(account, 2)
    asked(browser.post(address_of(made, verb), {**ENDS[verb][0], "decide": "1", **forged}))
    # The number without the button is none either.
    asked(browser.post(address_of(made, verb), {**ENDS[verb][0], "shown": "2"}))
    assert untouched(made, 2)


def test_many_leave_at_once_only_after_the_page_has_said_how_many_messages_and_credits(
    account: Account, browser: Client
) -> None:
    made = waiting(account, 3)
    held = balances(account)
    leaving(made.messages.order_by("pk")[0])
    button = read(browser.get(address_of(made, "submission"))).one(id="now-button")
    answer = opened(browser.post(address_of(made, "move_submission"), {"when": button.attributes["value"]}))
    form = asked(answer)
    assert read(answer).one("h1").text == "Send 2 messages now?"
    assert figures(form) == ["2", "4"]
    assert "What has left cannot be called back." in form.text
    assert "Credits that stay held, and are paid once" in form.text
    assert "1 other has left, is leaving or has ended, and stays as it is." in form.text
    assert untouched(made, 2)
    assert told(press(browser, form)).startswith("2 messages leave now.")
    assert set(made.messages.filter(state=State.SCHEDULED).values_list("send_at", flat=True)) == {NOON}
    assert balances(account) == held


def test_another_moment_is_chosen_without_a_question_and_now_on_the_same_form_with_one(
    account: Account, browser: Client
) -> None:
    made = waiting(account, 2)
    action = address_of(made, "move_submission")
    form = read(browser.get(action)).form(action)
    typed = form.typed(date="2026-11-25", time="09:30", when="later")
    assert "2 messages leave on Wednesday" in told(browser.post(action, typed, follow=True))
    made.messages.update(send_at=NOON + timedelta(days=7))
    asked(browser.post(action, form.typed(when="now")))
    assert untouched(made, 2)


def test_a_question_about_a_paused_sending_promises_no_departure(account: Account, browser: Client) -> None:
    in_doubt, waits = doubtful(account, 2), waiting(account, 2)
    again = (address_of(in_doubt, "decide_submission"), {"choice": "again", "shown": "2"})
    now = (address_of(waits, "move_submission"), {"when": "now"})
    for address, data in (again, now):
        assert "They leave at once" in asked(browser.post(address, data)).text
    Submission.objects.filter(pk__in=[in_doubt.pk, waits.pk]).update(paused_at=NOON)
    for address, data in (again, now):
        text = asked(browser.post(address, data)).text
        assert "They leave at once" not in text
        assert "resumed" in text


def test_where_the_gateway_is_paused_sending_now_promises_no_moment(account: Account, browser: Client) -> None:
    breakers.pause("default", by=None, reason="work on the line")
    made, alone, paused = waiting(account, 2), waiting(account, 1), waiting(account, 2)
    address = address_of(made, "move_submission")
    form = asked(browser.post(address, {"when": "now"}))
    assert "The gateway is paused: they leave when the gateway goes on, or as soon as" in form.text
    assert "at once" not in form.text
    answer = press(browser, form)
    assert told(answer) == "2 messages leave when the paused gateway goes on."
    bar = "2 messages left to send · they wait until the paused gateway goes on"
    assert bar in read(answer).one(id="bar").text
    one = reverse("move_message", kwargs={"pk": alone.messages.get().pk})
    said = told(browser.post(one, {"when": "now"}, follow=True))
    assert said == "1 message leaves when the paused gateway goes on."
    # What goes on after a pause of its own.
    browser.post(address_of(paused, "pause_submission"), follow=True)
    paused.messages.update(send_at=NOON)
    assert told(browser.post(address_of(paused, "resume_submission"), follow=True)) == (
        "The sending goes on. Each message leaves at its moment, or now if that has come. What goes by a paused "
        "gateway leaves when the gateway goes on."
    )
    # A later moment is promised as ever.
    later = {"when": "later", "date": "2026-11-25", "time": "09:30"}
    assert "2 messages leave on Wednesday" in told(browser.post(address, later, follow=True))
    breakers.resume("default")
    assert "They leave at once" in asked(browser.post(address, {"when": "now"})).text


def test_where_another_gateway_carries_some_the_paused_one_holds_back_only_the_rest(
    account: Account, browser: Client
) -> None:
    # The second one is in Guadeloupe.
    to = "06 12 34 56 78, 0690 12 34 56"
    with scripted_gateways(default={}, spare={}):
        Route.objects.create(gateway="spare", region="GP", priority=1)
        breakers.pause("default", by=None, reason="work on the line")
        made = factories.submission(account, to=to, deferred_to=NOON + timedelta(days=7))
        form = asked(browser.post(address_of(made, "move_submission"), {"when": "now"}))
        assert "Those that go by a paused gateway leave when the gateway goes on; the others at once" in form.text
        assert told(press(browser, form)) == (
            "2 messages leave now. What goes by a paused gateway leaves when the gateway goes on."
        )
        # Where the spare one carries all there is nothing to say.
        Route.objects.create(gateway="spare", priority=2)
        made.messages.update(send_at=NOON + timedelta(days=7))
        assert "They leave at once" in asked(browser.post(address_of(made, "move_submission"), {"when": "now"})).text


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("ticked", [False, True])
def test_the_answer_holds_for_the_messages_that_were_asked_about_and_not_for_as_many_others(
    account: Account, browser: Client, choice: str, ticked: bool
) -> None:
    made = doubtful(account, 4)
    first, second, third, fourth = made.messages.order_by("pk")
    leaving(third, fourth)
    pks = [str(pk) for pk in made.messages.values_list("pk", flat=True)] if ticked else []
    address = reverse("decide_chosen") if ticked else address_of(made, "decide_submission")
    form = asked(browser.post(address, {"choice": choice, "pk": pks, "shown": "2"}))
    assert figures(form) == ["2", "4"]
    doubts.confirm([first.pk, second.pk], by=None, now=NOON)
    Message.objects.filter(pk__in=[third.pk, fourth.pk]).update(state=State.UNCONFIRMED)
    assert told(press(browser, form)).startswith("2 messages were left as they are")
    assert states(made) == [State.ACCEPTED] * 2 + [State.UNCONFIRMED] * 2
    assert_ledger_adds_up()


def test_a_single_one_that_is_left_stays_when_it_is_another(account: Account, browser: Client) -> None:
    made = doubtful(account, 3)
    first, second, third = made.messages.order_by("pk")
    leaving(third)
    form = asked(browser.post(address_of(made, "decide_submission"), {"choice": "give_up", "shown": "2"}))
    doubts.confirm([first.pk, second.pk], by=None, now=NOON)
    Message.objects.filter(pk=third.pk).update(state=State.UNCONFIRMED)
    assert told(press(browser, form)).startswith("2 messages were left as they are")
    assert states(made) == [State.ACCEPTED, State.ACCEPTED, State.UNCONFIRMED]


def test_where_nothing_is_left_to_decide_the_answer_says_so(account: Account, browser: Client) -> None:
    made = doubtful(account, 2)
    form = asked(browser.post(address_of(made, "decide_submission"), {"choice": "give_up", "shown": "2"}))
    doubts.confirm(made.messages.values_list("pk", flat=True), by=None, now=NOON)
    assert told(press(browser, form)).startswith("2 messages were left as they are")
    assert states(made) == [State.ACCEPTED] * 2


@pytest.mark.parametrize("many", [1, 2])
def test_what_comes_in_doubt_while_the_answer_is_on_its_way_is_left_in_doubt(
    account: Account, browser: Client, many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = doubtful(account, 3)
    late = made.messages.order_by("pk")[many:]
    leaving(*late)
    address = address_of(made, "decide_submission")
    data = {"choice": "give_up", "shown": str(many), "until": NOON.isoformat()}
    if many > 1:
        data = posted(asked(browser.post(address, data)))  # type: ignore[assignment]
    give_up = doubt_views.VERBS["give_up"]

    def later(messages: Iterable[int], **kwargs: Any) -> doubts.Decided:
        made.messages.filter(state=State.SENDING).update(state=State.UNCONFIRMED)
        return give_up(messages, **kwargs)

    monkeypatch.setitem(doubt_views.VERBS, "give_up", later)
    browser.post(address, data)
    assert states(made) == [State.FAILED] * many + [State.UNCONFIRMED] * (3 - many)


def test_what_was_done_to_many_is_said_with_the_number_of_the_question() -> None:
    for choice in CHOICES:
        assert doubt_views.sentence(choice, 12_345).startswith("12,345 messages")
    assert doubt_views.left_alone(12_345).startswith("12,345 messages")
