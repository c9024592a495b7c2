"""Threads that send at once take turns in running the loop: none waits for another's answers, and none is forgotten."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from compose.gateways.base import Accepted, OutcomeUnknown
from compose.gateways.smpp import SmppGateway
from tests.fixtures.instances import until
from tests.gateways.peers import gateway, outgoing
from tests.gateways.smsc import ENQUIRE_LINK, SECONDS, SILENT, Answer, Pdu, Smsc, pdu, smsc

HELD = b"held"


@pytest.fixture
def centre() -> Iterator[Smsc]:
    """A stand-in that answers everything but the text "held"; that waits until the test answers it."""
    with smsc() as made:
        made.submit_answer = lambda one: SILENT if one.body.endswith(HELD) else made.take(one)
        yield made


@pytest.fixture
def made(centre: Smsc) -> Iterator[SmppGateway]:
    with gateway(centre.port, answer_timeout=10.0) as one:
        yield one


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


def held(centre: Smsc, count: int) -> list[Pdu]:
    """The submissions that wait for the test's answer, as soon as there are so many."""
    centre.wait_for(lambda: len([one for one in centre.submissions if one.body.endswith(HELD)]) >= count)
    return [one for one in centre.submissions if one.body.endswith(HELD)]


def release(centre: Smsc, one: Pdu, given: str) -> None:
    """Answer it."""
    centre.write(pdu(0x80000004, one.sequence, given.encode() + b"\0"))


def test_a_thread_has_its_answers_though_the_one_at_the_helm_still_waits(
    centre: Smsc, made: SmppGateway, pool: ThreadPoolExecutor
) -> None:
    slow = pool.submit(made.send, [outgoing("held")])
    [waiting] = held(centre, 1)
    for _time in range(3):
        assert type(made.send([outgoing("quick")])[0]) is Accepted
    assert not slow.done()
    release(centre, waiting, "77")
    assert slow.result(SECONDS) == [Accepted("77")]


def test_who_still_waits_gets_the_helm_when_the_other_leaves(
    centre: Smsc, made: SmppGateway, pool: ThreadPoolExecutor
) -> None:
    sending = [pool.submit(made.send, [outgoing("held")]) for _each in range(5)]
    waiting = held(centre, 5)
    for number, one in enumerate(waiting):
        release(centre, one, f"{70 + number}")
        until(lambda: sum(each.done() for each in sending) > number, SECONDS, "nobody had the answer")  # noqa: B023
    assert {each.result(SECONDS)[0] for each in sending} == {Accepted(f"{70 + number}") for number in range(5)}


def test_the_peer_is_answered_though_nobody_sends(centre: Smsc, made: SmppGateway) -> None:
    assert type(made.send([outgoing()])[0]) is Accepted
    for number in (901, 902):
        centre.write(pdu(ENQUIRE_LINK, number))
        centre.wait_for(lambda: [one for one in centre.of(ENQUIRE_LINK | 0x80000000) if one.sequence == number])  # noqa: B023
        assert type(made.send([outgoing()])[0]) is Accepted


def test_a_thread_with_a_loop_of_its_own_can_send_alone_and_beside_others(
    centre: Smsc, made: SmppGateway, pool: ThreadPoolExecutor
) -> None:
    async def send(text: str) -> object:
        return made.send([outgoing(text)])[0]

    for _time in range(2):
        assert type(pool.submit(asyncio.run, send("quick")).result(SECONDS)) is Accepted
    slow = pool.submit(made.send, [outgoing("held")])
    [first] = held(centre, 1)
    assert type(pool.submit(asyncio.run, send("quick")).result(SECONDS)) is Accepted
    guest = pool.submit(asyncio.run, send("held"))
    second = held(centre, 2)[1]
    # The one at the helm leaves, and the guest cannot take it.
    release(centre, first, "1")
    assert slow.result(SECONDS) == [Accepted("1")]
    release(centre, second, "2")
    assert guest.result(SECONDS) == Accepted("2")


def test_many_threads_with_many_chunks_have_each_its_own_answers(centre: Smsc, made: SmppGateway) -> None:
    def answer(one: Pdu) -> Answer:
        return one.body[-6:].decode("ascii"), 0.001 if one.sequence % 3 else 0.0

    centre.submit_answer = answer
    wrong: list[object] = []

    def work(thread: int) -> None:
        for turn in range(20):
            texts = [f"1{thread:01}{turn:02}{each:02}" for each in range(1 + turn % 7)]
            said = made.send([outgoing(text) for text in texts])
            if said != [Accepted(text) for text in texts]:
                wrong.append((texts, said))

    threads = [threading.Thread(target=work, args=[number]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert wrong == []
    assert len(centre.submissions) == 6 * sum(1 + turn % 7 for turn in range(20))


def test_closing_ends_all_that_wait(centre: Smsc, pool: ThreadPoolExecutor) -> None:
    with gateway(centre.port, answer_timeout=0.5) as made:
        sending = [pool.submit(made.send, [outgoing("held")]) for _each in range(3)]
        held(centre, 3)
        made.close()
        assert [type(each.result(SECONDS)[0]) for each in sending] == [OutcomeUnknown] * 3
