"""What is said of a decider: recovered, tries per recovery, days, and its share of the oracle's headroom.

Promise: all deciders of a line met the same stream, and are measured on the same cases of it: those after training.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from .baselines import Scheduled, even, fixed
from .oracle import Oracle
from .play import DAY, Played, Policy, play
from .stream import make_stream
from .wire import Decider, InProcess
from .world import World, draw

FIXED, EVEN, ORACLE = "1/3/7", "even", "oracle"
MakeDecider = Callable[[World, Policy], Decider]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Task:
    """What is played in each world.

    Args:
        failures: that are measured, after so many in training.
        talking: share of the customers with paydays who name them.
    """

    failures: int = 4000
    training: int = 0
    policy: Policy = field(default_factory=Policy)
    talking: float = 0.0


@dataclass(frozen=True)
class Figures:
    """What one decider did on one stream, of the measured cases.

    Args:
        days: sum over the recoveries, from failure to recovery.
        refused: plans beyond the window or the tries left, training included.
        p99_ms: of the answers to failures and failed tries, the pipe to a process included.
    """

    world: str
    seed: int
    decider: str
    cases: int
    recovered: int
    tries: int
    days: float
    refused: int
    p99_ms: float = 0.0

    @property
    def share(self) -> float:
        """Of the cases, those recovered."""
        return self.recovered / self.cases

    @property
    def tries_per_recovery(self) -> float:
        """All retries, those of cases that were lost included."""
        return self.tries / max(1, self.recovered)

    @property
    def mean_days(self) -> float:
        """From failure to recovery."""
        return self.days / max(1, self.recovered)


Watch = Callable[[Figures, Played], None]


def _nothing(*_: object) -> None:
    """Say and keep nothing."""


def figures_of(played: Played, *, world: World, decider: str, training: int) -> Figures:
    """Sum up a play, without the cases in training."""
    cases = played.cases[training:]
    days = [(case.recovered_at - case.failure.at) / DAY for case in cases if case.recovered_at is not None]
    return Figures(
        world=world.name,
        seed=world.seed,
        decider=decider,
        cases=len(cases),
        recovered=len(days),
        tries=sum(case.tries for case in cases),
        days=sum(days),
        refused=sum(played.refused.values()),
    )


def reference(name: str) -> MakeDecider:
    """Give what makes one of the schedules that others are compared with."""

    def make(world: World, policy: Policy) -> Decider:
        return InProcess(Scheduled(fixed() if name == FIXED else even(policy), policy))

    return make


def measure(
    name: str,
    seed: int,
    task: Task,
    deciders: Mapping[str, MakeDecider],
    say: Say = _nothing,
    watch: Watch = _nothing,
) -> list[Figures]:
    """Play one stream against 1/3/7, even tries, the oracle, and other deciders.

    Those three learn nothing and treat each case by itself: they are spared the cases in training.

    Args:
        watch: is shown each play, charges and all.
    """
    world = draw(name, seed)
    stream = make_stream(world, task.training + task.failures, talking=task.talking)
    measured = replace(stream, failures=stream.failures[task.training :])
    oracle = _oracle(name, seed, task.policy)
    references: dict[str, MakeDecider] = {
        FIXED: reference(FIXED),
        EVEN: reference(EVEN),
        ORACLE: lambda _, policy: InProcess(Scheduled(oracle, policy)),
    }
    found = []
    for who, make in {**references, **deciders}.items():
        spared = task.training if who in references else 0
        with make(world, task.policy) as decider:
            played = play(measured if spared else stream, decider, task.policy)
        p99 = float(np.quantile(decider.seconds, 0.99)) * 1000
        figures = figures_of(played, world=world, decider=who, training=task.training - spared)
        found.append(replace(figures, p99_ms=p99))
        watch(figures, played)
        one = found[-1]
        say(
            f"{name} {seed}  {who}: {one.share:.1%} recovered, {one.tries_per_recovery:.2f} tries per recovery"
        )
    oracle.save()
    return found


@lru_cache(maxsize=1)
def _oracle(name: str, seed: int, policy: Policy) -> Oracle:
    """Give a world's oracle: several tasks ask one, as its people are costly to draw."""
    return Oracle(draw(name, seed), policy)


@dataclass(frozen=True)
class Line:
    """A decider in a world, mean of the seeds.

    Args:
        headroom: (recovered - that of 1/3/7) / (that of the oracle - that of 1/3/7).
    """

    world: str
    decider: str
    recovered: float
    lowest: float
    highest: float
    tries_per_recovery: float
    days: float
    headroom: float
    refused: int


def summed_up(figures: Sequence[Figures]) -> list[Line]:
    """Give a line for each world and decider, in the order in which they were played."""
    lines = []
    for world, who in dict.fromkeys((one.world, one.decider) for one in figures):
        mine = [one for one in figures if (one.world, one.decider) == (world, who)]
        shares = [one.share for one in mine]
        low, high = (_mean_share(figures, world, name) for name in (FIXED, ORACLE))
        lines.append(
            Line(
                world,
                who,
                statistics.fmean(shares),
                min(shares),
                max(shares),
                statistics.fmean(one.tries_per_recovery for one in mine),
                statistics.fmean(one.mean_days for one in mine),
                (statistics.fmean(shares) - low) / (high - low) if high != low else float("nan"),
                sum(one.refused for one in mine),
            )
        )
    return lines


def _mean_share(figures: Sequence[Figures], world: str, who: str) -> float:
    return statistics.fmean(one.share for one in figures if (one.world, one.decider) == (world, who))


def rendered(lines: Sequence[Line]) -> str:
    """Write the lines as a table."""
    rows = ["world           decider       recovered %  (low-high)     tries/recovery   days   headroom %"]
    for line in lines:
        refused = f"   {line.refused} plans refused" if line.refused else ""
        rows.append(
            f"{line.world:<15} {line.decider:<13} {line.recovered:>11.1%}  "
            f"{f'({line.lowest:.1%}-{line.highest:.1%})':<15} {line.tries_per_recovery:>12.2f} {line.days:>6.1f} "
            f"{line.headroom:>12.0%}{refused}"
        )
    return "\n".join(rows)
