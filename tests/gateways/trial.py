"""A gateway on trial: everything that it says goes through here, so that everything can be searched for secrets."""

import base64
import io
import json
import logging
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any
from urllib.parse import quote, quote_plus

from compose.gateways.base import Accepted, Event, Forged, GatewayError, Outcome, Outgoing, Throttled, Unreadable
from tests.gateways.case_files import Cases
from tests.gateways.rig import Rig, outgoing, told
from tests.gateways.rig_modules import RigModule

# An option that is public by the interface itself: the key with which a vendor opens our door.
PUBLIC_SECRET = "door_key"
SHORTEST_SECRET = 6
# What each entry of Rig.received() has.
SHOWN = {"to", "from", "text", "class", "reference"}
# What the table of messages keeps of a reference.
LONGEST_REFERENCE = 80
# The longest wait for anything.
SECONDS = 15.0


class Trial:
    """A rig, with all that its gateway said in `records`."""

    def __init__(self, module: RigModule, rig: Rig, records: list[tuple[str, str]]) -> None:
        self.module = module
        self.rig = rig
        self.cases: Cases = module.cases()
        self.records = records

    def send(self, *messages: Outgoing) -> list[Outcome]:
        """The outcomes, one for each message, as dispatch sees them: an error that is raised counts for all."""
        try:
            outcomes = list(self.rig.gateway.send(messages))
        except GatewayError as error:
            outcomes = [error] * len(messages)
        except Exception as error:
            self._keep_error(error)
            raise AssertionError(f"send raised {type(error).__name__}, which is no GatewayError") from error
        assert len(outcomes) == len(messages), f"{len(outcomes)} outcomes for {len(messages)} messages"
        for outcome in outcomes:
            assert isinstance(outcome, Accepted | GatewayError), f"{type(outcome).__name__} is no outcome"
            if isinstance(outcome, Accepted):
                assert isinstance(outcome.reference, str), f"a reference that is {type(outcome.reference).__name__}"
                assert 0 < len(outcome.reference) <= LONGEST_REFERENCE, (
                    f"a reference of {len(outcome.reference)} characters"
                )
            if isinstance(outcome, Throttled):
                assert outcome.retry_after >= 0, f"retry after {outcome.retry_after} seconds"
            self.keep("outcome", json.dumps(told(outcome), ensure_ascii=False))
            if isinstance(outcome, GatewayError):
                self._keep_error(outcome)
        return outcomes

    @property
    def sender(self) -> dict[str, str]:
        """A kind of sender that the gateway declares, for a message."""
        kinds = self.rig.gateway.capabilities.sender_kinds
        return {"sender_kind": "alphanumeric" if "alphanumeric" in kinds else min(kinds)}

    @property
    def message_class(self) -> str:
        """A class that the gateway declares."""
        classes = self.rig.gateway.capabilities.classes
        return "standard" if "standard" in classes else min(classes)

    def numbered(self, number: int) -> Outgoing:
        """A message that can be told from its neighbours by its id, recipient and text."""
        return outgoing(
            id=str(5000 + number),
            recipient=f"+3361234{1000 + number}",
            text=f"number {number}.",
            message_class=self.message_class,
            **self.sender,
        )

    def taken(self, *messages: Outgoing) -> list[str]:
        """The references of these messages, which the gateway accepts one and all."""
        outcomes = self.send(*messages)
        refused = [told(outcome) for outcome in outcomes if not isinstance(outcome, Accepted)]
        assert not refused, f"not accepted: {refused}"
        return [outcome.reference for outcome in outcomes if isinstance(outcome, Accepted)]

    def received(self) -> list[dict[str, Any]]:
        """What the peer received, with all that the rig has to show of it."""
        entries = self.rig.received()
        json.dumps(entries)
        if not self.rig.peerless:
            for entry in entries:
                missing = SHOWN - entry.keys()
                assert not missing, f"the rig does not show {min(missing)!r} in received()"
        return entries

    def hear(self, said: Mapping[str, Any]) -> list[Event]:
        """The events of what the peer says. Raises Forged and Unreadable."""
        try:
            events = self.rig.hear(said)
        except (Forged, Unreadable) as error:
            self._keep_error(error)
            raise
        for event in events:
            self.keep("event", json.dumps(told(event), ensure_ascii=False))
        return events

    def keep(self, kind: str, text: str) -> None:
        """Note what was said, for the search at the end."""
        self.records.append((kind, text))

    def keep_objects(self) -> None:
        """Note how the gateway and its public attributes show themselves."""
        gateway = self.rig.gateway
        self.keep("repr of the gateway", repr(gateway))
        for name, value in vars(gateway).items():
            if not name.startswith("_") and name != PUBLIC_SECRET:
                self.keep(f"repr of the gateway's {name}", repr(value))

    def _keep_error(self, error: BaseException) -> None:
        """An error as logs show it, with what caused it, and with all that it carries."""
        self.keep("traceback", "".join(traceback.format_exception(error)))
        seen: BaseException | None = error
        while seen is not None:
            self.keep(f"repr of {type(seen).__name__}", repr(seen))
            self.keep(f"content of {type(seen).__name__}", repr((seen.args, vars(seen))))
            seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)

    @property
    def secrets(self) -> set[str]:
        """What may be said nowhere, in the forms in which URLs and headers write it."""
        given = {*self.rig.secrets, self.rig.gateway.door_key} - {""}
        short = [secret for secret in given if len(secret) < SHORTEST_SECRET]
        assert not short, f"{len(short)} secrets of the rig are too short to be searched for"
        forms = {form for secret in given for form in (secret, quote(secret, safe=""), quote_plus(secret))}
        return forms | {base64.b64encode(secret.encode()).decode() for secret in given}

    def assert_no_secret_was_said(self) -> None:
        """No record holds a secret. The failure says where, and does not say the secret either."""
        secrets = self.secrets
        for kind, text in self.records:
            found = [secret for secret in secrets if secret in text]
            if found:
                shown = text
                for secret in sorted(found, key=len, reverse=True):
                    shown = shown.replace(secret, "<SECRET>")
                raise AssertionError(f"a secret in the {kind}: {shown[:2000]}")


