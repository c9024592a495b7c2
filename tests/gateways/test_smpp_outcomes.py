"""What a peer's answers mean for a message, also when its parts were answered differently."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from compose.gateways.base import (
    Accepted,
    BadConfiguration,
    GatewayError,
    InvalidRecipient,
    NotSent,
    Outcome,
    OutcomeUnknown,
    OutOfFunds,
    Rejected,
    Throttled,
    Unsupported,
)
from compose.gateways.smpp import statuses
from compose.reasons import SENTENCES
from tests.gateways.peers import gateway, outgoing
from tests.gateways.smsc import SILENT, Answer, Pdu, Smsc, smsc

TWO_PARTS = "a" * 200
THROTTLED, QUEUE_FULL, SYSTEM_ERROR, NO_SUCH_NUMBER, REFUSED = 0x58, 0x14, 0x08, 0x0B, 0x45


@pytest.fixture
def centre() -> Iterator[Smsc]:
    """A stand-in that takes everything."""
    with smsc() as made:
        yield made


def one(centre: Smsc, text: str = "Bonjour", **options: Any) -> Outcome:
    """The outcome of one message."""
    with gateway(centre.port, **options) as made:
        (outcome,) = made.send([outgoing(text)])
    return outcome


def in_turn(*answers: Answer) -> Callable[[Pdu], Answer]:
    """Answers one after the other, the last again and again."""
    coming = itertools.chain(answers, itertools.repeat(answers[-1]))
    return lambda _pdu: next(coming)


ANSWERED = [
    (THROTTLED, Throttled),
    (QUEUE_FULL, Throttled),
    (NO_SUCH_NUMBER, InvalidRecipient),
    (REFUSED, Rejected),
    (0x0A, Rejected),
    (0x43, Unsupported),
    (0x104, Unsupported),
    (0x48, BadConfiguration),
    (0x15, BadConfiguration),
    (0x64, NotSent),
    (SYSTEM_ERROR, OutcomeUnknown),
    (0xFF, OutcomeUnknown),
    (0x4C7, Rejected),
    (0x7FFFFFFF, Rejected),
]


@pytest.mark.parametrize(("status", "kind"), ANSWERED)
def test_a_status_says_what_became_of_the_message(centre: Smsc, status: int, kind: type[GatewayError]) -> None:
    centre.submit_answer = lambda _pdu: status
    outcome = one(centre)
    assert type(outcome) is kind
    assert f"0x{status:08X}" in outcome.detail


def test_every_reason_of_the_table_has_its_sentence() -> None:
    for status, (name, kind) in statuses.STATUSES.items():
        assert statuses.name_of(status).startswith(name)
        assert kind.reason in SENTENCES


OWN = [
    ({0x4C7: "out_of_funds"}, 0x4C7, OutOfFunds, "out_of_funds"),
    ({0x4C7: "rejected:spam"}, 0x4C7, Rejected, "spam"),
    ({0x4C7: "throttled"}, 0x4C7, Throttled, "throttled"),
    ({SYSTEM_ERROR: "not_sent"}, SYSTEM_ERROR, NotSent, "gateway_unreachable"),
]


@pytest.mark.parametrize(("own", "status", "kind", "reason"), OWN)
def test_the_options_say_what_a_vendors_code_means(
    centre: Smsc, own: dict[int, str], status: int, kind: type[GatewayError], reason: str
) -> None:
    centre.submit_answer = lambda _pdu: status
    outcome = one(centre, statuses=own)
    assert type(outcome) is kind
    assert outcome.reason == reason


def test_a_status_that_no_table_has_is_kept_to_be_counted(centre: Smsc) -> None:
    for status, own, code in [(0x4C7, {}, "0x000004C7"), (0x4C7, {0x4C7: "rejected"}, ""), (REFUSED, {}, "")]:
        centre.submit_answer = lambda _pdu, status=status: status  # type: ignore[misc]
        outcome = one(centre, statuses=own)
        assert isinstance(outcome, Rejected)
        assert outcome.code == code
    centre.bind_answer = 0x4C7
    refused = one(centre)
    assert isinstance(refused, NotSent)
    assert refused.code == "0x000004C7"


def test_throttling_says_when_to_come_again_and_holds_the_others_back(centre: Smsc) -> None:
    centre.submit_answer = in_turn(THROTTLED, ("7", 0.0))
    with gateway(centre.port, throttle_pause=0.2, window=1) as made:
        first, second = made.send([outgoing(), outgoing()])
    assert isinstance(first, Throttled)
    assert first.retry_after == 0.2
    assert second == Accepted("7")


def test_a_generic_nack_is_the_answer_to_what_it_names(centre: Smsc) -> None:
    centre.submit_answer = lambda _pdu: SILENT
    with gateway(centre.port) as made:

        def nack(pdu: Pdu) -> Answer:
            centre.write(bytes.fromhex("00000010 80000000 00000003") + pdu.sequence.to_bytes(4, "big"))
            return SILENT

        centre.submit_answer = nack
        (outcome,) = made.send([outgoing()])
    assert type(outcome) is Unsupported


def test_an_answer_without_an_id_is_an_acceptance_nobody_can_report_on(centre: Smsc) -> None:
    centre.submit_answer = lambda _pdu: 0
    assert one(centre) == Accepted("")


Parts = Sequence[Answer]
PARTS: list[tuple[Parts, type[GatewayError]]] = [
    ((NO_SUCH_NUMBER, NO_SUCH_NUMBER), InvalidRecipient),
    ((THROTTLED, NO_SUCH_NUMBER), InvalidRecipient),
    ((REFUSED, THROTTLED), Rejected),
    ((THROTTLED, THROTTLED), Throttled),
    ((("1", 0.0), REFUSED), OutcomeUnknown),
    ((REFUSED, ("2", 0.0)), OutcomeUnknown),
    ((("1", 0.0), SYSTEM_ERROR), OutcomeUnknown),
    ((SYSTEM_ERROR, REFUSED), OutcomeUnknown),
    ((("1", 0.0), SILENT), OutcomeUnknown),
]


@pytest.mark.parametrize(("answers", "kind"), PARTS)
def test_parts_that_were_answered_differently_have_one_outcome(
    centre: Smsc, answers: Parts, kind: type[GatewayError]
) -> None:
    centre.submit_answer = in_turn(*answers)
    assert type(one(centre, TWO_PARTS, answer_timeout=0.4)) is kind
    assert len(centre.submissions) == 2


def test_the_detail_says_how_much_of_a_message_left(centre: Smsc) -> None:
    centre.submit_answer = in_turn(("1", 0.0), REFUSED)
    outcome = one(centre, TWO_PARTS)
    assert isinstance(outcome, OutcomeUnknown)
    assert outcome.detail == "1 of 2 parts were taken; part 2: answered ESME_RSUBMITFAIL (0x00000045)"


def test_a_part_that_was_throttled_after_another_left_is_sent_again(centre: Smsc) -> None:
    centre.submit_answer = in_turn(("1", 0.0), THROTTLED, QUEUE_FULL, ("2", 0.0))
    assert one(centre, TWO_PARTS) == Accepted("2")
    numbers = [pdu.body[-54 - 1 - 47 :].hex() for pdu in centre.submissions[1:]]
    assert len(numbers) == 3
    assert len(set(numbers)) == 1


def test_a_part_that_stays_throttled_leaves_the_message_in_doubt(centre: Smsc) -> None:
    centre.submit_answer = in_turn(("1", 0.0), THROTTLED)
    outcome = one(centre, TWO_PARTS, answer_timeout=0.5)
    assert type(outcome) is OutcomeUnknown
    assert "ESME_RTHROTTLED" in outcome.detail


def test_each_message_of_a_chunk_has_its_own_outcome_in_its_place(centre: Smsc) -> None:
    refused = {b"2": NO_SUCH_NUMBER, b"4": THROTTLED}
    centre.submit_answer = lambda pdu: refused.get(pdu.body[-1:], (pdu.body[-1:].decode(), 0.0))
    with gateway(centre.port, window=2) as made:
        outcomes = made.send([outgoing(str(number)) for number in range(1, 6)])
    assert [type(outcome) for outcome in outcomes] == [Accepted, InvalidRecipient, Accepted, Throttled, Accepted]
    assert [outcome.reference for outcome in outcomes if isinstance(outcome, Accepted)] == ["1", "3", "5"]


def test_an_empty_chunk_has_no_outcome(centre: Smsc) -> None:
    with gateway(centre.port) as made:
        assert list(made.send([])) == []
