"""HTTP calls to a vendor: what a failed one says of the message, and what none of them shows."""

import gzip
import logging
import socket
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from compose.gateways.base import (
    Accepted,
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
from compose.gateways.calls import KEEP_SECONDS, Caller, Reply, in_parallel, refusal, retry_after
from tests.gateways.peers import outgoing
from tests.gateways.web import CLOSE, RESET, Answer, Asked, Web, web

SECRET = "s3cr3t-k3y"
CA = str(Path(__file__).parent / "tls" / "certificate.pem")


@pytest.fixture
def peer() -> Iterator[Web]:
    """A server that answers 200."""
    with web() as made:
        yield made


def caller(**options: Any) -> Caller:
    """A caller with short times."""
    return Caller(**{"connect_timeout": 5.0, "read_timeout": 5.0, **options})


def failure(url: str, made: Caller | None = None, method: str = "POST") -> GatewayError:
    """What a call raises. It holds the secret in each place that a call has, and shows it in none."""
    with pytest.raises(GatewayError) as raised:
        (made or caller()).call(
            method,
            f"{url}/{SECRET}",
            params={"key": SECRET},
            data={"password": SECRET},
            headers={"X-Key": SECRET},
            auth=("user", SECRET),
        )
    error: BaseException | None = raised.value
    while error is not None:
        assert SECRET not in f"{error} {error!r} {vars(error)}"
        error = error.__cause__ or error.__context__
    return raised.value


# --- Certainly not sent ----------------------------------------------------------------------------------


def test_without_a_server_nothing_was_sent(peer: Web) -> None:
    peer.down()
    error = failure(peer.url)
    assert type(error) is NotSent
    assert str(error) == f"127.0.0.1:{peer.port}: no connection"


def test_a_name_that_does_not_exist_is_not_sent() -> None:
    error = failure("http://sms.invalid")
    assert type(error) is NotSent
    assert str(error) == "sms.invalid: no connection"


def test_a_server_that_never_takes_the_connection_got_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:  # they fill the queue of connections that nobody takes
            each.setblocking(False)
            each.connect_ex(address)
        error = failure(f"http://127.0.0.1:{address[1]}", caller(connect_timeout=0.2))
        for each in waiting:
            each.close()
    assert type(error) is NotSent
    assert str(error).endswith(": no connection in time")


def test_a_certificate_that_nobody_we_know_signed_ends_it_before_the_request() -> None:
    with web(tls=True) as peer:
        error = failure(peer.url)
        assert type(error) is NotSent
        assert str(error).endswith(": no trusted TLS connection")
        assert failure(peer.url.replace("127.0.0.1", "127.0.0.2"), caller(ca_file=CA)).reason == "gateway_unreachable"
        assert peer.asked == []


def test_a_certificate_of_the_chosen_authority_is_trusted() -> None:
    with web(tls=True) as peer:
        assert caller(ca_file=CA).call("GET", peer.url).status == 200


def test_a_server_that_speaks_no_tls_got_nothing(peer: Web) -> None:
    assert type(failure(peer.url.replace("http:", "https:"))) is NotSent
    assert peer.asked == []


def test_a_handshake_that_never_ends_is_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = failure(f"https://127.0.0.1:{silent.getsockname()[1]}", caller(connect_timeout=0.2))
    assert type(error) is NotSent


def test_a_proxy_that_is_not_there_got_nothing(peer: Web) -> None:
    with web() as gone:
        gone.down()
        error = failure("http://sms.invalid", caller(proxy=gone.url))
    assert type(error) is NotSent
    assert str(error).endswith(": the proxy does not connect")


def test_a_proxy_that_refuses_the_tunnel_passed_nothing_on(peer: Web) -> None:
    peer.does = lambda asked: Answer(403)
    assert type(failure("https://sms.invalid", caller(proxy=peer.url))) is NotSent
    assert [asked.method for asked in peer.asked] == ["CONNECT"]


@pytest.mark.parametrize("url", ["sms.example.net/send", "http://", "ftp://sms.example.net", "http://[::1"])
def test_an_address_that_is_none_is_a_wrong_setting(url: str) -> None:
    assert isinstance(failure(url), NotSent)


def test_a_header_of_two_lines_is_a_wrong_setting(peer: Web) -> None:
    with pytest.raises(BadConfiguration) as raised:
        caller().call("GET", peer.url, headers={"X-Key": f"{SECRET}\r\nX: y"})
    assert SECRET not in str(raised.value)
    assert peer.asked == []


# --- May have left ---------------------------------------------------------------------------------------

LONG = {"Content-Length": "100"}


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(CLOSE, id="closed after reading"),
        pytest.param(RESET, id="reset after reading"),
        pytest.param(Answer(octets=b"HTTP/1.1 200", close=True), id="half a status line"),
        pytest.param(Answer(octets=b"HTTP/1.1 200 OK\r\nContent-Le", close=True), id="half a header"),
        pytest.param(Answer(body=b"accept", headers=LONG, close=True), id="half a body"),
        pytest.param(Answer(body=b"accept", headers=LONG, reset=True), id="half a body and a reset"),
        pytest.param(
            Answer(octets=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nacc", close=True),
            id="half a chunk",
        ),
        pytest.param(Answer(octets=b"220 mail.example.net ESMTP\r\n", close=True), id="another protocol"),
        pytest.param(Answer(body=b"x" * 1001), id="too much"),
        pytest.param(
            Answer(body=gzip.compress(b"x" * 100_000), headers={"Content-Encoding": "gzip"}), id="too much, compressed"
        ),
        pytest.param(
            Answer(body=b"not compressed", headers={"Content-Encoding": "gzip"}), id="not compressed as it says"
        ),
    ],
)
def test_a_request_without_a_whole_answer_may_have_left(peer: Web, answer: Answer) -> None:
    peer.does = lambda asked: answer
    assert type(failure(peer.url, caller(most_bytes=1000))) is OutcomeUnknown
    assert len(peer.asked) == 1


