"""The contract suite's own control: a secret is found wherever a gateway says it."""

import logging
from typing import Any

import pytest

from compose.gateways.base import (
    Accepted,
    Call,
    Event,
    Heard,
    NotSent,
    Outcome,
    Outgoing,
)
from tests.gateways.honest import PASSWORD, HonestGateway, MemoryModule
from tests.gateways.rig import outgoing
from tests.gateways.trial import Trial, on_trial

log = logging.getLogger(__name__)


class InItsDetail(HonestGateway):
    def outcome(self, message: Outgoing) -> Outcome:
        return NotSent(f"{self._password} was refused")


class InItsCause(HonestGateway):
    def outcome(self, message: Outgoing) -> Outcome:
        try:
            raise ValueError(f"http://127.0.0.1/?key={self._password.replace(' ', '+')}")
        except ValueError as error:
            raise NotSent("refused") from error


class InItsLog(HonestGateway):
    def outcome(self, message: Outgoing) -> Outcome:
        log.debug("with %s", self._password)
        return super().outcome(message)


class OnTheScreen(HonestGateway):
    def outcome(self, message: Outgoing) -> Outcome:
        print(self._password)  # noqa: T201 - that is what is wrong with it
        return super().outcome(message)


class InItself(HonestGateway):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.options = options


class InItsRepr(HonestGateway):
    def __repr__(self) -> str:
        return f"InItsRepr({self._password})"


class InItsReference(HonestGateway):
    def read(self, answer: str) -> Outcome:
        return Accepted(f"{self._password}-1")


class InItsEvents(HonestGateway):
    def event(self, said: Any) -> Event:
        found = super().event(said)
        return type(found)(**{**vars(found), "raw": {**found.raw, "with": self._password}})


class InItsForgery(HonestGateway):
    def parse(self, call: Call) -> Heard:
        try:
            return super().parse(call)
        except Exception as error:
            error.args = (f"not signed with {self._password}",)
            raise


def speak(trial: Trial) -> None:
    """Let a gateway send and hear."""
    trial.send(outgoing())
    for case in trial.cases.inward:
        try:
            trial.hear(case.said)
        except Exception as error:  # noqa: BLE001 - what it says is what counts here
            log.debug("%s", type(error).__name__)


@pytest.mark.parametrize(
    ("liar", "where"),
    [
        (InItsDetail, "outcome"),
        (InItsCause, "traceback"),
        (InItsLog, "log"),
        (OnTheScreen, "output"),
        (InItself, "repr of the gateway's options"),
        (InItsRepr, "repr of the gateway"),
        (InItsReference, "outcome"),
        (InItsEvents, "event"),
        (InItsForgery, "traceback"),
    ],
)
def test_a_secret_is_found_wherever_it_is_said(liar: type[HonestGateway], where: str) -> None:
    with (
        pytest.raises(AssertionError, match=f"a secret in the {where}") as found,
        on_trial(MemoryModule(liar)) as trial,
    ):
        speak(trial)
    assert PASSWORD not in str(found.value)


def test_an_honest_gateway_says_no_secret() -> None:
    with on_trial(MemoryModule()) as trial:
        speak(trial)
    kinds = {kind for kind, _text in trial.records}
    assert {"outcome", "event", "log", "repr of the gateway", "repr of the gateway's timeout", "traceback"} <= kinds
