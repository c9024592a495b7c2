"""Liars: gateways with one fault each, and the promise that finds it."""

import json
import socket
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from compose.gateways.base import (
    Accepted,
    Call,
    Capabilities,
    Event,
    Gateway,
    Heard,
    NotSent,
    Outcome,
    OutcomeUnknown,
    Outgoing,
    Rejected,
    Report,
)
from tests.gateways.honest import AT, CASES, PASSWORD, HonestGateway, HonestRig, MemoryModule
from tests.gateways.promises import breaks, inward, making, outward, recorded


class Classless(HonestGateway):
    def request(self, message: Outgoing) -> str:
        return json.dumps(json.loads(super().request(message)) | {"class": "any"})


class Nameless(HonestGateway):
    def request(self, message: Outgoing) -> str:
        return json.dumps(json.loads(super().request(message)) | {"from": ""})


class Misnaming(HonestGateway):
    def request(self, message: Outgoing) -> str:
        return json.dumps(json.loads(super().request(message)) | {"from": "SMS"})


class Careless(HonestGateway):
    """Sends what it does not declare."""

    def outcome(self, message: Outgoing) -> Outcome:
        return self.read(self.peer.ask(self.request(message)))


class Late(HonestGateway):
    """Refuses what it does not declare, after it has sent it."""

    def outcome(self, message: Outgoing) -> Outcome:
        self.peer.ask(self.request(message))
        return super().outcome(message)


