"""Exploration: what is drawn varies as much as is uncertain, its odds are told, and a seed fixes it."""

from collections import Counter

import numpy as np
import pytest

from recoup_retry_scheduler.smart import paydays
from recoup_retry_scheduler.smart.exploring import DRAWS, REDRAWN_AFTER, Draws
from recoup_retry_scheduler.smart.learning import Weights
from recoup_retry_scheduler.smart.mind import Choice, Customer, Mind
from recoup_retry_scheduler.smart.odds import Kind
from recoup_retry_scheduler.smart.tables import Failing

NOON = 20_151 * 24 + 12.0
"""Tuesday, 4 March 2025, 12:00 UTC, in hours since 1970."""


def choose(mind: Mind, lot: int | None, kind: Kind = Kind.FUNDS) -> Choice:
    found = mind.choose(
        Failing(kind, NOON, NOON, 1, -5.0, lot),
        Customer(paydays.prior("US").copy()),
        earliest=NOON + 10,
        latest=NOON + 336,
        apart=10,
        tries=3,
    )
    assert found is not None
    return found


@pytest.mark.parametrize("kind", [Kind.FUNDS, Kind.REFUSED])
def test_the_odds_told_are_the_share_of_the_lots_that_choose_so(kind: Kind) -> None:
    drawn = [choose(Mind(), lot, kind) for lot in range(DRAWS)]
    chosen = Counter(one.at for one in drawn)
    assert len(chosen) > 1
    for one in drawn:
        assert one.propensity == pytest.approx(chosen[one.at] / DRAWS)


def test_a_lot_chooses_the_same_until_the_mind_has_learnt_something() -> None:
    mind = Mind()
    assert choose(mind, 3) == choose(mind, 3) == choose(mind, 3 + DRAWS)
    before = mind.draws()
    mind.weights.version += REDRAWN_AFTER - 1
    assert mind.draws() is before
    mind.weights.version += 1
    assert mind.draws() is not before


def test_a_seed_fixes_what_is_drawn() -> None:
    one, same, other = (Draws.of(Weights.prior(), seed).weights for seed in (1, 1, 2))
    assert (one == same).all()
    assert not np.allclose(one, other)


def test_what_is_certain_is_not_explored() -> None:
    weights = Weights.prior()
    weights.precision *= 1e6
    mind = Mind(weights)
    for lot in range(DRAWS):
        assert choose(mind, lot).propensity == 1
        assert choose(mind, lot).at == choose(mind, None).at


def test_without_a_lot_nothing_is_drawn() -> None:
    assert choose(Mind(seed=1), None) == choose(Mind(seed=2), None)
    assert choose(Mind(), None).propensity == 1
