"""Requests to OVHcloud's API, signed by the vendor's own client and sent by our transport.

The client gives each request its signature: `$1$` and the SHA-1 of application secret, consumer key, method, address,
body and the vendor's time (OVHcloud, "First steps with the OVHcloud APIs"). What it would do with the network is done
by `compose.gateways.calls`, which knows whether a request may have left.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

import ovh

from compose.gateways import given
from compose.gateways.base import GatewayError, NotSent
from compose.gateways.calls import Caller, Reply

# Seconds for which the difference of the clocks holds, and before a clock that did not answer is asked again.
CLOCK_HOLDS: Final = 900.0
CLOCK_PAUSE: Final = 2.0


def address(endpoint: Any) -> str:
    """The address of the API: of an endpoint that the client knows by name, or as it is given. Raises ValueError."""
    named: dict[str, str] = ovh.client.ENDPOINTS
    if isinstance(endpoint, str) and endpoint in named:
        return named[endpoint]
    try:
        return given.address("endpoint", endpoint)
    except ValueError:
        pass
    raise ValueError(f"endpoint is one of {', '.join(named)}, or an address that begins with https://.")


class SignedApi(ovh.Client):
    """The vendor's client; used by several threads at once."""

    def __init__(
        self, *, endpoint: str, application_key: str, application_secret: str, consumer_key: str, caller: Caller
    ) -> None:
        # The client's own constructor takes only endpoints that it knows by name, and looks for what it is not given in
        # the environment and in files of the machine. These are the attributes that `raw_call` works with.
        self._endpoint = address(endpoint)
        self._application_key = application_key
        self._application_secret = application_secret
        self._consumer_key = consumer_key
        self._oauth2 = None
        self._timeout = None
        self._session = _Transport(caller)
        self._clock = Clock(self._their_time)

    def ask(self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Any = None) -> Reply:
        """One signed request and its answer, whatever its status; raises as `Caller.call` does.

        The first one asks for their time before; when that fails, NotSent.
        """
        reply: Reply = self.raw_call(method, f"{path}?{urlencode(query)}" if query else path, body)
        return reply

    def forget_time(self) -> None:
        """The clocks turned out to differ otherwise: ask again before the next request."""
        self._clock.forget()

    @property
    def time_delta(self) -> int:
        """Seconds by which their clock is ahead of ours."""
        return self._clock.ahead()

    def _their_time(self) -> int:
        reply: Reply = self.raw_call("GET", "/auth/time", need_auth=False)
        said = reply.json_or(None)
        if reply.status != 200 or not isinstance(said, int) or isinstance(said, bool):
            raise NotSent(f"the API did not say its time, but answered {reply.status}")
        return said


class Clock:
    """How far a vendor's clock is ahead, asked for once in a while.

    Who comes first waits for it. Later the old difference serves while one thread asks again, and when that fails.
    """

    def __init__(self, ask: Callable[[], int]) -> None:
        self._ask = ask
        self._asking = threading.Lock()
        self._ahead: int | None = None
        self._asked_at = 0.0
        self._pause_until = 0.0

    def ahead(self) -> int:
        """Seconds; raises NotSent when it is not known."""
        known = self._ahead
        if known is not None and not self._is_old():
            return known
        if not self._asking.acquire(blocking=known is None):
            assert known is not None
            return known
        try:
            if self._ahead is None or self._is_old():
                self._look()
            known = self._ahead
        finally:
            self._asking.release()
        if known is None:
            raise NotSent("the API's clock did not answer a moment ago")
        return known

    def forget(self) -> None:
        self._ahead = None

    def _is_old(self) -> bool:
        return time.monotonic() - self._asked_at > CLOCK_HOLDS

    def _look(self) -> None:
        # Those who waited for a clock that did not answer do not wait for it one after another.
        if time.monotonic() < self._pause_until:
            return
        try:
            self._ahead = self._ask() - int(time.time())
            self._asked_at = time.monotonic()
        except GatewayError as error:
            self._pause_until = time.monotonic() + CLOCK_PAUSE
            if self._ahead is not None:
                return
            if isinstance(error, NotSent):
                raise
            # The question may have left; the message did not.
            raise NotSent(f"the API's clock: {error.detail}") from None


class _Transport:
    """Stands where the client has its session of requests."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def request(self, method: str, url: str, *, headers: Mapping[str, str], data: str, timeout: None) -> Reply:
        return self._caller.call(method, url, headers=headers, data=data or None)
