"""The planner against every plan there is: coordinate ascent finds the best, or one nearly as good."""

import itertools

import numpy as np
import pytest

from recoup_retry_scheduler.smart.planner import Outlook, best


def outlook(seed: int, slots: int = 14, truths: int = 4, tries: int = 3, cost: float = 0.01) -> Outlook:
    random = np.random.default_rng(seed)
    odds = random.uniform(0.05, 0.6, (1, slots + 1)).astype(np.float32)
    share = random.dirichlet(np.ones(truths)).astype(np.float32)
    hours = np.concatenate([[0], 10 + np.cumsum(random.integers(3, 15, slots))])
    faded = (1 - 0.95 * np.exp(-np.arange(hours[-1] + 1) / 40)).astype(np.float32)
    faded[:10] = 0
    by_try = (np.arange(1, tries + 1) ** -0.3).astype(np.float32)
    paydays = np.cumsum(random.random((truths, slots + 1)) < 0.1, axis=1).astype(np.int16)
    return Outlook(
        truths=np.arange(truths),
        share=share,
        against=(1 / odds).astype(np.float32),
        crossed=np.tile(1 / (6 * odds), (truths, 1)).astype(np.float32),
        paydays=paydays,
        faded=by_try[:, None] * faded,
        at=hours.astype(float),
        hours=hours,
        cost=np.full(slots + 1, cost, dtype=np.float32),
    )


def worth(look: Outlook, plan: tuple[int, ...]) -> float:
    """Work a plan's worth out anew, truth by truth."""
    total = 0.0
    for truth, share in enumerate(look.share):
        alive, before = float(share), 0
        for number, slot in enumerate(plan):
            paid = look.paydays[truth, slot] > look.paydays[truth, before]
            against = look.crossed[truth, slot] if paid else look.against[0, slot]
            odds = look.faded[number, look.hours[slot] - look.hours[before]] / against
            passes = odds / (1 + odds)
            total += alive * (passes - look.cost[slot])
            alive, before = alive * (1 - passes), slot
    return total


def test_it_is_nearly_as_good_as_the_best_of_all_plans() -> None:
    missed = []
    for seed in range(24):
        look = outlook(seed)
        found = best(look, [3, 7, 11])
        assert found is not None
        of_all = max(worth(look, plan) for plan in itertools.combinations(range(1, 15), 3))
        missed.append(of_all - worth(look, tuple(found[0])))
    assert max(missed) < 0.05
    assert np.mean(missed) < 0.01


@pytest.mark.parametrize("tries", [1, 2, 5])
def test_the_odds_told_are_those_of_the_first_try(tries: int) -> None:
    look = outlook(3, tries=tries)
    found = best(look, list(range(1, tries + 1)))
    assert found is not None
    plan, p = found
    assert plan == sorted(set(plan))
    assert p - 0.01 == pytest.approx(worth(look, (plan[0],)), abs=1e-5)


def test_a_try_that_is_not_worth_its_cost_is_not_made() -> None:
    assert best(outlook(1, cost=0.99), [3, 7, 11]) is None


def test_a_first_try_that_is_not_worth_its_cost_gives_way_to_later_ones() -> None:
    look = outlook(7, truths=1, tries=3)
    look.against[:], look.crossed[:] = 1000, 1
    look.paydays[:] = 0
    look.paydays[:, -1] = 1
    found = best(look, [2, 5, 8])
    assert found is not None
    assert found[0] == [14]


def test_a_try_that_would_come_too_soon_has_no_odds() -> None:
    look = outlook(5, slots=3, tries=2)
    look.hours[:] = [0, 10, 12, 20]
    found = best(look, [1, 2])
    assert found is not None
    assert found[0][1] == 3


def test_a_payday_that_lies_between_is_waited_for() -> None:
    look = outlook(7, truths=1, tries=1)
    look.against[:] = 10
    look.crossed[:] = 1
    look.paydays[:] = 0
    look.paydays[:, 9:] = 1
    found = best(look, [2])
    assert found is not None
    assert found[0][0] >= 9
