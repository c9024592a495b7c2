"""HTTP calls to a vendor, and what is known of the message when one fails.

A call that failed before its first octet was written did not leave: `NotSent`. From that octet on it may have:
`OutcomeUnknown`. Nothing is decided from the words of an exception: the connection itself notes the moment.

* Nothing is tried twice, no redirect is followed, no cookie is kept, and nothing is taken from the environment
  (proxies, .netrc, certificates): a call is what the settings say.
* Connections are kept for the next call. The peer may close one while it rests, and a request that is written into
  that moment fails without anybody knowing whether it was read (RFC 9112 §9.3.1), so it is never written a second
  time. Instead such a request is made rare: a connection that the peer has closed is seen and replaced, and one that
  rested longer than KEEP_SECONDS is closed by us, sooner than by any common server (gunicorn after 2 s, Apache and
  Node after 5 s).
* Texts of errors name the host, never the rest of an address, headers or bodies: secrets are in those.
"""

import json
import logging
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from compose.gateways.base import (
    BadConfiguration,
    GatewayError,
    NotSent,
    Outcome,
    OutcomeUnknown,
    Outgoing,
    OutOfFunds,
    Rejected,
    Throttled,
)

logger = logging.getLogger(__name__)

KEEP_SECONDS: Final = 1.0
LONGEST_PAUSE: Final = 300.0
_CHUNK: Final = 65_536
_LENGTHS: Final = {"content-length", "transfer-encoding"}
_BODILESS: Final = (204, 304)
_USER_AGENT: Final = "sms-manager"

# What the call of this thread has come to: `calling`, and `wrote` once the first octet is given to the network.
_stage = threading.local()


@dataclass(frozen=True)
class Reply:
    """What the vendor answered; names in `headers` are in lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """The body as text in the charset it names, else UTF-8; octets that are none become U+FFFD."""
        charset = "utf-8"
        for parameter in self.headers.get("content-type", "").split(";")[1:]:
            name, _equals, value = parameter.partition("=")
            if name.strip().lower() == "charset":
                charset = value.strip().strip("\"'")
        try:
            return self.body.decode(charset, "replace")
        except (LookupError, ValueError):
            return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON; raises OutcomeUnknown when it is none, for who asks has sent something."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            pass
        raise OutcomeUnknown(f"the answer {self.status} is not JSON")

    def json_or(self, otherwise: Any) -> Any:
        """The body as JSON, or `otherwise` when it is none: for the body of a refusal."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return otherwise


class Caller:
    """Calls a vendor; used by several threads at once.

    Seconds: `connect_timeout` for the connection and again for TLS, `read_timeout` for each silence while we wait and
    for the whole body. An answer of more than `most_bytes` is not read to its end. `ca_file` names a file of those
    who may sign the vendor's certificate instead of the usual ones; `proxy` an address calls go through.
    """

    def __init__(
        self,
        *,
        connect_timeout: float = 10.0,
        read_timeout: float = 20.0,
        most_bytes: int = 1_000_000,
        ca_file: str = "",
        proxy: str = "",
        connections: int = 32,
    ) -> None:
        for name, seconds in (("connect_timeout", connect_timeout), ("read_timeout", read_timeout)):
            if not seconds > 0:
                raise ValueError(f"{name} is a number of seconds above 0.")
        self.connect_timeout = connect_timeout
        self.read_timeout = read_timeout
        self.most_bytes = most_bytes
        self._verify: str | bool = ca_file or True
        self._proxies = {"http": proxy, "https": proxy} if proxy else {}
        self._adapter = _Adapter(pool_connections=4, pool_maxsize=connections, max_retries=0)

    def call(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, Any] | Sequence[tuple[str, Any]] | None = None,
        data: Any = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        auth: Any = None,
    ) -> Reply:
        """One request and its answer, whatever its status; the parameters are those of requests.

        Raises NotSent, OutcomeUnknown, and BadConfiguration for an address or a header that is none.
        """
        given = {"User-Agent": _USER_AGENT, "Accept-Encoding": "identity"} | dict(headers or {})
        host = _host(url)
        _stage.calling, _stage.wrote = True, False
        try:
            request = requests.Request(
                method, url, params=params, data=data, json=json, headers=given, auth=auth
            ).prepare()
            return self._answer(request)
        except _Unreadable as error:
            failure: GatewayError = OutcomeUnknown(f"{host}: {error}")
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            # Not chained: the exceptions of the libraries hold the whole request.
            failure = _failure(host, error, wrote=_stage.wrote)
        finally:
            _stage.calling = False
        raise failure

    def _answer(self, request: requests.PreparedRequest) -> Reply:
        response = self._adapter.send(
            request,
            stream=True,
            timeout=(self.connect_timeout, self.read_timeout),
            verify=self._verify,
            proxies=dict(self._proxies),
        )
        until = time.monotonic() + self.read_timeout
        chunks: list[bytes] = []
        size = 0
        try:
            while chunk := response.raw.read1(_CHUNK, decode_content=True):
                chunks.append(chunk)
                size += len(chunk)
                if size > self.most_bytes:
                    raise _Unreadable(f"the answer has more than {self.most_bytes} octets")
                if time.monotonic() > until:
                    raise _Unreadable(f"the answer was not complete after {self.read_timeout:g} s")
            # The connection is kept now: what follows closes only one that was not read to its end.
            response.raw.release_conn()
        finally:
            response.close()
        names = {name.lower(): value for name, value in response.headers.items()}
        if not chunks and not names.keys() & _LENGTHS and response.status_code not in _BODILESS:
            # What ends inside its headers looks like this (RFC 9112 §8): they end where the connection does.
            raise _Unreadable("the answer was cut before its body")
        return Reply(response.status_code, names, b"".join(chunks))


