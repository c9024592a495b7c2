"""Somebody who is signed in and sends messages over HTTP, without a browser: what is measured is the server."""

import http.client
import re
import socket
import time
import uuid
from http.cookies import SimpleCookie
from urllib.parse import urlencode

TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
COMPLAINT = re.compile(r'class="field-error"[^>]*>(.*?)</div>', re.DOTALL)
SECONDS = 120.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Person:
    """The cookies of one person. Each request has a connection of its own: gunicorn keeps none for long."""

    def __init__(self, host: str, port: int, cookies: dict[str, str] | None = None) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=SECONDS)
        self.cookies = cookies or {}

    def knocks(self) -> bool:
        """Whether somebody answers."""
        try:
            return self.get("/healthz")[0] == 200
        except OSError:
            return False

    def get(self, path: str) -> tuple[int, str]:
        status, _where, text = self._ask("GET", path)
        return status, text

    def sign_in(self, name: str, password: str) -> None:
        """By the page for it."""
        _status, page = self.get("/")
        if not TOKEN.search(page):
            _status, page = self.get("/sign-in/")
        found = TOKEN.search(page)
        assert found, "there is no form to sign in"
        data = {"csrfmiddlewaretoken": found[1], "username": name, "password": password}
        status, _where, _text = self._ask("POST", "/sign-in/", data | {"next": "/"})
        assert status == 302, "the sign-in was refused"

    def sends(self, sender: int, recipients: str, text: str, **more: str) -> tuple[int, float]:
        """Send one message by the form; the key of the submission, and how long the answer took in seconds."""
        data = {
            "csrfmiddlewaretoken": self.cookies["csrftoken"],
            "sender": str(sender),
            "recipients": recipients,
            "text": text,
            "not_commercial": "on",
            "when": "now",
            "message_class": "standard",
            "request_key": str(uuid.uuid4()),
            "action": "send",
        }
        begun = time.perf_counter()
        status, where, page = self._ask("POST", "/", data | more)
        took = time.perf_counter() - begun
        assert status == 302, f"{status}: {COMPLAINT.findall(page)[:3]}"
        return int(where.rstrip("/").rsplit("/", 1)[1]), took

    def _ask(self, method: str, path: str, data: dict[str, str] | None = None) -> tuple[int, str, str]:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {"Connection": "close"} | ({"Cookie": cookies} if cookies else {})
        body = None
        if data is not None:
            body = urlencode(data).encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        text = answer.read().decode()
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                self.cookies |= {each: morsel.value for each, morsel in SimpleCookie(value).items()}
        return answer.status, answer.getheader("Location", "") or "", text
