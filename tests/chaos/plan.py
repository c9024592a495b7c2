"""What is submitted and what is struck when: made from a seed, so that a run can be done again."""

import itertools
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

WORKERS = 3
# Messages of a submission by the few, and of one in bulk as parts of the whole.
FEW = (1, 9)
BULK = (0.02, 0.2)
# No submission of fewer goes into the lane for bulk.
LEAST_BULK = 101
# So many of the submissions are by the few.
SHARE_OF_FEW = 0.85
# Seconds by which a deferred submission waits.
DEFERRED = (1.5, 7.0)
# Within this part of the messages everything is struck: there must be some left to be on their way.
FROM, TO = 0.03, 0.85
# Seconds after the message that calls for a blow.
LATER = 0.25

KILL, KILL_CHILD, KILL_BEAT = "kill a worker", "kill a child of a worker", "kill a beat"
FLUSH, EMPTY, RESTART = "flush the broker", "restart the broker, empty", "crash and restart the database"


@dataclass(frozen=True)
class Order:
    """A submission: to `many` numbers from `first` on, `deferred` seconds later than it is made (0: at once).

    `then` is what happens to it on its way: "", "cancel", or "pause", and a resumption afterwards.
    """

    number: int
    first: int
    many: int
    deferred: float = 0
    then: str = ""


@dataclass(frozen=True)
class Blow:
    """`what` is done to the one of this kind with the number `who`, `later` seconds after `at` accepted messages."""

    at: int
    later: float
    what: str
    who: int = 0


@dataclass(frozen=True)
class Plan:
    """A whole run."""

    seed: int
    orders: list[Order]
    blows: list[Blow]

    @property
    def messages(self) -> int:
        return sum(order.many for order in self.orders)

    def lines(self) -> Iterator[str]:
        """The plan as it is printed before the run."""
        yield f"Seed {self.seed}: {self.messages} messages in {len(self.orders)} submissions."
        for order in self.orders:
            if order.many >= LEAST_BULK or order.then or order.deferred:
                deferred = f", deferred by {order.deferred:.3f} s" if order.deferred else ""
                then = f", then {order.then}" if order.then else ""
                yield f"  submission {order.number}: {order.many}{deferred}{then}"
        for what, count in Counter(blow.what for blow in self.blows).items():
            yield f"  {what}: {count} times"
        for blow in self.blows:
            yield f"  after {blow.at} accepted and {blow.later * 1000:.0f} ms: {blow.what} ({blow.who})"


def made(*, seed: int, messages: int, kills: int, flushes: int, restarts: int, beats: int = 1, first: int = 0) -> Plan:
    """The plan of a seed. `restarts` are those of the database, and as many of the broker; beats are killed so often.

    The submissions have the numbers from `first` on.
    """
    chance = random.Random(seed)
    orders = _orders(chance, messages, first)
    # What is cancelled may never be accepted, so no blow waits for it.
    sure = sum(order.many for order in orders if order.then != "cancel")
    kinds = [KILL if chance.random() < 0.7 else KILL_CHILD for _each in range(kills)]
    kinds += [FLUSH] * flushes + [RESTART] * restarts + [EMPTY] * restarts + [KILL_BEAT] * beats
    chance.shuffle(kinds)
    # One in each slice: what strikes at the same time would meet the same messages.
    slices = [FROM + (TO - FROM) * (number + chance.random()) / len(kinds) for number in range(len(kinds))]
    moments = [int(sure * part) for part in slices]
    among = {KILL_BEAT: beats}
    blows = [
        Blow(at, chance.uniform(0, LATER), what, chance.randrange(among.get(what, WORKERS)))
        for at, what in zip(moments, kinds, strict=True)
    ]
    return Plan(seed, orders, blows)


def _orders(chance: random.Random, messages: int, first: int) -> list[Order]:
    sizes = []
    left = messages
    while left:
        few = chance.random() < SHARE_OF_FEW
        size = chance.randint(*FEW) if few else int(messages * chance.uniform(*BULK))
        sizes.append(size := min(left, size if few else max(LEAST_BULK, size)))
        left -= size
    largest = sorted(range(len(sizes)), key=lambda index: -sizes[index])
    # What is done to submissions is done to some in bulk, and to others by chance; what is cancelled is not much.
    then = {largest[0]: "", **dict(zip(largest[1:3], ["pause", "deferred"], strict=False))}
    then |= {next(index for index in reversed(largest) if sizes[index] >= LEAST_BULK): "cancel"}
    begins = itertools.accumulate(sizes, initial=first)
    orders = []
    for number, (size, begin) in enumerate(zip(sizes, begins, strict=False)):
        by_chance = chance.choice(["", "", "", "deferred", "deferred", "pause", "" if size >= LEAST_BULK else "cancel"])
        wish = then.get(number, by_chance)
        wait = round(chance.uniform(*DEFERRED), 6) if wish == "deferred" or (wish and chance.random() < 0.5) else 0
        orders.append(Order(number, begin, size, wait, "" if wish == "deferred" else wish))
    return orders
