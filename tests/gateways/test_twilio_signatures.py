"""Our check of Twilio's signatures beside that of its own package."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from compose.gateways.base import Call, Forged, Report, Unreadable
from compose.gateways.twilio import TwilioGateway
from compose.gateways.twilio.signature import is_signed
from tests.gateways.rigs.twilio import OPTIONS
from tests.gateways.twilio_stand_in import (
    TOKEN,
    at_the_door,
    called,
)

REPORT: Final = "https://sms.example.net/gateways/twilio/report?id=1001"
DELIVERED: Final = {"MessageSid": "SM1", "MessageStatus": "delivered", "To": "+33612345678"}


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
FORMS = st.dictionaries(NAMES, st.lists(st.text(st.characters(codec="utf-8"), max_size=20), max_size=3), max_size=6)
PORTS = st.sampled_from(["", ":443", ":80", ":8443"])
URLS = st.builds(
    lambda scheme, port, path, query: f"{scheme}://sms.example.net{port}/gateways/{path}{query}",
    st.sampled_from(["https", "http"]),
    PORTS,
    st.from_regex(r"[a-z]{1,8}/[a-z/%20é]{0,8}", fullmatch=True),
    st.sampled_from(["", "?id=1001", "?id=1001&key=a%20b", "?a=:443/", "?a=b#c"]),
)
SECRETS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=32)


class Form(dict[str, Sequence[str]]):
    """A form as Django's QueryDict shows itself to Twilio's validator."""

    def getlist(self, name: str) -> Sequence[str]:
        return self[name]


def at_door(url: str, form: Mapping[str, Sequence[str]], signature: str) -> Call:
    return Call(
        method="POST",
        url=url,
        what="report",
        query=parse_qs(urlsplit(url).query),
        form=form,
        headers={"x-twilio-signature": signature},
        body=b"",
        address="192.0.2.9",
    )


@given(url=URLS, form=FORMS, token=SECRETS, spelled=PORTS, other=st.booleans())
@example(url="https://sms.example.net/x", form={"a": ["2", "1", "2"], "b": []}, token="t", spelled=":443", other=False)
def test_our_check_agrees_with_twilios(
    url: str, form: dict[str, list[str]], token: str, spelled: str, other: bool
) -> None:
    """Whatever port Twilio signed with, and whoever signed: the same calls are let in."""
    theirs = RequestValidator(token)
    host = "://sms.example.net"
    rest = url.partition(host)[2].lstrip(":0123456789")
    signed_url = f"{url.partition(host)[0]}{host}{spelled}{rest}"
    signature = RequestValidator(token + "x" if other else token).compute_signature(signed_url, Form(form))
    assert is_signed(at_door(url, form, signature), token) == theirs.validate(url, Form(form), signature)


@given(body=st.text(st.characters(codec="utf-8"), max_size=60), changed=st.booleans(), token=SECRETS)
def test_our_check_of_a_json_body_agrees_with_twilios(body: str, changed: bool, token: str) -> None:
    theirs = RequestValidator(token)
    url = f"https://sms.example.net/gateways/twilio/report?bodySHA256={theirs.compute_hash(body)}"
    signature = theirs.compute_signature(url, {})
    came = body + "!" if changed else body or "{}"
    call = at_the_door(url, form={}, headers={"x-twilio-signature": signature}, body=came.encode())
    assert is_signed(call, token) == theirs.validate(url, came, signature)


@pytest.mark.parametrize(
    "differs",
    [
        {"headers": {}},
        {"headers": {"x-twilio-signature": ""}},
        {"headers": {"x-twilio-signature": "é"}},
        {"url": REPORT.replace("1001", "1002")},
        {"url": REPORT.replace("sms.", "sms2.")},
        {"url": REPORT.replace("https", "http")},
        {"form": {**{name: [value] for name, value in DELIVERED.items()}, "MessageStatus": ["failed"]}},
        {"form": {}},
    ],
    ids=["no signature", "empty", "not ASCII", "id", "host", "scheme", "a field", "no field"],
)
def test_a_call_of_which_anything_was_changed_is_forged(differs: Mapping[str, Any]) -> None:
    through = TwilioGateway(**OPTIONS)
    call = called(REPORT, DELIVERED)
    assert through.parse(call).events
    with pytest.raises(Forged):
        through.parse(Call(**(vars(call) | dict(differs))))


def test_a_body_that_the_signature_does_not_name_is_forged() -> None:
    """The signature of an address alone, as of a GET, says nothing of a body that comes with it."""
    through = TwilioGateway(**OPTIONS)
    bare = called(REPORT, {}, method="GET")
    with pytest.raises(Unreadable):
        through.parse(bare)
    with pytest.raises(Forged):
        through.parse(Call(**(vars(bare) | {"body": json.dumps(DELIVERED).encode()})))


def test_a_report_in_json_is_read() -> None:
    body = json.dumps(DELIVERED | {"ErrorCode": 30003, "MessageStatus": "undelivered"})
    theirs = RequestValidator(TOKEN)
    url = f"{REPORT}&bodySHA256={theirs.compute_hash(body)}"
    signature = theirs.compute_signature(url, {})
    call = at_the_door(url, form={}, headers={"x-twilio-signature": signature}, body=body.encode())
    (report,) = TwilioGateway(**OPTIONS).parse(call).events
    assert isinstance(report, Report)
    assert (report.status, report.reason, report.message_id) == ("undelivered", "absent", "1001")
