"""What is measured, shared out among processes, with a word after each portion of how much is left.

Promise: a world with a seed is one process' work, so that its oracle is asked once; how long something takes is
measured alone, first.
"""

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import reduce
from multiprocessing import get_context
from operator import itemgetter
from typing import TypeVar

from tests.worlds.rules_survey import KEPT, Survey, survey
from tests.worlds.simulation.figures import Task, rendered, summed_up

from .games import GAMES, Result, listening, play_all
from .goals import Row, rows_of
from .page import Run
from .refit import ATTEMPTS, measure_refit
from .speed import measure_speed

T = TypeVar("T")
RULES, SPEED, REFIT = "rules", "speed", "refit"
TASKS = [*GAMES, RULES, SPEED, REFIT]
EVENTS = 10
"""Lines of a history."""
PORTIONS, FEWEST = 40, 250
"""Of the histories, at most; histories of one, at least."""


@dataclass(frozen=True)
class Asked:
    """What to measure.

    Args:
        failures, histories: at scale 1.
        jobs: processes.
    """

    worlds: Sequence[str]
    tasks: Sequence[str]
    seeds: Sequence[int]
    failures: int
    histories: int
    scale: float
    jobs: int

    def games(self, world: str) -> dict[str, Task]:
        """Give the tasks that are played in a world."""
        return {
            name: game.task(self.failures, self.scale)
            for name, game in GAMES.items()
            if name in self.tasks and game.worlds([world])
        }

    def something(self) -> bool:
        """Tell whether there is anything to measure."""
        return bool({RULES, SPEED, REFIT} & set(self.tasks)) or any(map(self.games, self.worlds))


@dataclass(frozen=True)
class Portion:
    """A part of the work.

    Args:
        size: next to the other portions'.
    """

    name: str
    size: float


def measured(run: Run, asked: Asked) -> Run:
    """Measure all that was asked for.

    Raises:
        WireError: the decider broke the wire.
        BrokenProcessPool: a process was ended from outside.
    """
    if SPEED in asked.tasks:
        say("speed: the decider alone, in the process and through the pipe")
        task = GAMES["cold"].task(asked.failures, asked.scale)
        run = replace(run, speed=measure_speed(asked.worlds[0], asked.seeds[0], task))
    if REFIT in asked.tasks:
        say("refit: a log is written, and learnt from by a process of its own")
        attempts = max(1000, round(ATTEMPTS * asked.scale))
        run = replace(run, refit=measure_refit(asked.worlds[0], asked.seeds[0], attempts))
    with ProcessPoolExecutor(asked.jobs, mp_context=get_context("spawn")) as pool:
        try:
            run.rows.update(_games(pool, asked))
            return replace(run, rules=_rules(pool, asked)) if RULES in asked.tasks else run
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _games(pool: ProcessPoolExecutor, asked: Asked) -> Iterator[tuple[str, list[Row]]]:
    portions: dict[Future[list[Result]], Portion] = {}
    for seed in asked.seeds:
        for world in asked.worlds:
            if tasks := asked.games(world):
                size = sum(one.training + one.failures * one.policy.max_tries / 3 for one in tasks.values())
                portions[pool.submit(play_all, world, seed, tasks, say)] = Portion(f"{world} {seed}", size)
    results = [result for some in _finished(portions, "worlds", asked.jobs) for result in some]
    for game in GAMES:
        mine = [result for result in results if result.game == game]
        mine.sort(key=lambda result: asked.worlds.index(result.figures[0].world))
        if mine:
            figures = [one for result in mine for one in result.figures]
            say(f"{GAMES[game].title}\n{rendered(summed_up(figures))}\n")
            yield game, rows_of(mine)


def _rules(pool: ProcessPoolExecutor, asked: Asked) -> Survey:
    histories = max(1, round(asked.histories * asked.scale))
    starts = range(0, histories, max(FEWEST, -(-histories // PORTIONS)))
    portions = {
        pool.submit(survey, listening, range(first, last), EVENTS): Portion(
            f"histories to {last:,}", last - first
        )
        for first, last in itertools.pairwise([*starts, histories])
    }
    return reduce(_both, _finished(portions, "rules", asked.jobs))


def _both(one: Survey, other: Survey) -> Survey:
    """Sum up two surveys; of what they kept the first ones."""
    summed = replace(one, kept=sorted([*one.kept, *other.kept], key=itemgetter(0))[:KEPT])
    for name in ("histories", "lines", "tries", "violations", "playing", "checking"):
        setattr(summed, name, getattr(one, name) + getattr(other, name))
    return summed


def _finished(portions: Mapping[Future[T], Portion], what: str, jobs: int) -> Iterator[T]:
    """Give what comes, portion by portion, and say how long the rest takes if it goes on like this."""
    began, done = time.monotonic(), 0.0
    whole = sum(portion.size for portion in portions.values())
    for number, future in enumerate(as_completed(portions), 1):
        done += portions[future].size
        # what the other processes are in the midst of is half done, about
        under_way = min(whole - done, (jobs - 1) * portions[future].size) / 2
        left = (time.monotonic() - began) * (whole - done - under_way) / (done + under_way)
        if (error := future.exception()) is not None:
            error.add_note(f"{what}: {portions[future].name}")
        yield future.result()
        say(f"{what}: {number} of {len(portions)}, {portions[future].name}; about {_minutes(left)} left")


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def say(line: str) -> None:
    """Print a line of progress with the time, whole, as other processes print too."""
    print(f"{time.strftime('%H:%M:%S')} {line}\n", end="", flush=True)  # noqa: T201  # it talks to a person
