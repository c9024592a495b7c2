"""What the compose page says before the click: prices, moments, who is left out, and what cannot be carried."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from compose import optouts, routing
from compose.gateways.base import Capabilities, Gateway, Outcome, Outgoing
from compose.models import OptOut, Submission
from credits.models import Account
from tests import factories
from tests.pages import Element, browser_of, is_a_sentence, read

HOME = "/"


@pytest.fixture(autouse=True)
def noon(db: None) -> Iterator[None]:
    with time_machine.travel(factories.NOON, tick=False):
        factories.pool()
        yield


@pytest.fixture
def account() -> Account:
    return factories.account(millis=100_000)


@pytest.fixture
def browser(account: Account) -> Client:
    return browser_of(factories.owner(account))


def typed(browser: Client, **changes: str | None) -> dict[str, str]:
    form = read(browser.get(HOME)).form(HOME)
    return form.typed(**{"recipients": "06 12 34 56 78", "text": "Bonjour", "action": "send"} | changes)


def checked(browser: Client, **changes: str | None) -> Element:
    """Fill in the form, press Check, and return the page."""
    answer = browser.post(HOME, typed(browser, **changes | {"action": "check"}))
    assert answer.status_code == 200
    return read(answer)


def send(browser: Client, **changes: str | None) -> Submission:
    """Fill in the form, press Send, and return what was submitted."""
    answer = browser.post(HOME, typed(browser, **changes))
    assert answer.status_code == 302
    return Submission.objects.get()


def test_several_destinations_are_priced_one_by_one(account: Account, browser: Client) -> None:
    factories.rate("IN", 400)
    numbers = "06 12 34 56 78, 06 12 34 56 79, +91 98123 45678"
    quote = checked(browser, recipients=numbers, not_commercial="on", text="a" * 161).one(id="quote").text
    assert "2 × France at 1 credit, 1 × India at 0.4 credits" in quote
    assert "4.8 credits" in quote
    assert "For each SMS" not in checked(browser).one(id="quote").text


@time_machine.travel(datetime(2026, 11, 22, 11, tzinfo=UTC), tick=False)
def test_recipients_in_several_zones_leave_at_their_own_hour_and_the_page_says_which(browser: Client) -> None:
    quote = checked(browser, recipients="06 12 34 56 78, 06 12 34 56 79, 0692 12 34 56").one(id="quote").text
    assert "1 message leaves on Monday 23 November at 05:00 (Paris time). It is then Monday, 08:00 in R" in quote
    assert "2 messages leave on Monday 23 November at 08:00 (Paris time). Commercial messages do not leave" in quote


def test_a_link_from_a_short_number_is_warned_of_and_can_be_sent(browser: Client) -> None:
    page = checked(browser, text="Voir https://example.org/offre", not_commercial="on")
    assert page.one(id="quote").all("p", **{"class": "quote-when quote-when--moved"})
    assert send(browser, text="Voir https://example.org/offre", not_commercial="on").recipients == 1


def test_who_is_on_the_stop_list_is_left_out_unpaid_and_named(account: Account, browser: Client) -> None:
    optouts.opt_out(account, ["+33612345679"], source=OptOut.Source.MANUAL)
    numbers = "06 12 34 56 78, 06 12 34 56 79"
    page = checked(browser, recipients=numbers)
    assert "+33 6 12 34 56 79" in page.one(id="recipient-notes").text
    assert "1 recipient · 1 SMS" in page.one(id="quote").text
    answer = browser.post(HOME, typed(browser, recipients=numbers), follow=True)
    (notice,) = read(answer).all("div", role="status", **{"class": "notice notice--success"})
    assert "1 number was left out, because it is on the STOP list: +33 6 12 34 56 79" in notice.text
    assert Submission.objects.get().recipients == 1
    # The page says so later, too.
    assert "1 number on the STOP list" in read(browser.get(answer.redirect_chain[-1][0])).one(id="facts").text


class OnlyNames(Gateway):
    """A gateway that knows names and standard messages only."""

    capabilities = Capabilities(classes=frozenset({"standard"}), sender_kinds=frozenset({"alphanumeric"}))

    def send(self, chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        raise AssertionError("nothing is sent here")


@pytest.fixture
def only_names(settings: Any) -> Iterator[None]:
    settings.SMS_GATEWAYS = {"default": {"BACKEND": f"{__name__}.OnlyNames", "OPTIONS": {}}}
    routing.gateway.cache_clear()
    yield
    routing.gateway.cache_clear()


@pytest.mark.usefixtures("only_names")
def test_what_the_gateway_cannot_carry_stands_there_disabled_with_the_reason(account: Account, browser: Client) -> None:
    name = factories.sender(account)
    page = read(browser.get(HOME))
    disabled = {
        option.text for option in page.one("select", name="sender").all("option") if "disabled" in option.attributes
    }
    assert disabled == {
        "Short number that can be answered – The operator of this installation cannot send from short numbers."
    }
    # The first one that can be used is chosen.
    fields = page.form(HOME).typed()
    assert fields["sender"] == str(name.pk)
    radios = {radio.attributes["value"]: radio for radio in page.all("input", name="message_class")}
    assert [value for value, radio in radios.items() if "disabled" in radio.attributes] == ["flash", "sim"]
    note = page.one(id=radios["sim"].attributes["aria-describedby"])
    assert "The operator of this installation cannot store messages on the SIM card." in note.text
    assert send(browser, sender=str(name.pk)).sender == name


@pytest.mark.usefixtures("only_names")
@pytest.mark.parametrize(("field", "value"), [("message_class", "sim"), ("sender", "pool")])
def test_what_the_gateway_cannot_carry_is_refused_beside_its_field(
    account: Account, browser: Client, field: str, value: str
) -> None:
    name = factories.sender(account)
    chosen = {"sender": str(name.pk), field: str(factories.pool().pk) if value == "pool" else value}
    answer = browser.post(HOME, typed(browser, **chosen))
    assert answer.status_code == 422
    assert is_a_sentence(read(answer).error(field))
    assert not Submission.objects.exists()


def test_where_the_sender_does_not_reach_the_fragment_has_the_reason_and_a_word_for_who_sees_it_already(
    account: Account, browser: Client
) -> None:
    name = factories.sender(account)
    data = typed(browser, recipients="+1 650 253 0000", sender=str(name.pk))
    fragment = read(browser.post(reverse("quote"), data))
    (why,) = fragment.all("p", **{"class": "quote-when quote-when--moved quote-unreached"})
    assert "United States" in why.text
    (word,) = fragment.all("p", **{"class": "quote-when quote-unreached-above"})
    assert is_a_sentence(word.text)
    assert fragment.text.count("United States") == 1


@time_machine.travel(datetime(2026, 11, 24, 9, tzinfo=UTC), tick=False)
def test_the_page_after_sending_says_which_messages_are_on_their_way_and_which_wait(browser: Client) -> None:
    # At ten in Paris it is five in Guadeloupe.
    data = typed(browser, recipients="06 12 34 56 78, 0690 12 34 56")
    said, *_rest = read(browser.post(HOME, data, follow=True)).all(role="status")
    assert (
        "Your message to 2 recipients is on its way. For 1 of them it will leave on Tuesday 24 November at 13:00."
        in said.text
    )


def test_large_numbers_have_their_digits_in_groups(account: Account, browser: Client) -> None:
    numbers = "\n".join(f"06120{number:05d}" for number in range(1000))
    quote = checked(browser, recipients=numbers, not_commercial="on").one(id="quote").text
    assert "1,000 recipients · 1,000 SMS" in quote


@pytest.mark.parametrize(
    ("numbers", "word"),
    [("0142685300", "Correct the numbers above"), ("+1 650 253 0000", "Choose another sender above")],
)
def test_after_a_refusal_the_foot_says_what_the_price_waits_for(
    account: Account, browser: Client, numbers: str, word: str
) -> None:
    name = factories.sender(account)
    answer = browser.post(HOME, typed(browser, recipients=numbers, sender=str(name.pk)))
    assert answer.status_code == 422
    assert word in read(answer).one(id="quote").text
