"""The OVHcloud gateway: what is fetched from it, how it is read, and what the guide says of it."""

import inspect
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from compose.gateways.base import OutcomeUnknown, Outgoing, Report
from compose.gateways.ovh import OvhGateway, arrivals, codes, gateway
from compose.reasons import SENTENCES
from tests.gateways.installed import example, section
from tests.gateways.ovh_stand_in import OvhStandIn, ovh_stand_in
from tests.gateways.rig import outgoing
from tests.gateways.rigs.ovh import call, made
from tests.gateways.web import Answer, Asked

BACKEND: Final = "compose.gateways.ovh.OvhGateway"


@pytest.fixture
def api() -> Iterator[OvhStandIn]:
    with ovh_stand_in() as stand_in:
        yield stand_in


def send(through: OvhGateway, *messages: Outgoing) -> list[Any]:
    return list(through.send(messages or (outgoing(),)))


# An unconfirmed message


def test_an_answer_that_does_not_come_in_time_leaves_the_outcome_open(api: OvhStandIn) -> None:
    through, ending = made(api, read_timeout=0.2), threading.Event()
    send(through, outgoing(id="1"))
    takes = api.server.does

    def silent(asked: Asked) -> Answer:
        answer = takes(asked)
        api.server.wait(ending)
        return answer

    api.server.does = silent
    (outcome,) = send(through)
    ending.set()
    assert type(outcome) is OutcomeUnknown
    assert [job["tag"] for job in api.jobs] == ["sms-1", "sms-1001"]


def test_a_submission_without_an_answer_is_looked_for_and_never_repeated(api: OvhStandIn) -> None:
    through = made(api)
    api.breaks = True
    (outcome,) = send(through)
    assert type(outcome) is OutcomeUnknown
    assert list(through.poll()) == []
    api.sent(4711, tag="sms-1001", ptt=24, receipt=2)
    (report,) = through.poll()
    assert isinstance(report, Report)
    assert (report.reference, report.message_id, report.status, report.reason) == (
        "4711",
        "1001",
        "undelivered",
        "absent",
    )
    through.acknowledge([report])
    asked = len(api.server.asked)
    list(through.poll())
    assert not [one for one in api.server.asked[asked:] if "outgoing" in one.target]
    assert len(api.jobs) == 1


