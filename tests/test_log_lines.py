"""What the log says of requests: one line for what is refused, the traceback for what is broken."""

import io
import logging
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import SuspiciousFileOperation
from django.test import Client, override_settings
from django.urls import reverse

from compose import queries
from credits.models import Member
from tests import factories
from tests.pages import browser_of


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the log of the installation gets: its own handler, with another stream."""
    (handler,) = [one for one in logging.getLogger().handlers if type(one) is logging.StreamHandler]
    stream = io.StringIO()
    before = handler.setStream(stream)
    yield stream
    handler.setStream(before or handler.stream)


@pytest.fixture
def reader(db: None) -> Client:
    return browser_of(factories.member(factories.account(), Member.Role.READER).user)


def of_requests(log: io.StringIO) -> list[str]:
    """The lines that were written of requests; a letter that nobody gets has one of its own."""
    return [line for line in log.getvalue().splitlines() if "credits.letters" not in line]


def test_what_a_person_may_not_do_is_one_line(reader: Client, log: io.StringIO) -> None:
    address = reverse("quote")
    assert reader.post(address).status_code == 403
    (line,) = of_requests(log)
    assert "WARNING django.request: Forbidden" in line
    assert line.endswith(address)


def test_a_call_that_nobody_vouches_for_is_one_line(db: None, log: io.StringIO) -> None:
    assert Client(enforce_csrf_checks=True).post(reverse("login"), {"username": "x"}).status_code == 403
    assert Client().get("/nothing/").status_code == 404
    assert Client().post(reverse("healthz") + "?x", b"\xff", content_type="multipart/form-data").status_code == 405
    assert len(of_requests(log)) == 3


@override_settings(DATA_UPLOAD_MAX_NUMBER_FIELDS=2)
def test_what_is_suspicious_is_one_line_too_and_says_where(reader: Client, log: io.StringIO) -> None:
    address = reverse("theme")
    assert reader.post(address + "?code=secret", {"a": "1", "b": "2", "c": "3"}).status_code == 400
    (line,) = of_requests(log)
    assert "django.security.TooManyFieldsSent" in line
    assert line.endswith(f"(POST {address})")
    assert "secret" not in log.getvalue()


def test_a_host_that_is_not_ours_is_one_line_that_says_where(db: None, log: io.StringIO) -> None:
    assert Client().get("/healthz?code=secret", headers={"host": "evil.example"}).status_code == 400
    (line,) = of_requests(log)
    assert "django.security.DisallowedHost" in line
    assert line.endswith("(GET /healthz)")
    assert "secret" not in log.getvalue()


def test_a_path_makes_no_lines_of_its_own(db: None, log: io.StringIO) -> None:
    assert Client().get("/a%0AERROR%1B[2J", headers={"host": "evil.example"}).status_code == 400
    (line,) = of_requests(log)
    assert line.endswith(r"(GET /a\nERROR\x1b[2J)")


def test_what_only_our_code_can_find_suspicious_keeps_its_traceback(
    reader: Client, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def suspicious(*_args: Any, **_kwargs: Any) -> None:
        raise SuspiciousFileOperation("100% outside\nof the folder")

    monkeypatch.setattr(queries, "sent", suspicious)
    address = reverse("sent")
    assert reader.get(address).status_code == 400
    lines = of_requests(log)
    assert lines[0].endswith(f"django.security.SuspiciousFileOperation: 100% outside of the folder (GET {address})")
    assert lines[1] == "Traceback (most recent call last):"
    assert lines[-2].endswith("SuspiciousFileOperation: 100% outside")


def test_a_refusal_that_the_server_of_developers_says_has_no_request_of_django(log: io.StringIO) -> None:
    extra = {"status_code": 404, "request": socket.socket}
    logging.getLogger("django.request").warning("GET /nothing/ %s", 404, extra=extra)
    assert log.getvalue().endswith("django.request: GET /nothing/ 404\n")


def test_what_is_broken_keeps_its_traceback(reader: Client, log: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: Any, **_kwargs: Any) -> None:
        raise RuntimeError("it broke")

    monkeypatch.setattr(queries, "sent", broken)
    reader.raise_request_exception = False
    assert reader.get(reverse("sent")).status_code == 500
    lines = of_requests(log)
    assert "Traceback (most recent call last):" in lines
    assert lines[-1] == "RuntimeError: it broke"
