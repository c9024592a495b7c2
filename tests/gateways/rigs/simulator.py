"""The simulator. Its operator is in the process; the broker keeps what it will say."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from django.conf import settings

from compose.gateways.base import Event, Received
from compose.gateways.simulator import COMING, SimulatorGateway
from tests.gateways.rig import Rig, outgoing

GATEWAY = SimulatorGateway
OPTIONS: dict[str, Any] = {
    "redis_url": "redis://127.0.0.1:9/0",
    "report_after": 2.0,
    "answer_after": 4.0,
    "answer": "Bien reçu, merci !",
}
FIXTURES = ("broker",)


class SimulatorRig(Rig):
    """What it will say of each message is all that it keeps of it. Nothing is put off, so no test waits."""

    name = "simulator"
    secrets = ()
    peerless = True

    def __init__(self) -> None:
        self.gateway: SimulatorGateway = SimulatorGateway(
            redis_url=settings.REDIS_URL, report_after=0.0, answer_after=0.0
        )
        self.store = self.gateway.store
        self.store.delete(COMING)

    def answer(self, recorded: Mapping[str, Any]) -> None:
        """The recipient's number chooses what happens, so there is nothing to say here."""

    def received(self) -> list[dict[str, Any]]:
        coming = [json.loads(entry) for entry in cast(list[str], self.store.zrange(COMING, 0, -1))]
        return [{"reference": said["reference"]} for said in coming if said["is"] == "report"]

    def hear(self, recorded: Mapping[str, Any]) -> list[Event]:
        """What is said of this message."""
        self.store.delete(COMING)
        self.gateway.send([outgoing(**recorded)])
        events = list(self.gateway.poll())
        self.gateway.acknowledge(events)
        # Both are due at this moment, in any order.
        return sorted(events, key=lambda event: isinstance(event, Received))


@contextmanager
def rig() -> Iterator[Rig]:
    """A fresh simulator on the broker of the tests."""
    made = SimulatorRig()
    try:
        yield made
    finally:
        made.store.delete(COMING)
        made.store.close()
