"""The STOP list: what is on it once, who is found on it, and what the database itself refuses."""

import threading
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from compose import optouts
from compose.models import Message, OptOut
from compose.services import submit
from credits.models import Account
from tests import factories
from tests.factories import mobile
from tests.fixtures.databases import FreshDatabase
from tests.threads import DEADLINE, at_once

Source = OptOut.Source
ONE, OTHER = "+33612345678", "+33698765432"


@pytest.fixture
def account(db: None) -> Account:
    return factories.account()


def add(account: Account, *numbers: str, **given: Any) -> int:
    return optouts.opt_out(account, numbers, **{"source": Source.MANUAL, **given})


# The verbs


def test_those_of_many_numbers_are_found_that_are_on_the_list(account: Account) -> None:
    add(account, ONE, OTHER)
    assert optouts.opted_out(account.pk, [ONE, mobile(1), mobile(2)]) == {ONE}
    assert optouts.opted_out(account.pk, {OTHER, ONE}) == {ONE, OTHER}
    assert optouts.opted_out(account.pk, []) == set()


@pytest.mark.parametrize("read_from", [1, 10_000])
def test_a_long_question_and_a_long_list_give_the_same_answer(
    account: Account, monkeypatch: pytest.MonkeyPatch, read_from: int
) -> None:
    monkeypatch.setattr(optouts, "_READ_FROM", read_from)
    add(account, ONE, OTHER, *map(mobile, range(4)))
    add(factories.account(name="Clinique du Parc"), mobile(9))
    # A list that is longer than the question, and one that is shorter.
    assert optouts.opted_out(account.pk, [ONE, mobile(8), mobile(9)]) == {ONE}
    assert optouts.opted_out(account.pk, [ONE, *map(mobile, range(2, 60))]) == {ONE, mobile(2), mobile(3)}


def test_the_list_of_an_account_is_its_own(account: Account) -> None:
    other = factories.account(name="Clinique du Parc")
    add(account, ONE)
    assert optouts.opted_out(other.pk, [ONE]) == set()
    assert add(other, ONE) == 1
    assert list(optouts.listed(other)) == [OptOut.objects.get(account=other)]


def test_adding_says_how_many_are_new_and_doing_it_again_changes_nothing(account: Account) -> None:
    person = factories.owner(account)
    assert add(account, ONE, ONE, by=person, note="At the counter") == 1
    before = OptOut.objects.values().get()
    assert add(account, ONE, OTHER, source=Source.IMPORT, note="From the old program") == 1
    assert add(account, ONE, OTHER) == 0
    assert OptOut.objects.filter(number=ONE).values().get() == before
    assert (before["source"], before["note"], before["created_by_id"]) == ("manual", "At the counter", person.pk)


def test_an_answer_keeps_the_message_that_it_answered(account: Account) -> None:
    sent = factories.message(account)
    add(account, sent.recipient, source=Source.ANSWER, message=sent)
    row = OptOut.objects.get()
    assert (row.message, row.created_by, row.region) == (sent, None, "FR")


@pytest.mark.parametrize(
    "wrong", ["0612345678", "+0612345678", "+336", "+33612345678\n", "+3361234567a", "", "33612345678"]
)
def test_what_is_no_number_in_e164_adds_nothing_at_all(account: Account, wrong: str) -> None:
    with pytest.raises(ValueError, match=r"E\.164"):
        add(account, ONE, wrong)
    assert not OptOut.objects.exists()


def test_a_number_taken_off_keeps_its_history_and_may_come_back(account: Account) -> None:
    person = factories.owner(account)
    row = factories.opt_out(account, ONE)
    assert optouts.take_off(account, row.pk, by=person, reason="  Asked for it. ")
    row.refresh_from_db()
    assert (row.removed_by, row.removal_reason) == (person, "Asked for it.")
    assert row.removed_at is not None
    assert optouts.opted_out(account.pk, [ONE]) == set()
    assert not optouts.listed(account).exists()
    assert add(account, ONE) == 1
    assert [entry.removed_at is None for entry in OptOut.objects.filter(number=ONE).order_by("pk")] == [False, True]


