"""What is played: each task in every world, with every seed, against 1/3/7, even tries and the population's oracle.

Promise: a decider begins each task knowing nothing; all that it learns it learns from the stream that it plays.
"""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from tests.worlds.simulation import paydays
from tests.worlds.simulation.figures import Figures, Say, Task, measure
from tests.worlds.simulation.play import Played, Policy
from tests.worlds.simulation.settings import SETTINGS
from tests.worlds.simulation.wire import InProcess

from recoup_retry_scheduler.rehearsal.decide import Decider
from recoup_retry_scheduler.smart.mind import Mind

RECOUP = "recoup"
Hear = Callable[[dict[str, Any] | str], list[dict[str, Any]]]


@dataclass(frozen=True)
class Game:
    """A task before its sizes are known.

    Args:
        training: failures before those that are measured.
        talking: share of the customers with paydays who name them; worlds without paydays are left out.
    """

    title: str
    training: int = 0
    tries: int = 3
    talking: float = 0.0

    def task(self, failures: int, scale: float) -> Task:
        """Give it the sizes of a run."""
        training = round(self.training * scale)
        return Task(max(1, round(failures * scale)), training, Policy(self.tries), self.talking)

    def worlds(self, among: Sequence[str]) -> list[str]:
        """Give the worlds that it is played in."""
        return [name for name in among if not self.talking or _has_paydays(name)]


GAMES: Mapping[str, Game] = MappingProxyType(
    {
        "cold": Game("cold"),
        "after-5000": Game("after 5,000", 5000),
        "after-20000": Game("after 20,000", 20_000),
        "payday": Game("payday told", 5000, talking=1.0),
        "eight": Game("eight tries", tries=8),  # the last one: the others share an oracle
    }
)


def _has_paydays(world: str) -> bool:
    cycles = {cycle for country, _ in SETTINGS[world].countries for cycle in country.cycles}
    return not cycles <= set(paydays.IRREGULAR)


@dataclass(frozen=True)
class Result:
    """One task in one world with one seed.

    Args:
        won: by decider, which of the measured cases were recovered.
    """

    game: str
    figures: list[Figures] = field(default_factory=list)
    won: dict[str, npt.NDArray[np.bool_]] = field(default_factory=dict)

    def watch(self, figures: Figures, played: Played) -> None:
        """Keep what became of each case."""
        cases = played.cases[-figures.cases :]
        self.won[figures.decider] = np.array([case.recovered_at is not None for case in cases])


def play_all(world: str, seed: int, tasks: Mapping[str, Task], say: Say) -> list[Result]:
    """Play the tasks in one world."""
    results = []
    for game, task in tasks.items():
        result = Result(game)
        deciders = {RECOUP: lambda *_: InProcess(listening())}
        told = partial(_say, say, GAMES[game].title)
        result.figures.extend(measure(world, seed, task, deciders, told, result.watch))
        results.append(result)
    return results


def listening(heard: list[str] | None = None) -> Hear:
    """Give a fresh decider as a function: a line in, answers out.

    Args:
        heard: where its lines are kept, as text.
    """
    decider, numbers = Decider(Mind()), itertools.count(1)

    def hear(given: dict[str, Any] | str) -> list[dict[str, Any]]:
        raw = given if isinstance(given, str) else json.dumps(given)
        if heard is not None:
            heard.append(raw)
        return list(decider.hear(raw, next(numbers)))

    return hear


def _say(say: Say, title: str, line: str) -> None:
    say(f"{title}: {line}")
