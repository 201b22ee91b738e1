"""The planner against every plan there is: coordinate ascent finds the best, or one nearly as good."""

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from recoup_retry_scheduler.smart.planner import Outlook, after_first, best, odds


@dataclass
class World:
    """What an outlook follows from, slot by slot: odds without and with a payday, and when there was one."""

    share: NDArray[np.float64]
    odds: NDArray[np.float64]
    paid: float
    paydays: NDArray[np.int64]
    hours: NDArray[np.int64]
    tries: int
    cost: float

    def passes(self, number: int, before: int, at: int, truth: int) -> float:
        gap = self.hours[at] - self.hours[before]
        if gap < 10:
            return 0.0
        new = self.paydays[truth, at] > self.paydays[truth, before]
        odds = (
            self.odds[at] * (self.paid if new else 1) * (number + 1) ** -0.3 * (1 - 0.95 * np.exp(-gap / 40))
        )
        return float(odds / (1 + odds))

    def outlook(self) -> Outlook:
        slots, truths = range(len(self.hours)), range(len(self.share))
        fails = [
            np.array(
                [[[1 - self.passes(k, i, j, t) for t in truths] for j in slots] for i in slots], np.float32
            )
            for k in range(self.tries)
        ]
        return Outlook(self.share.astype(np.float32), fails, np.full(len(slots), self.cost, np.float32))


def world(seed: int, slots: int = 14, truths: int = 4, tries: int = 3, cost: float = 0.01) -> World:
    random = np.random.default_rng(seed)
    return World(
        share=random.dirichlet(np.ones(truths)),
        odds=random.uniform(0.05, 0.6, slots + 1),
        paid=6.0,
        paydays=np.cumsum(random.random((truths, slots + 1)) < 0.1, axis=1),
        hours=np.concatenate([[0], 10 + np.cumsum(random.integers(3, 15, slots))]),
        tries=tries,
        cost=cost,
    )


def worth(of: World, plan: tuple[int, ...]) -> float:
    """Work a plan's worth out anew, truth by truth."""
    total = 0.0
    for truth, share in enumerate(of.share):
        alive, before = float(share), 0
        for number, slot in enumerate(plan):
            passes = of.passes(number, before, slot, truth)
            total += alive * (passes - of.cost)
            alive, before = alive * (1 - passes), slot
    return total


def test_it_is_nearly_as_good_as_the_best_of_all_plans() -> None:
    missed = []
    for seed in range(24):
        of = world(seed)
        found = best(of.outlook(), [3, 7, 11])
        assert found is not None
        of_all = max(worth(of, plan) for plan in itertools.combinations(range(1, 15), 3))
        missed.append(of_all - worth(of, tuple(found)))
    assert max(missed) < 0.05
    assert np.mean(missed) < 0.01


@pytest.mark.parametrize("tries", [1, 2, 5])
def test_what_is_lost_after_the_first_try_is_what_the_rest_is_not_worth(tries: int) -> None:
    of = world(3, tries=tries)
    look = of.outlook()
    found = best(look, list(range(1, tries + 1)))
    assert found is not None
    assert found == sorted(set(found))
    for slot, after in enumerate(after_first(look, found), 1):
        lost = float((look.fails[0][0, slot] * after) @ look.share) + of.cost
        assert 1 - lost == pytest.approx(worth(of, (slot, *found[1:])), abs=1e-5)


def test_the_odds_told_are_those_of_the_first_try() -> None:
    of = world(3, tries=1)
    assert odds(of.outlook(), 5) - of.cost == pytest.approx(worth(of, (5,)), abs=1e-5)


def test_a_try_that_is_not_worth_its_cost_is_not_made() -> None:
    assert best(world(1, cost=0.99).outlook(), [3, 7, 11]) is None


def test_a_first_try_that_is_not_worth_its_cost_gives_way_to_later_ones() -> None:
    of = world(7, truths=1, tries=3)
    of.odds[:], of.paid = 0.001, 1000
    of.paydays[:] = 0
    of.paydays[:, -1] = 1
    found = best(of.outlook(), [2, 5, 8])
    assert found is not None
    assert found == [14]


def test_a_try_that_would_come_too_soon_has_no_odds() -> None:
    of = world(5, slots=3, tries=2)
    of.hours[:] = [0, 10, 12, 20]
    found = best(of.outlook(), [1, 2])
    assert found is not None
    assert found[1] == 3


def test_a_payday_that_lies_between_is_waited_for() -> None:
    of = world(7, truths=1, tries=1)
    of.odds[:], of.paid = 0.1, 10
    of.paydays[:] = 0
    of.paydays[:, 9:] = 1
    found = best(of.outlook(), [2])
    assert found is not None
    assert found[0] >= 9
