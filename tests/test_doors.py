"""The doors of gateways: who gets in, what is kept, and what a vendor is answered."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import DataError, OperationalError, connection
from django.http import HttpResponse
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from compose import nudges, routing
from compose.gateways.base import Unreadable
from compose.models import GatewayEvent, Message
from credits.models import Account
from inbox import doors, services
from inbox.models import Received
from smsmanager.log_lines import QueriesOfDoors
from tests import factories
from tests.called_gateways import (
    PASSWORD,
    CalledGateway,
    SigningGateway,
    called_gateway,
    signature,
)
from tests.events import LATER, PHONE, sent
from tests.pages import browser_of, read

KEY = "opens the door & more/+"
DOOR = "/gateways/default/"


@pytest.fixture
def account(db: None) -> Account:
    """An account with 100 credits."""
    return factories.account()


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test begins with a log that has said nothing yet."""
    monkeypatch.setattr(doors, "_lines", doors._Lines())


@pytest.fixture
def gateway(db: None) -> Iterator[CalledGateway]:
    """A gateway whose door opens with KEY."""
    with called_gateway(key=KEY) as made:
        yield made


def delivered(reference: str = "nobody", key: str = "1") -> dict[str, Any]:
    return {"is": "report", "key": key, "reference": reference, "status": "delivered", "at": LATER.isoformat()}


def call(
    *said: dict[str, Any], key: str | None = None, what: str = "report", method: str = "POST", **more: Any
) -> HttpResponse:
    """Call the door with these events, and the key in the header when there is one."""
    headers = {**({"x-gateway-key": key} if key is not None else {}), **more.pop("headers", {})}
    body = more.pop("body", json.dumps(said).encode())
    query = {"QUERY_STRING": more.pop("query")} if "query" in more else {}
    content_type = more.pop("content_type", "application/json")
    client = Client(enforce_csrf_checks=True)
    return client.generic(  # type: ignore[return-value]
        method, DOOR + what, body, content_type=content_type, headers=headers, **query, **more
    )


def said_by(event: GatewayEvent) -> dict[str, Any]:
    raw: dict[str, Any] = event.payload["raw"]
    return raw


# Who gets in


@pytest.mark.parametrize(
    "query", ["key=opens+the+door+%26+more%2F%2B", "x=1&key=opens%20the%20door%20%26%20more%2f%2B"]
)
def test_the_key_in_the_query_opens_the_door(gateway: CalledGateway, query: str) -> None:
    answer = call(delivered(), query=query)
    assert (answer.status_code, answer.content) == (200, b"took 1")
    assert GatewayEvent.objects.get().key == "1"


def test_the_key_in_the_header_opens_the_door(gateway: CalledGateway) -> None:
    assert call(delivered(), key=KEY).status_code == 200
    assert GatewayEvent.objects.count() == 1


FORGED: list[dict[str, Any]] = [
    {},
    {"key": ""},
    {"key": KEY[:-1]},
    {"key": KEY + " "},
    {"key": "é"},
    {"query": "key="},
    {"query": "key=%ff%fe"},
    {"query": "key=wrong&" + "&".join(f"a{n}=1" for n in range(20_000))},
    {"key": "wrong", "query": "key=opens+the+door+%26+more%2F%2B"},
    {"body": b"key=opens+the+door", "content_type": "application/x-www-form-urlencoded"},
]


@pytest.mark.parametrize("forged", FORGED, ids=range(len(FORGED)))
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "HEAD"])
def test_without_the_key_nothing_is_read_asked_or_kept(
    gateway: CalledGateway, caplog: pytest.LogCaptureFixture, forged: dict[str, Any], method: str
) -> None:
    with CaptureQueriesContext(connection) as queries:
        answer = call(delivered(), method=method, **forged)
    assert answer.status_code == 403
    assert queries.captured_queries == []
    assert gateway.calls == []
    assert not GatewayEvent.objects.exists()
    assert not answer.cookies
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "Traceback" not in caplog.text
    assert KEY not in caplog.text


def test_the_body_of_a_forged_call_is_not_read(gateway: CalledGateway) -> None:
    class Unread(io.BytesIO):
        def read(self, *_size: Any) -> bytes:
            raise AssertionError("the body was read")

    answer = Client().post(DOOR, b"x", content_type="text/plain", **{"wsgi.input": Unread()})  # type: ignore[arg-type]
    assert answer.status_code == 403


