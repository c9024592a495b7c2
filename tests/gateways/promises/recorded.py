"""The recorded cases: each answer of the vendor gives its outcome, each call its events, and no error is forgotten."""

from collections.abc import Sequence
from typing import Any, Final

from compose.gateways import base
from compose.gateways.base import GatewayError
from compose.reasons import SENTENCES
from tests.gateways.case_files import OUTCOMES, AnswerCase, InwardCase, differences
from tests.gateways.rig import told
from tests.gateways.trial import Trial

GARBAGE: Final = "OutcomeUnknown"


def an_answer_gives_its_outcome(trial: Trial, case: AnswerCase) -> None:
    """What the peer answers, the outcome that the case wants, and what the peer received, when the case says."""
    size = trial.rig.gateway.capabilities.batch_size
    assert len(case.messages) <= size, f"{len(case.messages)} messages for a gateway that takes {size}"
    trial.rig.answer(case.peer)
    outcomes = trial.send(*case.messages)
    found = [told(outcome) for outcome in outcomes]
    _assert_same(case.outcomes, found)
    for outcome in outcomes:
        if isinstance(outcome, GatewayError):
            assert outcome.reason in SENTENCES, f"the reason {outcome.reason!r} has no sentence"
    entries = trial.received()
    for wanted in case.sent:
        nearest = min((differences(wanted, entry) for entry in entries), key=len, default=["nothing was received"])
        assert not nearest, "; ".join(nearest)


def what_the_peer_says_gives_its_events(trial: Trial, case: InwardCase) -> None:
    """What the peer says, and the events that the case wants, or its error."""
    if case.raises:
        try:
            events = trial.hear(case.said)
        except (base.Forged, base.Unreadable) as error:
            found = type(error).__name__
        else:
            found = f"no error but {[told(event) for event in events]}"
        assert found == case.raises, f"it raises {found}, not {case.raises}"
        return
    _assert_same(case.events, [told(event) for event in trial.hear(case.said)])


def every_error_is_recorded(trial: Trial) -> None:
    """For each outcome some case shows the answer that causes it, or the file says why there is none."""
    shown = {wanted["is"] for case in trial.cases.answers for wanted in case.outcomes}
    said = set(trial.cases.cannot)
    assert not shown & said, f"there are cases of what it cannot: {sorted(shown & said)}"
    if trial.rig.peerless:
        return
    missing = sorted(OUTCOMES.keys() - shown - said)
    assert not missing, f"neither a recorded answer nor a sentence in cannot: {', '.join(missing)}"


def garbage_leaves_the_outcome_open(trial: Trial) -> None:
    """Some recorded answer is garbage, and each such answer leaves the outcome open."""
    cases = [case for case in trial.cases.answers if case.garbage]
    assert cases or trial.rig.peerless, "no recorded answer is marked as garbage"
    for case in cases:
        assert {wanted["is"] for wanted in case.outcomes} == {GARBAGE}, f"{case.name}: it is recorded otherwise"
    # One here; each has a test of its own, for a connection may well end with the first.
    for case in cases[:1]:
        trial.rig.answer(case.peer)
        said = [told(outcome)["is"] for outcome in trial.send(*case.messages)]
        assert set(said) == {GARBAGE}, f"{case.name}: {said}"


def _assert_same(wanted: Sequence[Any], found: Sequence[Any]) -> None:
    assert len(found) == len(wanted), f"there are {len(found)} instead of {len(wanted)}: {found}"
    wrong = differences(list(wanted), list(found))
    assert not wrong, "; ".join(wrong)
