"""What is asked of the decider, and whether it was held.

Promise: a goal is judged by what was measured, before rounding; what could not be measured (no number) is missed.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from tests.worlds.rules_survey import Survey
from tests.worlds.simulation.figures import EVEN, FIXED, ORACLE, Figures, Line, summed_up

from .games import GAMES, RECOUP, Result
from .refit import ATTEMPTS, Refit
from .speed import Speed

MOST_TRIES = 3.6
"""A recovery, those of cases that were lost included."""
HISTORIES = 1_000_000
"""In which no rule may be broken."""
REFIT_SECONDS, REFIT_MIB = 60, 1024
"""That a fit to so many attempts may take."""


@dataclass(frozen=True)
class Row:
    """One world of a task, mean of the seeds.

    Args:
        error: standard error of the headroom, by chance of the cases, each compared with itself.
        seeds: the headroom of each.
        above_fixed: of each seed, recovered above 1/3/7, share of the cases.
        tries: all of them, by decider.
    """

    world: str
    fixed: Line
    even: Line
    oracle: Line
    recoup: Line
    error: float
    seeds: list[float]
    above_fixed: list[float]
    tries: dict[str, int]

    @property
    def above_even(self) -> float:
        """Recovered above even tries, share of the cases."""
        return self.recoup.recovered - self.even.recovered


@dataclass(frozen=True)
class Verdict:
    """A goal, what was measured for it, and whether it was held."""

    task: str
    goal: str
    measured: str
    held: bool


def rows_of(results: Sequence[Result]) -> list[Row]:
    """Sum up one task's results, world by world."""
    figures = [one for result in results for one in result.figures]
    lines = {(line.world, line.decider): line for line in summed_up(figures)}
    rows = []
    for world in dict.fromkeys(one.world for one in figures):
        mine = [result for result in results if result.figures[0].world == world]
        recoup = lines[world, RECOUP]
        tried = {
            who: sum(one.tries for one in figures if (one.world, one.decider) == (world, who))
            for who in (FIXED, EVEN, ORACLE, RECOUP)
        }
        rows.append(
            Row(
                world, lines[world, FIXED], lines[world, EVEN], lines[world, ORACLE], recoup,
                _error(mine, recoup.headroom), [_headroom(one.figures) for one in mine],
                [_above_fixed(one.figures) for one in mine], tried,
            )
        )  # fmt: skip
    return rows


def _headroom(figures: Sequence[Figures]) -> float:
    return next(line.headroom for line in summed_up(figures) if line.decider == RECOUP)


def _above_fixed(figures: Sequence[Figures]) -> float:
    share = {one.decider: one.share for one in figures}
    return share[RECOUP] - share[FIXED]


def _error(results: Sequence[Result], headroom: float) -> float:
    """Give the standard error of a ratio of sums over the same cases (the delta method)."""
    fixed, oracle, recoup = (
        np.concatenate([one.won[who] for one in results]).astype(float) for who in (FIXED, ORACLE, RECOUP)
    )
    whole = float(np.mean(oracle - fixed))
    apart = recoup - fixed - headroom * (oracle - fixed)
    return float(apart.std()) / math.sqrt(len(apart)) / abs(whole) if whole else math.nan


def mean(rows: Sequence[Row]) -> tuple[float, float]:
    """Give the mean headroom of the worlds, and its standard error."""
    error = math.sqrt(math.fsum(row.error**2 for row in rows)) / len(rows)
    return statistics.fmean(row.recoup.headroom for row in rows), error


