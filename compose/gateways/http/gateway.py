"""The gateway: one call for each message, as the settings describe it."""

import secrets as random
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final
from urllib.parse import urlencode

from compose.gateways import given
from compose.gateways.base import Call, Capabilities, Gateway, Heard, Outcome, Outgoing, Unreadable, Unsupported
from compose.gateways.calls import Caller, in_parallel
from compose.gateways.http import answers, inward, templates
from compose.gateways.http.templates import Value
from compose.segments import MAX_PARTS, TooLong, segment

METHODS: Final = ("GET", "POST", "PUT")
BODIES: Final = ("form", "json", "query")
CLASSES: Final = ("standard", "flash", "sim")
SENDER_KINDS: Final = ("short", "virtual", "alphanumeric", "numeric")
# What a template may name: of the message, of its submission, and the words of the vendor for the rest.
VALUES: Final = frozenset(
    {
        "recipient",  # +33612345678
        "recipient_digits",  # 33612345678
        "originator",
        "originator_digits",
        "sender_kind",
        "text",
        "id",
        "reference",
        "class",
        "encoding",
        "commercial",
        "parts",
        "validity_minutes",
        "validity_seconds",
        "report_address",
        "received_address",
    }
)
# A header holds no line end and no accent, so no text of a person.
IN_HEADERS: Final = frozenset({"id", "reference"})


