"""The OVHcloud gateway: what the contract suite does not ask. Its peer checks each signature in its own words."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import ovh
import pytest

from compose import segments
from compose.gateways.base import Accepted, BadConfiguration, NotSent, Outgoing
from compose.gateways.ovh import OvhGateway, signed
from compose.models import Message
from inbox import services as inbox_services
from inbox.models import Received
from tests import factories
from tests.gateways.installed import KEY, answer_in_the_inbox, applied, installed, sent
from tests.gateways.ovh_stand_in import OvhStandIn, ovh_stand_in
from tests.gateways.rig import outgoing
from tests.gateways.rigs.ovh import OPTIONS, made
from tests.gateways.web import CLOSE, Answer

State = Message.State
BACKEND: Final = "compose.gateways.ovh.OvhGateway"
CLAUSE: Final = segments.stop_clause("36111")


@pytest.fixture
def api() -> Iterator[OvhStandIn]:
    with ovh_stand_in() as stand_in:
        yield stand_in


def send(through: OvhGateway, *messages: Outgoing) -> list[Any]:
    return list(through.send(messages or (outgoing(),)))


def incoming(number: int) -> dict[str, Any]:
    at = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    return {"id": number, "sender": "+33612345678", "message": "Oui", "tag": "", "creationDatetime": at, "credits": 1}


# The signature and the clock


@pytest.mark.parametrize(
    ("option", "code"),
    [
        ("application_secret", "INVALID_SIGNATURE"),
        ("consumer_key", "INVALID_CREDENTIAL"),
        ("application_key", "INVALID_KEY"),
    ],
)
def test_a_wrong_key_is_refused_by_the_peer_and_said_to_be_a_wrong_setting(
    api: OvhStandIn, option: str, code: str
) -> None:
    (outcome,) = send(made(api, **{option: "wrong"}))
    assert type(outcome) is BadConfiguration
    assert (api.refused, api.jobs) == ([code], [])


def test_a_request_with_a_query_is_signed_with_it(api: OvhStandIn) -> None:
    assert list(made(api).poll()) == []
    assert api.refused == []
    assert any("creationDatetime.from=" in asked.target for asked in api.server.asked)


def test_the_vendors_time_counts_and_not_ours(api: OvhStandIn) -> None:
    api.clock_ahead = 5_000
    assert isinstance(send(made(api))[0], Accepted)
    assert api.refused == []


def test_the_time_is_asked_for_once_by_whoever_comes_first(api: OvhStandIn) -> None:
    through = made(api, at_once=16)
    with ThreadPoolExecutor(4) as threads:
        chunks = [[outgoing(id=str(100 * one + two)) for two in range(8)] for one in range(4)]
        outcomes = [one for chunk in threads.map(lambda chunk: send(through, *chunk), chunks) for one in chunk]
    assert [type(one) for one in outcomes] == [Accepted] * 32
    assert api.times_asked == 1


@pytest.mark.parametrize(
    "clock",
    [CLOSE, Answer(500, b"{}"), Answer(200, b"half past three"), Answer(200, b"true")],
    ids=["closes", "fails", "says words", "says yes"],
)
def test_without_the_time_nothing_leaves(api: OvhStandIn, clock: Answer) -> None:
    api.clock = clock
    (outcome,) = send(made(api))
    assert type(outcome) is NotSent
    assert api.jobs == []


def test_those_who_wait_for_a_clock_that_does_not_answer_do_not_wait_one_after_another(
    api: OvhStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.clock, through = Answer(500), made(api)
    assert {type(one) for one in send(through, *[outgoing(id=str(one)) for one in range(4)])} == {NotSent}
    assert api.times_asked == 1
    # Later it is asked again.
    monkeypatch.setattr(signed, "CLOCK_PAUSE", 0.0)
    through = made(api)
    send(through)
    api.clock = None
    assert isinstance(send(through)[0], Accepted)


def test_the_old_difference_serves_while_the_clock_does_not_answer(
    api: OvhStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signed, "CLOCK_HOLDS", -1.0)
    through = made(api)
    assert isinstance(send(through)[0], Accepted)
    api.clock = Answer(500)
    assert isinstance(send(through)[0], Accepted)
    assert api.times_asked == 2


def test_a_request_out_of_time_did_not_leave_and_makes_the_clock_be_asked_again(api: OvhStandIn) -> None:
    through = made(api)
    send(through)
    api.clock_ahead = 50_000
    assert type(send(through)[0]) is NotSent
    assert isinstance(send(through)[0], Accepted)
    assert api.refused == ["QUERY_TIME_OUT"]


def test_an_endpoint_is_a_name_that_the_client_knows_or_an_address() -> None:
    known = dict(ovh.client.ENDPOINTS)
    assert signed.address("ovh-ca") == known["ovh-ca"]
    assert signed.address("https://api.example.net/1.0/") == "https://api.example.net/1.0"
    with pytest.raises(ValueError, match="endpoint is one of ovh-eu"):
        signed.address("ovh-mars")
    assert known == ovh.client.ENDPOINTS


def test_nothing_is_taken_from_the_environment_or_from_files(
    api: OvhStandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ovh.conf").write_text("[default]\nendpoint=ovh-us\n[ovh-eu]\nclient_id=a\nclient_secret=b\n")
    monkeypatch.chdir(tmp_path)
    for name in ("ENDPOINT", "APPLICATION_KEY", "APPLICATION_SECRET", "CONSUMER_KEY", "CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.setitem(os.environ, f"OVH_{name}", "of somebody else")
    assert isinstance(send(made(api))[0], Accepted)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("service", ""),
        ("application_secret", "naïve"),
        ("endpoint", "sftp://example.net"),
        ("stop_clause", "none"),
        ("priority", "urgent"),
        ("tag_prefix", "1"),
        ("tag_prefix", "much-too-long"),
        ("stop_number", "STOP"),
        ("at_once", 0),
        ("poll_every", 0),
        ("fetch_stops", "yes"),
    ],
)
def test_an_option_that_makes_no_sense_is_named(option: str, value: Any) -> None:
    with pytest.raises(ValueError, match=option):
        OvhGateway(**(OPTIONS | {option: value}))


# The STOP clause: what the phone shows is what was priced


@pytest.mark.parametrize("stop_clause", ["ours", "ovh"])
@pytest.mark.parametrize("kind", ["alphanumeric", "short", "virtual"])
@pytest.mark.parametrize("commercial", [False, True])
@pytest.mark.parametrize("ending", ["", CLAUSE, "\nSTOP", "\nSTOP:123456"])
def test_the_phone_shows_the_text_that_was_priced(
    api: OvhStandIn, stop_clause: str, kind: str, commercial: bool, ending: str
) -> None:
    text = f"Soldes : -20 % ici{ending}"
    send(made(api, stop_clause=stop_clause), outgoing(text=text, sender_kind=kind, commercial=commercial))
    assert api.phone == [text]


def test_our_clause_leaves_as_it_is_unless_the_installation_says_otherwise(api: OvhStandIn) -> None:
    advertising = outgoing(text=f"Soldes{CLAUSE}", commercial=True)
    send(made(api), advertising)
    send(made(api, stop_clause="ovh"), advertising)
    said = [(job["message"], job["noStopClause"]) for job in api.jobs]
    assert said == [(f"Soldes{CLAUSE}", True), ("Soldes", False)]


def test_commercial_messages_from_numbers_are_declared_as_such_where_the_vendor_wants_it(api: OvhStandIn) -> None:
    through = made(api, stop_clause="ovh")
    for kind in ("short", "virtual"):
        send(through, outgoing(text="Soldes", sender_kind=kind, commercial=True))
    send(through, outgoing(text=f"Rendez-vous{CLAUSE}", commercial=False))
    assert [job["noStopClause"] for job in api.jobs] == [False, False, True]
    assert api.phone == ["Soldes", "Soldes", f"Rendez-vous{CLAUSE}"]


def test_the_coding_is_that_of_the_priced_text(api: OvhStandIn) -> None:
    send(made(api, stop_clause="ovh"), outgoing(text=f"Ça va ? ❤{CLAUSE}", commercial=True))
    assert api.jobs[0]["coding"] == "8bit"


# Through the front door and back


def options(api: OvhStandIn) -> dict[str, Any]:
    return OPTIONS | {"endpoint": api.endpoint}


@pytest.mark.django_db
def test_a_message_goes_out_its_report_comes_back_and_so_does_the_answer(api: OvhStandIn) -> None:
    paying = factories.account()
    row = factories.message(paying, by=factories.pool(), body="Rendez-vous mardi ?")
    with installed(BACKEND, options(api)) as vendor:
        sent(row)
        (job,) = api.jobs
        assert (row.state, row.gateway_ref, job["tag"]) == (State.ACCEPTED, job["reference"], f"sms-{row.pk}")
        report = {"key": KEY, "id": job["reference"], "ptt": "4", "date": "2026-11-24 12:00:01", "description": "1"}
        assert vendor.get("/gateways/default/report", report).status_code == 200
        said = {
            "id": "5001",
            "senderid": row.recipient,
            "shortcode": "38069",
            "message": "Oui, mardi",
            "tag": job["tag"],
        }
        assert vendor.post(f"/gateways/default/received?key={KEY}", said).status_code == 200
        assert vendor.post("/gateways/default/received?key=guessed", said).status_code == 403
        applied()
        factories.assert_message(row, State.DELIVERED)
        assert answer_in_the_inbox(paying, "Oui, mardi").answers == row


@pytest.mark.django_db
def test_a_submission_without_an_answer_is_unconfirmed_until_it_is_found(api: OvhStandIn) -> None:
    row = factories.message(factories.account())
    with installed(BACKEND, options(api)):
        api.breaks = True
        assert sent(row).state == State.UNCONFIRMED
        api.sent(4711, tag=f"sms-{row.pk}", ptt=4, receipt=1)
        inbox_services.poll_gateways()
        applied()
        factories.assert_message(row, State.DELIVERED, gateway_ref="4711")
    assert len(api.jobs) == 1


@pytest.mark.django_db
def test_an_error_that_is_not_billed_is_paid_back(api: OvhStandIn) -> None:
    paying = factories.account()
    row = factories.message(paying)
    with installed(BACKEND, options(api)) as vendor:
        reference = sent(row).gateway_ref
        vendor.get("/gateways/default/report", {"key": KEY, "id": reference, "ptt": "28", "description": "16"})
        applied()
        factories.assert_message(row, State.UNDELIVERED, "spam")
    assert factories.balances(paying) == factories.FULL


@pytest.mark.django_db
def test_an_answer_to_another_installation_is_not_ours(api: OvhStandIn) -> None:
    paying = factories.account()
    row = factories.message(paying)
    with installed(BACKEND, options(api)):
        sent(row)
        api.incoming = {1: incoming(1) | {"sender": "+33699999999", "tag": f"sms-{row.pk}"}}
        inbox_services.poll_gateways()
        applied()
    assert Received.objects.get().account is None