def test_a_flood_of_forged_calls_is_one_line_a_minute(
    gateway: CalledGateway, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [0.0]
    monkeypatch.setattr("inbox.doors.time.monotonic", lambda: seconds[0])
    for _call in range(30):
        call(delivered(), key="wrong")
    assert len(caplog.records) == 1
    seconds[0] = 61.0
    call(delivered(), key="wrong")
    assert "(and 29 more since the line before)" in caplog.records[1].getMessage()
    assert len(caplog.records) == 2


NETWORKS = ["192.0.2.0/24", "2001:db8::/32", "198.51.100.7"]
ADDRESSES = [
    ("192.0.2.1", 200),
    ("198.51.100.7", 200),
    ("198.51.100.8", 403),
    ("2001:db8::1", 200),
    ("::ffff:192.0.2.1", 200),
    ("::ffff:198.51.100.8", 403),
    ("", 403),
    ("unix:", 403),
]


@pytest.mark.parametrize(("address", "status"), ADDRESSES)
def test_only_the_addresses_of_the_vendor_may_call(db: None, address: str, status: int) -> None:
    with called_gateway(addresses=NETWORKS) as gateway:
        # Without our proxy in front anybody can write this header.
        answer = call(delivered(), REMOTE_ADDR=address, headers={"x-forwarded-for": "192.0.2.1"})
    assert answer.status_code == status
    assert GatewayEvent.objects.exists() == bool(gateway.calls) == (status == 200)


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        ("192.0.2.1", 200),
        ("203.0.113.9, 192.0.2.1", 200),
        ("192.0.2.1, 203.0.113.9", 403),
        ("192.0.2.1,", 403),
        ("192.0.2.1:4711", 200),
        ("[2001:db8::1]:4711", 200),
        ("[2001:db8::1", 200),
        ("nonsense", 403),
        (None, 403),
    ],
)
def test_behind_a_proxy_the_last_hop_counts_and_only_that(db: None, forwarded: str | None, status: int) -> None:
    headers = {} if forwarded is None else {"x-forwarded-for": forwarded}
    with called_gateway(addresses=NETWORKS, proxy=True):
        assert call(delivered(), REMOTE_ADDR="192.0.2.1", headers=headers).status_code == status


@pytest.mark.parametrize(
    ("key", "address", "status"), [(KEY, "192.0.2.1", 200), (KEY, "9.9.9.9", 403), ("", "192.0.2.1", 403)]
)
def test_all_that_is_configured_must_hold(db: None, key: str, address: str, status: int) -> None:
    with called_gateway(key=KEY, addresses=NETWORKS):
        assert call(delivered(), key=key, REMOTE_ADDR=address).status_code == status


def test_a_door_that_asks_for_nothing_is_closed(db: None, caplog: pytest.LogCaptureFixture) -> None:
    with called_gateway():
        assert call(delivered()).status_code == 403
    assert "neither a key nor addresses" in caplog.text


@pytest.mark.parametrize("name", ["nobody", "default"])
def test_who_is_not_called_has_no_door(db: None, name: str) -> None:
    answer = Client().post(f"/gateways/{name}/", b"[]", content_type="application/json")
    assert answer.status_code == 404
    assert not GatewayEvent.objects.exists()


