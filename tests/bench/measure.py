"""The core of the bench: a row's sides are run in turn, A B A B, and compared pair by pair.

Promise: what is said of a row was measured in one invocation; a ratio is of two readings taken one after the
other, and its median, lowest and highest over all pairs are given. A goal is judged by the median ratio.
"""

import asyncio
import math
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client import Counter

Say = Callable[[str], None]


@dataclass(frozen=True)
class Reading:
    """What one run of a side showed.

    Args:
        value: in the row's unit.
        figures: more of the same run, by a name with its unit, for instance `lateness p99, ms`.
    """

    value: float
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Side:
    """One of the things that a row compares.

    Args:
        name: as a reader sees it.
        run: measures once; what must be prepared is prepared and left out of the reading.
        once: it takes too long to be repeated: it is run in the first round only.
    """

    name: str
    run: Callable[[], Awaitable[Reading]]
    once: bool = False


@dataclass(frozen=True)
class Goal:
    """What is asked of a side: of its ratio to another one, or of its own value when `against` is None.

    Args:
        figure: of the readings instead of their value.
    """

    side: str
    against: str | None = None
    at_least: float | None = None
    at_most: float | None = None
    figure: str | None = None

    def __post_init__(self) -> None:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("a goal has one bound")

    def holds(self, value: float) -> bool:
        """Tell whether a value satisfies it."""
        if self.at_least is not None:
            return value >= self.at_least
        assert self.at_most is not None
        return value <= self.at_most


@dataclass(frozen=True)
class Row:
    """What is measured.

    Args:
        name: of the row, as in `make bench ROW=relay`.
        what: one sentence for a reader.
        unit: of every side's value, for instance `events/s`.
        sides: run in this order, again and again.
        warm_up: a first round that is not counted: connections, caches and just-made files.
        settings: sizes and settings that a reader must know.
        remarks: sentences that stand below the figures.
    """

    name: str
    what: str
    unit: str
    sides: Sequence[Side]
    goals: Sequence[Goal] = ()
    warm_up: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    remarks: Sequence[str] = ()


@dataclass(frozen=True)
class Spread:
    """Median, lowest and highest of some readings."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Take them from at least one value."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Verdict:
    """A goal and what was measured for it."""

    goal: Goal
    measured: Spread
    held: bool


@dataclass(frozen=True)
class Result:
    """All readings of one row in one invocation, by side, in the order in which they were taken."""

    row: Row
    readings: Mapping[str, Sequence[Reading]]
    seconds: float

    def spread(self, side: str, figure: str | None = None) -> Spread:
        """Give the spread of a side's values, or of one of its figures."""
        return Spread.of(_values(self.readings[side], figure))

    def ratio(self, side: str, against: str, figure: str | None = None) -> Spread:
        """Give the spread of the ratios, pair by pair; a side that is run once is set against every reading."""
        ours, theirs = _values(self.readings[side], figure), _values(self.readings[against], figure)
        if len(ours) != len(theirs):
            ours, theirs = _stretched(ours, len(theirs)), _stretched(theirs, len(ours))
        return Spread.of([mine / other for mine, other in zip(ours, theirs, strict=True)])

    def verdicts(self) -> list[Verdict]:
        """Judge every goal."""
        return [
            Verdict(goal, measured, goal.holds(measured.median))
            for goal in self.row.goals
            for measured in [
                self.spread(goal.side, goal.figure)
                if goal.against is None
                else self.ratio(goal.side, goal.against, goal.figure)
            ]
        ]


def _values(readings: Sequence[Reading], figure: str | None) -> list[float]:
    return [reading.value if figure is None else reading.figures[figure] for reading in readings]


def _stretched(values: list[float], length: int) -> list[float]:
    return values * length if len(values) == 1 else values


async def take(row: Row, runs: int, say: Say = lambda _: None) -> Result:
    """Run a row's sides in turn, `runs` times each, and say each reading."""
    readings: dict[str, list[Reading]] = {side.name: [] for side in row.sides}
    began = time.monotonic()
    for side in row.sides if row.warm_up else ():
        await side.run()
    for number in range(runs):
        for side in row.sides:
            if side.once and number:
                continue
            reading = await side.run()
            readings[side.name].append(reading)
            said = "".join(f", {name} {number_of(value)}" for name, value in reading.figures.items())
            say(f"{row.name} {number + 1}/{runs}  {side.name}: {number_of(reading.value)} {row.unit}{said}")
    return Result(row, readings, time.monotonic() - began)


def number_of(value: float) -> str:
    """Write a number for a reader: three digits that count, thousands apart."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def percentile(values: Sequence[float], share: float) -> float:
    """Give the value below which this share of the values lies, the nearest rank; from at least one value."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def counted(counter: Counter, topic: str) -> float:
    """Read one counter of a topic: to ask the registry collects every metric, in the time that is measured."""
    return float(counter.labels(topic)._value.get())


async def until(holds: Callable[[], bool], every: float = 0.002) -> None:
    """Wait until something cheap to ask holds, asking every so many seconds."""
    while not holds():  # noqa: ASYNC110  # counters of a library and of other processes set no event
        await asyncio.sleep(every)
