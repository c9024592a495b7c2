"""Delivery receipts in every form that peers write them."""

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compose.delivery import STATES
from compose.gateways.base import Received, Report
from compose.gateways.smpp.events import event_of
from compose.gateways.smpp.options import Options
from compose.gateways.smpp.pdus import Malformed, read_data_sm, read_deliver_sm
from compose.gateways.smpp.receipts import GSM_ERRORS, WORDS, canonical, read_receipt
from compose.gateways.smpp.receipts import STATES as MESSAGE_STATES
from compose.reasons import SENTENCES
from tests.gateways.smsc import delivery

NOW = datetime(2026, 11, 24, 11, tzinfo=UTC)
ID, STATE, NETWORK_ERROR = 0x001E, 0x0427, 0x0423


def options(**said: Any) -> Options:
    return Options(host="smsc.test", system_id="shop", password="none", **said)


def event(message: bytes, *, esm_class: int = 0x04, said: dict[str, Any] | None = None, **fields: Any) -> Any:
    """The event of a delivery with this message."""
    body = delivery(message=message, esm_class=esm_class, **fields)
    return event_of(read_deliver_sm(body), body, options(**(said or {})), now=NOW)


TEXTS = [
    "id:1234567890 sub:001 dlvrd:001 submit date:2611241030 done date:2611241031 stat:DELIVRD err:000 text:Bonjour",
    "id:1234567890 sub:001 dlvrd:001 submit date:261124103000 done date:261124103112 stat:DELIVRD err:000 Text:",
    "id:1234567890 sub:1 dlvrd:1 submit_date:20261124103000 done_date:20261124103112 stat:DELIVRD err:0",
    "ID: 1234567890 SUB: 001 DLVRD: 001 SUBMIT DATE: 2611241030 DONE DATE: 2611241031 STAT: DELIVRD ERR: 000 TEXT:",
    "id:1234567890,sub:001,dlvrd:001,submit date:2611241030,done date:2611241031,stat:DELIVRD,err:000,text:",
    "id=1234567890 stat=DELIVRD",
    "stat:DELIVRD id:1234567890",
    "id:1234567890\nsub:001\ndlvrd:001\nstat:Delivered\nerr:000\n",
    "id:1234567890 sub:001 dlvrd:001 status:DELIVERED error:000 text:id:99 stat:REJECTD",
    "id:1234567890 stat:DELIVRD text:stat:UNDELIV id:99 err:5",
    "id:1234567890 sub:001 dlvrd:001 subdate:2611241030 done date:2611241031 stat:DELIVRD err:000",
    " id:1234567890 stat:DELIVRD",
]


@pytest.mark.parametrize("text", TEXTS)
def test_the_text_of_a_receipt_is_read_however_it_is_written(text: str) -> None:
    report = event(text.encode())
    assert isinstance(report, Report)
    assert (report.reference, report.status) == ("1234567890", "delivered")
    assert report.raw["text"] == text


@pytest.mark.parametrize(("word", "status"), list(WORDS.items()))
def test_each_word_of_a_status_is_known(word: str, status: str) -> None:
    for written in (word, word.lower()):
        report = event(f"id:1 sub:001 dlvrd:000 done date:2611241031 stat:{written} err:000".encode())
        assert report.status == status
    assert status in {*STATES, "unknown"}


@pytest.mark.parametrize("word", ["", "MARTIAN", "…"])
def test_an_unknown_status_is_unknown_and_kept(word: str) -> None:
    report = event(f"id:1 stat:{word} err:000".encode("utf-16-be"), data_coding=8)
    assert (report.reference, report.status) == ("1", "unknown")
    assert word in report.raw["text"]


@pytest.mark.parametrize(("state", "status"), list(MESSAGE_STATES.items()))
def test_a_receipt_may_be_parameters_only(state: int, status: str) -> None:
    report = event(b"", parameters={ID: b"4f2a\0", STATE: bytes([state])})
    assert (report.reference, report.status) == ("4f2a", status)


def test_parameters_count_more_than_the_text() -> None:
    text = b"id:0000000099 stat:UNDELIV err:001"
    report = event(text, parameters={ID: b"4f2a\0", STATE: b"\x02"})
    assert (report.reference, report.status) == ("4f2a", "delivered")
    # A state that says nothing leaves the word to the text.
    report = event(text, parameters={ID: b"4f2a\0", STATE: b"\x07"})
    assert (report.reference, report.status) == ("4f2a", "undelivered")


