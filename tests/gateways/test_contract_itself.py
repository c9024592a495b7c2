"""The contract suite's own control: each promise can be broken, and a gateway that breaks it is found."""

import inspect
import json
import pkgutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import compose.gateways
from compose import segments
from compose.gateways.base import (
    Gateway,
    Outcome,
    Rejected,
)
from tests.gateways import promises
from tests.gateways.case_files import load_cases, read_cases
from tests.gateways.honest import CASES, HonestGateway, MemoryModule
from tests.gateways.liars import LIARS, cases
from tests.gateways.promises import outward, recorded
from tests.gateways.rig_modules import rig_modules
from tests.gateways.trial import on_trial


def test_every_gateway_of_this_product_has_a_rig() -> None:
    for found in pkgutil.walk_packages(compose.gateways.__path__, "compose.gateways."):
        import_module(found.name)
    ours: set[type[Gateway]] = set()
    waiting = Gateway.__subclasses__()
    while waiting:
        one = waiting.pop()
        waiting += one.__subclasses__()
        if one.__module__.startswith("compose.gateways.") and not inspect.isabstract(one):
            ours.add(one)
    with_rig = {module.gateway for module in rig_modules()}
    assert {one.__qualname__ for one in ours - with_rig} == set(), "put a rig into tests/gateways/rigs/"


def test_every_cases_file_belongs_to_a_rig() -> None:
    files = {path.stem for path in (Path(__file__).parent / "cases").glob("*")}
    assert files <= {module.short_name for module in rig_modules()}


@pytest.mark.parametrize("what", outward.TEXTS)
def test_the_texts_of_the_suite_are_what_they_are_called(what: str) -> None:
    count = segments.segment(outward.TEXTS[what]).count
    assert count == (5 if what.startswith("five") else 1)


def test_an_honest_gateway_keeps_every_promise() -> None:
    module = MemoryModule()
    for of_a_gateway in promises.OF_A_GATEWAY:
        with on_trial(module) as trial:
            of_a_gateway(trial)
    for of_a_class in promises.OF_A_CLASS:
        of_a_class(module)
    for answer in module.cases().answers:
        with on_trial(module) as trial:
            recorded.an_answer_gives_its_outcome(trial, answer)
    for said in module.cases().inward:
        with on_trial(module) as trial:
            recorded.what_the_peer_says_gives_its_events(trial, said)


@pytest.mark.parametrize(
    ("promise", "liar", "words"),
    [pytest.param(*one, id=f"{one[0].__name__}: {one[2]}") for one in LIARS],
)
def test_a_liar_is_found(promise: Callable[..., None], liar: MemoryModule, words: str) -> None:
    if promise in promises.OF_A_CLASS:
        with pytest.raises(AssertionError, match=words):
            promise(liar)
    else:
        with pytest.raises(AssertionError, match=words), on_trial(liar) as trial:
            promise(trial)


def test_there_is_a_liar_for_each_promise() -> None:
    assert {promise for promise, _liar, _words in LIARS} == {*promises.OF_A_GATEWAY, *promises.OF_A_CLASS}


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ({"is": "Rejected"}, "is is 'Throttled', not 'Rejected'"),
        ({"is": "Throttled", "retry_after": 8}, "retry_after is 7, not 8"),
        ({"is": "Throttled", "reason": "spam"}, "reason is 'throttled', not 'spam'"),
    ],
)
def test_a_recorded_answer_with_another_outcome_is_found(outcome: dict[str, Any], words: str) -> None:
    answers = [{"name": "slower", "peer": {"says": '{"error": "slower"}'}, "outcome": outcome}]
    module = MemoryModule(cases=cases(answers=answers))
    with pytest.raises(AssertionError, match=words), on_trial(module) as trial:
        recorded.an_answer_gives_its_outcome(trial, trial.cases.answers[0])


