"""A plot of amounts by day as an SVG without any style of its own: numbers for the attributes of its shapes.

The drawing is stretched to the width there is, so it holds no text: the marks of both axes are text beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from credits.consumption import Day

# Of the drawing, in its own units: a day is ten wide, with the bar in the middle.
HEIGHT, SLOT, BAR = 100, 10, 7
# Something that was spent shows, however little beside the rest.
LEAST = 1.5


@dataclass(frozen=True)
class Bar:
    """A day and its bar: `slot` is where its part of the width begins, the rest is the bar itself."""

    day: Day
    slot: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Plot:
    """The bars of some days, the amount in millis that its full height means, and the marks of its axes."""

    bars: tuple[Bar, ...]
    top: int
    total: int

    @property
    def width(self) -> int:
        return SLOT * len(self.bars)

    @property
    def height(self) -> int:
        return HEIGHT

    @property
    def is_empty(self) -> bool:
        """Whether nothing was spent and nothing given back on any day."""
        return not any(bar.day.millis for bar in self.bars)

    @property
    def newest_first(self) -> tuple[Bar, ...]:
        return self.bars[::-1]

    @property
    def half(self) -> int:
        return self.top // 2

    @property
    def most(self) -> Day:
        """The day on which most was spent, the last of them when there are several."""
        return max((bar.day for bar in self.bars), key=lambda day: (day.millis, day.date))

    @property
    def dates(self) -> tuple[Day, Day, Day]:
        """The days under the plot: the first, the middle one, the last."""
        return self.bars[0].day, self.bars[len(self.bars) // 2].day, self.bars[-1].day


def plot(days: Sequence[Day]) -> Plot:
    """The plot of `days`, at least one. A day on which more was given back than spent has no bar."""
    top = ceiling(max(day.millis for day in days))
    bars = []
    for index, day in enumerate(days):
        tall = max(LEAST, day.millis * HEIGHT / top) if day.millis > 0 else 0
        tall = round(tall, 2)
        bars.append(Bar(day, index * SLOT, index * SLOT + (SLOT - BAR) / 2, HEIGHT - tall, BAR, tall))
    return Plot(tuple(bars), top, sum(day.millis for day in days))


def ceiling(millis: int) -> int:
    """The next round amount, at least a credit: its half is round, too."""
    step = 1000
    while True:
        for factor in (1, 2, 4, 6, 8):
            if millis <= factor * step:
                return factor * step
        step *= 10