def in_parallel(send_one: Callable[[Outgoing], Outcome], chunk: Sequence[Outgoing], *, at_once: int) -> list[Outcome]:
    """The outcomes of a chunk, in its order, for a vendor that takes one message a call; `at_once` calls at a time.

    What one call raises is the outcome of its message alone. A gateway's `batch_size` best is `at_once`, so that a
    chunk takes the time of one call.
    """

    def outcome(message: Outgoing) -> Outcome:
        try:
            return send_one(message)
        except GatewayError as error:
            return error
        except Exception as error:  # noqa: BLE001  (it is the outcome of its message)
            # Its text may quote the call, so it is not written; where it arose is enough to find it.
            arose = "".join(traceback.format_tb(error.__traceback__))
            logger.error("A gateway failed over message %s with %s:\n%s", message.id, type(error).__name__, arose)
            return OutcomeUnknown(f"the gateway itself failed: {type(error).__name__}")

    if len(chunk) < 2 or at_once < 2:
        return [outcome(message) for message in chunk]
    with ThreadPoolExecutor(max_workers=min(at_once, len(chunk))) as threads:
        return list(threads.map(outcome, chunk))


def refusal(reply: Reply, *, code: str = "") -> GatewayError | None:
    """What a status says when the vendor's body does not say more (RFC 9110 §15, RFC 6585 §4); None for 2xx.

    A server's own failure (5xx) leaves it open whether the message left.
    """
    status = reply.status
    detail = f"answered {status}"
    if 200 <= status < 300:
        return None
    if status == 429:
        return Throttled(detail, retry_after=retry_after(reply), code=code)
    if status == 402:
        return OutOfFunds(detail, code=code)
    if status == 408:
        return NotSent(detail, reason="gateway_unreachable", code=code)
    if status < 400 or status in (401, 403, 404, 405, 407, 410):
        return BadConfiguration(detail, code=code)
    if status < 500:
        return Rejected(detail, code=code)
    return OutcomeUnknown(detail, code=code)


def retry_after(reply: Reply, otherwise: float = 1.0) -> float:
    """Seconds to wait, as `Retry-After` says (RFC 9110 §10.2.3), LONGEST_PAUSE at most; `otherwise` without it."""
    said = reply.headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        seconds = float(said[:9])
    else:
        try:
            seconds = parsedate_to_datetime(said).timestamp() - time.time()
        except (ValueError, OverflowError):
            return otherwise
    return min(max(seconds, 0.0), LONGEST_PAUSE)


class _Unreadable(Exception):
    """Why an answer was not read to its end."""


class _Noting(HTTPConnection):
    """A connection that notes the moment from which a request may have left."""

    rests_since = 0.0
    _connecting = False

    def connect(self) -> None:
        # What is said to a proxy, before the vendor hears anything, is not the request.
        self._connecting = True
        try:
            super().connect()
        finally:
            self._connecting = False

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        if not self._connecting:
            _stage.wrote = True
        super().send(data)


class _NotingTls(_Noting, HTTPSConnection):
    """The same over TLS."""


class _Resting(HTTPConnectionPool):
    """Kept connections, each for KEEP_SECONDS."""

    ConnectionCls = _Noting

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection: Any = super()._get_conn(timeout)
        if connection.sock is not None and time.monotonic() - connection.rests_since > KEEP_SECONDS:
            connection.close()
        return connection

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.rests_since = time.monotonic()
        super()._put_conn(conn)


class _RestingTls(_Resting, HTTPSConnectionPool):
    """The same over TLS."""

    ConnectionCls = _NotingTls


_POOLS: Final = {"http": _Resting, "https": _RestingTls}


class _Adapter(HTTPAdapter):
    """The transport of requests, with connections of ours."""

    def init_poolmanager(self, *args: Any, **keywords: Any) -> None:
        super().init_poolmanager(*args, **keywords)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **keywords: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **keywords)
        manager.pool_classes_by_scheme = _POOLS
        return manager


def _failure(host: str, error: Exception, *, wrote: bool) -> GatewayError:
    if isinstance(error, requests.RequestException) and isinstance(error, ValueError):
        return BadConfiguration(f"{host}: the address or a header of the call is not valid")
    if wrote:
        said = "no answer in time" if isinstance(error, requests.Timeout) else "the connection broke before the answer"
        return OutcomeUnknown(f"{host}: {said}")
    if isinstance(error, requests.exceptions.SSLError):
        return NotSent(f"{host}: no trusted TLS connection")
    if isinstance(error, requests.exceptions.ProxyError):
        return NotSent(f"{host}: the proxy does not connect")
    if isinstance(error, requests.Timeout):
        return NotSent(f"{host}: no connection in time")
    return NotSent(f"{host}: no connection")


def _host(url: str) -> str:
    """The host of an address and its port, when it has one: all of it that may be shown."""
    try:
        parts = urlsplit(url)
        return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname or "the vendor"
    except ValueError:
        return "the vendor"


def _not_of_ours(_record: logging.LogRecord) -> bool:
    """urllib3 writes whole addresses to its log, and secrets may be in ours."""
    return not getattr(_stage, "calling", False)


for _name in ("urllib3.connection", "urllib3.connectionpool"):
    logging.getLogger(_name).addFilter(_not_of_ours)
