"""The OVHcloud gateway before the stand-in of its API."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlencode

from compose.gateways.base import Call, Event
from compose.gateways.ovh import OvhGateway
from tests.gateways.ovh_stand_in import (
    APPLICATION_KEY,
    APPLICATION_SECRET,
    CONSUMER_KEY,
    SERVICE,
    OvhStandIn,
    ovh_stand_in,
)
from tests.gateways.rig import Rig, outgoing

GATEWAY = OvhGateway
OPTIONS: dict[str, Any] = {
    "service": SERVICE,
    "application_key": APPLICATION_KEY,
    "application_secret": APPLICATION_SECRET,
    "consumer_key": CONSUMER_KEY,
    "endpoint": "ovh-eu",
    "stop_clause": "ours",
    "stop_number": "36111",
    "priority": "high",
    "tag_prefix": "sms-",
    "at_once": 4,
    # No test waits for a look; what the pause does is asked in test_ovh_arrivals.py.
    "poll_every": 1e-6,
    "fetch_received": True,
    "fetch_stops": False,
    "connect_timeout": 5,
    "read_timeout": 5,
    "ca_file": "",
    "proxy": "",
}
DOOR: Final = "https://sms.example.net/gateways/ovh/"
DOOR_KEY: Final = "the-key-of-the-door"


def made(api: OvhStandIn, **differs: Any) -> OvhGateway:
    """A gateway for the stand-in, with a public address."""
    gateway = OvhGateway(**(OPTIONS | {"endpoint": api.endpoint} | differs))
    gateway.door, gateway.door_key = DOOR, DOOR_KEY
    return gateway


def call(what: str, *, query: Mapping[str, str] | None = None, form: Mapping[str, str] | None = None) -> Call:
    """A call at the door as OVHcloud makes it: its fields behind what is in the address that it was given."""
    asked = {"key": DOOR_KEY, **(query or {})}
    return Call(
        method="POST" if form is not None else "GET",
        url=f"{DOOR}{what}?{urlencode(asked)}",
        what=what,
        query={name: [value] for name, value in asked.items()},
        form={name: [value] for name, value in (form or {}).items()},
        headers={},
        body=urlencode(form or {}).encode(),
        address="192.0.2.7",
    )


class OvhRig(Rig):
    """A case's `peer` has `status`, `headers` and `body` or `text`; `said` is a call, or what the API tells."""

    name = "ovh"
    secrets = (APPLICATION_SECRET, CONSUMER_KEY, APPLICATION_KEY, DOOR_KEY)

    def __init__(self, api: OvhStandIn) -> None:
        self.api = api
        self.gateway = made(api)

    def answer(self, recorded: Mapping[str, Any]) -> None:
        self.api.says = recorded

    def received(self) -> list[dict[str, Any]]:
        return [
            {**job, "to": job["receivers"][0], "from": job.get("sender", ""), "text": job["message"]}
            for job in self.api.jobs
        ]

    def break_after_reading(self) -> None:
        self.api.breaks = True

    def down(self) -> None:
        self.api.server.down()

    def hear(self, recorded: Mapping[str, Any]) -> list[Event]:
        if "what" in recorded:
            heard = self.gateway.parse(call(recorded["what"], query=recorded.get("query"), form=recorded.get("form")))
            return list(heard.events)
        # As a process that has just started, which remembers nothing of an earlier look.
        gateway = made(self.api, fetch_stops=True)
        if "unanswered" in recorded:
            said = recorded["unanswered"]
            self.api.breaks = True
            gateway.send([outgoing(id=said["id"])])
            self.api.sent(said["number"], tag=f"sms-{said['id']}", ptt=said["ptt"], receipt=said["receipt"])
        self.api.incoming = {one["id"]: one for one in recorded.get("incoming", [])}
        self.api.blacklist = {one["number"]: one for one in recorded.get("blacklist", [])}
        events = list(gateway.poll())
        gateway.acknowledge(events)
        return events


@contextmanager
def rig() -> Iterator[Rig]:
    """A fresh stand-in and a fresh gateway."""
    with ovh_stand_in() as api:
        yield OvhRig(api)
