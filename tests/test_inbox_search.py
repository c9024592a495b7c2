"""The filters of received SMS: what they find, page by page and as a file."""

import csv
import io
import random
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from compose import paging
from compose.models import GatewayEvent
from credits.models import Account, Member
from inbox import marks, queries, rarest
from inbox.models import Received
from senders.models import Sender
from tests import factories
from tests.pages import browser_of, read, sentence

LIST, FILE = "/received/", "/received/export.csv"


@pytest.fixture(autouse=True)
def noon(db: None) -> Iterator[None]:
    with time_machine.travel(factories.NOON, tick=False):
        factories.pool()
        yield


@pytest.fixture
def account() -> Account:
    return factories.account()


@pytest.fixture
def browser(account: Account) -> Client:
    return browser_of(factories.owner(account))


def found(browser: Client, query: str = "") -> list[str]:
    body = read(browser.get(LIST + query)).one("main").all("tbody")
    return [row.all("td")[2].text for row in body[0].all("tr")] if body else []


def file(browser: Client, query: str = "", language: str = "en") -> list[list[str]]:
    answer = browser.get(FILE + query, headers={"accept-language": language})
    assert answer.status_code == 200
    text = b"".join(answer).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text), delimiter=";" if language == "fr" else ","))


def test_words_and_numbers_are_found_however_they_are_written(account: Account, browser: Client) -> None:
    factories.received(account, "Où est l'ÉGLISE ?", number="+33612345678")
    factories.received(account, "At the market", number="+33698765432")
    assert found(browser, "?q=MARKET") == ["At the market"]
    assert found(browser, "?q=06+98+76") == ["At the market"]
    assert found(browser, "?q=%2B33698765432") == ["At the market"]
    assert found(browser, "?q=glise") == ["Où est l'ÉGLISE ?"]
    assert found(browser, "?q=%25") == []
    page = read(browser.get(LIST + "?q=nothing"))
    assert "No received SMS matches" in sentence(page)


def test_days_are_those_of_the_account_and_both_count(account: Account, browser: Client) -> None:
    # Half past midnight in Paris is the day before in UTC.
    midnight = factories.NOON.replace(hour=23, minute=30)
    factories.received(account, "Tuesday", when=factories.NOON)
    factories.received(account, "Wednesday", when=midnight)
    assert found(browser, "?since=2026-11-25") == ["Wednesday"]
    assert found(browser, "?until=2026-11-24") == ["Tuesday"]
    assert found(browser, "?since=2026-11-24&until=2026-11-25") == ["Wednesday", "Tuesday"]
    page = read(browser.get(LIST + "?since=2026-11-25&until=2026-11-24"))
    assert "This day is before the first one." in sentence(page)


def test_unread_ones_alone_and_those_to_one_number_alone(account: Account, browser: Client) -> None:
    first = factories.received(account, "To our number")
    short = factories.received(account, "To the short number", number="+33698765432")
    Received.objects.filter(pk=short.pk).update(to="38111")
    marks.mark_read(Member.objects.get(account=account), [first.pk])
    assert found(browser, "?unread=on") == ["To the short number"]
    assert found(browser, "?to=short") == ["To the short number"]
    assert found(browser, f"?to={first.to.replace('+', '%2B')}") == ["To our number"]
    assert found(browser, f"?q=to&unread=on&to={first.to.replace('+', '%2B')}") == []
    # Of another account's number there is no word.
    other = factories.sender(factories.account(name="Clinique"), "+33700000001", kind=Sender.Kind.VIRTUAL)
    page = sentence(read(browser.get(LIST)))
    assert first.to in page
    assert other.value not in page


def test_a_number_that_was_asked_for_in_vain_is_none_of_the_accounts(account: Account, browser: Client) -> None:
    refused = factories.sender(account, "+33700000001", kind=Sender.Kind.VIRTUAL, status=Sender.Status.REFUSED)
    factories.received(account, "To our number")
    assert refused.value not in sentence(read(browser.get(LIST)))


