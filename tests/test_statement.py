"""The statement: filters that keep the running balance right, paging, the file, and the plot of what was spent."""

import csv
import io
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
import time_machine
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compose import services
from credits import consumption, ledger, plot, statement
from credits.consumption import Day
from credits.models import Account, Transfer
from credits.statement import Wanted
from tests import factories
from tests.pages import Element, browser_of, read, sentence

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def noon(db: None) -> Iterator[None]:
    with time_machine.travel(factories.NOON, tick=False):
        yield


@pytest.fixture
def account() -> Account:
    return factories.account(millis=100_000)


@pytest.fixture
def browser(account: Account) -> Client:
    return browser_of(factories.owner(account))


def move(account: Account, number: int) -> None:
    """A movement of each kind in turn, at the hour `number` after noon."""
    key = f"move:{account.pk}:{number}"
    with time_machine.travel(factories.NOON + number * HOUR, tick=False):
        match number % 4:
            case 0:
                ledger.top_up(account, 7_000 + number, key=key, cause=("grant", key), reason=f"Pack {number}")
            case 1:
                ledger.hold(account, 1_000 + number, key=key, cause=("submission", str(number)))
            case 2:
                ledger.post([ledger.release(account.pk, 500, key=key, cause=("submission", str(number - 1)))])
            case 3:
                ledger.post([ledger.capture(account.pk, 300, key=key, cause=("submission", str(number - 2)))])


def balances_after(account: Account) -> dict[int, int]:
    """What was available after each line, worked out from the very first one."""
    book = account.books.get(kind="available").pk
    found, balance = {}, 0
    for row in Transfer.objects.order_by("pk"):
        balance += row.amount * ((row.credit_id == book) - (row.debit_id == book))
        found[row.pk] = balance
    return found


def shown(page: Element) -> list[list[str]]:
    """The cells of the lines on a page."""
    bodies = page.one("main").one("table", **{"class": "list"}).one("tbody").all("tr")
    return [[cell.text for cell in row.all() if cell.tag in ("td", "th")] for row in bodies]


def walk(browser: Client, **filters: str) -> Iterator[Element]:
    """All pages of the statement with these filters."""
    address = f"{reverse('credits')}?{urlencode(filters)}"
    while address:
        page = read(browser.get(address))
        yield page
        older = page.one("main").all("a", rel="next")
        address = reverse("credits") + older[0].attributes["href"] if older else ""


def test_the_balance_after_each_line_is_right_whatever_the_filter_hides(account: Account) -> None:
    for number in range(60):
        move(account, number)
    after = balances_after(account)
    books = statement.books(account)
    assert books.available == after[books.newest] == factories.balances(account)["available"]
    wishes = [
        Wanted(),
        Wanted(verb="top_up"),
        Wanted(verb="hold"),
        Wanted(verb="release"),
        Wanted(verb="adjust"),
        Wanted(text="Pack 2"),
        Wanted(since=factories.NOON + 10 * HOUR, until=factories.NOON + 31 * HOUR),
        Wanted(verb="hold", until=factories.NOON + 20 * HOUR),
    ]
    counts = []
    for wanted in wishes:
        for size in (1, 7, 1000):
            found = [line for batch in statement.batches(books, wanted, size=size) for line in batch]
            assert [line.after for line in found] == [after[line.transfer.pk] for line in found]
            assert [line.transfer.pk for line in found] == sorted((line.transfer.pk for line in found), reverse=True)
            assert len(found) == len({line.transfer.pk for line in found})
        counts.append(sum(map(len, statement.batches(books, wanted))))
    assert counts == [46, 16, 15, 15, 0, 3, 16, 5]


def test_a_movement_made_while_the_page_is_worked_out_makes_nothing_disagree(account: Account) -> None:
    move(account, 1)
    books = statement.books(account)
    factories.grant(account, 5_000)
    found, _more = statement.lines(books, Wanted(), start=books.now)
    assert (found[0].after, found[0].amount) == (books.available, -1_001) == (98_999, -1_001)


