"""What comes in: reports and received messages, in the declared ways, each event under a key of its own."""

import json
from collections.abc import Sequence
from typing import Any, Final
from unittest.mock import patch

from compose.gateways.base import Call, Event, Forged, Gateway, Report, Unreadable
from compose.reasons import SENTENCES
from tests.gateways.rig import told
from tests.gateways.trial import Trial

STATUSES: Final = frozenset({"accepted", "delivered", "undelivered", "expired", "rejected", "unknown", "blocked"})
# What the table of events keeps of a key.
LONGEST_KEY: Final = 160


def reports_and_answers_come_exactly_when_declared(trial: Trial) -> None:
    """`reports` and `inbound`: some recorded case shows one where it is declared, and none where it is not."""
    can = trial.rig.gateway.capabilities
    for declared, word, kind in ((can.reports, "reports", "report"), (can.inbound, "inbound", "received")):
        cases = [case for case in trial.cases.inward if any(event["is"] == kind for event in case.events)]
        assert bool(cases) == declared, f"{word} is {declared}, and {len(cases)} recorded cases show one"


def they_come_the_declared_ways(trial: Trial) -> None:
    """`polls`, `called`, `listens`, `signs`: declared exactly when the methods for them do something."""
    gateway = trial.rig.gateway
    can = gateway.capabilities
    inward = can.reports or can.inbound
    ways = [word for word in ("polls", "called", "listens") if getattr(can, word)]
    assert bool(ways) == inward, f"reports or inbound is {inward}, and the ways in are {ways}"
    assert can.called or not can.signs, "signs is declared, and called is not"
    assert callable(getattr(gateway, "listen", None)) == can.listens, f"listens is {can.listens}, unlike the method"
    parses = type(gateway).parse is not Gateway.parse
    assert parses == can.called, f"called is {can.called}, and the gateway {'has' if parses else 'has no'} parse"
    if can.polls:
        assert type(gateway).poll is not Gateway.poll, "polls is declared, and the gateway has no poll"
    else:
        assert list(gateway.poll()) == [], "polls is not declared, and poll offers something"
    forged = [case for case in trial.cases.inward if case.raises == "Forged"]
    assert bool(forged) == can.signs, f"signs is {can.signs}, and {len(forged)} recorded cases are Forged"


def what_is_polled_is_offered_until_acknowledged(trial: Trial) -> None:
    """`poll` offers an event again and again, and no more once it was acknowledged."""
    gateway = trial.rig.gateway
    if not gateway.capabilities.polls:
        return
    case = next(case for case in trial.cases.inward if case.events)
    # The rig acknowledges what it hears, as the product does. Here it does so in vain.
    with patch.object(gateway, "acknowledge", lambda events: None):
        heard = {event.key for event in trial.hear(case.said)}

    def offered() -> list[Event]:
        return [event for event in gateway.poll() if event.key in heard]

    for _again in range(2):
        assert {event.key for event in offered()} == heard, "what was not acknowledged is not offered again"
        gateway.acknowledge([])
    gateway.acknowledge(offered())
    assert not offered(), "what was acknowledged is offered again"


def rubbish_at_the_door_is_survived(trial: Trial) -> None:
    """Whatever somebody sends to the door: Forged where the gateway signs, else Unreadable or events; never a fault."""
    gateway = trial.rig.gateway
    for call in RUBBISH:
        where = f"{call.method} {call.what!r} {call.body[:40]!r}"
        try:
            heard = gateway.parse(call)
        except (Forged, Unreadable) as error:
            trial.keep("error at the door", repr(error))
            if not isinstance(error, Forged if gateway.capabilities.signs else Unreadable):
                raise AssertionError(f"{where} is {type(error).__name__}") from error
        except Exception as error:
            raise AssertionError(f"{where}: {type(error).__name__}") from error
        else:
            assert not gateway.capabilities.signs, f"{where} was heard, though it is not signed"
            assert gateway.capabilities.called, "called is not declared, and parse hears something"
            _assert_storable(heard.events)


def keys_name_one_event_each(trial: Trial) -> None:
    """Two events that say different things have different keys, and the same case played twice has the same keys."""
    named: dict[str, Any] = {}
    for case in trial.cases.inward:
        if case.raises:
            continue
        first, second = trial.hear(case.said), trial.hear(case.said)
        _assert_storable([*first, *second])
        keys = [event.key for event in first]
        assert len(set(keys)) == len(keys), f"{case.name}: two of its events share a key"
        if not case.new_each_time:
            assert keys == [event.key for event in second], f"{case.name}: played again, it has other keys"
        for event in first:
            said = told(event)
            content = [said.get(name) for name in ("is", "reference", "message_id", "status", "number", "to", "text")]
            assert named.setdefault(event.key, content) == content, f"{case.name}: its key is that of another event"


def _assert_storable(events: Sequence[Event]) -> None:
    """Events that the tables take: JSON, a key of reasonable length, known words, a moment with its zone."""
    for event in events:
        json.dumps(told(event))
        assert 0 < len(event.key) <= LONGEST_KEY, f"a key of {len(event.key)} characters"
        assert event.at.tzinfo is not None, "the moment of an event has no time zone"
        if isinstance(event, Report):
            assert event.status in STATUSES, f"the status {event.status!r} is not known"
            assert event.reason in {"", *SENTENCES}, f"the reason {event.reason!r} has no sentence"


def _rubbish(method: str, what: str, body: bytes, content_type: str, fields: dict[str, Sequence[str]]) -> Call:
    return Call(
        method=method,
        url=f"https://sms.example.net/gateways/default/{what}",
        what=what,
        query=fields if method == "GET" else {},
        form={} if method == "GET" else fields,
        headers={"content-type": content_type, "host": "sms.example.net", "x-twilio-signature": "é\0"},
        body=body,
        address="192.0.2.7",
    )


_FORM, _JSON = "application/x-www-form-urlencoded", "application/json"
_STRANGE: dict[str, Sequence[str]] = {
    **{name: ["\ud800"] for name in ("id", "MessageSid", "reference", "creationDatetime", "time", "at")},
    **{name: ["\0"] for name in ("status", "MessageStatus", "type", "ptt")},
    **{name: ["nobody", "else"] for name in ("from", "From", "to", "To", "number")},
    **{name: [""] for name in ("text", "Body", "message", "key")},
}
RUBBISH: Final = [
    _rubbish(method, what, body, kind, fields)
    for method, body, kind, fields in (
        ("GET", b"", "", {}),
        ("GET", b"", "", _STRANGE),
        ("POST", b"", _FORM, {}),
        ("POST", bytes(range(256)), _FORM, _STRANGE),
        ("POST", b"{", _JSON, {}),
        ("POST", b"null", _JSON, {}),
        ("POST", b"[1, [2], {}]", _JSON, {}),
        ("POST", b'{"id": {"a": []}, "status": 1e999, "at": -1e18}', _JSON, {}),
        ("POST", b"[" * 100_000, _JSON, {}),
        ("POST", b"\xff\xfe", "text/xml; charset=nonsense", {}),
        ("BREW", b"tea", "", {}),
    )
    for what in ("", "report", "reports", "received", "status", "sms", "../x")
]