def judged(game: str, rows: Sequence[Row]) -> list[Verdict]:
    """Judge a task by its goals."""
    judge = _Judge(GAMES[game].title, rows)
    match game:
        case "cold":
            gig = [row for row in rows if row.world == "gig"]
            return [
                judge.mean(0.7),
                *([_Judge(judge.task, gig).worst_headroom(0.6)] if gig else []),
                judge.worst("no seed below 1/3/7", lambda row: min(row.above_fixed), 0, points),
                judge.worst(
                    "no world more than 1.5 points below even", lambda row: row.above_even, -0.015, points
                ),
                judge.tries(),
            ]
        case "after-5000":
            return [judge.mean(0.75), judge.tries()]
        case "after-20000":
            return [judge.mean(0.85), judge.worst_headroom(0.78), judge.tries()]
        case "payday":
            return [judge.mean(1.0)]
        case "eight":
            return [
                judge.worst(
                    "no world more than 0.5 points below eight even tries",
                    lambda row: row.above_even, -0.005, points,
                ),
                judge.worst(
                    "at least 30 % fewer tries than eight even ones, each world",
                    lambda row: 1 - row.tries[RECOUP] / max(1, row.tries[EVEN]), 0.3, percent,
                ),
            ]  # fmt: skip
        case _:
            raise ValueError(game)


@dataclass(frozen=True)
class _Judge:
    """Judges the rows of one task."""

    task: str
    rows: Sequence[Row]

    def mean(self, bound: float) -> Verdict:
        value, error = mean(self.rows)
        goal = f"mean headroom of the worlds ≥ {100 * bound:.0f} %"
        return Verdict(self.task, goal, f"{percent(value)} ± {100 * error:.1f}", value >= bound)

    def worst_headroom(self, bound: float) -> Verdict:
        who = "headroom of the worst world" if len(self.rows) > 1 else f"headroom in {self.rows[0].world}"
        return self.worst(f"{who} ≥ {100 * bound:.0f} %", lambda row: row.recoup.headroom, bound, percent)

    def tries(self) -> Verdict:
        goal = f"tries per recovery ≤ {MOST_TRIES:g} in each world"
        return self.worst(
            goal, lambda row: -row.recoup.tries_per_recovery, -MOST_TRIES, lambda value: f"{-value:.2f}"
        )

    def worst(
        self, goal: str, of: Callable[[Row], float], bound: float, written: Callable[[float], str]
    ) -> Verdict:
        """Judge by the world that has least of something; one without a number is the worst."""
        found = [(of(row), row.world) for row in self.rows]
        value, world = next((one for one in found if math.isnan(one[0])), min(found))
        return Verdict(self.task, goal, f"{written(value)} ({world})", value >= bound)


def judged_rules(found: Survey) -> Verdict:
    """Judge the checker's findings; fewer histories than asked, or no tries in them, show too little."""
    goal = f"no violation of the networks' rules in {HISTORIES:,} histories"
    measured = f"{found.violations:,} in {found.histories:,}, {found.tries:,} tries planned"
    held = found.violations == 0 and found.histories >= HISTORIES and found.tries > 0
    return Verdict("rules", goal, measured, held)


def judged_speed(speed: Speed) -> list[Verdict]:
    """Judge how long an answer takes."""
    rate = statistics.median(speed.rates)
    return [
        Verdict("speed", "an answer in the process, p99 < 1 ms", f"{speed.p99_ms:.3g} ms", speed.p99_ms < 1),
        Verdict("speed", "answers a second through the pipe ≥ 5,000", f"{rate:,.0f}", rate >= 5000),
    ]


def judged_refit(refit: Refit) -> list[Verdict]:
    """Judge how long a fit takes and how much memory; of fewer attempts than asked it shows too little."""
    whole = refit.attempts >= ATTEMPTS
    of = f"{refit.attempts:,} attempts"
    return [
        Verdict(
            "refit",
            f"a fit to {ATTEMPTS:,} attempts < {REFIT_SECONDS} s",
            f"{refit.seconds:.1f} s for {of}",
            whole and refit.seconds < REFIT_SECONDS,
        ),
        Verdict(
            "refit",
            f"a fit to {ATTEMPTS:,} attempts ≤ {REFIT_MIB} MiB",
            f"{refit.peak_mib:.0f} MiB for {of}",
            whole and refit.peak_mib <= REFIT_MIB,
        ),
    ]


def percent(share: float) -> str:
    """Write a share."""
    return f"{100 * share:.1f} %"


def points(share: float) -> str:
    """Write a difference of shares."""
    return f"{100 * share:+.2f} points"