def test_the_next_page_carries_on_where_the_last_one_ended_whatever_came_meanwhile(
    account: Account, browser: Client
) -> None:
    for number in range(0, 120, 4):
        move(account, number)
        factories.grant(account, 1_000)
    first = read(browser.get(reverse("credits")))
    older = reverse("credits") + first.one("main").one("a", rel="next").attributes["href"]
    before = [row[1:] for row in shown(read(browser.get(older)))]
    factories.grant(account, 123_000)
    assert [row[1:] for row in shown(read(browser.get(older)))] == before


@pytest.mark.parametrize("garbage", ["1", "1.2", "1.2.x", "-1", "9" * 40, "a\0b", "%F0%9F", "1.99999.AAAA"])
def test_a_place_in_the_statement_that_makes_no_sense_is_its_beginning(browser: Client, garbage: str) -> None:
    assert shown(read(browser.get(f"/credits/?before={garbage}"))) == shown(read(browser.get("/credits/")))


def test_a_place_in_another_accounts_statement_is_none_in_this_one(account: Account, browser: Client) -> None:
    other = factories.account(name="Clinique du Parc")
    books = statement.books(other)
    stolen = statement.cursor(books, statement.Anchor(0, 999_000))
    assert statement.anchor(books, stolen) == statement.Anchor(0, 999_000)
    assert statement.anchor(statement.books(account), stolen) == statement.books(account).now
    assert len(shown(read(browser.get("/credits/?" + urlencode({"before": stolen}))))) == 1


def test_paging_keeps_the_filters_and_loses_no_line(account: Account, browser: Client) -> None:
    for number in range(150):
        factories.grant(account, 1_000, reason=f"Pack {number}")
    factories.submission(account, to=3)
    seen: list[str] = []
    pages = list(walk(browser, verb="top_up", q="pack"))
    for page in pages:
        seen += [row[2] for row in shown(page)]
        assert page.one("select", name="verb").one("option", selected="").attributes["value"] == "top_up"
        assert page.one("input", name="q").attributes["value"] == "pack"
    assert len(pages) == 4
    assert len(seen) == 151
    assert len(set(seen)) == 151
    newer = pages[1].one("a", rel="prev").attributes["href"]
    assert shown(read(browser.get("/credits/" + newer))) == shown(pages[0])


def test_a_day_is_a_day_of_the_accounts_own_calendar() -> None:
    account = factories.account(millis=0, time_zone="Pacific/Auckland")
    # Half past midnight on the 25th in Auckland, still the 24th nearly everywhere else.
    with time_machine.travel(datetime(2026, 11, 24, 11, 30, tzinfo=UTC), tick=False):
        factories.grant(account, 1_000, reason="The 25th")
    with time_machine.travel(datetime(2026, 11, 24, 10, 30, tzinfo=UTC), tick=False):
        factories.grant(account, 1_000, reason="The 24th")
    browser = browser_of(factories.owner(account))
    page = read(browser.get("/credits/?since=2026-11-25&until=2026-11-25"))
    assert [row[2] for row in shown(page)] == ["By the administrator The 25th"]
    page = read(browser.get("/credits/?until=2026-11-24"))
    assert [row[2] for row in shown(page)] == ["By the administrator The 24th"]