def test_a_server_that_does_not_answer_in_time_may_have_taken_it(peer: Web) -> None:
    over = threading.Event()

    def late(asked: Asked) -> Answer:
        peer.wait(over)
        return Answer()

    peer.does = late
    error = failure(peer.url, caller(read_timeout=0.2))
    over.set()
    assert type(error) is OutcomeUnknown
    assert str(error).endswith(": no answer in time")
    assert len(peer.asked) == 1


def test_an_answer_that_trickles_is_given_up(peer: Web) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def trickle() -> None:
            talking, _address = listener.accept()
            with talking:
                talking.recv(65_536)
                talking.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                try:
                    while True:
                        talking.sendall(b"x")
                        time.sleep(0.02)
                except OSError:
                    return  # the client gave up

        thread = threading.Thread(target=trickle)
        thread.start()
        error = failure(f"http://127.0.0.1:{listener.getsockname()[1]}", caller(read_timeout=0.3))
        thread.join(20)
        assert not thread.is_alive()
    assert type(error) is OutcomeUnknown
    assert str(error).endswith(": the answer was not complete after 0.3 s")


# --- Answers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 204, 301, 302, 307, 400, 404, 429, 500, 503])
def test_any_whole_answer_is_returned_as_it_is_and_nothing_is_tried_twice(peer: Web, status: int) -> None:
    body = b"" if status == 204 else b"said"
    peer.does = lambda asked: Answer(status, body, {"Location": f"{peer.url}/elsewhere", "Retry-After": "0"})
    reply = caller().call("POST", peer.url, data={"text": "é"})
    assert (reply.status, reply.body) == (status, body)
    assert reply.headers["location"] == f"{peer.url}/elsewhere"
    assert [asked.form for asked in peer.asked] == [{"text": ["é"]}]


def test_each_part_of_a_request_arrives(peer: Web) -> None:
    caller().call("PUT", f"{peer.url}/jobs?a=1", params=[("b", "é&"), ("b", "2")], json={"text": "😀"}, auth=("u", "p"))
    (asked,) = peer.asked
    assert (asked.method, asked.path, asked.query) == ("PUT", "/jobs", {"a": ["1"], "b": ["é&", "2"]})
    assert asked.body == b'{"text": "\\ud83d\\ude00"}'
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["authorization"] == "Basic dTpw"
    assert asked.headers["user-agent"] == "sms-manager"


