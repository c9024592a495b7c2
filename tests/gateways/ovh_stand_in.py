"""Stands where OVHcloud's API stands: on the loopback, over the server of tests/gateways/web.py.

It checks each request's signature in its own words, as OVHcloud's "First steps with the OVHcloud APIs" define it:
"$1$" and the SHA-1 in hexadecimal of application secret, consumer key, method, address, body and time, joined by "+".
Its errors have the form that the API gives them.
"""

import hashlib
import itertools
import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import unquote

from tests.gateways.web import CLOSE, Answer, Asked, Web, web

SERVICE: Final = "sms-ab12345-1"
APPLICATION_KEY: Final = "applicationkey01"
APPLICATION_SECRET: Final = "application-secret-of-32-letters"
CONSUMER_KEY: Final = "consumer-key-of-32-letters-xxxxx"
# The clause that the API writes below an advertising message from a name: LF and ten more septets.
THEIR_CLAUSE: Final = "\nSTOP:36111"
# How old a request may be, in seconds.
OUT_OF_TIME: Final = 120

KINDS: Final[dict[str, type | tuple[type, ...]]] = {
    "charset": str,
    "class": str,
    "coding": str,
    "differedPeriod": int,
    "message": str,
    "noStopClause": bool,
    "priority": str,
    "receivers": list,
    "sender": str,
    "senderForResponse": bool,
    "tag": str,
    "validityPeriod": int,
}


class OvhStandIn:
    """`jobs` are the submissions in order, `phone` what phones show of them; the lists are what the API tells."""

    def __init__(self, server: Web) -> None:
        self.server = server
        self.endpoint = f"{server.url}/1.0"
        self.clock_ahead = 0
        self.clock: Answer | None = None  # instead of the time
        self.says: Mapping[str, Any] | None = None  # instead of taking a submission
        self.breaks = False
        self.refused: list[str] = []  # the error codes of refused requests
        self.jobs: list[dict[str, Any]] = []
        self.phone: list[str] = []
        self.outgoing: dict[int, dict[str, Any]] = {}
        self.incoming: dict[int, dict[str, Any]] = {}
        self.blacklist: dict[str, dict[str, Any]] = {}
        self.times_asked = 0
        self._ids = itertools.count(700_000_001)
        server.does = self._does

    def _does(self, asked: Asked) -> Answer:
        if asked.path == "/1.0/auth/time":
            self.times_asked += 1
            return self.clock or _json(200, int(time.time()) + self.clock_ahead)
        if (code := self._wrong(asked)) is not None:
            self.refused.append(code)
            return _error(403, code, "This call is refused")
        found = re.fullmatch(rf"/1\.0/sms/{SERVICE}/(\w+)(?:/(.+))?", asked.path)
        if found is None:
            return _json(404, {"class": "Client::NotFound", "message": "This service does not exist"})
        what, which = found[1], unquote(found[2] or "")
        if (asked.method, what, which) == ("POST", "jobs", ""):
            return self._job(asked)
        if asked.method == "GET":
            return self._tell(what, which, asked)
        return _error(404, "NOT_FOUND", "Got an invalid (or empty) URL")

    def _wrong(self, asked: Asked) -> str | None:
        """The error code of a request that is not signed as it must be."""
        said = asked.headers
        if said.get("x-ovh-application") != APPLICATION_KEY:
            return "INVALID_KEY"
        if said.get("x-ovh-consumer") != CONSUMER_KEY:
            return "INVALID_CREDENTIAL"
        stamp = said.get("x-ovh-timestamp", "")
        if not stamp.isdigit() or abs(int(stamp) - time.time() - self.clock_ahead) > OUT_OF_TIME:
            return "QUERY_TIME_OUT"
        address = f"{self.server.url}{asked.target}"
        signed = f"{APPLICATION_SECRET}+{CONSUMER_KEY}+{asked.method}+{address}+{asked.body.decode()}+{stamp}"
        digest = hashlib.sha1(signed.encode(), usedforsecurity=False).hexdigest()
        if said.get("x-ovh-signature") != f"$1${digest}":
            return "INVALID_SIGNATURE"
        return None

    def _job(self, asked: Asked) -> Answer:
        job = json.loads(asked.body)
        for name, value in job.items():
            if name not in KINDS or not isinstance(value, KINDS[name]):
                return _error(400, "INVALID_ARGUMENT", f"Invalid {name}")
        if asked.headers.get("content-type") != "application/json" or ("sender" in job) == job["senderForResponse"]:
            return _error(400, "INVALID_ARGUMENT", "Bad request")
        kept = job | {"reference": ""}
        self.jobs.append(kept)
        if self.breaks:
            self.breaks = False
            return CLOSE
        if self.says is not None:
            return answer(self.says)
        number = next(self._ids)
        kept["reference"] = str(number)
        # A name gets the clause, a number has none.
        adds = not job["noStopClause"] and not re.fullmatch(r"\+?\d+", job.get("sender", "0"))
        self.phone.append(job["message"] + (THEIR_CLAUSE if adds else ""))
        self.sent(number, tag=job["tag"])
        return _json(
            200,
            {
                "ids": [number],
                "invalidReceivers": [],
                "validReceivers": job["receivers"],
                "totalCreditsRemoved": 1,
                "creditsLeft": 99,
                "tag": job["tag"],
            },
        )

    def sent(self, number: int, *, tag: str, ptt: int = 0, receipt: int = 0) -> None:
        """The API knows a sent message of this id."""
        self.outgoing[number] = {
            "id": number,
            "tag": tag,
            "ptt": ptt,
            "deliveryReceipt": receipt,
            "sentAt": "2026-11-24T12:00:00+01:00",
            "creationDatetime": "2026-11-24T12:00:00+01:00",
        }

    def _tell(self, what: str, which: str, asked: Asked) -> Answer:
        kept: dict[str, dict[str, Any]] = {
            "incoming": {str(key): value for key, value in self.incoming.items()},
            "outgoing": {str(key): value for key, value in self.outgoing.items()},
            "blacklists": self.blacklist,
        }.get(what, {})
        if which:
            return _json(200, kept[which]) if which in kept else _error(404, "NOT_FOUND", "This object does not exist")
        tag = asked.query.get("tag", [None])[0]
        listed = [key for key, value in kept.items() if tag is None or value.get("tag") == tag]
        return _json(200, listed if what == "blacklists" else [int(key) for key in listed])


def answer(said: Mapping[str, Any]) -> Answer:
    """What a case writes: `status`, `headers`, and `body` as JSON or `text` as it is."""
    body = said["text"].encode() if "text" in said else json.dumps(said.get("body")).encode()
    return Answer(said.get("status", 200), body, {"Content-Type": "application/json", **said.get("headers", {})})


def _json(status: int, said: Any) -> Answer:
    return answer({"status": status, "body": said})


def _error(status: int, code: str, message: str) -> Answer:
    return _json(status, {"errorCode": code, "httpCode": f"{status} Refused", "message": message})


@contextmanager
def ovh_stand_in() -> Iterator[OvhStandIn]:
    """The API for the length of a block."""
    with web() as server:
        yield OvhStandIn(server)