def test_the_cause_is_found_by_its_name_its_number_or_its_reason(account: Account, browser: Client) -> None:
    first, second = factories.submission(account), factories.submission(account)
    factories.grant(account, 1_000, reason="Geste commercial")
    for words, wanted in (
        (f"submission {second.pk}", [f"Submission {second.pk}"]),
        (str(first.pk), [f"Submission {first.pk}"]),
        ("Submission", [f"Submission {second.pk}", f"Submission {first.pk}"]),
        ("geste", ["By the administrator Geste commercial"]),
        ("administrator", ["By the administrator Geste commercial", "By the administrator Pack"]),
        ("nothing like it", []),
    ):
        page = read(browser.get(f"/credits/?{urlencode({'q': words})}"))
        assert [row[2] for row in (shown(page) if wanted else [])] == wanted, words
        assert ("No line matches" in sentence(page)) == (not wanted)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("since=2026-12-01&until=2026-11-01", "This day is before the first one."),
        ("since=yesterday", "Enter a valid date."),
        ("until=0001-01-01", "Ensure this value"),
        ("until=9999-12-31", "Ensure this value"),
        ("verb=capture", "Select a valid choice."),
        ("q=" + "a" * 101, "at most 100 characters"),
        ("q=a%00b", "Null characters are not allowed."),
    ],
)
def test_a_filter_that_makes_no_sense_is_named_and_kept(browser: Client, query: str, said: str) -> None:
    page = read(browser.get(f"/credits/?{query}"))
    assert said in sentence(page)
    name, _equals, value = query.split("&")[-1].partition("=")
    if name in ("since", "until"):
        assert page.one("input", name=name).attributes["value"] == value
    # The file is not made of something else than was asked.
    answer = browser.get(f"{reverse('statement_file')}?{query}")
    assert answer.headers["Location"].startswith(reverse("credits") + "?")


def cells(answer: Any) -> list[dict[str, str]]:
    """The lines of a downloaded file, by the names of the columns."""
    content = b"".join(answer.streaming_content).decode("utf-8-sig")
    delimiter = ";" if ";" in content.splitlines()[0] else ","
    return list(csv.DictReader(io.StringIO(content, newline=""), delimiter=delimiter))


def test_the_file_holds_the_lines_of_the_page_with_the_same_filters(account: Account, browser: Client) -> None:
    for number in range(90):
        move(account, number)
    for filters in ({}, {"verb": "hold"}, {"q": "Pack", "until": "2026-11-26"}):
        wanted = [row for page in walk(browser, **filters) for row in shown(page)]
        rows = cells(browser.get(f"{reverse('statement_file')}?{urlencode(filters)}"))
        assert [row["Movement"] for row in rows] == [row[1] for row in wanted]
        assert [f"{row['Cause']} {row['Reason']}".strip() for row in rows] == [row[2] for row in wanted]
        for name, column in (("Credits", 3), ("Available after", 4)):
            amounts = [Decimal(row[column].replace("−", "-").replace(",", "")) for row in wanted]
            assert [Decimal(row[name]) for row in rows] == amounts
        assert len(rows) > 5


def test_the_file_is_made_in_batches_with_few_questions(account: Account, browser: Client) -> None:
    for number in range(40):
        factories.grant(account, 1_000 + number)
    books = statement.books(account)
    with CaptureQueriesContext(connection) as caught:
        made = list(statement.batches(books, Wanted(), size=10))
    assert [len(batch) for batch in made] == [10, 10, 10, 10, 1]
    assert len(caught) == 2 * len(made)


def test_a_reason_that_is_a_formula_is_none_in_the_file_and_french_amounts_have_a_comma(account: Account) -> None:
    factories.grant(account, -1_500, reason="=HYPERLINK(1)")
    browser = browser_of(factories.owner(account), language="fr")
    row = cells(browser.get(reverse("statement_file")))[0]
    assert "'=HYPERLINK(1)" in row.values()
    assert "-1,5" in row.values()
    assert "98,5" in row.values()
    assert "2026-11-24 12:00:00" in row.values()


def test_a_file_of_an_account_without_lines_has_its_first_line_only() -> None:
    browser = browser_of(factories.owner(factories.account(millis=0)))
    assert cells(browser.get(reverse("statement_file"))) == []


def test_what_moves_between_two_accounts_names_the_other_one_in_both_statements(account: Account) -> None:
    person = factories.owner(account)
    other = factories.account(name="Salon de thé", owner=person, millis=0)
    ledger.transfer(account, other, 30_000, f"transfer:{uuid.uuid4()}", person)
    assert shown(read(browser_of(person).get("/credits/")))[0][2:] == ["To the account Salon de thé", "−30", "70"]
    far = browser_of(person)
    far.post(reverse("switch_account"), {"account": other.pk})
    assert shown(read(far.get("/credits/")))[0][2:] == ["From the account Boulangerie Martin", "+30", "30"]
    assert len(shown(read(far.get("/credits/?verb=transfer")))) == 1


