"""Calls to addresses that members type: what is reached, what never is, and how each ends."""

import ipaddress
import json
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from inbox import hooks
from tests.gateways.web import CLOSE, RESET, Answer, Asked, Web, web

CERTIFICATE = Path(__file__).parent / "gateways" / "tls" / "certificate.pem"
# The certificate of the tests is for this name.
NAME = "smsc.test"
PUBLIC, PRIVATE = "93.184.215.14", "127.0.0.1"


@pytest.fixture
def peer() -> Iterator[Web]:
    with web(tls=True) as made:
        yield made


def resolver(*answers: Sequence[str]) -> Callable[[str, int], list[hooks.Place]]:
    """A name server that answers these, one after the other, and the last one from then on."""
    left = list(answers)

    def resolve(host: str, port: int) -> list[hooks.Place]:
        found = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET6 if ":" in each else socket.AF_INET, (each, port)) for each in found]

    return resolve


def called(peer: Web, *, name: str = NAME, path: str = "/in?a=1", **given: Any) -> int:
    """Call the peer on the loopback, which no setting allows: only what a test gives."""
    trusted = ssl.create_default_context(cafile=CERTIFICATE)
    usual: dict[str, Any] = {"allowed": lambda _address: True, "resolve": resolver([PRIVATE]), "trusted": trusted}
    url = f"https://{name}:{peer.port}{path}"
    return hooks.call(url, b'{"id": "1"}', {"X-Here": "yes"}, **(usual | given))


def failure(peer: Web, **given: Any) -> str:
    with pytest.raises(hooks.Failed) as caught:
        called(peer, **given)
    return caught.value.reason


# What is reached


def test_a_call_is_one_post_to_the_address_that_was_typed(peer: Web) -> None:
    assert called(peer) == 200
    (asked,) = peer.asked
    assert (asked.method, asked.target, json.loads(asked.body)) == ("POST", "/in?a=1", {"id": "1"})
    assert asked.headers["host"] == f"{NAME}:{peer.port}"
    assert asked.headers["x-here"] == "yes"
    assert "cookie" not in asked.headers


@pytest.mark.parametrize(("status", "good"), [(200, True), (204, True), (299, True), (199, False), (404, False)])
def test_only_a_status_from_200_to_299_is_good(peer: Web, status: int, good: bool) -> None:
    peer.does = lambda asked: Answer(status=status, close=status < 200)
    if good:
        assert called(peer) == status
    else:
        assert failure(peer) in ("status", "unreadable")


@pytest.mark.parametrize("proxy", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_nothing_of_the_environment_leads_a_call_elsewhere(
    peer: Web, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv(proxy, "http://127.0.0.1:1")
    assert called(peer) == 200


@pytest.mark.parametrize("first", ["127.0.0.3", "::1"])
def test_where_one_address_of_a_name_does_not_answer_the_next_one_is_called(peer: Web, first: str) -> None:
    assert called(peer, resolve=resolver([first, PRIVATE])) == 200


# What never is


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",  # noqa: S104  (nothing listens there: it is refused)
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:8.8.8.8",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
        "64:ff9b:1::a00:1",
        "100::1",
        "2001::1",
        "2001:0:5ef5:79fb:0:0:f5ff:fffe",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:a00:1::1",
        "2002:808:808::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%1",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
    ],
)
def test_an_address_that_is_not_of_the_public_internet_is_refused(address: str) -> None:
    assert not hooks.is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "8.8.8.8",
        "93.184.215.14",
        "172.15.0.1",
        "172.32.0.1",
        "100.63.0.1",
        "223.255.255.255",
        "2606:4700:4700::1111",
        "2001:4860:4860::8888",
        "2a00:1450:4007:80c::200e",
        "64:ff9b::808:808",
    ],
)
def test_a_public_address_is_allowed(address: str) -> None:
    assert hooks.is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
    ],
)
def test_the_loopback_is_not_called_however_it_is_written(peer: Web, host: str) -> None:
    with pytest.raises(hooks.Failed) as caught:
        hooks.call(f"https://{host}:{peer.port}/", b"", {})
    assert caught.value.reason in ("private_address", "unknown_host")
    assert peer.connections == 0


def test_a_name_that_leads_into_the_private_network_is_not_called(peer: Web) -> None:
    assert failure(peer, allowed=hooks.is_public) == "private_address"
    assert peer.connections == 0


@pytest.mark.parametrize("found", [[PUBLIC, PRIVATE], [PRIVATE, PUBLIC], [PUBLIC, "::1"]])
def test_one_private_address_of_a_name_is_enough_to_refuse_it(peer: Web, found: list[str]) -> None:
    assert failure(peer, allowed=hooks.is_public, resolve=resolver(found)) == "private_address"
    assert peer.connections == 0


def test_a_name_that_is_private_the_second_time_is_looked_up_once(peer: Web) -> None:
    asked: list[str] = []
    both = resolver(["127.0.0.9"], [PRIVATE])

    def resolve(host: str, port: int) -> list[hooks.Place]:
        asked.append(host)
        return both(host, port)

    # Only the first answer is allowed here: had the connection looked the name up again, the peer would be reached.
    first = ipaddress.ip_address("127.0.0.9")
    with socket.create_server(("127.0.0.9", peer.port)) as listener:
        listener.settimeout(5)
        assert failure(peer, allowed=lambda address: address == first, resolve=resolve, seconds=0.5) == "slow"
        connection, _address = listener.accept()
        connection.close()
    assert asked == [NAME]
    assert peer.connections == 0