def test_a_message_that_is_not_found_is_looked_for_again_but_not_for_ever(
    api: OvhStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    through = made(api)
    api.breaks = True
    send(through)
    for _look in range(3):
        list(through.poll())
    monkeypatch.setattr(gateway, "DOUBTED", -1.0)
    for _look in range(3):
        list(through.poll())
    assert len([one for one in api.server.asked if "/outgoing?tag=sms-1001" in one.target]) == 3


# What is fetched


def incoming(number: int) -> dict[str, Any]:
    at = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    return {"id": number, "sender": "+33612345678", "message": "Oui", "tag": "", "creationDatetime": at, "credits": 1}


def test_the_api_is_asked_no_more_often_than_the_installation_says(api: OvhStandIn) -> None:
    through = made(api, poll_every=60)
    list(through.poll())
    asked = len(api.server.asked)
    assert list(through.poll()) == []
    assert len(api.server.asked) == asked


def test_many_received_messages_are_fetched_in_several_looks(api: OvhStandIn) -> None:
    api.incoming = {number: incoming(number) for number in range(1, 61)}
    through, keys = made(api), set[str]()
    for wanted in (50, 10, 0):
        events = list(through.poll())
        assert len(events) == wanted
        keys |= {event.key for event in events}
        through.acknowledge(events)
    assert len(keys) == 60


def test_what_cannot_be_fetched_does_not_stand_before_the_rest(
    api: OvhStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    api.incoming = {1: incoming(1)}
    api.blacklist = {"+33612345678": {"dateCreation": "yesterday"}}
    with caplog.at_level(logging.WARNING):
        events = list(made(api, fetch_stops=True).poll())
    assert [event.key for event in events] == ["received-1"]
    assert "OVHcloud: the blacklist cannot be fetched" in caplog.text


def test_an_api_that_is_away_is_a_line_in_the_log(api: OvhStandIn, caplog: pytest.LogCaptureFixture) -> None:
    through = made(api)
    api.server.down()
    with caplog.at_level(logging.WARNING):
        assert list(through.poll()) == []
    assert "OVHcloud: the received messages cannot be fetched" in caplog.text


def test_what_is_not_wanted_is_not_fetched(api: OvhStandIn) -> None:
    api.incoming = {1: incoming(1)}
    assert list(made(api, fetch_received=False).poll()) == []


def test_a_received_message_has_one_key_however_it_comes(api: OvhStandIn) -> None:
    api.incoming = {5001: incoming(5001)}
    (fetched,) = made(api).poll()
    form = {"id": "5001", "senderid": "+33612345678", "shortcode": "38069", "message": "Oui", "tag": ""}
    (told,) = made(api).parse(call("received", form=form)).events
    assert fetched.key == told.key


# What is said


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2025-11-24 12:00:00", "2025-11-24T11:00:00+00:00"),
        ("2025-07-24 12:00:00", "2025-07-24T10:00:00+00:00"),
        ("2025-11-24T12:00:00+03:00", "2025-11-24T09:00:00+00:00"),
        ("20251124120000", "2025-11-24T11:00:00+00:00"),
        ("1764000000", "2025-11-24T16:00:00+00:00"),
    ],
)
def test_a_time_is_read_however_it_is_written(said: str, meant: str) -> None:
    assert arrivals.moment(said).isoformat() == meant


@pytest.mark.parametrize("said", [None, "", "noon", "99999999999999", "2999-01-01T00:00:00+00:00", "²"])
def test_a_time_that_is_none_or_to_come_is_now(said: Any) -> None:
    found = arrivals.moment(said)
    assert timedelta(0) <= datetime.now(UTC) - found < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("+33612345678", "+33612345678"),
        ("0033612345678", "+33612345678"),
        ("33612345678", "+33612345678"),
        ("06 12 34 56 78", "+33612345678"),
        ("38069", "38069"),
        ("", ""),
    ],
)
def test_a_number_is_read_however_it_is_written(said: str, meant: str) -> None:
    assert arrivals.number(said) == meant


def test_every_reason_in_the_tables_has_a_sentence() -> None:
    assert {reason for _status, reason in codes.PTT.values()} <= {"", *SENTENCES}
    assert {refused("x").reason for _words, refused in codes.REFUSALS} <= set(SENTENCES)


def test_the_example_of_the_guide_makes_a_gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OVH_APPLICATION_KEY", "OVH_APPLICATION_SECRET", "OVH_CONSUMER_KEY", "GATEWAY_DOOR_KEY"):
        monkeypatch.setenv(name, f"value-of-{name}")
    told = example("OVHcloud", tmp_path / "gateways.toml")
    assert (told["BACKEND"], told["DOOR"]) == (BACKEND, {"key": "value-of-GATEWAY_DOOR_KEY"})
    assert OvhGateway(**told["OPTIONS"]).capabilities.called


def test_the_guide_names_every_option_and_every_code() -> None:
    guide = section("OVHcloud")
    names = {*inspect.signature(OvhGateway).parameters, *codes.BAD_CONFIGURATION, codes.OUT_OF_TIME}
    assert {name for name in names if f"`{name}`" not in guide} == set()
    rows = [line.split("|") for line in guide.splitlines() if line.startswith("|")]
    told = {ptt.strip(): row[3].strip(" `") for row in rows if len(row) == 5 for ptt in row[1].split(",")}
    for ptt, (status, reason) in codes.PTT.items():
        assert told[str(ptt)] == (reason if status == "undelivered" else "")