def spend(account: Account, millis: int, at: datetime) -> None:
    """Hold and capture so many credits at this moment."""
    with time_machine.travel(at, tick=False):
        key = str(uuid.uuid4())
        ledger.hold(account, millis, key=f"h{key}", cause=("submission", key))
        ledger.post([ledger.capture(account.pk, millis, key=f"c{key}", cause=("submission", key))])


def daily(account: Account) -> list[Day]:
    return consumption.daily(account, statement.books(account), now=factories.NOON)


def test_what_was_spent_is_summed_by_the_days_of_the_account(account: Account) -> None:
    # 23:30 and 00:30 in Paris, an hour apart; and what is too old.
    spend(account, 2_000, datetime(2026, 11, 20, 22, 30, tzinfo=UTC))
    spend(account, 3_000, datetime(2026, 11, 20, 23, 30, tzinfo=UTC))
    spend(account, 500, factories.NOON)
    spend(account, 9_000, factories.NOON - timedelta(days=30))
    days = daily(account)
    assert len(days) == consumption.DAYS
    assert (days[0].date, days[-1].date) == (date(2026, 10, 26), date(2026, 11, 24))
    assert {day.date.day: day.millis for day in days if day.millis} == {20: 2_000, 21: 3_000, 24: 500}


def test_the_days_are_those_of_the_account_and_not_of_the_installation() -> None:
    account = factories.account(time_zone="Pacific/Auckland")
    # The 25th has begun in Auckland.
    spend(account, 2_000, datetime(2026, 11, 24, 11, 0, tzinfo=UTC))
    spend(account, 3_000, datetime(2026, 11, 24, 10, 0, tzinfo=UTC))
    assert [(day.date.day, day.millis) for day in daily(account)[-2:]] == [(24, 3_000), (25, 2_000)]


def test_what_is_given_back_lowers_its_day_and_what_is_held_is_not_spent(account: Account) -> None:
    spend(account, 5_000, factories.NOON)
    ledger.refund(account.pk, 2_000, message=1)
    factories.submission(account, to=4)
    ledger.charge(account, 1_000, key="answer:1", cause=("received", "1"))
    assert daily(account)[-1].millis == 4_000


KINDS = ("grant", "hold", "capture", "release", "refund", "charge")


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(1, 40), st.integers(0, 80)), max_size=25))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_plot_the_statement_and_the_books_tell_one_story(moves: list[tuple[str, int, int]]) -> None:
    """Whatever moved in four days, in the order of time: each day of the plot is what the lines of that day say."""
    with transaction.atomic():
        account = factories.account(millis=50_000)
        expected: dict[date, int] = {}
        for number, (kind, size, hour) in enumerate(sorted(moves, key=lambda move: move[2])):
            moment = factories.NOON - timedelta(days=4) + hour * HOUR
            key, cause = f"story:{account.pk}:{number}", ("submission", "1")
            books = statement.books(account)
            # No more than there is, so that each does something.
            left = {"capture": books.held, "release": books.held, "refund": books.spent, "charge": books.available}
            amount = min(size * 250, left.get(kind, books.available if kind == "hold" else 10_000))
            if amount == 0:
                continue
            with time_machine.travel(moment, tick=False):
                match kind:
                    case "grant":
                        factories.grant(account, amount)
                    case "hold":
                        ledger.hold(account, amount, key=key, cause=cause)
                    case "capture":
                        ledger.post([ledger.capture(account.pk, amount, key=key, cause=cause)])
                    case "release":
                        ledger.post([ledger.release(account.pk, amount, key=key, cause=cause)])
                    case "refund":
                        ledger.refund(account.pk, amount, message=account.pk * 1_000 + number)
                    case "charge":
                        ledger.charge(account, amount, key=key, cause=cause)
            sign = {"capture": 1, "charge": 1, "refund": -1}.get(kind, 0)
            day = moment.astimezone(account.zone).date()
            expected[day] = expected.get(day, 0) + sign * amount
        days, books = daily(account), statement.books(account)
        assert {day.date: day.millis for day in days if day.millis} == {
            day: millis for day, millis in expected.items() if millis
        }
        assert sum(day.millis for day in days) == books.spent
        # What the statement says was taken and given back, less what is held still, is what the plot says was spent.
        lines = [line for batch in statement.batches(books, Wanted()) for line in batch]
        brought = {Transfer.Verb.TOP_UP, Transfer.Verb.ADJUST}
        used = -sum(line.amount for line in lines if line.transfer.verb not in brought)
        assert used - books.held == plot.plot(days).total
        transaction.set_rollback(True)