def test_parameters_make_a_receipt_of_what_is_not_marked_as_one() -> None:
    assert isinstance(event(b"", esm_class=0, parameters={ID: b"1\0", STATE: b"\x02"}), Report)


def test_a_text_from_a_phone_that_looks_like_a_receipt_is_a_text() -> None:
    forged = TEXTS[0].encode()
    received = event(forged, esm_class=0)
    assert isinstance(received, Received)
    assert received.text == TEXTS[0]
    # Unless this peer never marks its receipts, and the options say so.
    assert isinstance(event(forged, esm_class=0, said={"unflagged_receipts": True}), Report)
    assert isinstance(event(b"mon id: 5", esm_class=0, said={"unflagged_receipts": True}), Received)


def test_what_the_sender_of_the_message_wrote_is_no_part_of_its_receipt() -> None:
    report = event(b"id:7 text:stat:REJECTD err:027", said={"receipt_errors": {"027": "barred"}})
    assert (report.reference, report.status, report.reason) == ("7", "unknown", "")


def test_an_intermediate_notification_is_a_report_too() -> None:
    report = event(b"id:7 sub:001 dlvrd:000 stat:ENROUTE err:000", esm_class=0x20)
    assert (report.reference, report.status) == ("7", "accepted")


IDS = [
    # Answer, receipt, and how the options say that this peer writes them.
    ("1234", "1234", {}),
    ("1234", "0000001234", {}),
    ("4F2A", "00004f2a", {}),
    ("b5c2-77-Xy", "b5c2-77-Xy", {}),
    ("4F2A", "20266", {"answer_ids": "hex", "receipt_ids": "decimal"}),
    ("00004f2a", "0000020266", {"answer_ids": "hex", "receipt_ids": "decimal"}),
    ("20266", "4F2A", {"answer_ids": "decimal", "receipt_ids": "hex"}),
    ("20266", "00004F2A", {"answer_ids": "decimal", "receipt_ids": "hex"}),
    ("f" * 16, str(int("f" * 16, 16)), {"answer_ids": "hex", "receipt_ids": "decimal"}),
]


@pytest.mark.parametrize(("answered", "reported", "said"), IDS)
def test_the_id_of_a_receipt_meets_that_of_the_answer(answered: str, reported: str, said: dict[str, Any]) -> None:
    reference = canonical(answered, options(**said).answer_ids)
    assert event(f"id:{reported} stat:DELIVRD".encode(), said=said).reference == reference
    # As a parameter it is written as in the answer.
    assert event(b"", said=said, parameters={ID: answered.encode() + b"\0", STATE: b"\x02"}).reference == reference


def test_ids_of_different_messages_stay_different() -> None:
    for form in ("text", "hex", "decimal"):
        assert len({canonical(each, form) for each in ("10", "16", "a1", "A2", "x", "", "x y")}) == 7
    assert len(canonical("x" * 500, "text")) == 80


def test_the_reason_comes_from_the_networks_error_or_from_the_options() -> None:
    report = event(b"id:7 stat:UNDELIV err:027", parameters={NETWORK_ERROR: b"\x03\x00\x1b"})
    assert report.reason == "absent"
    assert event(b"id:7 stat:UNDELIV err:027").reason == ""
    assert event(b"id:7 stat:UNDELIV err:027", said={"receipt_errors": {"027": "barred"}}).reason == "barred"
    assert event(b"id:7 stat:UNDELIV", parameters={NETWORK_ERROR: b"\x04\x00\x1b"}).reason == ""
    assert set(GSM_ERRORS.values()) <= set(SENTENCES)


CODES = [
    # Text, parameters, options, and the code that is counted because no table has it.
    (b"id:7 stat:MARTIAN err:000", {}, {}, "stat:MARTIAN"),
    (b"id:7 stat:a\x00b\xff err:000", {}, {}, "stat:A?B?"),
    (b"", {ID: b"7\0", STATE: b"\x0c"}, {}, "message_state:12"),
    (b"id:7 stat:UNDELIV err:127", {}, {}, "err:127"),
    (b"id:7 stat:UNDELIV err:127", {}, {"receipt_errors": {"127": "absent"}}, ""),
    (b"id:7 stat:UNDELIV err:127", {NETWORK_ERROR: b"\x03\x00\x1b"}, {}, ""),
    (b"id:7 stat:UNDELIV err:127", {NETWORK_ERROR: b"\x03\x00\x63"}, {}, "network_error_code:99"),
    (b"id:7 stat:UNDELIV err:000", {}, {}, ""),
    (b"id:7 stat:DELIVRD err:127", {}, {}, ""),
    (b"id:7 stat:UNKNOWN err:127", {}, {}, ""),
    (b"id:7 stat:UNDELIV err:" + b"9" * 200, {}, {}, "err:" + "9" * 20),
]