def test_a_gateway_that_its_settings_cannot_make_asks_to_be_called_again(
    db: None, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    backend = "tests.called_gateways.CalledGateway"
    settings.SMS_GATEWAYS = {"default": {"BACKEND": backend, "OPTIONS": {"passwort": PASSWORD}}}
    routing.gateway.cache_clear()
    assert [call(delivered()).status_code for _time in range(3)] == [503] * 3
    assert len(caplog.records) == 1
    assert PASSWORD not in caplog.text


# Signatures


@pytest.mark.parametrize(
    ("public", "door", "signed"),
    [
        ("", {}, "http://testserver/gateways/default/report?a=b%20c&a=d"),
        ("https://sms.example.net", {}, "https://sms.example.net/gateways/default/report?a=b%20c&a=d"),
        ("https://sms.example.net", {"key": "k"}, "https://sms.example.net/gateways/default/report?key=k&a=b%20c&a=d"),
    ],
)
def test_a_signature_is_of_the_address_as_the_public_sees_it(
    db: None, public: str, door: dict[str, Any], signed: str
) -> None:
    body = json.dumps([delivered()]).encode()
    query = signed.partition("?")[2]
    with called_gateway(SigningGateway, url=public, **door) as gateway:
        right = {"x-signature": signature(signed, body)}
        assert call(body=body, query=query, headers=right).status_code == 200
        assert gateway.calls[0].url == signed
        assert gateway.calls[0].query == {"a": ["b c", "d"]}
        assert call(body=body + b" ", query=query, headers=right).status_code == 403
        assert call(body=body, query=query + "&x=1", headers=right).status_code == 403
        assert call(body=body, query=query).status_code == 403
    assert GatewayEvent.objects.count() == 1


def test_a_signature_does_not_replace_the_key_and_the_address(db: None) -> None:
    body = json.dumps([delivered()]).encode()
    right = {"x-signature": signature("http://testserver/gateways/default/report", body)}
    with called_gateway(SigningGateway, key=KEY) as gateway:
        assert call(body=body, headers=right).status_code == 403
        assert gateway.calls == []
        assert call(body=body, key=KEY, headers=right).status_code == 200


# What a gateway is told


def test_a_gateway_hears_all_of_the_call_but_the_key(gateway: CalledGateway) -> None:
    call(
        what="received/fr",
        query="key=opens+the+door+%26+more%2F%2B&a=1&a=&b=%C3%A9",
        body=b"from=%2B33612345678&text=%E9t%E9&text=",
        content_type="application/x-www-form-urlencoded; charset=iso-8859-1",
        headers={"X-Vendor": "yes"},
        REMOTE_ADDR="192.0.2.1",
    )
    (heard,) = gateway.calls
    assert (heard.method, heard.what, heard.address) == ("POST", "received/fr", "192.0.2.1")
    assert heard.query == {"a": ["1", ""], "b": ["é"]}
    assert heard.form == {"from": [PHONE], "text": ["été", ""]}
    assert heard.body.startswith(b"from=")
    assert heard.headers["x-vendor"] == "yes"
    assert "x-gateway-key" not in heard.headers


def test_a_form_of_several_parts_is_a_form_too(gateway: CalledGateway) -> None:
    Client().post(DOOR, {"from": PHONE, "text": "été"}, headers={"x-gateway-key": KEY})
    assert gateway.calls[0].form == {"from": [PHONE], "text": ["été"]}


@pytest.mark.parametrize("body", [b"nonsense", b"--x\r\nContent-Disposition: nonsense"])
def test_a_form_that_is_none_has_no_fields(gateway: CalledGateway, body: bytes) -> None:
    answer = call(key=KEY, body=body, content_type="multipart/form-data; boundary=x")
    assert answer.status_code == 200
    assert gateway.calls[0].form == {}
    assert gateway.calls[0].body == body


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_which_methods_there_are_is_the_gateways_business(gateway: CalledGateway, method: str) -> None:
    assert call(delivered(), key=KEY, method=method).status_code == 200
    assert gateway.calls[0].method == method


def test_the_gateway_chooses_the_answer(gateway: CalledGateway, caplog: pytest.LogCaptureFixture) -> None:
    assert call(key=KEY, method="HEAD").status_code == 204
    gateway.fault = Unreadable("no")
    assert call(key=KEY, method="HEAD").status_code == 200


@pytest.mark.parametrize(("length", "status"), [(1_000_000, 200), (1_000_001, 413)])
def test_more_than_a_megabyte_is_refused_before_it_is_read(gateway: CalledGateway, length: int, status: int) -> None:
    assert call(key=KEY, body=b"[" + b" " * (length - 2) + b"]").status_code == status
    assert len(gateway.calls) == (status == 200)


def test_a_body_that_does_not_say_its_length_is_refused_and_not_taken_for_an_empty_one(gateway: CalledGateway) -> None:
    chunked: dict[str, Any] = {
        "wsgi.input": io.BytesIO(b"2\r\n[]\r\n0\r\n\r\n"),
        "CONTENT_LENGTH": "",
        "HTTP_TRANSFER_ENCODING": "chunked",
    }
    answer = call(key=KEY, **chunked)
    assert answer.status_code == 411
    assert gateway.calls == []
    assert not GatewayEvent.objects.exists()


def test_https_stays_asked_for(gateway: CalledGateway) -> None:
    with override_settings(SECURE_SSL_REDIRECT=True):
        assert call(delivered(), key=KEY).status_code == 301
        assert call(delivered(), key=KEY, secure=True).status_code == 200


def test_a_signed_in_browser_is_nobody_special_and_gets_no_cookie(gateway: CalledGateway) -> None:
    browser = browser_of(factories.user(superuser=True))
    assert browser.post(DOOR, b"[]", content_type="application/json").status_code == 403
    with CaptureQueriesContext(connection) as queries:
        answer = browser.post(DOOR, b"[]", content_type="application/json", headers={"x-gateway-key": KEY})
    assert answer.status_code == 200
    assert queries.captured_queries == []
    assert not answer.cookies


# What is kept, and applied


def test_nothing_is_applied_in_the_request_and_a_worker_is_told_once_a_second(
    account: Account, gateway: CalledGateway, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    told: list[str] = []
    monkeypatch.setattr(nudges, "_send", told.append)
    monkeypatch.setattr(nudges, "_sent_at", {})
    factories.pool()
    message = sent(account, by=factories.pool())
    answer = {
        "is": "received",
        "key": "2",
        "number": PHONE,
        "to": message.originator,
        "text": "Oui",
        "at": LATER.isoformat(),
    }
    with django_capture_on_commit_callbacks(execute=True):
        assert call(delivered(f"ref-{message.pk}"), answer, key=KEY).status_code == 200
        assert told == []
        for number in range(5):
            call(delivered(key=f"more-{number}"), key=KEY)
    assert told == ["inbox.tasks.collect"]
    assert GatewayEvent.objects.filter(applied_at=None).count() == 7
    services.apply_waiting()
    factories.assert_message(message, Message.State.DELIVERED)
    assert Received.objects.get().text == "Oui"


def test_what_a_vendor_says_twice_is_kept_once(gateway: CalledGateway) -> None:
    for _time in range(3):
        assert call(delivered(), key=KEY).status_code == 200
    assert GatewayEvent.objects.count() == 1


def test_a_call_that_is_not_understood_is_kept_once_without_its_secrets_and_answered(
    gateway: CalledGateway, caplog: pytest.LogCaptureFixture
) -> None:
    body = f"what is this, {PASSWORD}? \0".encode()
    for _time in range(2):
        answer = call(
            body=body,
            query="key=opens+the+door+%26+more%2F%2B&again=opens%20the%20door%20%26%20more%2F%2B&a=1",
            headers={"authorization": "Basic c2VjcmV0", "cookie": "a=b", "user-agent": "Vendor/1"},
            content_type="text/plain",
        )
        assert (answer.status_code, answer.content) == (200, b"")
    event = GatewayEvent.objects.get()
    assert (event.kind, event.result) == ("unreadable", "unreadable")
    assert event.applied_at is not None
    raw = said_by(event)
    assert raw["why"] == "this is no JSON, says …"
    assert raw["query"] == {"again": ["…"], "a": ["1"]}
    assert raw["body"] == "what is this, …? \ufffd"
    assert raw["headers"]["user-agent"] == "Vendor/1"
    kept = json.dumps(event.payload)
    assert not [secret for secret in (KEY, PASSWORD, "c2VjcmV0", "a=b") if secret in kept]
    assert KEY not in caplog.text
    services.apply_waiting()
    event.refresh_from_db()
    assert event.result == "unreadable"


def test_octets_that_are_no_text_are_kept_as_they_are(gateway: CalledGateway) -> None:
    call(key=KEY, body=b"\xff\x00\xfe")
    assert said_by(GatewayEvent.objects.get())["body_hex"] == "ff00fe"


def test_a_gateway_that_fails_loses_no_call_and_is_not_called_again_for_ever(
    gateway: CalledGateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.fault = RuntimeError(f"broken on purpose, {PASSWORD}")
    for number in range(3):
        assert call(delivered(key=str(number)), key=KEY).status_code == 200
    assert GatewayEvent.objects.filter(kind="unreadable").count() == 3
    assert [said_by(event)["why"] for event in GatewayEvent.objects.all()] == ["RuntimeError in the gateway"] * 3
    (line,) = caplog.records
    assert "Traceback" in line.getMessage()
    assert "broken on purpose, …" in line.getMessage()


@pytest.mark.parametrize("error", [DataError("no"), TypeError("no")])
def test_events_that_no_database_keeps_are_kept_as_the_call(
    gateway: CalledGateway, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_said: Any, **_named: Any) -> None:
        raise error

    monkeypatch.setattr(doors, "store_events", refuse)
    assert call(delivered(), key=KEY).status_code == 200
    assert GatewayEvent.objects.get().kind == "unreadable"


def test_a_key_that_is_too_long_for_its_column_still_tells_events_apart(gateway: CalledGateway) -> None:
    for number in range(2):
        call(*[delivered(key=f"{'k' * 300}\0{number}")] * 2, key=KEY)
    assert sorted(GatewayEvent.objects.values_list("kind", flat=True)) == ["report", "report"]


def test_while_the_database_is_away_the_vendor_is_asked_to_call_again(
    gateway: CalledGateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_said: Any, **_named: Any) -> None:
        raise OperationalError("the server closed the connection")

    with monkeypatch.context() as patched:
        patched.setattr(doors, "store_events", away)
        patched.setattr(doors, "keep_unreadable", away)
        answers = [call(delivered(), key=KEY), call(delivered(), key=KEY), call(key=KEY, body=b"?")]
    assert [answer.status_code for answer in answers] == [503] * 3
    assert answers[0]["Retry-After"] == "5"
    assert len(caplog.records) == 1
    assert call(delivered(), key=KEY).status_code == 200
    assert GatewayEvent.objects.count() == 1


def test_the_administrators_get_no_letter_with_the_query(
    gateway: CalledGateway, monkeypatch: pytest.MonkeyPatch, mailoutbox: Any, settings: Any
) -> None:
    def away(*_said: Any, **_named: Any) -> None:
        raise OperationalError("away")

    settings.ADMINS = [("a", "a@example.org")]
    monkeypatch.setattr(doors, "store_events", away)
    assert call(delivered(), query="key=opens+the+door+%26+more%2F%2B").status_code == 503
    assert mailoutbox == []


@pytest.mark.parametrize("host", ["testserver", "scanner.example"], ids=["a fault", "a host that is not ours"])
def test_a_letter_about_an_error_at_a_door_shows_nothing_of_the_call(
    gateway: CalledGateway, monkeypatch: pytest.MonkeyPatch, mailoutbox: Any, settings: Any, host: str
) -> None:
    def fail(*_said: Any, **_named: Any) -> None:
        raise RuntimeError("a fault of ours")

    settings.ADMINS = [("a", "a@example.org")]
    settings.ALLOWED_HOSTS = ["testserver"]
    monkeypatch.setattr(doors, "keep_unreadable", fail)
    query = "key=opens+the+door+%26+more%2F%2B&text=private"
    answer = Client(raise_request_exception=False).post(
        f"{DOOR}report?{query}", {"Body": "private too"}, headers={"host": host}, RAW_URI=f"{DOOR}report?{query}"
    )
    letters = [f"{letter.subject} {letter.body}" for letter in mailoutbox]
    if host == "testserver":
        (letter,) = letters
        assert answer.status_code == 500
        assert "a fault of ours" in letter
        assert f"{DOOR}report" in letter
        assert "opens" not in letter
        assert "private" not in letter
    else:
        # A line of the log for each is enough: anybody can ask for any host.
        assert answer.status_code == 400
        assert letters == []


# What our own logs show


def test_the_log_of_the_development_server_shows_no_query_of_a_door() -> None:
    line = logging.LogRecord(
        "django.server", 20, "", 0, '"%s" %s %s', ("POST /gateways/x/report?key=1&b=2 HTTP/1.1", "200", "5"), None
    )
    assert QueriesOfDoors().filter(line)
    assert line.getMessage() == '"POST /gateways/x/report?… HTTP/1.1" 200 5'
    assert any(isinstance(one, QueriesOfDoors) for one in logging.getLogger("django.server").filters)


# The administration


def test_the_administrator_finds_what_was_unreadable_and_reads_it(gateway: CalledGateway) -> None:
    call(key=KEY, body="été <script>".encode(), content_type="text/plain")
    call(delivered(), key=KEY)
    browser = browser_of(factories.user(superuser=True))
    listed = read(browser.get("/administration/compose/gatewayevent/?kind__exact=unreadable"))
    (event,) = GatewayEvent.objects.filter(kind="unreadable")
    assert len(listed.one("table", id="result_list").one("tbody").all("tr")) == 1
    shown = read(browser.get(f"/administration/compose/gatewayevent/{event.pk}/change/")).all("pre")
    assert '"body": "été <script>"' in shown[0].text
    assert browser.get("/administration/compose/gatewayevent/?result=unreadable").status_code == 200