def test_a_recorded_answer_to_another_request_is_found() -> None:
    module = MemoryModule(cases=cases(answers=[CASES["answers"][0] | {"sent": {"to": "33612345678"}}]))
    with pytest.raises(AssertionError, match="to is '"), on_trial(module) as trial:
        recorded.an_answer_gives_its_outcome(trial, trial.cases.answers[0])


def test_a_reason_without_a_sentence_is_found() -> None:
    class Inventive(HonestGateway):
        def read(self, answer: str) -> Outcome:
            return Rejected("no", reason="dislike")

    with pytest.raises(AssertionError, match="'dislike' has no sentence"), on_trial(MemoryModule(Inventive)) as trial:
        recorded.an_answer_gives_its_outcome(
            trial, next(case for case in trial.cases.answers if case.outcomes[0]["is"] == "Rejected")
        )


@pytest.mark.parametrize(
    ("differs", "words"),
    [
        ({"events": [{"is": "report", "status": "expired"}]}, "status is 'delivered', not 'expired'"),
        ({"events": [{"is": "received"}]}, "is is 'report', not 'received'"),
        ({"events": []}, "there are 1 instead of 0"),
        ({"raises": "Unreadable"}, "no error but"),
    ],
)
def test_what_gives_other_events_than_recorded_is_found(differs: dict[str, Any], words: str) -> None:
    case = {"name": "one", "said": CASES["inward"][0]["said"], **differs}
    with pytest.raises(AssertionError, match=words), on_trial(MemoryModule(cases=cases(inward=[case]))) as trial:
        recorded.what_the_peer_says_gives_its_events(trial, trial.cases.inward[0])


def test_another_error_than_recorded_is_found() -> None:
    case = CASES["inward"][3] | {"raises": "Unreadable"}
    module = MemoryModule(cases=cases(inward=[case]))
    with pytest.raises(AssertionError, match="it raises Forged, not Unreadable"), on_trial(module) as trial:
        recorded.what_the_peer_says_gives_its_events(trial, trial.cases.inward[0])


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"answer": []}, "answer is not known"),
        ({"answers": [{"name": "a", "peer": {}, "outcome": {"is": "Taken"}}]}, "Taken is no outcome"),
        ({"answers": [{"name": "a", "peer": {}}]}, "either message and outcome"),
        (
            {"answers": [{"name": "a", "peer": {}, "messages": [{}, {}], "outcomes": [{"is": "Accepted"}]}]},
            "2 messages",
        ),
        ({"answers": [{"name": "a", "peer": {}, "outcome": {"is": "Accepted", "ref": "1"}}]}, "ref is not known"),
        ({"answers": [{"name": "a", "outcome": {"is": "Accepted"}}]}, "peer is missing"),
        ({"inward": [{"name": "a", "said": {}}]}, "either events or raises"),
        ({"inward": [{"name": "a", "said": {}, "raises": "KeyError"}]}, "raises Forged or Unreadable"),
        ({"inward": [{"name": "a", "said": {}, "events": [{"is": "receipt"}]}]}, "a report or received"),
        ({"inward": [{"name": "a", "said": {}, "events": []}] * 2}, "two cases have the name a"),
        ({"cannot": {"OutOfFunds": " "}}, "OutOfFunds is no outcome of base.py, or has no sentence"),
    ],
)
def test_a_file_of_cases_with_a_mistake_is_refused(said: dict[str, Any], words: str, tmp_path: Path) -> None:
    path = tmp_path / "vendor.json"
    path.write_text(json.dumps(said), encoding="utf-8")
    with pytest.raises(ValueError, match=words) as found:
        load_cases(path)
    assert "vendor.json" in str(found.value)


def test_a_case_says_only_what_differs() -> None:
    said = {"answers": [{"name": "a", "peer": {}, "message": {"sender_kind": "short"}, "outcome": {"is": "Accepted"}}]}
    (message,) = read_cases("vendor.json", said).answers[0].messages
    assert (message.originator, message.sender_kind, message.recipient) == ("38123", "short", "+33612345678")