def test_days_on_which_more_came_back_than_was_spent_are_told_as_such(account: Account, browser: Client) -> None:
    spend(account, 5_000, factories.NOON - timedelta(days=40))
    ledger.refund(account.pk, 2_000, message=1)
    figure = read(browser.get("/credits/")).one("figure")
    assert "In 30 days at least as much was given back as spent: −2 in all." in figure.text
    assert figure.one("table").one("tbody").all("tr")[0].one("td").text == "−2"
    assert figure.all("rect", **{"class": "plot-bar"}) == []
    # As much as was given back was spent: days with bars, and nothing in all.
    spend(account, 2_000, factories.NOON - timedelta(days=1))
    figure = read(browser.get("/credits/")).one("figure")
    assert "at least as much was given back as spent: 0 in all." in figure.text
    assert len(figure.all("rect", **{"class": "plot-bar"})) == 1


def test_another_accounts_consumption_is_not_in_the_plot(account: Account) -> None:
    spend(factories.account(name="Clinique du Parc"), 5_000, factories.NOON)
    assert [day.millis for day in daily(account)] == [0] * consumption.DAYS


def test_the_days_are_asked_for_once(account: Account) -> None:
    books = statement.books(account)
    with CaptureQueriesContext(connection) as caught:
        consumption.daily(account, books, now=factories.NOON)
    assert len(caught) == 1


@given(st.lists(st.integers(-5_000, 10**9), min_size=1, max_size=40))
def test_each_bar_stands_in_its_place_and_is_as_high_as_its_amount(amounts: list[int]) -> None:
    days = [Day(date(2026, 1, 1) + timedelta(days=n), millis) for n, millis in enumerate(amounts)]
    drawn = plot.plot(days)
    assert drawn.top >= max(amounts)
    assert drawn.top % 1000 == 0
    assert drawn.total == sum(amounts)
    assert drawn.most.millis == max(amounts)
    for index, (bar, millis) in enumerate(zip(drawn.bars, amounts, strict=True)):
        assert bar.slot == 10 * index
        assert bar.slot < bar.x < bar.x + bar.width < bar.slot + 10 <= drawn.width
        assert bar.y + bar.height == pytest.approx(drawn.height)
        assert bar.height == pytest.approx(max(plot.LEAST, millis * 100 / drawn.top) if millis > 0 else 0, abs=0.01)


def test_the_plot_is_drawn_without_style_and_said_as_a_table(account: Account) -> None:
    spend(account, 12_500, factories.NOON)
    # French writes decimals with a comma, which no attribute of a drawing understands.
    for language in ("en", "fr"):
        page = read(browser_of(factories.owner(account), language=language).get("/credits/"))
        figure = page.one("figure")
        drawing = figure.one("svg", **{"class": "plot-drawing"})
        (bar,) = drawing.all("rect", **{"class": "plot-bar"})
        assert (float(bar.attributes["x"]), float(bar.attributes["width"])) == (291.5, 7)
        assert float(bar.attributes["height"]) == 62.5
        assert not [element for element in figure.all() if "style" in element.attributes]
        rows = figure.one("table").one("tbody").all("tr")
        assert len(rows) == consumption.DAYS
        assert rows[0].one("td").text == ("12.5" if language == "en" else "12,5")
        assert "12.5 spent in 30 days" in figure.text or language == "fr"


