"""Plays a plan: submits, strikes, starts again what ended, and waits until nothing is on its way."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import psycopg

from tests.chaos import evidence, plan, proof
from tests.chaos.evidence import Evidence
from tests.chaos.house import LOOK, WINDOW, House, worker
from tests.chaos.plan import Blow, Order, Plan

# So much of the messages may be on its way before more are submitted.
AHEAD = 0.25
# Seconds: without anything accepted for so long, more is submitted; before a submission is changed on its way; while
# it is paused; before what the centre reads is no more from a worker that was killed.
STANDSTILL, BEFORE_CHANGE, PAUSED, ECHO = 1.0, 0.3, 2.0, 0.5
Say = Callable[[str], None]


@dataclass
class Outcome:
    """What became of a run: the evidence, and what was done meanwhile."""

    evidence: Evidence
    findings: list[str]
    blows: Counter[str]
    hit: int
    seconds: float
    changed: Counter[str] = field(default_factory=Counter)

    def lines(self) -> Iterator[str]:
        """The table of a run, and what is wrong."""
        states = Counter(message.state for message in self.evidence.messages)
        doubts = [message for message in self.evidence.messages if message.state == proof.UNCONFIRMED]
        came = {line.recipient for line in self.evidence.accepted}
        arrived = sum(message.recipient in came for message in doubts)
        rows: dict[str, object] = {
            "messages": len(self.evidence.messages),
            **{f"  {state}": count for state, count in sorted(states.items())},
            "accepted by the message centre": len(self.evidence.accepted),
            **dict(sorted(self.blows.items())),
            **{f"messages changed on their way by {verb}": count for verb, count in sorted(self.changed.items())},
            "unconfirmed, of which the centre has": f"{len(doubts)}, {arrived}",
            "most that may be unconfirmed": self.hit * WINDOW,
            "seconds": f"{self.seconds:.0f}",
            "found wrong": len(self.findings),
        }
        width = max(map(len, rows))
        yield from (f"{name:<{width}}  {value}" for name, value in rows.items())
        yield from self.findings[:50]


class Run:
    def __init__(self, house: House, wanted: Plan, say: Say) -> None:
        self.house = house
        self.say = say
        self.orders = list(wanted.orders)
        self.blows = list(wanted.blows)
        self.ahead = int(wanted.messages * AHEAD)
        self.asked = 0
        self.submitted = 0
        self.by_number = {order.number: order for order in wanted.orders}
        # Verbs for submissions, each with the moment at which it is due.
        self.changes: list[tuple[float, str, int]] = []
        self.waiting = 0
        self.struck: Counter[str] = Counter()
        self.changed: Counter[str] = Counter()
        self.hit = 0
        self.accepted = 0
        self.moved_at = time.monotonic()
        # The workers that have sent something since they were started; those just killed, and when.
        self.worked: set[str] = set()
        self.killed: dict[str, float] = {}
        self.due_since: float | None = None
        self._record = house.record.open()
        self._rest = ""

    def play(self, deadline: float) -> Outcome:
        """Play it and look at what came of it; what is on its way after `deadline` seconds counts as lost."""
        begun = time.monotonic()
        while not self._over():
            if time.monotonic() - begun > deadline:
                self.say(f"Not at its end after {deadline:g} s.")
                break
            self._read()
            self._submit()
            self._strike()
            self.house.look_after()
            time.sleep(LOOK)
        seconds = time.monotonic() - begun
        self._record.close()
        house, differences = self.house, self.house.differences()
        known = evidence.read(house.database.url, house.record, house.account, differences=differences)
        wrong = proof.findings(known, submitted=self.submitted, hit=self.hit, chunk=WINDOW)
        return Outcome(known, wrong, self.struck, self.hit, seconds, self.changed)

    def _over(self) -> bool:
        if self.orders or self.blows or self.changes or self.waiting:
            return False
        try:
            return not evidence.on_its_way(self.house.database.url)
        except psycopg.OperationalError:
            return False

    def _read(self) -> None:
        """What the message centre has written since the last look."""
        *lines, self._rest = (self._rest + self._record.read()).split("\n")
        now = time.monotonic()
        if lines:
            self.accepted += len(lines)
            self.moved_at = now
            senders = {evidence.accepted(line).who for line in lines}
            self.worked |= {who for who in senders if now - self.killed.get(who, -ECHO) > ECHO}

    # --- Submitting ----------------------------------------------------------------------------------

    def _submit(self) -> None:
        now = time.monotonic()
        still = now - self.moved_at > STANDSTILL and not self.waiting
        while self.orders and (still or self.asked - self.accepted < self.ahead):
            order = self.orders.pop(0)
            self._ask("submit", order)
            self.asked += order.many
            still = False
        for change in [change for change in self.changes if change[0] <= now]:
            self.changes.remove(change)
            self._ask(change[1], change[2])
        for said in self.house.answers():
            self.waiting -= 1
            self._answered(said["done"], said["number"], said["messages"])

    def _ask(self, verb: str, what: Order | int) -> None:
        self.house.ask(verb, what)
        self.waiting += 1

    def _answered(self, verb: str, number: int, messages: int) -> None:
        now, order = time.monotonic(), self.by_number[number]
        if verb == "submit":
            self.submitted += messages
            if order.then:
                self.changes.append((now + (order.deferred / 2 or BEFORE_CHANGE), order.then, number))
            return
        self.changed[verb] += messages
        if verb == "pause":
            self.changes.append((now + PAUSED, "resume", number))

    # --- Striking ------------------------------------------------------------------------------------

    def _strike(self) -> None:
        now = time.monotonic()
        while self.blows and self.accepted >= self.blows[0].at:
            self.due_since = self.due_since or now
            if now - self.due_since < self.blows[0].later:
                return
            processes = self._struck(self.blows[0])
            if processes is None:
                return
            blow, self.due_since = self.blows.pop(0), None
            self.hit += processes
            self.struck[blow.what] += 1
            self.say(f"{self.accepted:>6} accepted: {blow.what}")

    def _struck(self, blow: Blow) -> int | None:
        """Strike, and say how many processes may have had a chunk on its way; None while there is nobody to strike."""
        if blow.what not in (plan.KILL, plan.KILL_CHILD):
            return STRIKES[blow.what](self.house, blow)
        # One that has begun to work: a kill of a process that only starts would prove little.
        there = [each % plan.WORKERS for each in range(blow.who, blow.who + plan.WORKERS)]
        who = next((number for number in there if worker(number) in self.worked), None)
        if who is None:
            return None
        if blow.what == plan.KILL_CHILD:
            return self.house.kill_child(who, blow.at) or None
        hit = self.house.kill_worker(who)
        self.worked.discard(worker(who))
        self.killed[worker(who)] = time.monotonic()
        return hit


STRIKES: dict[str, Callable[[House, Blow], int]] = {
    plan.KILL_BEAT: lambda house, blow: house.kill_beat(blow.who),
    plan.FLUSH: lambda house, blow: house.flush(),
    plan.EMPTY: lambda house, blow: house.restart_broker_empty(),
    plan.RESTART: lambda house, blow: house.restart_database(),
}


def run(house: House, wanted: Plan, *, deadline: float, say: Say) -> Outcome:
    """Play the plan in the house, whose processes run; at the most so many seconds."""
    return Run(house, wanted, say).play(deadline)
