"""Codes of vendors that stand in no table are counted, whoever says them and however much rubbish comes."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from compose import vendor_codes
from compose.gateways.base import Accepted, NotSent, OutcomeUnknown, Rejected
from compose.models import VendorCode
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import NOON, at
from tests.fixtures.databases import FreshDatabase
from tests.gateways_for_tests import answering, scripted_gateway
from tests.threads import at_once

LATER = NOON + timedelta(hours=1)


def counted() -> dict[tuple[str, str, str], int]:
    return {(row.gateway, row.where, row.code): row.count for row in VendorCode.objects.all()}


@pytest.mark.django_db
def test_codes_are_added_up_by_gateway_and_by_where_they_were_said() -> None:
    vendor_codes.seen("a", where="answer", codes={"0x4C7": 2, "E9": 1}, now=NOON)
    vendor_codes.seen("a", where="answer", codes={"0x4C7": 3}, now=LATER)
    vendor_codes.seen("a", where="report", codes={"0x4C7": 1}, now=LATER)
    vendor_codes.seen("b", where="answer", codes={"0x4C7": 1}, now=LATER)
    assert counted() == {
        ("a", "answer", "0x4C7"): 5,
        ("a", "answer", "E9"): 1,
        ("a", "report", "0x4C7"): 1,
        ("b", "answer", "0x4C7"): 1,
    }
    row = VendorCode.objects.get(gateway="a", where="answer", code="0x4C7")
    assert (row.first_seen, row.last_seen) == (NOON, LATER)


@pytest.mark.django_db
def test_a_code_that_is_long_or_cannot_be_shown_is_kept_as_far_as_it_can() -> None:
    vendor_codes.seen("a", where="answer", codes={"x" * 200: 1, "a\0\n\x1bb": 2, "  ": 3, "": 4}, now=NOON)
    assert counted() == {("a", "answer", "x" * 80): 1, ("a", "answer", "a???b"): 2}
    with CaptureQueriesContext(connection) as queries:
        vendor_codes.seen("a", where="answer", codes={}, now=NOON)
    assert len(queries) == 0


@pytest.mark.django_db
def test_rubbish_does_not_fill_the_table_and_what_is_known_goes_on_being_counted() -> None:
    vendor_codes.seen("b", where="answer", codes={"theirs": 1}, now=NOON)
    for start in (0, 600, 1200):
        codes = {f"{number:06}": 1 for number in range(start, start + 600)}
        vendor_codes.seen("a", where="answer", codes=codes, now=NOON)
    assert VendorCode.objects.filter(gateway="a").count() == vendor_codes.MOST_CODES + 1
    assert counted()["a", "answer", "…"] == 800
    vendor_codes.seen("a", where="answer", codes={"000001": 1, "another": 1}, now=LATER)
    assert (counted()["a", "answer", "000001"], counted()["a", "answer", "…"]) == (2, 801)


def test_nobodys_count_is_lost_when_several_say_the_same(fresh_database: FreshDatabase) -> None:
    def say(*codes: str) -> None:
        for _time in range(5):
            vendor_codes.seen("a", where="answer", codes=dict.fromkeys(codes, 2), now=NOON)

    results = at_once([lambda: say("x", "y", "z"), lambda: say("z", "y", "x"), lambda: say("y"), lambda: say("x", "z")])
    assert results == [None] * 4
    assert counted() == {("a", "answer", one): 30 for one in "xyz"}


@pytest.mark.django_db
def test_what_an_answer_says_unheard_of_is_counted_with_the_outcome() -> None:
    account = factories.account()
    factories.submission(account, to=5)
    with scripted_gateway() as gateway:
        gateway.script = answering(
            Accepted("a"),
            Rejected("no", code="E77"),
            NotSent("later", code="E77"),
            OutcomeUnknown("lost", code="E1"),
            Rejected("known"),
        )
        dispatch_due(clock=at(NOON))
    assert counted() == {("default", "answer", "E77"): 2, ("default", "answer", "E1"): 1}