class AllOrNothing(HonestGateway):
    """Refuses a whole chunk for one message."""

    def send(self, chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        for message in chunk:
            if message.message_class == "sim":
                raise self.refusal()
        return super().send(chunk)

    def refusal(self) -> Exception:
        return Rejected("one is not declared")


class Trimming(HonestGateway):
    def request(self, message: Outgoing) -> str:
        return json.dumps(json.loads(super().request(message)) | {"text": message.text.strip()})


class Plain(HonestGateway):
    def request(self, message: Outgoing) -> str:
        plain = message.text.encode("ascii", "replace").decode()
        return json.dumps(json.loads(super().request(message)) | {"text": plain})


class Cutting(HonestGateway):
    def request(self, message: Outgoing) -> str:
        return json.dumps(json.loads(super().request(message)) | {"text": message.text[:600]})


class Misdialling(HonestGateway):
    def request(self, message: Outgoing) -> str:
        return json.dumps(json.loads(super().request(message)) | {"to": message.recipient[1:]})


class Forgetful(HonestGateway):
    def send(self, chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        return super().send(chunk)[:4]


class Nondescript(HonestGateway):
    """Gives no reference."""

    def read(self, answer: str) -> Outcome:
        return Accepted("")


class Endless(HonestGateway):
    """Gives references that no table holds."""

    def read(self, answer: str) -> Outcome:
        return Accepted("r" * 81)


class Backwards(HonestGateway):
    def send(self, chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        return list(reversed(super().send(chunk)))


class Unoriginal(HonestGateway):
    """Gives one reference to all."""

    def read(self, answer: str) -> Outcome:
        found = super().read(answer)
        return Accepted("taken") if isinstance(found, Accepted) else found


class Shared(HonestGateway):
    """Keeps in itself what belongs to one call of `send`: with two threads the outcomes are mixed."""

    def send(self, chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        self.__dict__.setdefault("waiting", []).extend(super().send(chunk))
        if len(self.__dict__["waiting"]) <= len(chunk):
            return [OutcomeUnknown("still waiting")] * len(chunk)
        return [self.__dict__["waiting"].pop() for _message in chunk]


class Retrying(HonestGateway):
    """Sends again what may have left."""

    def outcome(self, message: Outgoing) -> Outcome:
        found = super().outcome(message)
        return super().outcome(message) if isinstance(found, OutcomeUnknown) else found


class Optimist(HonestGateway):
    """Takes a broken connection for a message that did not leave."""

    def outcome(self, message: Outgoing) -> Outcome:
        found = super().outcome(message)
        return NotSent("broken") if isinstance(found, OutcomeUnknown) else found


class Trusting(HonestGateway):
    """Takes a broken connection for a message that was taken."""

    def outcome(self, message: Outgoing) -> Outcome:
        found = super().outcome(message)
        return Accepted("surely") if isinstance(found, OutcomeUnknown) else found


class Sulking(HonestGateway):
    """Never sends again after a break."""

    def outcome(self, message: Outgoing) -> Outcome:
        if self.__dict__.get("broken"):
            return Rejected("it broke once")
        found = super().outcome(message)
        self.__dict__["broken"] = isinstance(found, OutcomeUnknown)
        return found


class Pessimist(HonestGateway):
    """Takes it for possible that a message left where nobody listens."""

    def outcome(self, message: Outgoing) -> Outcome:
        found = super().outcome(message)
        return OutcomeUnknown("who knows") if isinstance(found, NotSent) else found


class Faulty(HonestGateway):
    """Lets an exception of its own out."""

    def outcome(self, message: Outgoing) -> Outcome:
        return self.read(self.peer.ask(self.request(message)))


class Giving(HonestGateway):
    """Refuses for good where nobody listens any more."""

    def outcome(self, message: Outgoing) -> Outcome:
        found = super().outcome(message)
        return Rejected("nobody there") if isinstance(found, NotSent) and self.peer.read else found


def declaring(**differs: Any) -> type[HonestGateway]:
    """An honest gateway that declares something else than it does."""
    told = {name: getattr(HonestGateway.capabilities, name) for name in Capabilities.__dataclass_fields__}
    return type("Declaring", (HonestGateway,), {"capabilities": Capabilities(**{**told, **differs})})


class Listening(HonestGateway):
    def listen(self, stopped: Callable[[], bool]) -> Iterable[Sequence[Event]]:
        return ()


class Doorless(HonestGateway):
    parse = Gateway.parse


class Forgetting(HonestGateway):
    """Offers an event once only."""

    def poll(self) -> Iterable[Event]:
        for name in list(self.peer.waiting):
            yield self.event(self.peer.waiting.pop(name))

    def acknowledge(self, events: Sequence[Event]) -> None:
        return


class Repeating(HonestGateway):
    """Offers an event for ever."""

    def acknowledge(self, events: Sequence[Event]) -> None:
        return


class Open(HonestGateway):
    """Hears calls without a signature."""

    def parse(self, call: Call) -> Heard:
        return super().parse(signed(call))


class Fragile(HonestGateway):
    """Fails where it does not understand."""

    def parse(self, call: Call) -> Heard:
        json.loads(call.body)
        return super().parse(call)


def signed(call: Call) -> Call:
    """The call with a signature."""
    return Call(**{**vars(call), "headers": {**call.headers, "x-signature": PASSWORD[::-1]}})


class Vague(HonestGateway):
    """Gives all that is said of a message one key."""

    def event(self, said: Any) -> Event:
        found = super().event(said)
        return Report(**{**vars(found), "key": f"report-{said['id']}"}) if isinstance(found, Report) else found


class Whimsical(HonestGateway):
    """Gives another key each time."""

    def event(self, said: Any) -> Event:
        self.__dict__["count"] = self.__dict__.get("count", 0) + 1
        found = super().event(said)
        return type(found)(**{**vars(found), "key": f"{found.key}-{self.__dict__['count']}"})


class Wordy(HonestGateway):
    """Has a status of its own."""

    def event(self, said: Any) -> Event:
        found = super().event(said)
        return Report(**{**vars(found), "status": "done"}) if isinstance(found, Report) else found


class Timeless(HonestGateway):
    """Says moments without their zone."""

    def event(self, said: Any) -> Event:
        found = super().event(said)
        return type(found)(**{**vars(found), "at": AT.replace(tzinfo=None)})


class Longwinded(HonestGateway):
    def event(self, said: Any) -> Event:
        found = super().event(said)
        return type(found)(**{**vars(found), "key": found.key * 20})


class Guessing(HonestGateway):
    """Takes an answer that it cannot read for a refusal."""

    def read(self, answer: str) -> Outcome:
        found = super().read(answer)
        return Rejected("?") if isinstance(found, OutcomeUnknown) else found


class Eager(HonestGateway):
    """Connects as soon as it is made."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        with socket.socket() as made:
            made.connect_ex(("127.0.0.1", 9))


class Tolerant(HonestGateway):
    """Takes any option."""

    def __init__(self, *, peer_name: str, password: str, timeout: float = 5.0, **_rest: Any) -> None:
        super().__init__(peer_name=peer_name, password=password, timeout=timeout)


class Gullible(HonestGateway):
    """Takes any value."""

    def __init__(self, *, peer_name: Any, password: str, timeout: float = 5.0) -> None:
        super().__init__(peer_name=str(peer_name), password=password, timeout=timeout)


class Talkative(HonestGateway):
    """Shows the value that it refuses."""

    def __init__(self, *, peer_name: str, password: str, timeout: float = 5.0) -> None:
        if not isinstance(timeout, int | float):
            raise TypeError(f"timeout is {timeout!r}")
        super().__init__(peer_name=peer_name, password=password, timeout=timeout)


class Curt(HonestGateway):
    """Does not say which option is wrong."""

    def __init__(self, *, peer_name: str, password: str, timeout: float = 5.0) -> None:
        if not isinstance(timeout, int | float):
            raise TypeError("a wrong option")
        super().__init__(peer_name=peer_name, password=password, timeout=timeout)


class Secretive(HonestGateway):
    """Does not declare its password as a secret."""

    SECRETS = frozenset()


class Unwatched(HonestRig):
    secrets = ()


def cases(**differs: Any) -> dict[str, Any]:
    """The recorded cases, except for these members."""
    return {**CASES, **differs}


def without(kind: str) -> list[Any]:
    """The inward cases without events of this kind."""
    return [case for case in CASES["inward"] if not any(event["is"] == kind for event in case.get("events", []))]


M = MemoryModule
WRONG_GARBAGE = [CASES["answers"][1] | {"outcome": {"is": "NotSent"}}]
LIARS: list[tuple[Callable[..., None], MemoryModule, str]] = [
    (outward.each_class_is_on_the_wire, M(Classless), "cannot tell classes"),
    (outward.each_class_is_on_the_wire, M(Misdialling), "the peer reads the recipient"),
    (outward.each_kind_of_sender_is_on_the_wire, M(Nameless), "cannot tell these senders"),
    (outward.each_kind_of_sender_is_on_the_wire, M(Misnaming), "the peer reads the sender 'SMS'"),
    (outward.what_is_not_declared_is_refused_before_it_leaves, M(Careless), "sim from alphanumeric"),
    (outward.what_is_not_declared_is_refused_before_it_leaves, M(Late), "received what is not declared"),
    (outward.what_is_not_declared_is_refused_before_it_leaves, M(AllOrNothing), "Rejected"),
    (outward.the_text_on_the_wire_is_the_text_given, M(Trimming), "a digit between spaces"),
    (outward.the_text_on_the_wire_is_the_text_given, M(Plain), "the GSM alphabet"),
    (outward.the_text_on_the_wire_is_the_text_given, M(Cutting), "five parts of the GSM alphabet"),
    (outward.a_full_chunk_has_one_outcome_each_in_its_order, M(Forgetful), "4 outcomes for 5 messages"),
    (outward.a_full_chunk_has_one_outcome_each_in_its_order, M(Backwards), "the outcome of"),
    (outward.a_full_chunk_has_one_outcome_each_in_its_order, M(Unoriginal), "one reference"),
    (outward.a_full_chunk_has_one_outcome_each_in_its_order, M(Nondescript), "a reference of 0 characters"),
    (outward.a_full_chunk_has_one_outcome_each_in_its_order, M(Endless), "a reference of 81 characters"),
    (outward.a_full_chunk_has_one_outcome_each_in_its_order, M(declaring(batch_size=0)), "batch_size is 0"),
    (outward.threads_may_send_at_once, M(Shared), "not accepted|the outcome of|one reference"),
    (breaks.a_break_after_reading_leaves_the_outcome_open, M(Retrying), "again by itself"),
    (breaks.a_break_after_reading_leaves_the_outcome_open, M(Optimist), "closed without an answer"),
    (breaks.a_break_after_reading_leaves_the_outcome_open, M(Trusting), "no such reference"),
    (breaks.a_break_after_reading_leaves_the_outcome_open, M(Sulking), "did not read it"),
    (breaks.nobody_there_means_not_sent, M(Pessimist), "nothing listens"),
    (breaks.nobody_there_means_not_sent, M(Faulty), "no GatewayError"),
    (breaks.a_lost_peer_is_noticed, M(Giving), "the peer is gone"),
    (inward.reports_and_answers_come_exactly_when_declared, M(declaring(reports=False)), "reports is False"),
    (inward.reports_and_answers_come_exactly_when_declared, M(declaring(inbound=False)), "inbound is False"),
    (inward.reports_and_answers_come_exactly_when_declared, M(cases=cases(inward=without("report"))), "and 0 recorded"),
    (inward.they_come_the_declared_ways, M(declaring(called=False, signs=False)), "called is False"),
    (inward.they_come_the_declared_ways, M(declaring(signs=False)), "signs is False"),
    (inward.they_come_the_declared_ways, M(declaring(listens=True)), "listens is True"),
    (inward.they_come_the_declared_ways, M(declaring(reports=False, inbound=False)), "the ways in are"),
    (inward.they_come_the_declared_ways, M(Listening), "listens is False"),
    (inward.they_come_the_declared_ways, M(Doorless), "has no parse"),
    (inward.what_is_polled_is_offered_until_acknowledged, M(Forgetting), "is not offered again"),
    (inward.what_is_polled_is_offered_until_acknowledged, M(Repeating), "was acknowledged is offered"),
    (inward.rubbish_at_the_door_is_survived, M(Open), "is Unreadable|was heard"),
    (inward.rubbish_at_the_door_is_survived, M(Fragile), "JSONDecodeError"),
    (inward.keys_name_one_event_each, M(Vague), "its key is that of another event"),
    (inward.keys_name_one_event_each, M(Whimsical), "it has other keys"),
    (inward.keys_name_one_event_each, M(Wordy), "the status 'done'"),
    (inward.keys_name_one_event_each, M(Timeless), "no time zone"),
    (inward.keys_name_one_event_each, M(Longwinded), "characters"),
    (recorded.every_error_is_recorded, M(cases=cases(answers=CASES["answers"][:-1])), "cannot: Unsupported"),
    (recorded.every_error_is_recorded, M(cases=cases(cannot={"Throttled": "Never."})), "cases of what it cannot"),
    (recorded.garbage_leaves_the_outcome_open, M(Guessing), "garbage: "),
    (recorded.garbage_leaves_the_outcome_open, M(cases=cases(answers=WRONG_GARBAGE)), "recorded otherwise"),
    (recorded.garbage_leaves_the_outcome_open, M(cases=cases(answers=CASES["answers"][:1])), "no recorded answer"),
    (making.making_one_connects_to_nothing, M(Eager), "connect_ex"),
    (making.wrong_options_are_named_and_not_shown, M(Tolerant), "a wrong brewing_method"),
    (making.wrong_options_are_named_and_not_shown, M(Gullible), "a wrong peer_name .list. is taken"),
    (making.wrong_options_are_named_and_not_shown, M(Talkative), "shows its value"),
    (making.wrong_options_are_named_and_not_shown, M(Curt), "does not name it"),
    (making.secrets_are_declared, M(Secretive), "SECRETS names none"),
    (making.secrets_are_declared, M(rig=Unwatched), "does not watch"),
]
