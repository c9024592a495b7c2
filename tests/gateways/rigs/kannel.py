"""The kannel gateway, and a web server that answers as smsbox does."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from compose.gateways.kannel import KannelGateway
from tests.gateways.rig import Rig
from tests.gateways.rigs._web import DOOR_KEY, WebRig
from tests.gateways.web import Answer, Asked, Web, web

GATEWAY = KannelGateway
PASSWORD = "s3cr3t-k4nn3l"
OPTIONS: dict[str, Any] = {
    "url": "http://127.0.0.1:13013/cgi-bin/sendsms",
    "username": "shop",
    "password": PASSWORD,
    "smsc": "operator",
    "account": "bakery",
    "priority": 1,
    "standard_class": 1,
    "validity": True,
    "reports": 27,
    "errors": {"027": "absent"},
    "max_parts": 10,
    "at_once": 5,
    "connect_timeout": 5.0,
    "read_timeout": 5.0,
}
SERVER = {"Server": "Kannel/1.4.5", "Content-type": "text/html"}


class KannelRig(WebRig):
    """The parameters of sendsms are what was received; `dlr-url` is taken apart."""

    name = "kannel"
    secrets = (PASSWORD, DOOR_KEY)

    def __init__(self, peer: Web) -> None:
        options: dict[str, Any] = {"connect_timeout": 5.0, "read_timeout": 5.0, "errors": {"027": "absent"}}
        url = f"{peer.url}/cgi-bin/sendsms"
        super().__init__(peer, KannelGateway(url=url, username="shop", password=PASSWORD, **options))

    def take(self, asked: Asked) -> Answer:
        return Answer(202, b"0: Accepted for delivery", SERVER)

    def read(self, asked: Asked) -> dict[str, Any]:
        said: dict[str, Any] = {name: values[0] for name, values in asked.query.items()}
        report = parse_qs(urlsplit(said.pop("dlr-url", "")).query)
        said |= {"report-id": report.get("id", [""])[0], "reference": report.get("ref", [""])[0]}
        said |= {"class": said.get("mclass"), "method": asked.method}
        return said


@contextmanager
def rig() -> Iterator[Rig]:
    """A fresh gateway and a fresh stand-in."""
    with web() as peer:
        yield KannelRig(peer)