def test_text_is_read_in_the_charset_that_the_answer_names() -> None:
    def text(body: bytes, said: str) -> str:
        return Reply(200, {"content-type": said}, body).text

    assert text(b"\xe9", "text/plain; charset=ISO-8859-1") == "é"
    assert text("é".encode(), 'text/plain; charset="utf-8"') == "é"
    assert text("é".encode(), "text/plain; charset=martian") == "é"
    assert text(b"\xe9", "text/plain") == "�"


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[" * 200_000])
def test_an_answer_that_is_no_json_leaves_the_outcome_open(body: bytes) -> None:
    with pytest.raises(OutcomeUnknown):
        Reply(200, {}, body).json()
    assert Reply(400, {}, body).json_or({"a": 1}) == {"a": 1}
    assert Reply(200, {}, b'{"a": 2}').json() == Reply(400, {}, b'{"a": 2}').json_or(None) == {"a": 2}


def test_an_answer_shows_neither_headers_nor_body_when_it_is_printed() -> None:
    assert SECRET not in repr(Reply(200, {"x-key": SECRET}, SECRET.encode()))


# --- Kept connections ------------------------------------------------------------------------------------


def test_a_connection_is_kept_for_the_next_call(peer: Web) -> None:
    made = caller()
    for _ in range(3):
        made.call("POST", peer.url)
    assert [asked.connection for asked in peer.asked] == [1, 1, 1]


def test_a_kept_connection_that_the_server_closed_is_replaced_without_doubt(peer: Web) -> None:
    made = caller()
    made.call("POST", peer.url)
    peer.close_connections()
    assert made.call("POST", peer.url).status == 200
    assert [asked.connection for asked in peer.asked] == [1, 2]


def test_a_connection_that_rested_is_replaced_before_the_server_may_close_it(
    peer: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = caller()
    made.call("POST", peer.url)
    later = time.monotonic() + KEEP_SECONDS + 0.1
    monkeypatch.setattr("compose.gateways.calls.time.monotonic", lambda: later)
    made.call("POST", peer.url)
    assert [asked.connection for asked in peer.asked] == [1, 2]


def test_a_kept_connection_that_ends_while_the_request_is_read_leaves_the_outcome_open(peer: Web) -> None:
    made = caller()
    made.call("POST", peer.url)
    peer.does = lambda asked: CLOSE
    assert type(failure(peer.url, made)) is OutcomeUnknown
    assert [asked.connection for asked in peer.asked] == [1, 1]


def test_a_kept_connection_is_not_used_again_after_an_answer_that_was_not_read_to_its_end(peer: Web) -> None:
    made = caller(most_bytes=1000)
    peer.does = lambda asked: Answer(body=b"x" * 100_000)
    failure(peer.url, made)
    peer.does = lambda asked: Answer(body=b"well")
    assert made.call("POST", peer.url).body == b"well"
    assert [asked.connection for asked in peer.asked] == [1, 2]


def test_a_tls_connection_is_kept_too() -> None:
    with web(tls=True) as peer:
        made = caller(ca_file=CA)
        made.call("POST", peer.url)
        made.call("POST", peer.url)
        peer.close_connections()
        made.call("POST", peer.url)
        assert [asked.connection for asked in peer.asked] == [1, 1, 2]


def test_several_threads_call_at_once_each_with_its_own_answer(peer: Web) -> None:
    together = threading.Barrier(4)

    def echo(asked: Asked) -> Answer:
        together.wait(20)
        return Answer(body=asked.body)

    peer.does = echo
    made = caller()

    def send(message: Outgoing) -> Outcome:
        return Accepted(made.call("POST", peer.url, data=message.id.encode()).text)

    chunk = [outgoing() for _ in range(4)]
    assert in_parallel(send, chunk, at_once=4) == [Accepted(message.id) for message in chunk]


# --- Nothing from the environment ------------------------------------------------------------------------


def test_proxies_passwords_and_authorities_of_the_environment_are_not_used(
    peer: Web, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    caller().call("POST", peer.url)
    assert "authorization" not in peer.asked[0].headers
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, CA)
    with web(tls=True) as other:
        assert type(failure(other.url)) is NotSent


def test_no_cookie_is_kept(peer: Web) -> None:
    made = caller()
    peer.does = lambda asked: Answer(headers={"Set-Cookie": "a=b"})
    made.call("POST", peer.url)
    made.call("POST", peer.url)
    assert "cookie" not in peer.asked[1].headers


def test_a_chosen_proxy_is_used(peer: Web) -> None:
    caller(proxy=peer.url).call("POST", "http://sms.invalid/send")
    assert peer.asked[0].target == "http://sms.invalid/send"


def test_no_address_gets_into_a_log(peer: Web, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    made = caller()
    made.call("POST", f"{peer.url}/{SECRET}", params={"key": SECRET})
    peer.does = lambda asked: Answer(octets=b"HTTP/1.1 200 OK\r\nno header\r\n\r\nwell", close=True)
    made.call("POST", f"{peer.url}/{SECRET}", params={"key": SECRET})
    peer.does = lambda asked: CLOSE
    failure(peer.url, made)
    assert SECRET not in caplog.text
    logging.getLogger("urllib3.connectionpool").warning("said by others")
    assert "said by others" in caplog.text


# --- What a status says ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, None),
        (202, None),
        (302, BadConfiguration),
        (400, Rejected),
        (401, BadConfiguration),
        (402, OutOfFunds),
        (403, BadConfiguration),
        (404, BadConfiguration),
        (408, NotSent),
        (422, Rejected),
        (429, Throttled),
        (500, OutcomeUnknown),
        (503, OutcomeUnknown),
    ],
)
def test_a_status_alone_says_what_became_of_the_message(status: int, kind: type[GatewayError] | None) -> None:
    error = refusal(Reply(status, {"retry-after": "7"}, b""), code="E1")
    assert (type(error) if error else None) is kind
    if error is None:
        return
    assert (error.detail, error.code) == (f"answered {status}", "E1")
    if isinstance(error, Throttled):
        assert error.retry_after == 7.0


@pytest.mark.parametrize(
    ("said", "seconds"), [("12", 12), ("", 1), ("soon", 1), ("-5", 1), ("99999999999999", 300), ("０", 1)]
)
def test_a_pause_is_read_and_bounded(said: str, seconds: float) -> None:
    assert retry_after(Reply(429, {"retry-after": said}, b"")) == seconds


def test_a_pause_may_be_a_date() -> None:
    soon = formatdate(time.time() + 60, usegmt=True)
    assert 50 < retry_after(Reply(429, {"retry-after": soon}, b"")) <= 60
    assert retry_after(Reply(429, {"retry-after": formatdate(0, usegmt=True)}, b"")) == 0


# --- One message a call ----------------------------------------------------------------------------------


@pytest.mark.parametrize("at_once", [1, 3])
def test_the_failure_of_one_message_is_the_outcome_of_that_one(at_once: int, caplog: pytest.LogCaptureFixture) -> None:
    chunk = [outgoing(text) for text in ("well", "refused", "a bug", "well")]

    def send(message: Outgoing) -> Outcome:
        if message.text == "refused":
            raise Rejected("no")
        if message.text == "a bug":
            raise KeyError(SECRET)
        return Accepted(message.id)

    first, second, third, fourth = in_parallel(send, chunk, at_once=at_once)
    assert (first, fourth) == (Accepted(chunk[0].id), Accepted(chunk[3].id))
    assert type(second) is Rejected
    assert type(third) is OutcomeUnknown
    assert chunk[2].id in caplog.text
    assert "in send" in caplog.text
    assert SECRET not in f"{third!r} {caplog.text}"


def test_no_message_is_no_call() -> None:
    assert in_parallel(lambda message: Accepted("1"), [], at_once=5) == []


@pytest.mark.parametrize("option", ["connect_timeout", "read_timeout"])
def test_a_time_of_nothing_is_refused(option: str) -> None:
    with pytest.raises(ValueError, match=option):
        caller(**{option: 0})
