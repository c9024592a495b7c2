"""Received SMS that several members change at the same moment."""

import threading
from typing import Any

from django.db import connection, transaction

from compose.gateways.base import Received
from compose.models import GatewayEvent
from compose.services import store_events
from credits.models import Member
from inbox import marks, queries, services
from inbox.models import Received as ReceivedMessage
from inbox.models import Unread
from senders.models import Sender
from tests import factories
from tests.fixtures.databases import FreshDatabase
from tests.threads import DEADLINE, at_once, until_waiting


def test_what_is_marked_as_unread_while_somebody_deletes_it_is_counted_by_nobody(fresh_database: FreshDatabase) -> None:
    account = factories.account()
    member, came = Member.objects.get(account=account), factories.received(account)
    marks.mark_read(member, [came.pk])
    marking, writes, over = threading.Event(), threading.Event(), threading.Event()

    def mark() -> None:
        def before_it_is_written(execute: Any, sql: str, *rest: Any) -> Any:
            if sql.startswith("INSERT"):
                writes.set()
                over.wait(DEADLINE)
            return execute(sql, *rest)

        marking.wait(DEADLINE)
        with connection.execute_wrapper(before_it_is_written):
            marks.mark_unread(member, [came.pk])

    def delete() -> None:
        try:
            with transaction.atomic():
                marks.delete(account.pk, [came.pk], by=factories.owner(account), now=factories.NOON)
                marking.set()
                if connection.vendor == "postgresql":
                    until_waiting(1)
                else:
                    # There it waits for the file, which nothing tells: it writes nothing meanwhile.
                    writes.wait(0.5)
        finally:
            over.set()

    assert at_once([mark, delete]) == [None, None]
    assert queries.unread_count(member) == 0


def test_a_message_that_comes_while_a_member_is_removed_is_shown_at_once_to_the_others(
    fresh_database: FreshDatabase,
) -> None:
    account = factories.account()
    stays, leaves = Member.objects.get(account=account), factories.member(account)
    leaves_pk, removed = leaves.pk, threading.Event()
    factories.sender(account, factories.mobile(900_000), kind=Sender.Kind.VIRTUAL)
    event = Received(key="one", number=factories.mobile(1), to=factories.mobile(900_000), text="Oui", at=factories.NOON)
    store_events("default", [event], now=factories.NOON)

    def remove() -> None:
        try:
            with transaction.atomic():
                leaves.delete()
                removed.set()
                if connection.vendor == "postgresql":
                    until_waiting(1)
        finally:
            removed.set()

    def receive() -> int:
        removed.wait(DEADLINE)
        return services.apply_waiting(clock=factories.at(factories.NOON))

    assert at_once([remove, receive]) == [None, 1]
    assert [one.result for one in GatewayEvent.objects.all()] == ["received"]
    assert queries.unread_count(stays) == 1
    assert not Unread.objects.filter(member=leaves_pk).exists()


def test_of_two_who_delete_and_bring_back_at_once_each_message_changes_once(fresh_database: FreshDatabase) -> None:
    account = factories.account()
    member = Member.objects.get(account=account)
    person = factories.owner(account)
    pks = [factories.received(account, number=factories.mobile(number)).pk for number in range(3)]

    def delete(order: list[int]) -> list[int]:
        return marks.delete(account.pk, order, by=person, now=factories.NOON)

    one, other = at_once([lambda: delete(pks), lambda: delete(pks[::-1])])
    assert sorted(one + other) == pks
    assert queries.unread_count(member) == 0
    one, other = at_once([lambda: marks.restore(account.pk, pks, by=person) for _each in range(2)])
    assert sorted(one + other) == pks
    assert queries.unread_count(member) == ReceivedMessage.objects.filter(deleted_at=None).count() == 3
