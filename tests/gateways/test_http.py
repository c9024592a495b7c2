"""The http gateway: what settings may say, how values are written, and what calls of a vendor mean.

Beside the recorded cases of two interfaces (tests/gateways/cases/http_form.json and http_json.json).
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client, override_settings

from compose import routing
from compose.gateways.base import Accepted, Event, NotSent, Outcome, OutcomeUnknown, Received, Report, Unreadable
from compose.gateways.http import HttpGateway
from compose.models import GatewayEvent
from smsmanager import gateway_settings
from tests.gateways.kannels import ESCAPES
from tests.gateways.peers import outgoing
from tests.gateways.rigs._web import call_of
from tests.gateways.web import Answer, Asked, Web, web

GUIDE = Path(__file__).parents[2] / "docs" / "gateways.md"
SECRET = "s3cr3t{text}&%7B/+"
LEAST: dict[str, Any] = {"url": "https://sms.example.net/send", "parameters": {"to": "{recipient}", "text": "{text}"}}
REPORTS = {"reference": "id", "status": "status", "statuses": {"OK": "delivered"}}
RECEIVED = {"number": "from", "to": "to", "text": "text"}


@pytest.fixture
def peer() -> Iterator[Web]:
    """A vendor that takes everything."""
    with web() as made:
        yield made


def send(
    peer: Web, path: str = "/send", message: dict[str, Any] | None = None, **options: Any
) -> tuple[Outcome, Asked]:
    """The outcome of one message, and what the vendor was asked."""
    said = {"text": "Bonjour", **(message or {})}
    made = HttpGateway(**LEAST | {"url": peer.url + path} | options)
    (outcome,) = made.send([outgoing(said.pop("text"), **said)])
    return outcome, peer.asked[-1]


def heard(what: str, options: dict[str, Any], **said: Any) -> list[Event]:
    """The events of a call."""
    made = HttpGateway(**LEAST, **options)
    return list(made.parse(call_of({"what": what, **said})).events)


# --- Options ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("url", "sms.example.net"),
        ("url", "https://{recipient}.example.net"),
        ("url", "https://sms.example.net/{unknown}"),
        ("url", "ftp://sms.example.net"),
        ("method", "DELETE"),
        ("body", "xml"),
        ("parameters", []),
        ("parameters", {"a": "{text"}),
        ("parameters", {"a": "{text!r}"}),
        ("parameters", {"a": "{text:>10}"}),
        ("parameters", {"a": "{text.__class__}"}),
        ("parameters", {"a": "{text[0]}"}),
        ("parameters", {"a": "{}"}),
        ("parameters", {"a": "{nobody}"}),
        ("parameters", {"a": {"b": "{text}"}}),
        ("headers", {"X-Text": "{text}"}),
        ("headers", {"X-From": "{originator}"}),
        ("secrets", {"text": "x"}),
        ("secrets", {"api key": "x"}),
        ("secrets", {"api_key": ""}),
        ("secrets", {"api_key": 1}),
        ("success", {"status": 999}),
        ("success", {"pattern": "("}),
        ("success", {"patern": "OK"}),
        ("success", {"values": {"a": []}}),
        ("success", {"values": {"a": None}}),
        ("failures", {"is": "rejected"}),
        ("failures", [{"is": "rejected"}]),
        ("failures", [{"status": 400, "is": "broken"}]),
        ("failures", [{"status": 400, "is": "throttled:spam"}]),
        ("failures", [{"status": 400}]),
        ("code", {"pattern": "["}),
        ("classes", {"loud": 1}),
        ("classes", {"flash": None}),
        ("sender_kinds", "alphanumeric"),
        ("sender_kinds", ["pigeon"]),
        ("encodings", {"latin": 1}),
        ("commercial", {"maybe": 1}),
        ("max_parts", 0),
        ("max_parts", True),
        ("at_once", 0),
        ("read_timeout", 0),
        ("reports", {"status": "status"}),
        ("reports", {"reference": "id"}),
        ("reports", REPORTS | {"statuses": {"OK": "fine"}}),
        ("reports", REPORTS | {"body": "xml"}),
        ("reports", REPORTS | {"time_format": "yesterday"}),
        ("reports", REPORTS | {"time_zone": "Europe/Atlantis"}),
        ("reports", REPORTS | {"time_zone": "../../etc/passwd"}),
        ("reports", REPORTS | {"colour": "red"}),
        ("received", {"number": "from"}),
        ("received", RECEIVED | {"text": 1}),
    ],
)
def test_an_option_that_makes_no_sense_is_named(name: str, wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=rf"\b{name}\b"):
        HttpGateway(**LEAST | {name: wrong})


def test_two_ways_to_sign_in_are_one_too_many() -> None:
    with pytest.raises(ValueError, match="bearer and password") as raised:
        HttpGateway(**LEAST, username="shop", password=SECRET[:8], bearer=SECRET[:8])
    assert SECRET[:8] not in str(raised.value)


def test_a_user_without_password_is_none() -> None:
    with pytest.raises(ValueError, match="password"):
        HttpGateway(**LEAST, username="shop")


def test_get_has_no_body() -> None:
    with pytest.raises(ValueError, match="body"):
        HttpGateway(**LEAST, method="GET")


# --- How values are written ------------------------------------------------------------------------------

STRANGE = '{recipient} {api_key} {{x}} a&b=c+d%20 "q" \\ é😀\r\nX-Evil: 1'


def test_in_a_form_a_value_is_only_a_value(peer: Web) -> None:
    _outcome, asked = send(peer, message={"text": STRANGE}, secrets={"api_key": SECRET})
    assert asked.form == {"to": ["+33612345678"], "text": [STRANGE]}
    assert "x-evil" not in asked.headers


def test_in_json_a_value_is_only_a_value(peer: Web) -> None:
    parameters = {
        "text": "<{text}>",
        "to": ["{recipient_digits}", 1, True],
        "deep": {"parts": "{parts}", "text": "{text}"},
    }
    _outcome, asked = send(peer, message={"text": STRANGE}, body="json", parameters=parameters)
    assert json.loads(asked.body) == {
        "text": f"<{STRANGE}>",
        "to": ["33612345678", 1, True],
        "deep": {"parts": 1, "text": STRANGE},
    }


def test_in_an_address_a_value_is_only_a_value(peer: Web) -> None:
    options = {"method": "GET", "body": "query", "parameters": {"text": "{text}"}, "secrets": {"api_key": SECRET}}
    _outcome, asked = send(peer, "/{api_key}/{text}?a={originator}", message={"text": "../x?y#z &é"}, **options)
    assert asked.path == "/s3cr3t%7Btext%7D%26%257B%2F%2B/..%2Fx%3Fy%23z%20%26%C3%A9"
    assert asked.query == {"a": ["Boulanger"], "text": ["../x?y#z &é"]}
    assert asked.body == b""


def test_a_brace_is_written_twice(peer: Web) -> None:
    _outcome, asked = send(peer, parameters={"a": "{{{id}}}", "b": "{{id}}"}, message={"id": "7"})
    assert asked.form == {"a": ["{7}"], "b": ["{id}"]}


def test_a_secret_stands_in_a_header_and_in_no_text_of_ours(peer: Web) -> None:
    options: dict[str, Any] = {"headers": {"X-Key": "{api_key}", "X-Id": "{id}"}, "secrets": {"api_key": SECRET}}
    _outcome, asked = send(peer, message={"id": "7"}, **options)
    assert (asked.headers["x-key"], asked.headers["x-id"]) == (SECRET, "7")
    peer.down()
    made = HttpGateway(**LEAST | {"url": f"{peer.url}/{{api_key}}"} | options)
    (outcome,) = made.send([outgoing()])
    assert type(outcome) is NotSent
    assert SECRET not in f"{outcome!r} {vars(outcome)} {made!r}"


@pytest.mark.parametrize(("body", "kind"), [("form", str), ("json", int)])
def test_what_has_no_value_is_left_out_where_it_stands_alone(peer: Web, body: str, kind: type) -> None:
    options: dict[str, Any] = {
        "body": body,
        "parameters": {"flash": "{class}", "url": "{report_address}", "coding": "{encoding}", "mixed": "c{class}"},
        "classes": {"standard": "", "flash": 1},
        "encodings": {"ucs2": 8},
    }

    def said(message: dict[str, Any]) -> Any:
        _outcome, asked = send(peer, message=message, **options)
        return json.loads(asked.body) if body == "json" else {name: values[0] for name, values in asked.form.items()}

    assert said({}) == {"mixed": "c"}
    assert said({"message_class": "flash", "text": "中"}) == {"flash": kind(1), "coding": kind(8), "mixed": "c1"}


def test_the_commercial_word_and_true_and_false(peer: Web) -> None:
    options: dict[str, Any] = {"parameters": {"a": "{commercial}", "b": True}, "commercial": {"yes": "M", "no": "T"}}
    assert send(peer, message={"commercial": True}, **options)[1].form == {"a": ["M"], "b": ["true"]}
    assert send(peer, message={"commercial": False}, **options)[1].form["a"] == ["T"]


# --- Answers ---------------------------------------------------------------------------------------------


def test_a_vendor_that_names_nothing_knows_the_message_by_our_name(peer: Web) -> None:
    outcome, asked = send(peer, parameters={"ref": "{reference}"}, message={"id": "7"})
    assert outcome == Accepted(asked.form["ref"][0])
    again, _asked = send(peer, parameters={"ref": "{reference}"}, message={"id": "7"})
    assert again != outcome
    assert asked.form["ref"][0].startswith("7-")


def test_the_first_failure_that_fits_counts(peer: Web) -> None:
    peer.does = lambda asked: Answer(400, b'{"error": {"code": 21, "final": true}}')
    failures = [
        {"status": 500, "is": "not_sent"},
        {"values": {"error.code": [20, 21], "error.final": False}, "is": "throttled"},
        {"values": {"error.code": [20, 21], "error.final": True}, "is": "rejected:spam"},
        {"status": 400, "is": "unsupported"},
    ]
    outcome, _asked = send(peer, failures=failures)
    assert (type(outcome).__name__, getattr(outcome, "reason", "")) == ("Rejected", "spam")


def test_a_code_may_be_the_whole_of_a_pattern(peer: Web) -> None:
    peer.does = lambda asked: Answer(200, b"E42 no such thing")
    outcome, _asked = send(peer, success={"pattern": "^OK"}, code={"pattern": "E[0-9]+"})
    assert type(outcome) is OutcomeUnknown
    assert outcome.code == "E42"


# --- What a vendor says ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "zone", "written"),
    [
        ("iso", "UTC", "2026-07-01T12:00:00Z"),
        ("iso", "UTC", "2026-07-01T14:00:00+02:00"),
        ("iso", "Europe/Paris", "2026-07-01 14:00:00"),
        ("seconds", "UTC", "1782907200"),
        ("milliseconds", "UTC", "1782907200000"),
        ("%d/%m/%Y %H:%M", "Europe/Paris", "01/07/2026 14:00"),
        ("%Y%m%d%H%M%S%z", "Europe/Paris", "20260701120000+0000"),
    ],
)
def test_a_moment_is_read_in_its_form_and_zone(form: str, zone: str, written: str) -> None:
    reports = REPORTS | {"time": "when", "time_format": form, "time_zone": zone}
    (event,) = heard("report", {"reports": reports}, query={"id": "1", "status": "OK", "when": written})
    assert event.at == datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("written", ["", "soon", "99999999999999999999", "nan", "-1e300"])
@pytest.mark.parametrize("form", ["iso", "seconds", "%d/%m/%Y"])
def test_a_moment_that_is_none_is_now(form: str, written: str) -> None:
    reports = REPORTS | {"time": "when", "time_format": form}
    (event,) = heard("report", {"reports": reports}, query={"id": "1", "status": "OK", "when": written})
    assert abs((datetime.now(UTC) - event.at).total_seconds()) < 60


@pytest.mark.parametrize(
    ("written", "ours"),
    [
        ("33612345678", "+33612345678"),
        ("+33612345678", "+33612345678"),
        ("0033612345678", "+33612345678"),
        ("0612345678", "0612345678"),
        ("38123", "38123"),
        ("BAKERY", "BAKERY"),
        ("", ""),
    ],
)
def test_numbers_are_written_as_the_rest_of_the_product_writes_them(written: str, ours: str) -> None:
    (event,) = heard("received", {"received": RECEIVED}, query={"from": "33612345670", "to": written, "text": "Oui"})
    assert isinstance(event, Received)
    assert event.to == ours


def test_the_same_word_twice_is_two_messages_where_nothing_tells_a_repetition() -> None:
    said = {"from": "33612345678", "to": "38123", "text": "Oui"}
    once, twice = (heard("received", {"received": RECEIVED}, query=said)[0].key for _time in range(2))
    assert once != twice
    timed = {"received": RECEIVED | {"time": "when"}}
    once, twice = (heard("received", timed, query=said | {"when": "2026-07-01"})[0].key for _time in range(2))
    assert once == twice


def test_a_report_may_name_the_message_by_our_own_id() -> None:
    reports = {"id": "ours", "status": "status", "statuses": {"OK": "delivered"}}
    (event,) = heard("report", {"reports": reports}, query={"ours": "77", "status": "OK"})
    assert isinstance(event, Report)
    assert (event.reference, event.message_id, event.status) == ("", "77", "delivered")


def test_the_key_of_our_door_is_not_kept() -> None:
    (event,) = heard("report", {"reports": REPORTS}, query={"id": "1", "status": "OK", "key": "again"})
    assert event.raw == {"id": "1", "status": "OK"}


def test_a_call_that_is_not_described_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        heard("received", {"reports": REPORTS}, query={"id": "1", "status": "OK"})


def test_what_our_door_keeps_of_a_call_that_nobody_understands_is_without_the_secrets(db: None) -> None:
    options = LEAST | {"secrets": {"api_key": "s3cr3t-4pi-key"}, "reports": REPORTS}
    configured = {"BACKEND": "compose.gateways.http.HttpGateway", "OPTIONS": options, "DOOR": {"key": "the-d00r-key"}}
    with override_settings(SMS_GATEWAYS={"default": configured}):
        routing.gateway.cache_clear()
        answer = Client().get(
            "/gateways/default/report", {"key": "the-d00r-key", "token": "s3cr3t-4pi-key", "what": "?"}
        )
    routing.gateway.cache_clear()
    assert answer.status_code == 200
    kept = str(GatewayEvent.objects.get().payload)
    assert "'?'" in kept
    assert "s3cr3t-4pi-key" not in kept
    assert "the-d00r-key" not in kept


# --- The guide -------------------------------------------------------------------------------------------


def examples(title: str) -> list[str]:
    """The examples of settings in a section of docs/gateways.md."""
    section = GUIDE.read_text(encoding="utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    found = re.findall(r"```toml\n(.*?)```", section, re.DOTALL)
    assert found, f"docs/gateways.md shows no settings under {title}"
    return found


@pytest.mark.parametrize("title", ["Kannel", "HTTP", "File"])
def test_the_settings_that_the_guide_shows_make_a_gateway(
    title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KANNEL_PASSWORD", "PROVIDER_API_KEY", "PROVIDER_TOKEN", "GATEWAY_DOOR_KEY"):
        monkeypatch.setenv(name, "s3cr3t-of-the-guide")
    for example in examples(title):
        whole = example if "[default]" in example else f'[default]\nbackend = "{title.lower()}"\n\n{example}'
        file = tmp_path / "gateways.toml"
        file.write_text(whole, encoding="utf-8")
        settings = gateway_settings.read(file)["default"]
        made = _class_of(settings["BACKEND"])(**settings["OPTIONS"])
        assert made.capabilities.batch_size
        assert "s3cr3t-of-the-guide" not in repr(settings)


def test_the_guide_shows_the_line_that_the_tests_write_for_kannel() -> None:
    assert f"received?key=THE-KEY&{ESCAPES}" in GUIDE.read_text(encoding="utf-8")


def _class_of(path: str) -> Any:
    from django.utils.module_loading import import_string

    return import_string(path)