class _Everything(logging.Handler):
    """Keeps each log record as it is written, with its arguments and its traceback."""

    def __init__(self, records: list[tuple[str, str]]) -> None:
        super().__init__(logging.NOTSET)
        self.records = records
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(("log", self.format(record)))
        self.records.append(("arguments of a log record", repr(record.args)))


@contextmanager
def all_logs(records: list[tuple[str, str]]) -> Iterator[None]:
    """For the length of the block every logger, at every level, writes into these records as well."""
    handler = _Everything(records)
    named = [one for one in logging.root.manager.loggerDict.values() if isinstance(one, logging.Logger)]
    before = [(one, one.level, one.disabled) for one in [logging.root, *named]]
    for one, _level, _disabled in before:
        one.setLevel(logging.DEBUG)
        one.disabled = False
        if one is logging.root or not one.propagate:
            one.addHandler(handler)
    try:
        yield
    finally:
        for one, level, disabled in before:
            one.setLevel(level)
            one.disabled = disabled
            one.removeHandler(handler)


@contextmanager
def on_trial(module: RigModule) -> Iterator[Trial]:
    """A fresh gateway on trial; at the end of the block nothing that it said, wrote or printed holds a secret."""
    records: list[tuple[str, str]] = []
    printed = io.StringIO()
    with all_logs(records), redirect_stdout(printed), redirect_stderr(printed), module.rig() as rig:
        trial = Trial(module, rig, records)
        yield trial
        trial.keep_objects()
    trial.keep("output", printed.getvalue())
    trial.assert_no_secret_was_said()
