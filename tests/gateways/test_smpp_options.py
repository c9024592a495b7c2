"""The options of an SMPP gateway: refused when they make no sense, and the password shown nowhere."""

import logging
import traceback
from typing import Any

import pytest

from compose.gateways.base import GatewayError
from compose.gateways.smpp import SmppGateway
from tests.gateways.peers import PASSWORD, QUICK, gateway, outgoing
from tests.gateways.smsc import BINDS, KILL, SILENT, Answer, smsc

WRONG = [
    {"host": ""},
    {"system_id": ""},
    {"system_id": "café"},
    {"password": "s3cr3t-w0\0"},
    {"password": "s3cr3t-w0é"},
    {"password": None},
    {"port": 0},
    {"port": "2775"},
    {"bind": "both"},
    {"window": 0},
    {"window": "10"},
    {"window": True},
    {"window": 1.5},
    {"answer_timeout": float("nan")},
    {"rate": float("inf")},
    {"host": None},
    {"tls": "yes"},
    {"tls_ca": None},
    {"originators": [1]},
    {"statuses": {0x58: None}},
    {"receipt_errors": {27: "absent"}},
    {"rate": -1},
    {"window": 2.5},
    {"answer_timeout": 0},
    {"class_coding": "other"},
    {"standard_class": 0},
    {"long_messages": "split"},
    {"validity": "forever"},
    {"answer_ids": "octal"},
    {"originators": {"pigeon": (1, 1)}},
    {"originators": {"short": (1, 256)}},
    {"recipient_type": (1,)},
    {"statuses": {"many": "throttled"}},
    {"statuses": {True: "throttled"}},
    {"statuses": {0x58: "slow"}},
    {"statuses": {0x58: "throttled:spam"}},
    {"receipt_time_zone": "Mars/Olympus"},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_an_option_that_makes_no_sense_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w") as caught:
        SmppGateway(**{**QUICK, "port": 2775, **wrong})
    told = "".join(traceback.format_exception(caught.value))
    assert next(iter(wrong)) in told
    assert PASSWORD not in told.replace(repr(wrong), "")


def test_an_option_that_does_not_exist_is_refused() -> None:
    with pytest.raises(TypeError, match="passwort"):
        SmppGateway(**{**QUICK, "passwort": PASSWORD})


def test_codes_may_be_texts_as_in_a_file_of_settings() -> None:
    made = SmppGateway(**QUICK, statuses={"0x4C7": "out_of_funds", "88": "not_sent", 8: "rejected:spam"})
    assert made.options.statuses == {0x4C7: "out_of_funds", 0x58: "not_sent", 8: "rejected:spam"}
    assert "password" in made.SECRETS


def test_making_a_gateway_connects_to_nobody() -> None:
    made = SmppGateway(**QUICK)
    assert made.capabilities.batch_size == 10
    assert SmppGateway(**QUICK, window=3).capabilities.batch_size == 3
    assert list(made.poll()) == []
    made.close()


def test_the_password_is_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    answers: list[Answer] = [0, KILL, SILENT, 0x0E]
    said: list[str] = []
    with smsc() as centre:
        for answer in answers:
            centre.bind_answer = answer
            with gateway(centre.port, connect_timeout=0.3) as made:
                said += [repr(made), repr(made.options), str(vars(made))]
                for outcome in made.send([outgoing()]):
                    said += [repr(outcome), str(outcome)]
                    if isinstance(outcome, GatewayError):
                        said += traceback.format_exception(outcome)
        assert any(PASSWORD.encode() in one.octets for one in centre.of(*BINDS))
    said += [record.getMessage() for record in caplog.records]
    assert len(caplog.records) >= 4
    assert [line for line in said if PASSWORD in line] == []
