"""What the operator of an installation cannot carry is known, and said, before anything is sent."""

from collections.abc import Sequence

import pytest
from django.utils.translation import override

from compose import carried, routing
from compose.gateways.base import Accepted, Capabilities, Gateway, Outcome, Outgoing
from compose.gateways.console import ConsoleGateway
from compose.gateways.simulator import SimulatorGateway
from compose.models import MessageClass
from senders.models import Sender
from tests.gateways_for_tests import scripted_gateway
from tests.pages import is_a_sentence


class PlainGateway(Gateway):
    """Takes what a gateway that declares nothing takes: standard messages from names."""

    capabilities = Capabilities()

    def send(self, chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        return [Accepted(message.id) for message in chunk]


def test_the_gateways_that_come_with_the_product_carry_everything() -> None:
    for gateway in (ConsoleGateway(), SimulatorGateway(redis_url="redis://localhost")):
        assert gateway.capabilities.classes == set(MessageClass.values)
        assert gateway.capabilities.sender_kinds == set(Sender.Kind.values)
    with scripted_gateway():
        assert carried.refused_classes() == carried.refused_kinds() == {}


def test_a_type_of_sms_that_the_gateway_does_not_declare_is_refused_by_its_name() -> None:
    with scripted_gateway(classes=["standard"]):
        refused = carried.refused_classes()
    assert set(refused) == {"flash", "sim"}
    with override("en"):
        assert str(refused["flash"]) == "The operator of this installation cannot send Flash messages."


def test_a_gateway_that_declares_nothing_carries_standard_messages_from_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(routing, "gateway", lambda name: PlainGateway())
    assert set(carried.refused_classes()) == {"flash", "sim"}
    assert set(carried.refused_kinds()) == {"short", "virtual", "numeric"}


@pytest.mark.parametrize("language", ["en", "fr"])
def test_each_type_of_sms_and_each_kind_of_sender_has_a_sentence_of_its_own(language: str) -> None:
    assert set(carried.CLASSES) == set(MessageClass.values)
    assert set(carried.KINDS) == set(Sender.Kind.values)
    with override(language):
        sentences = [str(said) for said in (*carried.CLASSES.values(), *carried.KINDS.values())]
    assert all(is_a_sentence(said) for said in sentences)
    assert len(set(sentences)) == len(sentences)
