"""When the line breaks: what was read may have left, and where nobody is nothing left."""

import time
from typing import Final

from compose.gateways.base import Accepted, NotSent, Outgoing
from tests.gateways.rig import told
from tests.gateways.trial import SECONDS, Trial

# A chunk need not be larger than this to show how chunks are treated.
MOST: Final = 12


def a_break_after_reading_leaves_the_outcome_open(trial: Trial) -> None:
    """A message that the peer read and did not answer for may have left. It is not sent again, and others leave."""
    if trial.rig.peerless:
        return
    trial.rig.break_after_reading()
    chunk = [trial.numbered(number) for number in range(_size(trial))]
    outcomes = trial.send(*chunk)
    entries = trial.received()
    answered = {entry["text"]: entry["reference"] for entry in entries}
    assert entries, "the rig's peer read nothing before it closed"
    assert len(answered) == len(entries), "the gateway sent a message again by itself"
    left_open = 0
    for message, outcome in zip(chunk, outcomes, strict=True):
        said = told(outcome)
        if message.text not in answered:
            assert said["is"] in {"NotSent", "OutcomeUnknown"}, f"the peer did not read it: {said}"
        elif said["is"] == "Accepted":
            assert said["reference"] == answered[message.text], f"the peer gave it no such reference: {said}"
        else:
            assert said["is"] == "OutcomeUnknown", f"the peer read it and closed without an answer: {said}"
            left_open += 1
    assert left_open, "the peer closed without an answer, and all is said to be well"
    _until_accepted(trial, trial.numbered(MOST + 1))


def nobody_there_means_not_sent(trial: Trial) -> None:
    """Where nothing listens nothing left: NotSent for each message."""
    if trial.rig.peerless:
        return
    size = _size(trial)
    trial.rig.down()
    said = [told(outcome)["is"] for outcome in trial.send(*[trial.numbered(number) for number in range(size)])]
    assert said == ["NotSent"] * size, f"nothing listens: {said}"


def a_lost_peer_is_noticed(trial: Trial) -> None:
    """After a message went well the peer is gone: nothing is said to be accepted or refused, soon all is NotSent."""
    if trial.rig.peerless:
        return
    trial.taken(trial.numbered(0))
    trial.rig.down()
    deadline = time.monotonic() + SECONDS
    number = 1
    while True:
        (outcome,) = trial.send(trial.numbered(number))
        said = told(outcome)["is"]
        # The first may have been written before the end of the connection was seen.
        assert said in {"NotSent", "OutcomeUnknown"}, f"the peer is gone: {said}"
        if said == "NotSent":
            return
        assert time.monotonic() < deadline, "the gateway never notices that nothing listens"
        number += 1


def _size(trial: Trial) -> int:
    return min(trial.rig.gateway.capabilities.batch_size, MOST)


def _until_accepted(trial: Trial, message: Outgoing) -> None:
    """Send until it is accepted, as the queue does with what certainly did not leave."""
    deadline = time.monotonic() + SECONDS
    while True:
        (outcome,) = trial.send(message)
        if isinstance(outcome, Accepted):
            return
        assert type(outcome) is NotSent, f"after a break: {told(outcome)}"
        assert time.monotonic() < deadline, "after a break nothing leaves any more"
        time.sleep(0.02)
