"""The Twilio gateway: what the contract suite does not ask."""

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from compose.gateways.base import Accepted, BadConfiguration, OutcomeUnknown, Outgoing
from compose.gateways.twilio import TwilioGateway, codes
from compose.models import Message
from compose.reasons import SENTENCES
from senders.models import Sender
from tests import factories
from tests.gateways.installed import PUBLIC_URL, answer_in_the_inbox, applied, installed, section, sent
from tests.gateways.installed import example as installed_example
from tests.gateways.rig import outgoing
from tests.gateways.rigs.twilio import OPTIONS, made
from tests.gateways.twilio_stand_in import (
    ACCOUNT,
    KEY,
    TOKEN,
    TwilioStandIn,
    called,
    twilio_stand_in,
)

State = Message.State
REPORT: Final = "https://sms.example.net/gateways/twilio/report?id=1001"
DELIVERED: Final = {"MessageSid": "SM1", "MessageStatus": "delivered", "To": "+33612345678"}


@pytest.fixture
def api() -> Iterator[TwilioStandIn]:
    with twilio_stand_in() as stand_in:
        yield stand_in


def send(through: TwilioGateway, *messages: Outgoing) -> list[Any]:
    return list(through.send(messages or (outgoing(),)))


# What is sent


def test_the_request_is_the_one_that_twilios_own_client_makes(api: TwilioStandIn) -> None:
    send(made(api, api_key_sid="", api_key_secret=""), outgoing(text="Déjà 5 € 🙂", validity=3600))
    asked: list[dict[str, Any]] = []

    class Kept(TwilioHttpClient):
        def request(self, method: str, url: str, *given: Any, **named: Any) -> Any:
            asked.append({"method": method, "url": url, "data": named.get("data"), "auth": named.get("auth")})
            raise TwilioRestException(500, url)

    with pytest.raises(TwilioRestException):
        Client(ACCOUNT, TOKEN, http_client=Kept()).messages.create(
            to="+33612345678",
            from_="BAKERY",
            body="Déjà 5 € 🙂",
            validity_period=3600,
            smart_encoded=False,
            status_callback=REPORT,
        )
    (theirs,) = asked
    (ours,) = api.server.asked
    assert (ours.method, ours.path) == (theirs["method"], urlsplit(theirs["url"]).path)
    (sent_fields,) = api.messages
    written = {name: value for name, value in theirs["data"].items() if value is not None}
    assert {name: value for name, value in sent_fields.items() if name != "reference"} == {
        name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in written.items()
    }
    assert theirs["auth"] == (ACCOUNT, TOKEN)


@pytest.mark.parametrize(
    ("differs", "user"),
    [({}, KEY), ({"api_key_sid": "", "api_key_secret": ""}, ACCOUNT)],
    ids=["with an API key", "with the account's token"],
)
def test_somebody_is_authenticated(api: TwilioStandIn, differs: Mapping[str, str], user: str) -> None:
    assert isinstance(send(made(api, **differs))[0], Accepted)
    assert api.users == [user]


@pytest.mark.parametrize("differs", [{"api_key_secret": "wrong"}, {"account_sid": "AC1"}])
def test_a_wrong_key_or_account_is_a_wrong_setting(api: TwilioStandIn, differs: Mapping[str, str]) -> None:
    assert type(send(made(api, **differs))[0]) is BadConfiguration
    assert api.messages == []


def test_a_messaging_service_is_named_beside_the_sender(api: TwilioStandIn) -> None:
    send(made(api, messaging_service_sid="MG1"))
    assert {name: api.messages[0][name] for name in ("From", "MessagingServiceSid")} == {
        "From": "BAKERY",
        "MessagingServiceSid": "MG1",
    }


def test_without_a_public_address_no_report_is_asked_for(api: TwilioStandIn) -> None:
    through = made(api)
    through.door = ""
    send(through)
    assert "StatusCallback" not in api.messages[0]


def test_a_submission_without_an_answer_is_not_repeated(api: TwilioStandIn) -> None:
    api.breaks = True
    (outcome,) = send(made(api))
    assert type(outcome) is OutcomeUnknown
    assert len(api.messages) == 1


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("account_sid", ""),
        ("account_sid", "me"),
        ("auth_token", ""),
        ("api_key_sid", "key"),
        ("api_key_secret", ""),
        ("messaging_service_sid", "bakery"),
        ("api_url", "api.twilio.com"),
        ("at_once", 51),
        ("read_timeout", 0),
    ],
)
def test_an_option_that_makes_no_sense_is_named(option: str, value: Any) -> None:
    with pytest.raises(ValueError, match=option):
        TwilioGateway(**(OPTIONS | {option: value}))


