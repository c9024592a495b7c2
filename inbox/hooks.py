"""A call to an address on the Internet that a member typed: it reaches public addresses and nothing else.

Whoever may type an address could otherwise have this server ask what only it can reach: the database beside it, the
metadata of a cloud, a printer. So:

* only https, to a name that the certificate proves;
* the name is looked up once, each address found is checked, and the connection goes to one of those very addresses: a
  name server that answers otherwise a second time ("DNS rebinding") is not asked a second time;
* no redirect is followed, no proxy and nothing else of the environment is used, no cookie is kept;
* all of it together has an end (SECONDS), however slowly the peer drips; of the answer only the status and its headers
  are read, and those are bounded (http.client: 64 KB for a line, 100 headers).

Of the libraries for this, `advocate` needs urllib3 1 and is kept no more, its descendants are not released, and the
newer ones check and connect in a client of their own choice and are months old. What has to hold is what this file
shows, above the standard library alone. Sources of the ranges: the IANA special-purpose address registries (RFC 6890).
"""

import functools
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
# A family of addresses and an address as sockets take it.
Place = tuple[int, tuple[str, int] | tuple[str, int, int, int]]
Resolve = Callable[[str, int], Iterable[Place]]

SECONDS: Final = 15.0
LONGEST_URL: Final = 500
MOST_ADDRESSES: Final = 3

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
# What `is_global` of one version of Python or another calls global, and what leads elsewhere than it says: tunnels
# (Teredo is in 2001::/23), documentation, relays, networks of tests.
_REFUSED: Final = [
    ipaddress.ip_network(each)
    for each in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "2620:4f:8000::/48",
        "3fff::/20",
    )
]


class Failed(Exception):
    """The call did not come to a good answer. `reason` is a word of inbox/reaction_models.py, `detail` is short."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason} {detail}".strip())
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class Target:
    """Where an address leads: the host, its port, and what is asked for there."""

    host: str
    port: int
    path: str


def is_public(address: IPAddress) -> bool:
    """Whether anybody on the Internet reaches it: no private, local, shared, reserved, multicast or tunnel address."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            # With it a network without IPv4 reaches the IPv4 Internet (RFC 6052), and its own IPv4 as well.
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in _GLOBAL_UNICAST:
            # Loopback, unspecified, IPv4-mapped, link-local, unique local, multicast.
            return False
    if any(address.version == each.version and address in each for each in _REFUSED):
        return False
    return address.is_global and not address.is_multicast


def target(url: str) -> Target:
    """Read an address. Raises Failed: "bad_address", "not_https", "private_address" for one that is written out."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url or len(url) > LONGEST_URL:
        raise Failed("bad_address")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 443
    except ValueError:
        raise Failed("bad_address") from None
    if parts.scheme != "https":
        raise Failed("not_https")
    if not host or len(host) > 253 or "%" in host or "@" in parts.netloc or parts.fragment:
        raise Failed("bad_address")
    return Target(host, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))


def refuse_written_out(found: Target) -> None:
    """Raise Failed when the host is an address that is not public, or a name that no public name server has."""
    try:
        written: IPAddress | None = ipaddress.ip_address(found.host)
    except ValueError:
        written = None
    local = written is None and ("." not in found.host.rstrip(".") or found.host.rstrip(".").endswith(".localhost"))
    if local or (written is not None and not is_public(written)):
        raise Failed("private_address")


def call(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    allowed: Callable[[IPAddress], bool] = is_public,
    resolve: Resolve | None = None,
    trusted: ssl.SSLContext | None = None,
    seconds: float = SECONDS,
) -> int:
    """POST `body` and return the status of the answer, one of 2xx. Raises Failed for everything else.

    A test gives `allowed`, `resolve` and `trusted` to reach a server of its own; no setting does.
    """
    until = time.monotonic() + seconds
    found = target(url)
    places = _places(found, allowed, resolve or _look_up)
    watch = _Watch(seconds)
    try:
        status = _exchange(found, places, body, headers, trusted or _trusted(), watch, until)
    except ssl.SSLCertVerificationError:
        raise Failed("certificate") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        # ValueError: what Python says of a connection that the watch has ended.
        raise Failed("slow" if watch.fired else _reason(error)) from None
    finally:
        watch.end()
    if watch.fired:
        # What was cut off by us may look like an answer.
        raise Failed("slow")
    if not 200 <= status < 300:
        raise Failed("redirected" if 300 <= status < 400 else "status", str(status))
    return status


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "slow"
    if isinstance(error, ssl.SSLError):
        return "tls"
    # A connection that ends without an answer is both for http.client.
    return "no_connection" if isinstance(error, OSError) else "unreadable"


class _Watch:
    """Ends a connection when the time is over, whatever the peer does meanwhile: a time-out ends with each octet."""

    def __init__(self, seconds: float) -> None:
        self.fired = False
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._fire)
        self._timer.daemon = True
        self._timer.start()

    def over(self, connection: socket.socket) -> None:
        self._socket = connection
        if self.fired:
            raise TimeoutError

    def end(self) -> None:
        self._timer.cancel()
        if self._socket is not None:
            self._socket.close()

    def _fire(self) -> None:
        self.fired = True
        if self._socket is not None:
            try:
                # Not that of SSLSocket: it would take the session away from under the thread that reads.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            except OSError:
                # It has ended by itself meanwhile.
                return


def _look_up(host: str, port: int) -> Iterable[Place]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [(family, place) for family, _kind, _protocol, _name, place in found]  # type: ignore[misc]


def _places(found: Target, allowed: Callable[[IPAddress], bool], resolve: Resolve) -> list[Place]:
    """The addresses of the host, looked up once. One that is not allowed is enough to call none of them."""
    try:
        places = list(resolve(found.host, found.port))
    except (OSError, UnicodeError):
        raise Failed("unknown_host") from None
    if not places:
        raise Failed("unknown_host")
    if not all(allowed(ipaddress.ip_address(place[0])) for _family, place in places):
        raise Failed("private_address")
    return places[:MOST_ADDRESSES]


def _exchange(
    found: Target,
    places: list[Place],
    body: bytes,
    headers: Mapping[str, str],
    trusted: ssl.SSLContext,
    watch: _Watch,
    until: float,
) -> int:
    plain = _connected(places, watch, until)
    # The handshake by itself, so that the watch holds the connection while it lasts.
    connection = trusted.wrap_socket(plain, server_hostname=found.host, do_handshake_on_connect=False)
    watch.over(connection)
    connection.do_handshake()
    talk = http.client.HTTPSConnection(found.host, found.port, context=trusted)
    # It talks over this connection and makes no other.
    talk.sock, talk.auto_open = connection, 0
    talk.request("POST", found.path, body=body, headers=dict(headers))
    answer = talk.getresponse()
    status = answer.status
    # What the body says is of no interest; who sends it finds the connection closed.
    answer.close()
    return status


def _connected(places: list[Place], watch: _Watch, until: float) -> socket.socket:
    failure: OSError = TimeoutError()
    for number, (family, place) in enumerate(places):
        left = until - time.monotonic()
        if left <= 0:
            break
        connection = socket.socket(family, socket.SOCK_STREAM)
        watch.over(connection)
        connection.settimeout(left / (len(places) - number))
        try:
            connection.connect(place)
        except OSError as error:
            failure = error
            connection.close()
        else:
            connection.settimeout(max(until - time.monotonic(), 0.001))
            return connection
    raise failure


@functools.cache
def _trusted() -> ssl.SSLContext:
    """The usual authorities, and TLS 1.2 at least, as `requests` and the gateways have them."""
    context = ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