def test_the_pages_of_a_search_keep_it_and_miss_and_repeat_nothing(account: Account, browser: Client) -> None:
    made = factories.received(account, "Number 0")
    rows = [
        Received(
            account=account,
            event_id=made.event_id,
            number=factories.mobile(number),
            to=made.to,
            text=f"Number {number}",
            # Several of the same moment stand at the edges of pages.
            received_at=factories.NOON + timedelta(minutes=number // 7),
        )
        for number in range(1, 121)
    ]
    _stored(rows)
    address, seen, pages = LIST + "?q=Number&unread=", [], 0
    while address:
        page = read(browser.get(address))
        seen += [row.all("td")[2].text for row in page.one("main").all("tbody")[0].all("tr")]
        links = page.one("main").all("a", rel="next")
        address = LIST + links[0].attributes["href"] if links else ""
        assert not address or "q=Number" in address
        pages += 1
    assert pages == 3
    assert sorted(seen) == sorted({f"Number {number}" for number in range(121)})


def _stored(rows: list[Received]) -> None:
    """Rows of the list, each with an event of its own."""
    events = [
        GatewayEvent(gateway="default", key=f"row-{number}", kind="received", payload={}, look_at=factories.NOON)
        for number in range(len(rows))
    ]
    for row, event in zip(rows, GatewayEvent.objects.bulk_create(events), strict=True):
        row.event = event
    Received.objects.bulk_create(rows)


def test_the_file_holds_what_the_filters_show_and_no_formula(account: Account, browser: Client) -> None:
    factories.received(account, '=HYPERLINK("http://evil.example")', number="+33612345678")
    factories.received(account, "Merci; à demain", number="+33698765432", when=factories.NOON + timedelta(minutes=1))
    header, *rows = file(browser)
    assert header == ["Date", "From", "To", "Message", "Answers", "Unread"]
    assert [row[1] for row in rows] == ["'+33698765432", "'+33612345678"]
    assert [row[3] for row in rows] == ["Merci; à demain", '\'=HYPERLINK("http://evil.example")']
    assert rows[0][0] == "2026-11-24 12:01:00"
    assert [row[3] for row in file(browser, "?q=demain", language="fr")[1:]] == ["Merci; à demain"]
    answer = browser.get(FILE + "?since=2026-11-25&until=2026-11-24")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/received/?since=2026-11-25&until=2026-11-24")


def test_a_long_file_is_made_batch_by_batch(account: Account, browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inbox.queries.EXPORTED_AT_ONCE", 2)
    for number in range(5):
        factories.received(account, f"Text {number}", number=factories.mobile(number))
    with CaptureQueriesContext(connection) as caught:
        assert len(file(browser)) == 6
    batches = [query for query in caught if "LIMIT 3" in query["sql"]]
    assert len(batches) == 3


@pytest.mark.parametrize("query", ["", "?q=Merci"])
def test_the_list_asks_as_often_however_long_it_is(
    account: Account, browser: Client, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rarest, "LOOKED_AT", 5)
    factories.received(account)
    asked = []
    for _round in range(2):
        browser.get(LIST + query)
        with CaptureQueriesContext(connection) as caught:
            browser.get(LIST + query)
        asked.append(len(caught))
        for number in range(10):
            factories.received(account, number=factories.mobile(number))
    assert asked[0] == asked[1]


def _indexed() -> None:
    """On PostgreSQL, leave a search no other way than its index: few rows are read fastest as they are."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT string_agg(indexname, ', ') FROM pg_indexes WHERE tablename = 'inbox_received' "
                "AND indexdef LIKE '%(account_id%' AND indexname <> 'received_search'"
            )
            cursor.execute(f"DROP INDEX {cursor.fetchone()[0]}")
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_indexscan = off")


LETTERS = "abABeé%_\\ '.0123"


@pytest.mark.parametrize("indexed", [False, True])
def test_a_search_finds_what_reading_every_message_finds_page_after_page(
    account: Account, indexed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if indexed:
        # As in a large account, where the rarest piece of the text is looked for.
        monkeypatch.setattr(rarest, "LOOKED_AT", 20)
        monkeypatch.setattr(paging, "SIZE", 2)
    dice = random.Random(11)
    member = Member.objects.get(user=factories.owner(account))
    made = factories.received(account, "aaa")
    stranger = factories.received(factories.account(name="Clinique"), "aaa")

    def text() -> str:
        return "".join(dice.choices(LETTERS, k=dice.randint(1, 14)))

    rows = [
        Received(
            account_id=stranger.account_id if number % 5 == 0 else account.pk,
            number=factories.mobile(dice.randrange(10**6)),
            to=made.to,
            text=text(),
            received_at=factories.NOON + timedelta(minutes=dice.randint(0, 40)),
            deleted_at=factories.NOON if number % 7 == 0 else None,
        )
        for number in range(150)
    ]
    _stored(rows)
    if indexed:
        _indexed()
        assert connection.vendor == "sqlite" or "on received_search" in _plan(member, "aab")
    ours = Received.objects.filter(account=account, deleted_at=None).order_by("-received_at", "-pk")
    found = 0
    for _search in range(40):
        row = dice.choice(rows)
        whole = dice.choice([row.text, row.text.swapcase().replace("É", "é"), row.number, text()])
        start = dice.randrange(len(whole))
        wanted = whole[start : start + dice.randint(1, 6)]
        naive = [came.pk for came in ours if _holds(came, wanted)]
        batches, cursor, more = [], "", True
        while more:
            shown = paging.page(
                queries.received(member, queries.Wanted(text=wanted)), by="received_at", cursor=cursor, size=20
            )
            batches.append([came.pk for came in shown.rows])
            cursor, more = shown.cursor, bool(shown.cursor)
        assert [pk for batch in batches for pk in batch] == naive, wanted
        found += len(naive)
    assert found > 200


def _holds(row: Received, wanted: str) -> bool:
    digits = "".join(character for character in wanted if character.isdigit()).removeprefix("00").lstrip("0")
    a_number = bool(digits) and all(character in "0123456789 +.()-" for character in wanted)
    return wanted.upper() in row.text.upper() or (a_number and digits in row.number)


def test_of_a_word_the_piece_that_the_newest_messages_hold_least_is_the_rarest(
    account: Account, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr(rarest, "LOOKED_AT", 4)
    texts = ["Livraison", "raisonnable", "Livre", "IVRE", "à vrai dire", "raison"]
    for number, text in enumerate(texts):
        factories.received(
            account, text, number=factories.mobile(number), when=factories.NOON + timedelta(hours=number)
        )
    rows = Received.objects.filter(account=account, deleted_at=None)
    indexed = connection.vendor == "postgresql"
    # The newest four hold LIV, VRA and AIS once, IVR and RAI twice, and nothing with ï.
    assert rarest.rarest_piece(rows, "Livraïson") == ("raï" if indexed else "")
    assert rarest.rarest_piece(rows, "livrais") == ("liv" if indexed else "")
    # What stands between words is in no piece.
    assert rarest.rarest_piece(rows, "dire l'âne") == ("âne" if indexed else "")
    with django_assert_num_queries(0):
        assert [rarest.rarest_piece(rows, text) for text in ("", "vr", "vra", "a, b", "06 98 76", "069876")] == [""] * 6
    # A word that fills the page, and an account whose messages are all looked at.
    monkeypatch.setattr(paging, "SIZE", 1)
    assert rarest.rarest_piece(rows, "rais") == ("ais" if indexed else "")
    assert rarest.rarest_piece(rows, "ivre") == ""
    monkeypatch.setattr(rarest, "LOOKED_AT", 7)
    assert rarest.rarest_piece(rows, "livrais") == ""


def test_on_postgresql_the_shorter_way_is_taken_for_rare_and_for_frequent_words(account: Account) -> None:
    """By what PostgreSQL itself decides, with so many rows that it matters."""
    if connection.vendor != "postgresql":
        return
    member = Member.objects.get(user=factories.owner(account))
    accounts = [account.pk, *(factories.account(name=f"Account {number}").pk for number in range(9))]
    with connection.cursor() as cursor:
        cursor.execute(MANY, {"rows": 20_000, "accounts": accounts, "to": "38111", "now": factories.NOON})
        cursor.execute("SELECT gin_clean_pending_list('received_search')")
        cursor.execute("ANALYZE inbox_received")
    # A rare word, and a number, which may be words as well: the index is asked for the account and the pieces at once,
    # and for the rarest piece of the word first.
    (by_word,) = _asked_of_the_index(_plan(member, "perroquet"))
    assert by_word == "upper(text) ~~ '%PER%'::text) AND (upper(text) ~~ '%PERROQUET%'"
    by_number = _asked_of_the_index(_plan(member, "06 98 76 54"))
    assert by_number == ["upper(text) ~~ '%06 98 76 54%'", "(number)::text ~~ '%6987654%'"]
    # One of every third message: the newest ones are read until the page is full.
    plan = _plan(member, "merci")
    assert "Index Scan using received_shown" in plan, plan
    assert "received_search" not in plan, plan


def _asked_of_the_index(plan: str) -> list[str]:
    """What the index of searches is asked for beside the account: nothing where it is asked without, or not at all."""
    assert "BitmapAnd" not in plan, plan
    condition = (
        r"Bitmap Index Scan on received_search.*\n *Index Cond: \(\(account_id = '\d+'::bigint\) AND \((.*)::text\)\)"
    )
    return re.findall(condition, plan)


def _plan(member: Member, text: str) -> str:
    """How PostgreSQL finds the first page of a search."""
    return queries.received(member, queries.Wanted(text=text)).order_by("-received_at", "-pk")[:51].explain()


# Received messages, each in another account than the one before it; a word of every third, a word of every thousandth.
MANY = """
WITH events AS (
    INSERT INTO compose_gatewayevent (gateway, key, kind, payload, stored_at, look_at, looked, applied_at, result)
    SELECT 'default', 'many-' || n, 'received', '{}', %(now)s, %(now)s, FALSE, %(now)s, 'received'
    FROM generate_series(1, %(rows)s) AS n
    RETURNING id
), numbered AS (SELECT id, row_number() OVER (ORDER BY id) AS n FROM events)
INSERT INTO inbox_received (account_id, event_id, number, "to", text, missing, received_at)
SELECT
    (%(accounts)s::bigint[])[1 + n %% cardinality(%(accounts)s::bigint[])],
    id,
    '+336' || (10000000 + n),
    %(to)s,
    concat_ws(' ', md5(n::text), CASE WHEN n %% 3 = 0 THEN 'merci' END, CASE WHEN n %% 997 = 0 THEN 'perroquet' END),
    0,
    %(now)s - n * interval '1 minute'
FROM numbered
"""
