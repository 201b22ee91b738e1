"""Exploration: the first try of a plan is moved to where weights drawn from the posterior would have it.

Thompson sampling at a part of the posterior's width. Each case draws one of a few sets of weights, by a number of its
own, so that a plan which nothing changes stays. The odds with which its instant was drawn are the share of the sets
that choose it among the slots that were looked at; they are told, so that other schedules can be judged later by these
outcomes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recoup_retry_scheduler.smart import odds, tables
from recoup_retry_scheduler.smart.learning import Weights
from recoup_retry_scheduler.smart.odds import Kind
from recoup_retry_scheduler.smart.planner import after_first
from recoup_retry_scheduler.smart.reasons import Scene
from recoup_retry_scheduler.smart.tables import Failing

Singles = NDArray[np.float32]

DRAWS = 10
"""Sets of weights that are drawn at once."""

WIDTH = 0.3
"""Of the posterior's: a wrong try costs a customer's patience."""

REDRAWN_AFTER = 3
"""Versions of the weights: the posterior hardly changes sooner."""


@dataclass(frozen=True, slots=True)
class Draws:
    """Sets of weights drawn from one posterior.

    Args:
        hours: of a day, the best one by each set.
        weights: one set in each row.
    """

    version: int
    hours: NDArray[np.int64]
    weights: NDArray[np.float64]
    week: Singles
    _kinds: dict[Kind, tuple[Singles, Singles]] = field(default_factory=dict)

    @classmethod
    def of(cls, weights: Weights, seed: int) -> Self:
        """Draw them: the same ones from the same weights and seed."""
        drawn = weights.drawn(np.random.default_rng(seed), WIDTH, DRAWS)
        return cls(weights.version, tables.best_hours(drawn), drawn, tables.week(drawn))

    def hour(self, failing: Failing) -> int:
        """Give the best hour of a day by the case's set."""
        return int(self.hours[_of(failing)])

    def first(self, failing: Failing, scene: Scene, plan: Sequence[int]) -> tuple[int, float]:
        """Give the slot of a plan's first try by the case's set, and the odds with which it is drawn."""
        chosen, mine = self._lost(failing, scene, plan).argmin(axis=1), _of(failing)
        slot, alike = 1 + int(chosen[mine]), chosen == chosen[mine]
        if slot >= scene.daily:  # another hour is another instant
            alike &= self.hours == self.hours[mine]
        return slot, float(alike.mean())

    def _lost(self, failing: Failing, scene: Scene, plan: Sequence[int]) -> Singles:
        """Give what is lost with the first try at each slot, by set; the tries after it stand as they were planned."""
        faded, paid = self._factors(failing.kind)
        after = after_first(scene.outlook, plan)
        slots = slice(1, 1 + len(after))
        place = odds.OF_KIND[failing.kind]
        late = np.exp(self.weights[:, place + odds.LATE, None] / 168 * (scene.local[slots] - scene.local[0]))
        by_hour = self.week[:, tables.hours_of_week(scene.local[slots])]
        odds_ = by_hour * faded[:, scene.hours[slots]] * late.astype(np.float32)
        fresh = np.where(scene.crossed[slots], paid[:, scene.aged[slots]], np.float32(1))
        fails = 1 / (1 + fresh * (odds_ * scene.constant)[:, :, None])
        lost: Singles = (fails * (after * scene.outlook.share)).sum(axis=2) + scene.outlook.cost[slots]
        return lost

    def _factors(self, kind: Kind) -> tuple[Singles, Singles]:
        found = self._kinds.get(kind)
        if found is None:
            of_kind = self.weights[:, odds.OF_KIND[kind] :]
            found = self._kinds[kind] = tables.faded(of_kind), tables.paid(of_kind)
        return found


def _of(failing: Failing) -> int:
    return (failing.lot or 0) % DRAWS