def test_a_secret_without_its_key_is_named() -> None:
    with pytest.raises(ValueError, match="api_key_sid"):
        TwilioGateway(**(OPTIONS | {"api_key_sid": ""}))


def test_every_reason_in_the_tables_has_a_sentence() -> None:
    assert set(codes.REASONS.values()) <= set(SENTENCES)
    assert {reason for _kind, reason in codes.ANSWERS.values()} <= {"", *SENTENCES}


def test_the_example_of_the_guide_makes_a_gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TWILIO_AUTH_TOKEN", "TWILIO_API_KEY_SECRET"):
        monkeypatch.setenv(name, f"value-of-{name}")
    told = installed_example("Twilio", tmp_path / "gateways.toml")
    assert told["BACKEND"] == BACKEND
    assert TwilioGateway(**told["OPTIONS"]).capabilities.signs


def test_the_guide_names_every_option_and_every_code() -> None:
    guide = section("Twilio")
    assert {name for name in inspect.signature(TwilioGateway).parameters if f"`{name}`" not in guide} == set()
    assert {code for code in {*codes.ANSWERS, *codes.REASONS} if str(code) not in guide} == set()
    rows = [line.split("|") for line in guide.splitlines() if line.startswith("| ") and line.count("|") == 3]
    told = {code.strip(): row[2].strip(" `") for row in rows for code in row[1].split(",")}
    for code, reason in codes.REASONS.items():
        assert told[str(code)] == reason or code in codes.ANSWERS


# Through the front door and back

BACKEND: Final = "compose.gateways.twilio.TwilioGateway"
DOOR: Final = f"{PUBLIC_URL}/gateways/default"


def tells(vendor: Any, address: str, fields: Mapping[str, str], *, token: str = TOKEN) -> Any:
    """The vendor's call of this address of ours, and what it is answered."""
    signature = called(address, fields, token=token).headers["x-twilio-signature"]
    return vendor.post(address.removeprefix(PUBLIC_URL), fields, headers={"X-Twilio-Signature": signature})


@pytest.mark.django_db
def test_a_message_goes_out_its_report_comes_back_and_so_does_the_answer(api: TwilioStandIn) -> None:
    paying = factories.account()
    number = factories.sender(paying, "+33937001234", kind=Sender.Kind.VIRTUAL)
    row = factories.message(paying, by=number, body="Rendez-vous mardi ?")
    with installed(BACKEND, OPTIONS | {"api_url": api.api_url}, key="") as vendor:
        sent(row)
        (fields,) = api.messages
        assert (row.state, row.gateway_ref) == (State.ACCEPTED, fields["reference"])
        report = {"MessageSid": fields["reference"], "MessageStatus": "delivered", "To": row.recipient}
        answered = tells(vendor, fields["StatusCallback"], report)
        assert (answered.status_code, answered["Content-Type"]) == (200, "text/xml; charset=utf-8")
        assert answered.content.endswith(b"<Response/>")
        said = {
            "MessageSid": "SM77",
            "From": row.recipient,
            "To": "+33937001234",
            "Body": "Oui, mardi",
            "NumMedia": "0",
        }
        assert tells(vendor, f"{DOOR}/received", said, token="guessed").status_code == 403
        assert tells(vendor, f"{DOOR}/received", said).status_code == 200
        applied()
        factories.assert_message(row, State.DELIVERED)
        assert answer_in_the_inbox(paying, "Oui, mardi").answers == row


@pytest.mark.django_db
def test_the_first_callback_says_what_became_of_a_submission_without_an_answer(api: TwilioStandIn) -> None:
    row = factories.message(factories.account())
    with installed(BACKEND, OPTIONS | {"api_url": api.api_url}, key="") as vendor:
        api.breaks = True
        assert sent(row).state == State.UNCONFIRMED
        (fields,) = api.messages
        assert tells(vendor, fields["StatusCallback"], DELIVERED).status_code == 200
        applied()
        factories.assert_message(row, State.DELIVERED, gateway_ref="SM1")
    assert len(api.messages) == 1


@pytest.mark.django_db
def test_a_message_that_failed_before_the_operator_is_paid_back(api: TwilioStandIn) -> None:
    paying = factories.account()
    row = factories.message(paying)
    with installed(BACKEND, OPTIONS | {"api_url": api.api_url}, key="") as vendor:
        sent(row)
        failed = {"MessageSid": row.gateway_ref, "MessageStatus": "failed", "ErrorCode": "30001"}
        tells(vendor, api.messages[0]["StatusCallback"], failed)
        applied()
        factories.assert_message(row, State.UNDELIVERED, "rejected")
    assert factories.balances(paying) == factories.FULL