def test_a_number_is_taken_off_once_and_only_by_its_account(account: Account) -> None:
    person = factories.owner(account)
    row = factories.opt_out(account, ONE)
    stranger = factories.account(name="Clinique du Parc")
    assert not optouts.take_off(stranger, row.pk, by=person, reason="Not mine.")
    assert optouts.take_off(account, row.pk, by=person, reason="First.")
    assert not optouts.take_off(account, row.pk, by=person, reason="Second.")
    row.refresh_from_db()
    assert row.removal_reason == "First."


def test_without_a_reason_nothing_is_taken_off(account: Account) -> None:
    row = factories.opt_out(account, ONE)
    with pytest.raises(ValueError, match="reason"):
        optouts.take_off(account, row.pk, by=factories.owner(account), reason="  ")
    assert optouts.opted_out(account.pk, [ONE]) == {ONE}


def test_a_long_list_that_was_interrupted_is_completed_by_doing_it_again(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part is in a transaction of its own, so that nobody else waits for the whole."""
    monkeypatch.setattr(optouts, "_ADDED_AT_ONCE", 2)
    numbers = [mobile(number) for number in range(5)]
    look = optouts.opted_out

    def interrupted(account_id: int, wanted: Any) -> set[str]:
        if numbers[2] in wanted:
            raise KeyboardInterrupt
        return look(account_id, wanted)

    monkeypatch.setattr(optouts, "opted_out", interrupted)
    with pytest.raises(KeyboardInterrupt):
        add(account, *numbers)
    monkeypatch.setattr(optouts, "opted_out", look)
    assert optouts.opted_out(account.pk, numbers) == set(numbers[:2])
    assert add(account, *numbers) == 3


@pytest.mark.parametrize("typed", ["06 12 34", "+33 6 12", "0033612", "6.12.34", "612-345", "market"])
def test_a_number_is_found_however_it_is_typed(account: Account, typed: str) -> None:
    add(account, ONE, note="Said so at the market")
    add(account, OTHER)
    assert [row.number for row in optouts.listed(account, typed)] == [ONE]


@pytest.mark.parametrize("typed", ["99999", "0", "+", "%", "nobody", "06 12 34 or so"])
def test_what_stands_nowhere_finds_nothing_rather_than_all(account: Account, typed: str) -> None:
    add(account, ONE)
    assert list(optouts.listed(account, typed)) == []


# How many queries


@pytest.mark.parametrize("count", [10, 9_000])
def test_nine_thousand_numbers_cost_as_many_queries_as_ten(
    account: Account, count: int, django_assert_num_queries: Any
) -> None:
    add(account, mobile(3))
    with django_assert_num_queries(1):
        assert optouts.opted_out(account.pk, [mobile(number) for number in range(count)]) == {mobile(3)}


@pytest.mark.parametrize(("read_from", "queries"), [(1_000, 1), (1_000_000, 10)])
def test_a_hundred_thousand_numbers_cost_few_queries(
    account: Account, django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch, read_from: int, queries: int
) -> None:
    monkeypatch.setattr(optouts, "_READ_FROM", read_from)
    add(account, mobile(3), mobile(99_999))
    with django_assert_num_queries(queries):
        found = optouts.opted_out(account.pk, [mobile(number) for number in range(100_000)])
    assert found == {mobile(3), mobile(99_999)}


# What the database refuses, whoever asks


def insert(account: Account, **changed: Any) -> None:
    """A row by SQL alone, as a mistake or another program would write it."""
    row: dict[str, Any] = {
        "account_id": account.pk,
        "number": ONE,
        "source": "manual",
        "note": "",
        "created_at": timezone.now(),
        "removed_at": None,
        "removed_by_id": None,
        "removal_reason": "",
    } | changed
    columns = ", ".join(row)
    values = ", ".join(["%s"] * len(row))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {OptOut._meta.db_table} ({columns}) VALUES ({values})", list(row.values()))  # noqa: S608


def test_a_good_row_passes_the_database(account: Account) -> None:
    person = factories.owner(account)
    insert(account)
    insert(account, number="+6834002")
    insert(account, number=OTHER, removed_at=timezone.now(), removed_by_id=person.pk, removal_reason="Asked.")
    assert OptOut.objects.count() == 3


@pytest.mark.parametrize(
    ("changed", "constraint"),
    [
        ({"number": "0612345678"}, "number_is_e164"),
        ({"number": "+0612345678"}, "number_is_e164"),
        ({"number": "+33 612345678"}, "number_is_e164"),
        ({"number": "+33612345678\n"}, "number_is_e164"),
        ({"number": ""}, "number_is_e164"),
        ({"source": "guess"}, "source_is_known"),
        ({"source": ""}, "source_is_known"),
        ({"removed_at": "now"}, "removed_says"),
        ({"removed_at": "now", "removed_by_id": "owner"}, "removed_says"),
        ({"removed_at": "now", "removal_reason": "Asked."}, "removed_says"),
        ({"removal_reason": "Asked."}, "removed_says"),
        ({"removed_by_id": "owner"}, "removed_says"),
    ],
    ids=str,
)
def test_a_row_that_makes_no_sense_is_refused_by_the_database(
    account: Account, changed: dict[str, Any], constraint: str
) -> None:
    meant = {"now": timezone.now(), "owner": factories.owner(account).pk}
    with pytest.raises(IntegrityError, match=constraint):
        insert(account, **{name: meant.get(value, value) for name, value in changed.items()})
    assert not OptOut.objects.exists()


def test_a_number_stands_on_the_list_once_but_in_its_history_often(account: Account) -> None:
    person = factories.owner(account)
    for _time in range(2):
        insert(account, removed_at=timezone.now(), removed_by_id=person.pk, removal_reason="Asked.")
    insert(account)
    with pytest.raises(IntegrityError):
        insert(account)
    assert OptOut.objects.filter(removed_at=None).count() == 1


# Several people at once

THREADS = 6


def add_at_once(account: Account) -> list[Any]:
    numbers = [mobile(number) for number in range(200)]
    return at_once([lambda: optouts.opt_out(account, numbers, source=Source.MANUAL)] * THREADS)


def test_who_add_the_same_numbers_at_once_add_them_once_and_are_told_so(fresh_database: FreshDatabase) -> None:
    results = add_at_once(factories.account())
    assert sorted(results) == [0] * (THREADS - 1) + [200]
    assert OptOut.objects.count() == 200


def test_without_the_lock_the_same_race_breaks(fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control. All look at the list before one of them writes, and each finds it empty.

    SQLite takes no row locks: its write transactions (IMMEDIATE) come one after the other, so there the race
    cannot be made, and taking the lock away changes nothing.
    """
    account = factories.account()
    all_have_looked = threading.Barrier(THREADS)
    look = optouts.opted_out

    def look_together(account_id: int, numbers: Any) -> set[str]:
        found = look(account_id, numbers)
        if connection.vendor == "postgresql":
            all_have_looked.wait(DEADLINE)
        return found

    monkeypatch.setattr(QuerySet, "select_for_update", lambda rows, **_options: rows)
    monkeypatch.setattr(optouts, "opted_out", look_together)
    results = add_at_once(account)
    refused = [result for result in results if isinstance(result, IntegrityError)]
    assert len(refused) == (THREADS - 1 if connection.vendor == "postgresql" else 0)
    assert OptOut.objects.count() == 200


def test_of_several_owners_who_take_a_number_off_at_once_one_has_done_it(fresh_database: FreshDatabase) -> None:
    account = factories.account()
    person = factories.owner(account)
    row = factories.opt_out(account, ONE)
    calls = [lambda name=str(n): optouts.take_off(account, row.pk, by=person, reason=name) for n in range(THREADS)]
    results = at_once(calls)
    assert sorted(results) == [False] * (THREADS - 1) + [True]
    row.refresh_from_db()
    assert row.removal_reason == str(results.index(True))


def test_messages_of_the_account_are_written_while_numbers_are_added(fresh_database: FreshDatabase) -> None:
    """The lock of the list keeps nobody from sending: both end, and nothing waits for ever."""
    account = factories.account()
    draft = factories.draft(account, to=50)
    results = at_once(
        [
            lambda: optouts.opt_out(account, [mobile(n) for n in range(500)], source=Source.MANUAL),
            lambda: submit(draft, now=factories.NOON)[1],
        ]
    )
    assert results == [500, True]
    assert Message.objects.count() == 50
