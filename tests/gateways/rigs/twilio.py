"""The Twilio gateway before the stand-in of its REST interface."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from compose.gateways.base import Event
from compose.gateways.twilio import TwilioGateway
from tests.gateways.rig import Rig
from tests.gateways.twilio_stand_in import ACCOUNT, KEY, KEY_SECRET, TOKEN, TwilioStandIn, called, twilio_stand_in

GATEWAY = TwilioGateway
OPTIONS: dict[str, Any] = {
    "account_sid": ACCOUNT,
    "auth_token": TOKEN,
    "api_key_sid": KEY,
    "api_key_secret": KEY_SECRET,
    "messaging_service_sid": "",
    "api_url": "https://api.twilio.com",
    "at_once": 4,
    "connect_timeout": 5,
    "read_timeout": 5,
    "ca_file": "",
    "proxy": "",
}
DOOR: Final = "https://sms.example.net/gateways/twilio/"


def made(api: TwilioStandIn, **differs: Any) -> TwilioGateway:
    """A gateway for the stand-in, with a public address."""
    gateway = TwilioGateway(**(OPTIONS | {"api_url": api.api_url} | differs))
    gateway.door = DOOR
    return gateway


class TwilioRig(Rig):
    """A case's `peer` has `status`, `headers` and `body` or `text`; `said` is a call with its `fields`."""

    name = "twilio"
    secrets = (TOKEN, KEY_SECRET)

    def __init__(self, api: TwilioStandIn) -> None:
        self.api = api
        self.gateway = made(api)

    def answer(self, recorded: Mapping[str, Any]) -> None:
        self.api.says = recorded

    def received(self) -> list[dict[str, Any]]:
        return [
            {**one, "to": one["To"], "from": one["From"], "text": one["Body"], "class": "standard"}
            for one in self.api.messages
        ]

    def break_after_reading(self) -> None:
        self.api.breaks = True

    def down(self) -> None:
        self.api.server.down()

    def hear(self, recorded: Mapping[str, Any]) -> list[Event]:
        asked = f"?id={recorded['id']}" if "id" in recorded else ""
        call = called(
            f"{DOOR}{recorded['what']}{asked}",
            recorded.get("fields", {}),
            token=recorded.get("signed_with", TOKEN),
            method=recorded.get("method", "POST"),
        )
        if not recorded.get("signed", True):
            call = type(call)(**(vars(call) | {"headers": {}}))
        heard = self.gateway.parse(call)
        assert heard.answer.endswith("<Response/>"), heard.answer
        return list(heard.events)


@contextmanager
def rig() -> Iterator[Rig]:
    """A fresh stand-in and a fresh gateway."""
    with twilio_stand_in() as api:
        yield TwilioRig(api)