@pytest.mark.parametrize(("language", "separator", "sign"), [("fr", ";", ","), ("en", ",", ".")])
def test_the_file_opens_rightly_and_safely_in_a_spreadsheet_of_the_language(
    language: str, separator: str, sign: str
) -> None:
    """Read by the rules of such a spreadsheet: its separator, its decimal sign, ISO dates; nothing is a formula."""
    person = factories.user()
    account = factories.account(name="=HYPERLINK(1)", owner=person, millis=0)
    other = factories.account(name="+33;1,5", owner=person, millis=0)
    reasons = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "l'été", 'a "b"; c, d', "1,5", "＝1"]
    for reason in reasons:
        factories.grant(account, 1_234_500, reason=reason)
    ledger.transfer(account, other, 500, "transfer:1", person)
    browser = browser_of(person, language=language)
    browser.post(reverse("switch_account"), {"account": account.pk})
    content = b"".join(browser.get(reverse("statement_file")))
    assert content.startswith(b"\xef\xbb\xbf")
    header, moved, *granted = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=separator)
    assert {len(row) for row in (header, moved, *granted)} == {7}
    cells = [cell for row in (header, moved, *granted) for cell in row]
    numbers = re.compile(rf"-?[0-9]+(?:\{sign}[0-9]+)?")
    for cell in cells:
        assert numbers.fullmatch(cell) or not cell.lstrip().startswith(tuple("=+-@＝＋－＠\t\r\n")), cell
    # A mark before what would be a formula is all that is added.
    assert [row[3].replace("'", "") for row in reversed(granted)] == [reason.replace("'", "") for reason in reasons]
    assert {datetime.fromisoformat(row[0]).isoformat() for row in granted} == {"2026-11-24T12:00:00"}
    assert {row[4] for row in granted} == {f"1234{sign}5"}
    assert (moved[4], moved[5]) == (f"-0{sign}5", "13579")
    assert "+33;1,5" in moved[2]


def test_an_account_that_spent_nothing_is_told_what_will_be_there(browser: Client) -> None:
    figure = read(browser.get("/credits/")).one("figure")
    assert "Nothing was spent in the last 30 days." in figure.text
    assert figure.all("svg") == []


def test_what_is_owed_is_said_beside_the_balances() -> None:
    account = factories.account(millis=0)
    ledger.charge(account, 2_500, key="answer:1", cause=("received", "1"))
    assert "2.5 are owed for answers" in sentence(read(browser_of(factories.owner(account)).get("/credits/")))


def test_the_page_asks_as_often_with_every_filter_and_many_lines(account: Account, browser: Client) -> None:
    def asked(address: str) -> int:
        browser.get(address)
        with CaptureQueriesContext(connection) as caught:
            assert browser.get(address).status_code == 200
        return len(caught)

    addresses = ["/credits/", "/credits/?verb=hold&q=submission&since=2026-11-01"]
    factories.submission(account)
    few = [asked(address) for address in addresses]
    for number in range(70):
        move(account, number)
    assert [asked(address) for address in addresses] == few
    # The filtered one sums what it hides, and looks at one side only.
    assert few == [9, 9]


def test_a_cancelled_submission_is_followed_line_by_line(account: Account, browser: Client) -> None:
    sent = factories.submission(account, to=2)
    services.cancel_submission(sent, by=factories.owner(account), now=factories.NOON)
    words = urlencode({"q": f"submission {sent.pk}"})
    assert [row[1:] for row in shown(read(browser.get(f"/credits/?{words}")))] == [
        ["Given back", f"Submission {sent.pk}", "+2", "100"],
        ["Held for sending", f"Submission {sent.pk}", "−2", "98"],
    ]
