"""A gateway that does what a test wrote down for it. It stands where any gateway stands: in SMS_GATEWAYS."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.test import override_settings

from compose import routing
from compose.gateways.base import Accepted, Capabilities, Event, Gateway, Outcome, Outgoing

Script = Callable[[Sequence[Outgoing]], Sequence[Outcome]]


def take_all(chunk: Sequence[Outgoing]) -> list[Outcome]:
    """Accept each message; the reference is "ref-" and our id of the message."""
    return [Accepted(f"ref-{message.id}") for message in chunk]


def answering(*outcomes: Outcome) -> Script:
    """A script that answers these, in the order of the chunk."""
    return lambda chunk: outcomes


def raising(error: BaseException) -> Script:
    """A script that raises the error."""

    def script(chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        raise error

    return script


class ScriptedGateway(Gateway):
    """`script` answers each call of `send`; `chunks` holds what was handed over; `events` are those to be polled."""

    def __init__(
        self,
        *,
        batch_size: int = 100,
        classes: Sequence[str] = ("standard", "flash", "sim"),
        kinds: Sequence[str] = ("short", "virtual", "alphanumeric", "numeric"),
    ) -> None:
        self.capabilities = Capabilities(
            classes=frozenset(classes),
            sender_kinds=frozenset(kinds),
            reports=True,
            inbound=True,
            polls=True,
            batch_size=batch_size,
        )
        self.script: Script = take_all
        self.chunks: list[list[Outgoing]] = []
        self.events: list[Event] = []

    @property
    def sent(self) -> list[Outgoing]:
        """All messages that were handed over, in order, whatever became of them."""
        return [message for chunk in self.chunks for message in chunk]

    def send(self, chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        self.chunks.append(list(chunk))
        return self.script(chunk)

    def poll(self) -> list[Event]:
        return list(self.events)

    def acknowledge(self, events: Sequence[Event]) -> None:
        self.events = [event for event in self.events if event not in events]


@contextmanager
def scripted_gateway(**options: Any) -> Iterator[ScriptedGateway]:
    """The installation has a ScriptedGateway made with `options` as its only one, for the length of the block."""
    with scripted_gateways(default=options) as made:
        yield made[routing.DEFAULT]


@contextmanager
def scripted_gateways(**named: dict[str, Any]) -> Iterator[dict[str, ScriptedGateway]]:
    """The installation has these gateways (name -> options of ScriptedGateway) for the length of the block."""
    configured = {
        name: {"BACKEND": f"{__name__}.ScriptedGateway", "OPTIONS": options} for name, options in named.items()
    }
    with override_settings(SMS_GATEWAYS=configured):
        routing.gateway.cache_clear()
        try:
            made = {name: routing.gateway(name) for name in configured}
            yield {name: one for name, one in made.items() if isinstance(one, ScriptedGateway)}
        finally:
            routing.gateway.cache_clear()
