"""What a vendor says by calling us, as the settings describe it: which field holds what.

A field is the name of a parameter, or a path in JSON. `each` is the path of a list when one call says several things.
"""

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from compose.gateways import given
from compose.gateways.base import Call, Event, Heard, Received, Report, Unreadable
from compose.gateways.http.paths import at, text_at, without
from compose.gateways.smpp.receipts import LONGEST_REFERENCE

STATUSES: Final = ("accepted", "delivered", "undelivered", "expired", "rejected", "unknown", "blocked")
BODIES: Final = ("query", "form", "json")
TIMES: Final = ("iso", "seconds", "milliseconds")
LONGEST_CODE: Final = 40
# Shorter ones are short numbers.
SHORTEST_INTERNATIONAL: Final = 7
# What both kinds of calls may describe.
_COMMON: Final = {"body", "each", "key", "time", "time_format", "time_zone", "answer", "answer_type"}
_OF_REPORTS: Final = _COMMON | {"reference", "id", "status", "statuses", "error", "errors"}
_OF_RECEIVED: Final = _COMMON | {"number", "to", "text", "answers", "id"}


@dataclass(frozen=True, kw_only=True)
class Calls:
    """The option `reports` or `received`: names of fields, and words of the vendor."""

    fields: Mapping[str, str]
    body: str
    each: str
    answer: str
    answer_type: str
    time_format: str
    time_zone: str
    statuses: Mapping[str, str]
    errors: Mapping[str, str]

    def heard(self, call: Call, secrets: Sequence[str]) -> Heard:
        """The events of a call, and the answer. Raises Unreadable."""
        found = at(_said(call, self.body), self.each)
        each = found if isinstance(found, list) else [found]
        if not all(isinstance(one, Mapping) for one in each):
            raise Unreadable("the call does not hold what the settings describe")
        event = self._report if "status" in self.fields else self._received
        events: Iterable[Event] = [event(one, without(one, secrets)) for one in each]
        return Heard(events=list(events), answer=self.answer, content_type=self.answer_type)

    def _text(self, said: Any, name: str) -> str:
        return text_at(said, self.fields.get(name, ""))

    def _report(self, said: Mapping[str, Any], raw: dict[str, Any]) -> Report:
        reference, ours = self._text(said, "reference"), self._text(said, "id")
        word, error = self._text(said, "status"), self._text(said, "error")
        if not (reference or ours) or not word:
            raise Unreadable("a report has its reference and its status")
        status, reason = self.statuses.get(word, ""), self.errors.get(error, "")
        code = "" if status and (reason or not error.strip("0")) else (error if status else word)
        return Report(
            key=_key("report", self._text(said, "key"), reference, ours, word, error, self._text(said, "time")),
            reference=reference[:LONGEST_REFERENCE],
            message_id=ours[:LONGEST_REFERENCE],
            status=status or "unknown",
            reason=reason,
            code=code[:LONGEST_CODE],
            at=self._moment(said),
            raw=raw,
        )

    def _received(self, said: Mapping[str, Any], raw: dict[str, Any]) -> Received:
        number, to, text = (self._text(said, name) for name in ("number", "to", "text"))
        if not number or at(said, self.fields["text"]) is None:
            raise Unreadable("a received message has its number and its text")
        own, when = self._text(said, "key"), self._text(said, "time")
        # The same word may come twice from one phone. Without a name or a moment nothing tells a repetition.
        told = (own, number, to, text, when) if own or when else (uuid.uuid4().hex,)
        return Received(
            key=_key("received", *told),
            number=_e164(number),
            to=_e164(to),
            text=text,
            at=self._moment(said),
            answers=self._text(said, "answers")[:LONGEST_REFERENCE],
            message_id=self._text(said, "id")[:LONGEST_REFERENCE],
            raw=raw,
        )

    def _moment(self, said: Mapping[str, Any]) -> datetime:
        """The moment that the call names; now, when it names none that can be read."""
        written = self._text(said, "time")
        try:
            if self.time_format in ("seconds", "milliseconds"):
                return datetime.fromtimestamp(float(written) / (1 if self.time_format == "seconds" else 1000), UTC)
            if self.time_format == "iso":
                found = datetime.fromisoformat(written)
            else:
                found = datetime.strptime(written, self.time_format)  # noqa: DTZ007  (the zone comes below)
            return (found if found.tzinfo else found.replace(tzinfo=ZoneInfo(self.time_zone))).astimezone(UTC)
        except (ValueError, OverflowError, OSError):
            return datetime.now(UTC)


def reports(said: Any) -> Calls | None:
    """Read the option `reports`; None without one. Raises ValueError and TypeError."""
    found = _calls("reports", said, _OF_REPORTS, ("status",))
    if found and not (found.fields.get("reference") or found.fields.get("id")):
        raise ValueError("reports names the field of the reference, or of the id that we gave.")
    return found


def received(said: Any) -> Calls | None:
    """Read the option `received`; None without one. Raises ValueError and TypeError."""
    return _calls("received", said, _OF_RECEIVED, ("number", "text"))


def _calls(option: str, said: Any, allowed: set[str], needed: Sequence[str]) -> Calls | None:
    table = given.table(option, said)
    if not table:
        return None
    if table.keys() - allowed:
        raise ValueError(f"{option} has only {', '.join(sorted(allowed))}.")
    statuses = given.texts(f"{option}.statuses", table.pop("statuses", {}))
    for each in statuses.values():
        given.one_of(f"each of {option}.statuses", each, STATUSES)
    errors = given.texts(f"{option}.errors", table.pop("errors", {}))
    texts = {name: given.text(f"{option}.{name}", each, empty=True) for name, each in table.items()}
    for name in needed:
        given.text(f"{option}.{name}", texts.get(name, ""))
    zone = texts.pop("time_zone", "UTC")
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, KeyError):
        raise ValueError(f"{option}.time_zone is the name of a time zone, such as Europe/Paris.") from None
    time_format = texts.pop("time_format", "iso")
    if time_format not in TIMES and "%" not in time_format:
        raise ValueError(f"{option}.time_format is {', '.join(TIMES)} or a form such as %Y-%m-%d %H:%M:%S.")
    return Calls(
        body=given.one_of(f"{option}.body", texts.pop("body", "query"), BODIES),
        each=texts.pop("each", ""),
        answer=texts.pop("answer", ""),
        answer_type=texts.pop("answer_type", "text/plain; charset=utf-8"),
        time_format=time_format,
        time_zone=zone,
        statuses=statuses,
        errors=errors,
        fields=texts,
    )


def _said(call: Call, body: str) -> Any:
    if body == "json":
        try:
            return json.loads(call.body)
        except (ValueError, RecursionError):
            raise Unreadable("the body is not JSON") from None
    if body == "form":
        return {name: values[0] for name, values in call.form.items() if values}
    # In the query stands the key of our door, too.
    return {name: values[0] for name, values in call.query.items() if values and name != "key"}


def _e164(number: str) -> str:
    """Vendors write numbers with and without the plus; ours have it. Short numbers and names stay as they are."""
    digits = number.removeprefix("+") if number.startswith("+") else number.removeprefix("00")
    international = digits.isascii() and digits.isdigit() and len(digits) >= SHORTEST_INTERNATIONAL
    return f"+{digits}" if international and not digits.startswith("0") else number


def _key(kind: str, *said: str) -> str:
    """A key that is the same each time the same is said."""
    return f"{kind}-{hashlib.sha256(chr(0).join(said).encode()).hexdigest()[:40]}"
