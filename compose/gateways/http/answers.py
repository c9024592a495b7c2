"""What an answer means, as the settings say: how a success looks, how each failure, and where the vendor's words are.

An answer is a success, or else the first failure that it looks like, or else what HTTP itself says by the status
(compose/gateways/calls.py, `refusal`). An answer that is none of these leaves it open whether the message left.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from compose.gateways import given
from compose.gateways.base import Accepted, GatewayError, Outcome, OutcomeUnknown, Throttled
from compose.gateways.calls import Reply, refusal, retry_after
from compose.gateways.http.paths import plain, text_at
from compose.gateways.smpp.receipts import LONGEST_REFERENCE
from compose.gateways.smpp.statuses import WORDS, is_word

SUCCESSES: Final = (200, 201, 202)
LONGEST_CODE: Final = 40


@dataclass(frozen=True, kw_only=True)
class Look:
    """How an answer looks: all that is given here must be so."""

    statuses: frozenset[int] = frozenset()
    pattern: re.Pattern[str] | None = None
    # JSON path -> the values that it may have.
    values: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def fits(self, reply: Reply, data: Any) -> bool:
        return (
            (not self.statuses or reply.status in self.statuses)
            and (self.pattern is None or self.pattern.search(reply.text) is not None)
            and all(text_at(data, path) in wanted for path, wanted in self.values.items())
        )


@dataclass(frozen=True, kw_only=True)
class Answers:
    """The option `success`, `failures` and `code` of a gateway."""

    success: Look
    reference: str  # JSON path
    failures: Sequence[tuple[Look, str]]
    code_pattern: re.Pattern[str] | None
    code_path: str

    def outcome(self, reply: Reply, own_reference: str, secrets: Sequence[str] = ()) -> Outcome:
        """What became of the message; `own_reference` is its name where the vendor gives none.

        A vendor may repeat `secrets` in its answer.
        """
        data = reply.json_or(None)
        if self.success.fits(reply, data):
            reference = self._reference(reply, data, own_reference)
            # A vendor that takes a message and does not name it where it should: it may be another answer.
            return Accepted(reference) if reference else OutcomeUnknown(f"answered {reply.status} without a reference")
        for look, word in self.failures:
            if look.fits(reply, data):
                return _failure(word, reply)
        code = self._code(reply, data, secrets)
        return refusal(reply, code=code) or OutcomeUnknown(f"answered {reply.status} and no known word", code=code)

    def _reference(self, reply: Reply, data: Any, own: str) -> str:
        if self.reference:
            return text_at(data, self.reference)[:LONGEST_REFERENCE]
        pattern = self.success.pattern
        if pattern is not None and "reference" in pattern.groupindex:
            found = pattern.search(reply.text)
            return plain(found["reference"] if found else "")[:LONGEST_REFERENCE]
        return own

    def _code(self, reply: Reply, data: Any, secrets: Sequence[str]) -> str:
        code = text_at(data, self.code_path)
        if not code and self.code_pattern is not None and (found := self.code_pattern.search(reply.text)):
            code = plain(found[found.re.groups and 1])
        # Before it is cut: half a secret is too much, too.
        for secret in secrets:
            code = code.replace(secret, "…")
        return code[:LONGEST_CODE] or str(reply.status)


def _failure(word: str, reply: Reply) -> GatewayError:
    name, _colon, reason = word.partition(":")
    kind, detail = WORDS[name], f"answered {reply.status}"
    if kind is Throttled:
        return Throttled(detail, retry_after=retry_after(reply))
    return kind(detail, reason=reason or None)


def answers(success: Any, failures: Any, code: Any) -> Answers:
    """Read the three options. Raises ValueError and TypeError, naming the option."""
    said = _only("success", success, {"status", "pattern", "values", "reference"})
    look = _look("success", {"status": list(SUCCESSES)} | said)
    reference = given.text("success.reference", said.get("reference", ""), empty=True)
    if not isinstance(failures, list | tuple):
        raise TypeError("failures is a list of tables.")
    read = []
    for one in failures:
        failure = _only("each of failures", one, {"status", "pattern", "values", "is"})
        word = given.text("is of failures", failure.get("is", ""))
        if not is_word(word):
            raise ValueError(f"is of failures is one of {', '.join(WORDS)}; rejected may be followed by a reason.")
        found = _look("failures", failure)
        if not (found.statuses or found.pattern or found.values):
            raise ValueError("each of failures has a status, a pattern or values.")
        read.append((found, word))
    where = _only("code", code, {"path", "pattern"})
    return Answers(
        success=look,
        reference=reference,
        failures=read,
        code_path=given.text("code.path", where.get("path", ""), empty=True),
        code_pattern=_pattern("code.pattern", where.get("pattern")),
    )


def _only(option: str, said: Any, allowed: set[str]) -> dict[str, Any]:
    found = given.table(option, said)
    if found.keys() - allowed:
        raise ValueError(f"{option} has only {', '.join(sorted(allowed))}.")
    return found


def _look(option: str, said: Mapping[str, Any]) -> Look:
    statuses = said.get("status", [])
    statuses = statuses if isinstance(statuses, list | tuple) else [statuses]
    values: dict[str, frozenset[str]] = {}
    for path, wanted in given.table(f"{option}.values", said.get("values", {})).items():
        each = wanted if isinstance(wanted, list | tuple) else [wanted]
        if not each or not all(isinstance(one, str | int | float) for one in each):
            raise TypeError(f"{option}.values has a text, a number, true or false, or a list of them for each path.")
        values[path] = frozenset(map(plain, each))
    return Look(
        statuses=frozenset(given.whole(f"{option}.status", one, 100, 599) for one in statuses),
        pattern=_pattern(f"{option}.pattern", said.get("pattern")),
        values=values,
    )


def _pattern(option: str, said: Any) -> re.Pattern[str] | None:
    if said is None:
        return None
    try:
        return re.compile(said, re.MULTILINE)
    except (re.error, TypeError, RecursionError):
        raise ValueError(f"{option} is no regular expression.") from None