@pytest.mark.parametrize(("text", "given_parameters", "said", "code"), CODES)
def test_a_code_that_no_table_has_is_kept_to_be_counted(
    text: bytes, given_parameters: dict[int, bytes], said: dict[str, Any], code: str
) -> None:
    assert event(text, parameters=given_parameters, said=said).code == code


def test_the_moment_is_that_of_the_arrival_unless_the_peers_time_zone_is_known() -> None:
    text = b"id:7 done date:2611241131 stat:DELIVRD"
    assert event(text).at == NOW
    paris = {"receipt_time_zone": "Europe/Paris"}
    assert event(text, said=paris).at == datetime(2026, 11, 24, 10, 31, tzinfo=UTC)
    for nonsense in (b"9999999999", b"26112411", b"26-11-24", b""):
        assert event(b"id:7 done date:" + nonsense + b" stat:DELIVRD", said=paris).at == NOW


def test_the_same_receipt_twice_has_the_same_key_and_another_has_another() -> None:
    texts = [b"id:7 stat:DELIVRD err:0", b"id:7 stat:DELIVRD err:0", b"id:8 stat:DELIVRD err:0", b"id:7 stat:EXPIRED"]
    first, again, other, changed = [event(text).key for text in texts]
    assert first == again
    assert len({first, other, changed}) == 3
    assert all(len(key) <= 160 for key in (first, other, changed))


@pytest.mark.parametrize(("done", "told_apart"), [(b"", True), (b" done date:2611241131", False)])
def test_a_receipt_for_an_id_that_a_peer_used_before_is_none_of_the_earlier_message(
    done: bytes, told_apart: bool
) -> None:
    body = delivery(message=b"id:1 stat:DELIVRD" + done, esm_class=0x04)
    first, later = (
        event_of(read_deliver_sm(body), body, options(), now=now).key for now in (NOW, NOW + timedelta(hours=1))
    )
    assert (first != later) is told_apart


def test_what_is_marked_as_a_receipt_and_is_none_is_kept_as_unknown() -> None:
    report = event(b"\xff\x00\x1b")
    assert (report.reference, report.status) == ("", "unknown")
    assert report.raw["deliver_sm"]


parameters = st.dictionaries(st.sampled_from([ID, STATE, NETWORK_ERROR, 0x0424, 0x020C]), st.binary(max_size=40))
receipt_like = st.lists(
    st.sampled_from(
        ["id:", "stat:", "err:", "done date:", "text:", " ", ",", "7", "DELIVRD", "\n", "=", "é", "2611241031"]
    )
).map("".join)


@given(st.one_of(st.text(), receipt_like), parameters)
def test_reading_a_receipt_never_raises(text: str, given_parameters: dict[int, bytes]) -> None:
    receipt = read_receipt(text, given_parameters)
    if receipt is not None:
        assert receipt.status in {*STATES, "unknown"}


@given(
    st.one_of(st.binary(max_size=200), receipt_like.map(lambda text: text.encode("utf-8")[:254])),
    st.integers(0, 255),
    st.integers(0, 255),
    parameters,
    st.sampled_from(["text", "hex", "decimal"]),
    st.booleans(),
)
def test_every_delivery_becomes_an_event(
    message: bytes, esm_class: int, coding: int, given_parameters: dict[int, bytes], form: str, unflagged: bool
) -> None:
    body = delivery(message=message, esm_class=esm_class, data_coding=coding, parameters=given_parameters)
    said = options(receipt_ids=form, unflagged_receipts=unflagged, receipt_time_zone="Europe/Paris")
    made = event_of(read_deliver_sm(body), body, said, now=NOW)
    assert len(made.key) <= 160
    assert isinstance(made, Report | Received)


@given(st.binary(max_size=120))
def test_octets_that_are_no_delivery_are_malformed_and_nothing_else(body: bytes) -> None:
    for read in (read_deliver_sm, read_data_sm):
        with contextlib.suppress(Malformed):
            read(body)