@pytest.mark.parametrize("to", ["https://127.0.0.1:{port}/secret", "http://169.254.169.254/", "/elsewhere"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirection_is_not_followed(peer: Web, status: int, to: str) -> None:
    peer.does = lambda asked: Answer(status=status, headers={"Location": to.format(port=peer.port)})
    assert failure(peer) == "redirected"
    assert len(peer.asked) == 1


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://example.org/", "not_https"),
        ("ftp://example.org/", "not_https"),
        ("file:///etc/passwd", "not_https"),
        ("gopher://example.org/", "not_https"),
        ("example.org/in", "not_https"),
        ("", "not_https"),
        ("https://", "bad_address"),
        ("https:///in", "bad_address"),
        ("https://user:secret@example.org/", "bad_address"),
        ("https://example.org@127.0.0.1/", "bad_address"),
        ("https://example.org/#part", "bad_address"),
        ("https://example.org:99999/", "bad_address"),
        ("https://example.org:port/", "bad_address"),
        ("https://example.org\\@127.0.0.1/", "bad_address"),
        ("https://example.org/a b", "bad_address"),
        ("https://example.org/\r\nX-Other: yes", "bad_address"),
        ("https://exam\tple.org/", "bad_address"),
        ("https://[::1/", "bad_address"),
        ("https://[fe80::1%25eth0]/", "bad_address"),
        ("https://exämple.org/", "bad_address"),
        ("https://example.org/" + "a" * hooks.LONGEST_URL, "bad_address"),
    ],
)
def test_an_address_that_is_none_is_refused_before_anything_is_looked_up(url: str, reason: str) -> None:
    def resolve(host: str, port: int) -> list[hooks.Place]:
        raise AssertionError(host)

    with pytest.raises(hooks.Failed) as caught:
        hooks.call(url, b"", {}, resolve=resolve)
    assert caught.value.reason == reason


def test_a_name_that_nobody_has_is_said_so(peer: Web) -> None:
    def unknown(host: str, port: int) -> list[hooks.Place]:
        raise socket.gaierror

    assert failure(peer, resolve=unknown) == "unknown_host"
    assert failure(peer, resolve=resolver([])) == "unknown_host"


# TLS


def test_a_certificate_for_another_name_is_not_accepted(peer: Web) -> None:
    assert failure(peer, name="other.test") == "certificate"
    assert peer.asked == []


def test_a_certificate_that_nobody_known_signed_is_not_accepted(peer: Web) -> None:
    assert failure(peer, trusted=None) == "certificate"
    assert peer.asked == []


def test_a_server_without_tls_gets_nothing() -> None:
    with web() as plain:
        assert failure(plain) == "tls"
        assert plain.asked == []


# Servers that behave badly


def dripping(octets: bytes) -> Callable[[Asked], Answer]:
    return lambda asked: Answer(octets=octets)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (CLOSE, "no_connection"),
        (RESET, "no_connection"),
        (Answer(octets=b"SSH-2.0-OpenSSH\r\n\r\n", close=True), "unreadable"),
        (Answer(octets=b"HTTP/1.1 200 " + b"a" * 100_000 + b"\r\n\r\n", close=True), "unreadable"),
        (Answer(octets=b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 5_000 + b"\r\n", close=True), "unreadable"),
        (Answer(octets=b"HTTP/1.1 200 OK\r\nA: " + b"a" * 100_000 + b"\r\n\r\n", close=True), "unreadable"),
    ],
    ids=["closed", "reset", "another protocol", "long status", "many headers", "long header"],
)
def test_an_answer_that_cannot_be_read_is_a_failure(peer: Web, answer: Answer, reason: str) -> None:
    peer.does = lambda asked: answer
    assert failure(peer) == reason


def test_of_a_huge_body_nothing_is_read(peer: Web) -> None:
    """The peer announces more than there is memory for and begins to send it."""
    body = b"a" * 1_000_000
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n"
    peer.does = lambda asked: Answer(octets=head + body, close=True)
    assert called(peer) == 200


def test_a_server_that_says_nothing_is_given_up(peer: Web) -> None:
    peer.does = lambda asked: (peer.ending.wait(5), Answer())[1]
    assert failure(peer, seconds=0.3) == "slow"


@pytest.mark.parametrize("piece", [b"HTTP/1.1 100 Continue\r\n\r\n", b"X"])
def test_a_server_that_drips_is_given_up_though_it_never_rests(peer: Web, piece: bytes) -> None:
    """Each octet begins a time-out anew; the whole has an end all the same."""
    peer_sockets: list[int] = []

    def drip(asked: Asked) -> Answer:
        connection = next(iter(peer._open))
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" if piece != b"X" else b"HTTP/1.1 200 ")
        while not peer.ending.wait(0.02):
            connection.sendall(piece)
            peer_sockets.append(1)
        return CLOSE

    peer.does = drip
    assert failure(peer, seconds=0.5) == "slow"
    assert len(peer_sockets) > 5


def test_a_handshake_that_never_ends_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(hooks.Failed) as caught:
            hooks.call(
                f"https://{NAME}:{port}/",
                b"",
                {},
                allowed=lambda _address: True,
                resolve=resolver([PRIVATE]),
                seconds=0.3,
            )
    assert caught.value.reason == "slow"


def test_a_port_that_nobody_listens_at_is_said_so(peer: Web) -> None:
    peer.down()
    assert failure(peer) == "no_connection"


def test_a_failure_says_nothing_of_the_address_or_the_body(peer: Web) -> None:
    with pytest.raises(hooks.Failed) as caught:
        called(peer, path="/secret?token=1", trusted=None)
    assert "secret" not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.detail}"
