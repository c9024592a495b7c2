"""The console gateway: prints each message on a line of its own, takes it, and reports nothing."""

import io

import pytest

from compose.gateways.base import Accepted, Outgoing
from compose.gateways.console import ConsoleGateway
from compose.models import Message
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import NOON, assert_ledger_adds_up, at


def outgoing(number: int, text: str = "Bonjour") -> Outgoing:
    return Outgoing(
        id=str(number),
        recipient=factories.mobile(number),
        originator="BoulMartin",
        sender_kind="alphanumeric",
        text=text,
        message_class="flash",
        commercial=False,
        validity=3600,
    )


def test_each_message_is_printed_on_a_line_and_taken_under_a_name_of_its_own() -> None:
    stream = io.StringIO()
    outcomes = ConsoleGateway(stream=stream).send([outgoing(1, "une\nSTOP:36111"), outgoing(2)])
    references = [outcome.reference for outcome in outcomes if isinstance(outcome, Accepted)]
    lines = stream.getvalue().splitlines()
    assert len(lines) == len(set(references)) == 2
    assert "BoulMartin -> +33612000001 [flash] 'une\\nSTOP:36111'" in lines[0]
    assert all(line.endswith(reference) for line, reference in zip(lines, references, strict=True))


def test_without_a_stream_it_prints_to_the_standard_output_of_the_moment(capsys: pytest.CaptureFixture[str]) -> None:
    ConsoleGateway().send([outgoing(1)])
    assert "+33612000001" in capsys.readouterr().out


def test_it_has_no_reports_and_no_answers() -> None:
    gateway = ConsoleGateway()
    assert list(gateway.poll()) == []
    can = gateway.capabilities
    assert (can.reports, can.inbound, can.polls) == (False, False, False)


@pytest.mark.django_db
def test_a_message_through_it_is_accepted_and_stays_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("compose.routing.gateway", lambda name: ConsoleGateway())
    message = factories.message(factories.account())
    dispatch_due(clock=at(NOON))
    message.refresh_from_db()
    assert message.state == Message.State.ACCEPTED
    assert message.recipient in capsys.readouterr().out
    assert_ledger_adds_up()