class HttpGateway(Gateway):
    """Sends through an HTTP interface that the options describe; docs/gateways.md, "HTTP", says what each is.

    `reference` in a template is a name that we give: a new one for each submission, unlike `id`, the message's own.
    """

    SECRETS: ClassVar[frozenset[str]] = frozenset({"password", "bearer", "secrets"})

    def __init__(
        self,
        *,
        url: str,
        parameters: Mapping[str, Any],
        method: str = "POST",
        body: str = "form",
        headers: Mapping[str, str] | None = None,
        username: str = "",
        password: str = "",
        bearer: str = "",
        secrets: Mapping[str, str] | None = None,
        success: Mapping[str, Any] | None = None,
        failures: Sequence[Mapping[str, Any]] = (),
        code: Mapping[str, Any] | None = None,
        classes: Mapping[str, str | int] | None = None,
        sender_kinds: Sequence[str] = ("alphanumeric",),
        encodings: Mapping[str, str | int] | None = None,
        commercial: Mapping[str, str | int] | None = None,
        max_parts: int = 8,
        reports: Mapping[str, Any] | None = None,
        received: Mapping[str, Any] | None = None,
        at_once: int = 5,
        connect_timeout: float = 10.0,
        read_timeout: float = 20.0,
        ca_file: str = "",
    ) -> None:
        self._secrets: dict[str, Value] = dict(given.texts("secrets", secrets or {}))
        if self._secrets.keys() & VALUES or not all(name.isidentifier() for name in self._secrets):
            raise ValueError("secrets have names of their own, such as api_key.")
        if not all(self._secrets.values()):
            raise ValueError("each of secrets has a value.")
        allowed = VALUES | self._secrets.keys()
        self._method = given.one_of("method", method, METHODS)
        self._body = given.one_of("body", body, BODIES)
        if self._method == "GET" and self._body != "query":
            raise ValueError('method GET has its parameters in the address: body is "query" then.')
        self._url = templates.address("url", url, allowed)
        self._parameters = templates.parameters("parameters", parameters, allowed, tree=body == "json")
        self._headers = {
            name: templates.template(f"headers.{name}", each, IN_HEADERS | self._secrets.keys())
            for name, each in given.table("headers", headers or {}).items()
        }
        self._auth = None
        if given.text("username", username, empty=True) or given.text("password", password, empty=True):
            self._auth = (given.text("username", username).encode(), given.text("password", password).encode())
        if given.text("bearer", bearer, empty=True):
            if self._auth:
                raise ValueError("bearer and password are two ways to sign in; take one of them away.")
            self._headers["Authorization"] = templates.Template(((f"Bearer {bearer}", ""),))
        self._answers = answers.answers(success or {}, failures, code or {})
        words = {"standard": ""} if classes is None else classes
        self._classes = _words("classes", words, CLASSES)
        self._encodings = _words("encodings", encodings or {}, ("gsm7", "ucs2"))
        self._commercial = _words("commercial", commercial or {}, ("yes", "no"))
        self._reports = inward.reports(reports or {})
        self._received = inward.received(received or {})
        self._max_parts = given.whole("max_parts", max_parts, 1, MAX_PARTS)
        self._at_once = given.whole("at_once", at_once, 1, 100)
        self._caller = Caller(
            connect_timeout=given.number("connect_timeout", connect_timeout, 0.1, 300),
            read_timeout=given.number("read_timeout", read_timeout, 0.1, 300),
            ca_file=given.text("ca_file", ca_file, empty=True),
            connections=at_once,
        )
        self._hidden = [str(each) for each in (*self._secrets.values(), password, bearer) if each]
        self.capabilities = Capabilities(
            classes=frozenset(self._classes),
            sender_kinds=given.some_of("sender_kinds", sender_kinds, SENDER_KINDS),
            reports=self._reports is not None,
            inbound=self._received is not None,
            called=self._reports is not None or self._received is not None,
            batch_size=at_once,
        )

    # --- Outward -------------------------------------------------------------------------------------

    def send(self, chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        return in_parallel(self._send_one, chunk, at_once=self._at_once)

    def _send_one(self, message: Outgoing) -> Outcome:
        given.refuse_undeclared(message, self.capabilities.classes, self.capabilities.sender_kinds)
        reference = f"{message.id}-{random.token_hex(8)}"
        values = self._secrets | self._values(message, reference)
        said = self._parameters.fill(values)
        url = self._url.fill(values, escape=templates.in_address)
        headers = {name: each.fill(values) for name, each in self._headers.items()}
        reply = self._caller.call(
            self._method,
            url,
            params=templates.written(said) if self._body == "query" else None,
            data=_form(said, headers) if self._body == "form" else None,
            json=said if self._body == "json" else None,
            headers=headers,
            auth=self._auth,
        )
        return self._answers.outcome(reply, reference, self._hidden)

    def _values(self, message: Outgoing, reference: str) -> dict[str, Value]:
        try:
            split = segment(message.text)
        except TooLong as error:
            raise Unsupported(str(error)) from None
        if split.count > self._max_parts:
            raise Unsupported(f"the text has {split.count} parts, above max_parts")
        return {
            "recipient": message.recipient,
            "recipient_digits": message.recipient.removeprefix("+"),
            "originator": message.originator,
            "originator_digits": message.originator.removeprefix("+"),
            "sender_kind": message.sender_kind,
            "text": split.text,
            "id": message.id,
            "reference": reference,
            "class": self._classes[message.message_class],
            "encoding": self._encodings.get(split.encoding),
            "commercial": self._commercial.get("yes" if message.commercial else "no"),
            "parts": split.count,
            "validity_minutes": max(1, message.validity // 60),
            "validity_seconds": message.validity,
            "report_address": self.door_to("report") if self._reports else "",
            "received_address": self.door_to("received") if self._received else "",
        }

    # --- Inward --------------------------------------------------------------------------------------

    def parse(self, call: Call) -> Heard:
        described = {"report": self._reports, "received": self._received}.get(call.what)
        if described is None:
            raise Unreadable("the settings describe no such call")
        hidden = [*self._hidden, self.door_key] if self.door_key else self._hidden
        return described.heard(call, hidden)


def _words(option: str, said: Any, ours: tuple[str, ...]) -> dict[str, str | int]:
    """A table from our words to the vendor's."""
    found = given.table(option, said)
    for name, word in found.items():
        given.one_of(f"each name in {option}", name, ours)
        if not isinstance(word, str | int):
            raise TypeError(f"each of {option} is a text or a number.")
    return found


def _form(said: Mapping[str, Any], headers: dict[str, str]) -> bytes:
    """The body of a form, always in UTF-8 (WHATWG URL, "application/x-www-form-urlencoded")."""
    headers.setdefault("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
    return urlencode(templates.written(said)).encode("ascii")
